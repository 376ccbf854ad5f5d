//! Where names become addresses: the one place that asks a name server.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};

/// Turns names into addresses.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a name, the best first. Called on a thread that may block.
    ///
    /// # Errors
    ///
    /// When the name has no address, or nobody could be asked. An error that carries an error number of the
    /// operating system counts as temporary, any other as "there is no such name".
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system: its hosts file, its name servers.
///
/// # Authority
///
/// Reads the system's resolver configuration and sends queries to its name servers. It asks for any name:
/// [`NetworkPolicy`](super::NetworkPolicy) stands in front of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // The standard library has no look-up without a port.
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

impl<F> Resolver for F
where
    F: Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
{
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self(name)
    }
}
