//! Where connections are accepted.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A place where connections are accepted, and how they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The place.
    pub address: ListenAddress,
    /// Certificate and key, where connections are encrypted.
    pub tls: Option<TlsFiles>,
    /// Whether a proxy in front says who the client is.
    pub proxy_protocol: ProxyProtocol,
}

/// An address or a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket, made when the app starts and removed when it ends.
    Unix(PathBuf),
}

/// Text that is no place to listen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a place to listen: write `ADDRESS:PORT`, such as `127.0.0.1:8080`, or `unix:PATH`")]
pub struct ListenAddressError(String);

/// The files of one certificate, in PEM form. They are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Whether connections begin with a header that names the client, as load balancers write it (versions 1 and 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyProtocol {
    /// They do not.
    #[default]
    Off,
    /// They must; a connection without it is closed.
    Required,
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let refused = || ListenAddressError(text.chars().take(256).collect());
        if let Some(path) = text.strip_prefix("unix:") {
            let is_path = !path.is_empty() && !path.contains('\0');
            return is_path
                .then(|| Self::Unix(PathBuf::from(path)))
                .ok_or_else(refused);
        }
        let named = text
            .strip_prefix("localhost:")
            .map(|port| format!("127.0.0.1:{port}"));
        named
            .as_deref()
            .unwrap_or(text)
            .parse()
            .map(Self::Tcp)
            .map_err(|_| refused())
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(out, "{address}"),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_addresses_with_a_port_or_paths() {
        for text in [
            "127.0.0.1:0",
            "[::1]:8080",
            "0.0.0.0:80",
            "unix:/run/app.sock",
            "unix:app.sock",
        ] {
            let place: ListenAddress = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
        }
        let local: ListenAddress = "localhost:80".parse().unwrap();
        assert_eq!(local.to_string(), "127.0.0.1:80");
        for text in [
            "",
            "8080",
            ":8080",
            "unix:",
            "example.com:80",
            "127.0.0.1",
            "127.0.0.1:99999",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
