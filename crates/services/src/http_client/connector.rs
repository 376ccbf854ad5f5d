//! Opens connections: look the name up, check every address, connect to a checked one, secure it.
//!
//! The name is looked up once per connection and never again after the check, so that a name server cannot
//! answer with a harmless address first and a private one later (DNS rebinding).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;
use weft_app::grant::Scheme;

use super::egress::{Destination, Host};
use super::error;

/// How long one address may keep the next one waiting (RFC 8305 calls it the connection attempt delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How many addresses of one name are tried.
const ADDRESSES_MAX: usize = 16;

/// Looks names up.
///
/// # Authority
///
/// Asks whatever the implementation asks; the client calls it only for names of granted origins, and checks
/// what it answers.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `name`, best first. Must not block the calling thread.
    ///
    /// # Errors
    ///
    /// The name does not exist or could not be looked up; the guest sees `DNS-error`.
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system, asked on a thread of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The protocol spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// The bytes of a connection, with or without TLS.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection on which nothing has been sent.
pub(crate) struct Opened {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) protocol: Protocol,
}

/// What opening connections needs. The TLS settings are made at the first `https` connection: reading the root
/// certificates takes longer than starting a small guest.
pub(crate) struct Connector {
    resolver: Arc<dyn Resolve>,
    extra_roots: RootCertStore,
    tls: OnceLock<Option<TlsConnector>>,
}

impl Connector {
    pub(crate) fn new(resolver: Arc<dyn Resolve>, extra_roots: RootCertStore) -> Self {
        Self {
            resolver,
            extra_roots,
            tls: OnceLock::new(),
        }
    }

    /// The addresses of the destination; not yet checked.
    pub(crate) async fn addresses(
        &self,
        destination: &Destination,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, Error> {
        let name = match &destination.host {
            Host::Address(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        match timeout_at(deadline, self.resolver.resolve(name)).await {
            Err(_) => Err(Error::DnsTimeout),
            Ok(Err(cause)) => Err(error::from_lookup(name, &cause)),
            Ok(Ok(found)) if found.is_empty() => Err(error::no_address()),
            Ok(Ok(found)) => Ok(found),
        }
    }

    /// Connects to the destination at one of these addresses, and to no other.
    pub(crate) async fn open(
        &self,
        destination: &Destination,
        checked: &[IpAddr],
        deadline: Instant,
    ) -> Result<Opened, Error> {
        let stream = timeout_at(deadline, connect_to_any(checked, destination.port))
            .await
            .map_err(|_| Error::ConnectionTimeout)??;
        match destination.scheme {
            Scheme::Http => Ok(Opened {
                transport: Box::new(stream),
                protocol: Protocol::Http1,
            }),
            Scheme::Https => timeout_at(deadline, self.secure(stream, &destination.host))
                .await
                .map_err(|_| Error::ConnectionTimeout)?,
        }
    }

    async fn secure(&self, stream: TcpStream, host: &Host) -> Result<Opened, Error> {
        let tls = self.tls.get_or_init(|| tls_connector(&self.extra_roots));
        let tls = tls.as_ref().ok_or(Error::ConfigurationError)?;
        let name = match host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?
            }
        };
        let stream = tls
            .connect(name, stream)
            .await
            .map_err(|cause| error::from_tls(&cause))?;
        let (_, session) = stream.get_ref();
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok(Opened {
            transport: Box::new(stream),
            protocol,
        })
    }
}

fn tls_connector(extra_roots: &RootCertStore) -> Option<TlsConnector> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    roots.roots.extend(extra_roots.roots.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .inspect_err(|error| tracing::error!(%error, "the TLS provider supports no known version"))
        .ok()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Some(TlsConnector::from(Arc::new(config)))
}

/// Tries the addresses one after the other, each as soon as the one before failed or took too long; the first
/// connection wins and the other attempts are dropped.
async fn connect_to_any(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Error> {
    let mut waiting = in_turn(addresses).into_iter().take(ADDRESSES_MAX).peekable();
    let mut attempts = FuturesUnordered::new();
    let mut last_error = Error::DestinationNotFound;
    let mut next_attempt = Instant::now();
    loop {
        let is_time = attempts.is_empty() || Instant::now() >= next_attempt;
        if let Some(address) = waiting.next_if(|_| is_time) {
            attempts.push(connect_to(SocketAddr::new(address, port)));
            next_attempt = Instant::now() + ATTEMPT_DELAY;
        }
        if attempts.is_empty() {
            return Err(last_error);
        }
        tokio::select! {
            biased;
            Some(outcome) = attempts.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    last_error = error;
                    next_attempt = Instant::now();
                }
            },
            () = sleep_until(next_attempt), if waiting.peek().is_some() => {}
        }
    }
}

async fn connect_to(address: SocketAddr) -> Result<TcpStream, Error> {
    let stream = TcpStream::connect(address).await.map_err(|cause| {
        tracing::debug!(%address, %cause, "connection failed");
        error::from_connect(&cause)
    })?;
    // Without this a small request waits for the acknowledgement of the one before it.
    stream
        .set_nodelay(true)
        .map_err(|cause| error::from_connect(&cause))?;
    Ok(stream)
}

/// The addresses with the two families taking turns, beginning with the family of the first: where one family
/// leads nowhere, every second attempt still goes somewhere.
fn in_turn(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .iter()
        .copied()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut ordered = Vec::with_capacity(addresses.len());
    for address in first {
        ordered.push(address);
        ordered.extend(second.next());
    }
    ordered.extend(second);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns() {
        let addresses = ["::1", "::2", "::3", "10.0.0.1"].map(|text| text.parse::<IpAddr>().unwrap());
        let ordered: Vec<_> = in_turn(&addresses).iter().map(ToString::to_string).collect();
        assert_eq!(ordered, ["::1", "10.0.0.1", "::2", "::3"]);
        assert!(in_turn(&[]).is_empty());
    }
}
