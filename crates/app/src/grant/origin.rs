//! Outgoing HTTP: which origins a component may send requests to.

use std::fmt;
use std::str::FromStr;

use super::{AddressBlock, HostPattern, ParseError, PortPattern};

/// Which origins a component may send requests to. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpGrant {
    /// The origins.
    pub origins: Vec<Origin>,
    /// Private addresses that the name of a granted origin may lead to. Without these a granted *name* that
    /// resolves to a private address is refused; an origin granted as an address, an address block or
    /// `localhost` needs no entry here.
    pub private: Vec<AddressBlock>,
}

/// A scheme of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, in the clear.
    Http,
    /// `https`, over TLS.
    Https,
}

impl Scheme {
    /// The port that an address without one means.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// One granted origin, or a family of them: `https://api.example.com`, `http://127.0.0.1:8080`,
/// `https://*.example.com:*`, `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The scheme; `None` means both.
    pub scheme: Option<Scheme>,
    /// The host.
    pub host: HostPattern,
    /// The port; `None` means the scheme's own.
    pub port: Option<PortPattern>,
}

impl Origin {
    /// Every origin there is.
    pub fn any() -> Self {
        Self {
            scheme: None,
            host: HostPattern::Any,
            port: Some(PortPattern::Any),
        }
    }

    /// Whether a request to this scheme, host (a name, or an address with or without brackets) and port is
    /// within the grant. Says nothing about where the name leads.
    pub fn matches(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        let port_fits = match self.port {
            Some(pattern) => pattern.matches(port),
            None => port == scheme.default_port(),
        };
        self.scheme.is_none_or(|granted| granted == scheme) && port_fits && self.host.matches_name(host)
    }
}

impl FromStr for Origin {
    type Err = ParseError;

    /// Reads `[http://|https://]HOST[:PORT]` or `*`. Without a scheme `https` is meant; without a port the
    /// scheme's own. A path is refused: grants are about origins.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || {
            ParseError::new(
                text,
                "an origin such as `https://example.com` or `http://127.0.0.1:8080`",
            )
        };
        if text == "*" {
            return Ok(Self::any());
        }
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(_) => return Err(error()),
            None => (Scheme::Https, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(error());
        }
        if let Ok(block) = rest.parse::<AddressBlock>() {
            return Ok(Self {
                scheme: Some(scheme),
                host: HostPattern::Block(block),
                port: None,
            });
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| error())?)),
            None => (rest, None),
        };
        Ok(Self {
            scheme: Some(scheme),
            host: host.parse().map_err(|_| error())?,
            port,
        })
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_means_its_scheme_host_and_port() {
        let origin: Origin = "https://api.example.com".parse().unwrap();
        assert!(origin.matches(Scheme::Https, "API.example.com", 443));
        for (scheme, host, port) in [
            (Scheme::Http, "api.example.com", 443),
            (Scheme::Https, "api.example.com", 8443),
            (Scheme::Https, "example.com", 443),
            (Scheme::Https, "api.example.com.evil.net", 443),
        ] {
            assert!(!origin.matches(scheme, host, port), "{scheme}://{host}:{port}");
        }
        assert!(
            "example.com"
                .parse::<Origin>()
                .unwrap()
                .matches(Scheme::Https, "example.com", 443)
        );
        assert!(
            "http://[::1]:8080"
                .parse::<Origin>()
                .unwrap()
                .matches(Scheme::Http, "[::1]", 8080)
        );
        assert!(
            "http://10.0.0.0/8:*"
                .parse::<Origin>()
                .unwrap()
                .matches(Scheme::Http, "10.1.2.3", 1234)
        );
        assert!(Origin::any().matches(Scheme::Http, "anything", 1));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "https://",
            "ftp://example.com",
            "https://a@b",
            "https://a/b",
            "https://a?b",
            "https://a:b",
            "//a",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
