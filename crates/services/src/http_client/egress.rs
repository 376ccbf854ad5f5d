//! Where a request goes, and whether the grant lets it go there. Pure: no look-up, no socket, no clock.
//!
//! Two questions, asked at two moments. *May this origin be asked?* is answered from the request alone, before
//! anything touches the network. *May this address be connected to?* is answered for every single address that
//! the name led to, and only addresses that passed are ever connected to.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Uri};
use wasmtime_wasi_http::Error;
use weft_app::grant::{HostPattern, HttpGrant, Origin, Scheme, is_private};

use super::Denial;

/// The longest name that the name system knows.
const NAME_BYTES_MAX: usize = 253;

/// The far end of a request: the only source for what is checked, looked up, connected to, named in TLS and
/// written into the `host` header, so that these five can never disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// A host as a request names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// A name, in lower case and without the trailing dot.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Destination {
    /// Reads the destination out of a request's absolute URI.
    ///
    /// # Errors
    ///
    /// Another scheme than `http` and `https`, no host, user information (`user@host`), a name with characters
    /// that names do not have, a port that is none.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Error> {
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(Error::HttpProtocolError),
        };
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        let host = Host::read(authority.host()).ok_or(Error::HttpRequestUriInvalid)?;
        let port = read_port(authority, scheme).ok_or(Error::HttpRequestUriInvalid)?;
        Ok(Self { scheme, host, port })
    }

    /// What stands after `scheme://`: the host, and the port unless it is the scheme's own.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The value of the `host` header.
    pub(crate) fn host_header(&self) -> Result<HeaderValue, Error> {
        HeaderValue::try_from(self.authority()).map_err(|_| Error::HttpRequestUriInvalid)
    }

    /// The URI that HTTP/2 sends: scheme, checked authority, path.
    pub(crate) fn absolute_uri(&self, path: &PathAndQuery) -> Result<Uri, Error> {
        Uri::builder()
            .scheme(self.scheme.to_string().as_str())
            .authority(self.authority())
            .path_and_query(path.clone())
            .build()
            .map_err(|_| Error::HttpRequestUriInvalid)
    }
}

// The scheme is left out: equal destinations still hash alike, and few differ in the scheme only.
impl Hash for Destination {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.host.hash(state);
        self.port.hash(state);
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

impl Host {
    fn read(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return Some(Self::Address(IpAddr::V6(inner.parse().ok()?)));
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_fine);
        (fits && !name.starts_with('.')).then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// The port, read from the text: the `http` crate answers "no port" to a port that is out of range, and
/// `user@` would be part of what precedes the host.
fn read_port(authority: &Authority, scheme: Scheme) -> Option<u16> {
    match authority.as_str().strip_prefix(authority.host())? {
        "" | ":" => Some(scheme.default_port()),
        text => text.strip_prefix(':')?.parse().ok().filter(|port| *port != 0),
    }
}

/// The path and query of a request, in the form that begins with `/`.
///
/// # Errors
///
/// A target in another form (`*`, a whole URI, a relative path): a server that honours it would answer for another
/// host than the one that was checked. The method `CONNECT` is refused with it, since it asks for a tunnel to anywhere.
pub(crate) fn request_target(method: &Method, uri: &Uri) -> Result<PathAndQuery, Error> {
    if method == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let Some(target) = uri.path_and_query() else {
        return Ok(PathAndQuery::from_static("/"));
    };
    match target.as_str().as_bytes().first() {
        // Stands before a relative path, where the host keeps one.
        _ if target.as_str().contains('\u{e000}') => Err(Error::HttpRequestUriInvalid),
        Some(b'/') => Ok(target.clone()),
        Some(b'?') => format!("/{}", target.as_str())
            .parse()
            .map_err(|_| Error::HttpRequestUriInvalid),
        _ => Err(Error::HttpRequestUriInvalid),
    }
}

/// What one component was granted.
#[derive(Debug)]
pub(crate) struct Policy {
    grant: HttpGrant,
}

impl Policy {
    pub(crate) fn new(grant: HttpGrant) -> Self {
        Self { grant }
    }

    /// Whether requests to this origin are granted at all.
    ///
    /// # Errors
    ///
    /// The denial to report, when they are not.
    pub(crate) fn check_origin(&self, destination: &Destination) -> Result<(), Denial> {
        if self.origins(destination).next().is_some() {
            return Ok(());
        }
        Err(Denial {
            interface: super::INTERFACE,
            attempted: format!("a request to `{destination}`"),
            flag: format!("--http {destination}"),
        })
    }

    /// The addresses among `found` that may be connected to, in the order given.
    ///
    /// # Errors
    ///
    /// The denial to report, when none of them may.
    pub(crate) fn check_addresses(
        &self,
        destination: &Destination,
        found: &[IpAddr],
    ) -> Result<Vec<IpAddr>, Denial> {
        let allowed: Vec<_> = found
            .iter()
            .copied()
            .filter(|address| self.allows(destination, *address))
            .collect();
        match found.iter().find(|_| allowed.is_empty()) {
            None => Ok(allowed),
            Some(refused) => {
                let refused = refused.to_canonical();
                Err(Denial {
                    interface: super::INTERFACE,
                    attempted: format!(
                        "a request to `{destination}`, which leads to the private address `{refused}`"
                    ),
                    flag: format!("--http-private {refused}"),
                })
            }
        }
    }

    fn allows(&self, destination: &Destination, address: IpAddr) -> bool {
        !is_private(address)
            || self.grant.private.iter().any(|block| block.contains(address))
            || self
                .origins(destination)
                .any(|origin| names_privately(&origin.host, address))
    }

    fn origins(&self, destination: &Destination) -> impl Iterator<Item = &Origin> {
        let host = match &destination.host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let (scheme, port) = (destination.scheme, destination.port);
        self.grant
            .origins
            .iter()
            .filter(move |origin| origin.matches(scheme, &host, port))
    }
}

/// Whether granting this host was itself a decision about this private address: an address or a block says so
/// openly, and `localhost` means this machine. A name or `*` does not: whoever answers for the name would choose.
fn names_privately(granted: &HostPattern, address: IpAddr) -> bool {
    match granted {
        HostPattern::Block(block) => block.contains(address),
        HostPattern::Name(name) => name == "localhost" && address.to_canonical().is_loopback(),
        HostPattern::Any | HostPattern::Subdomains(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(uri: &str) -> Result<Destination, Error> {
        Destination::of(&uri.parse::<Uri>().unwrap())
    }

    fn policy(origins: &[&str], private: &[&str]) -> Policy {
        Policy::new(HttpGrant {
            origins: origins.iter().map(|text| text.parse().unwrap()).collect(),
            private: private.iter().map(|text| text.parse().unwrap()).collect(),
        })
    }

    fn leads(policy: &Policy, uri: &str, addresses: &[&str]) -> Result<Vec<String>, String> {
        let found: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        match policy.check_addresses(&destination(uri).unwrap(), &found) {
            Ok(allowed) => Ok(allowed.iter().map(ToString::to_string).collect()),
            Err(denial) => Err(denial.flag),
        }
    }

    #[test]
    fn a_destination_is_canonical() {
        for (uri, expected) in [
            ("https://Example.COM/a", "https://example.com"),
            ("https://example.com.:443/", "https://example.com"),
            ("http://example.com:/", "http://example.com"),
            ("http://example.com:8080/", "http://example.com:8080"),
            ("http://[::1]:80/", "http://[::1]"),
            ("http://127.0.0.1:81/", "http://127.0.0.1:81"),
        ] {
            assert_eq!(destination(uri).unwrap().to_string(), expected, "{uri}");
        }
    }

    #[test]
    fn what_is_no_plain_origin_is_refused() {
        for uri in [
            "http://user@example.com/",
            "http://user:word@example.com/",
            "http://granted.example@other.example/",
            "http://example.com:99999/",
            "http://example.com:0/",
            "http://.example.com/",
            "http://exa!mple.com/",
            "/path",
        ] {
            assert!(destination(uri).is_err(), "{uri}");
        }
        assert!(matches!(
            destination("ftp://example.com/"),
            Err(Error::HttpProtocolError)
        ));
    }

    #[test]
    fn only_a_path_is_a_target() {
        let target = |uri: &str| request_target(&Method::GET, &uri.parse().unwrap()).map(|t| t.to_string());
        assert_eq!(target("http://a/b?c").unwrap(), "/b?c");
        assert_eq!(target("http://a?c=/").unwrap(), "/?c=/");
        assert_eq!(target("http://a").unwrap(), "/");
        assert!(target("*").is_err());
        assert!(target("http://a/\u{e000}b").is_err());
        let uri = Uri::from_static("http://a/");
        assert!(matches!(
            request_target(&Method::CONNECT, &uri),
            Err(Error::HttpRequestMethodInvalid)
        ));
    }

    #[test]
    fn the_denial_names_the_flag_that_would_grant_it() {
        let narrow = policy(&["https://api.example.com", "http://127.0.0.1:8080"], &[]);
        for (uri, flag) in [
            ("https://example.com/", "--http https://example.com"),
            ("http://api.example.com/", "--http http://api.example.com"),
            (
                "https://api.example.com:444/",
                "--http https://api.example.com:444",
            ),
            ("http://127.0.0.1:8081/", "--http http://127.0.0.1:8081"),
        ] {
            let destination = destination(uri).unwrap();
            let denial = narrow.check_origin(&destination).unwrap_err();
            assert_eq!(denial.flag, flag);
            let granted = policy(&[flag.strip_prefix("--http ").unwrap()], &[]);
            assert_eq!(granted.check_origin(&destination), Ok(()), "{flag}");
        }
        assert_eq!(
            narrow.check_origin(&destination("https://API.example.com./").unwrap()),
            Ok(())
        );
    }

    #[test]
    fn a_name_leads_to_private_addresses_only_where_they_are_granted() {
        let named = policy(&["https://api.example.com", "https://*.corp.example"], &[]);
        let mixed = ["10.0.0.1", "93.184.216.34", "::1"];
        assert_eq!(
            leads(&named, "https://api.example.com/", &mixed),
            Ok(vec!["93.184.216.34".into()])
        );
        assert_eq!(
            leads(&named, "https://api.example.com/", &["10.0.0.1"]),
            Err("--http-private 10.0.0.1".into())
        );
        assert!(leads(&named, "https://a.corp.example/", &["::ffff:10.0.0.1"]).is_err());
        let inside = policy(&["https://api.example.com"], &["10.0.0.0/8"]);
        assert_eq!(
            leads(&inside, "https://api.example.com/", &mixed).unwrap(),
            ["10.0.0.1", "93.184.216.34"]
        );
    }

    #[test]
    fn an_address_or_localhost_speaks_for_itself() {
        let local = policy(
            &["http://127.0.0.1:80", "http://localhost:80", "http://10.0.0.0/8"],
            &[],
        );
        assert!(leads(&local, "http://127.0.0.1/", &["127.0.0.1"]).is_ok());
        assert!(leads(&local, "http://10.1.2.3/", &["10.1.2.3"]).is_ok());
        assert!(leads(&local, "http://localhost/", &["127.0.0.1", "::1"]).is_ok());
        assert!(leads(&local, "http://localhost/", &["10.1.2.3"]).is_err());
    }

    #[test]
    fn a_star_grants_no_private_address() {
        let any = policy(&["*"], &[]);
        for uri in [
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/",
        ] {
            let Host::Address(address) = destination(uri).unwrap().host else {
                panic!("{uri}")
            };
            assert!(leads(&any, uri, &[&address.to_string()]).is_err(), "{uri}");
        }
        // Other spellings of an address are names here, so they are judged by what they lead to.
        for uri in ["http://127.1/", "http://2130706433/", "http://0x7f000001/"] {
            assert!(matches!(destination(uri).unwrap().host, Host::Name(_)), "{uri}");
            assert!(leads(&any, uri, &["127.0.0.1"]).is_err(), "{uri}");
        }
        assert!(
            leads(
                &policy(&["*"], &["127.0.0.0/8"]),
                "http://127.0.0.1/",
                &["127.0.0.1"]
            )
            .is_ok()
        );
    }
}
