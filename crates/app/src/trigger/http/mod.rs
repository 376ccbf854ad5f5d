//! Serving HTTP: where an app listens, who answers which request, and what a client may cost.

mod listener;
mod pattern;

use std::collections::HashSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Name;
use crate::quantity::show_duration;

pub use listener::{ListenAddress, ListenAddressError, Listener, ProxyProtocol, TlsFiles};
pub use pattern::{PathPattern, PatternError, RouteHost};

/// The port on which an app listens that does not say where.
const PORT: u16 = 8080;

/// Requests come in on listeners and go out to routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTrigger {
    /// Where connections are accepted; at least one.
    pub listeners: Vec<Listener>,
    /// Where health, readiness and numbers are shown; never to the same clients as the app.
    pub admin: Option<ListenAddress>,
    /// Who answers. No two match the same requests equally well. None where the manifest names nobody: then the one
    /// component that exports a handler answers everything, and the plan of the app says which that is.
    pub routes: Vec<Route>,
    /// What clients and requests may cost.
    pub limits: HttpLimits,
    /// What is written about every request.
    pub access_log: AccessLog,
}

impl HttpTrigger {
    /// The components that answer, in the order of the routes. None stands twice.
    #[must_use]
    pub fn components(&self) -> Vec<&Name> {
        let mut found: Vec<&Name> = Vec::new();
        for route in &self.routes {
            if let RouteTarget::Component(name) = &route.target
                && !found.contains(&name)
            {
                found.push(name);
            }
        }
        found
    }
}

impl Default for HttpTrigger {
    /// Reached from this machine only, and answered by whoever exports a handler.
    fn default() -> Self {
        Self {
            listeners: vec![Listener::local()],
            admin: None,
            routes: Vec::new(),
            limits: HttpLimits::default(),
            access_log: AccessLog::default(),
        }
    }
}

impl Listener {
    /// Where an app listens that does not say where: port 8080 of this machine, which others cannot reach.
    #[must_use]
    pub fn local() -> Self {
        Self {
            address: ListenAddress::Tcp((Ipv4Addr::LOCALHOST, PORT).into()),
            tls: None,
            proxy_protocol: ProxyProtocol::Off,
        }
    }
}

/// Some requests, and who answers them.
///
/// Where several routes match a request, the one with the more specific host answers: a host written out before
/// `*.` and a name, of those the longer one, and any host last. Then the more specific path decides
/// ([`PathPattern::compare_specificity`]), then whether the route names methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name, for messages, metrics and the log.
    pub name: Name,
    /// Which paths.
    pub path: PathPattern,
    /// Which hosts; all where it is empty.
    pub hosts: Vec<RouteHost>,
    /// Which methods, as they stand in a request; all where it is empty.
    pub methods: Vec<String>,
    /// Who answers.
    pub target: RouteTarget,
    /// How many requests of this route are worked on at a time, beside the bound for all routes.
    pub requests_max: Option<usize>,
    /// How long a guest may take until its response begins, where it is not [`HttpLimits::response_timeout`].
    pub response_timeout: Option<Duration>,
}

impl Route {
    /// All requests, answered by this component.
    #[must_use]
    pub fn everything(component: &Name) -> Self {
        Self {
            name: component.clone(),
            path: PathPattern::everything(),
            hosts: Vec::new(),
            methods: Vec::new(),
            target: RouteTarget::Component(component.clone()),
            requests_max: None,
            response_timeout: None,
        }
    }

    /// Whether some request is matched by both, and by neither better.
    #[must_use]
    pub fn rivals(&self, other: &Self) -> bool {
        if !self.path.is_same(&other.path) {
            return false;
        }
        // Different patterns for hosts that match one host differ in how specific they are.
        let host = match (self.hosts.as_slice(), other.hosts.as_slice()) {
            ([], []) => true,
            (one, other) => {
                let known: HashSet<&RouteHost> = one.iter().collect();
                other.iter().any(|host| known.contains(host))
            }
        };
        let method = match (self.methods.as_slice(), other.methods.as_slice()) {
            ([], []) => true,
            (one, other) => one.iter().any(|method| other.contains(method)),
        };
        host && method
    }
}

/// Who answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// A component that exports a handler of HTTP.
    Component(Name),
    /// The files of a folder of the host, to be read and nothing else. No component is involved.
    Files(PathBuf),
}

/// Bounds on what clients and requests cost. Every bound holds for one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections open at a time; more wait to be accepted.
    pub connections_max: usize,
    /// Requests worked on at a time.
    pub requests_max: usize,
    /// Requests that wait for their turn; whoever comes then is refused with 503.
    pub queue_max: usize,
    /// How long a request waits for its turn before it is refused with 503.
    pub queue_timeout: Duration,
    /// Bytes of a request's first line and headers together.
    pub head_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// Bytes of a request's body; unbounded where it is `None`, since bodies are streamed.
    pub body_bytes_max: Option<u64>,
    /// From the first byte of a request until its headers are complete.
    pub head_timeout: Duration,
    /// How long a body in either direction may stand still.
    pub body_timeout: Duration,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
    /// From a complete head until the response begins: 504 then.
    pub response_timeout: Duration,
    /// From a complete head until the last byte of the response, whatever happens between.
    pub total_timeout: Duration,
    /// How long requests may go on after the server was asked to end.
    pub grace: Duration,
    /// Streams of one HTTP/2 connection open at a time.
    pub streams_max: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            requests_max: 1024,
            queue_max: 1024,
            queue_timeout: Duration::from_secs(1),
            head_bytes_max: 64 << 10,
            headers_max: 100,
            body_bytes_max: None,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            response_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(10 * 60),
            grace: Duration::from_secs(30),
            streams_max: 128,
        }
    }
}

/// What is written about every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessLog {
    /// Nothing.
    #[default]
    Off,
    /// One line in the common log format.
    Common,
    /// One JSON object a line.
    Json,
}

/// How long instances of a component live when they answer requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reuse {
    /// Requests that one instance answers before it is replaced; at least one. With one, no request sees what
    /// another left behind.
    pub requests_max: u32,
    /// Requests that one instance answers at the same time; at least one. More than one is for components of
    /// WASI 0.3 only.
    pub concurrent_max: u32,
    /// How long an instance is kept without a request.
    pub idle_timeout: Duration,
}

impl Default for Reuse {
    fn default() -> Self {
        Self {
            requests_max: 1,
            concurrent_max: 1,
            idle_timeout: Duration::from_secs(1),
        }
    }
}

impl Reuse {
    /// Whether some request may see what another left behind.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.requests_max > 1
    }
}

impl fmt::Display for Reuse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_shared() {
            return out.write_str("a fresh instance for every request");
        }
        write!(out, "an instance for {} requests", self.requests_max)?;
        if self.concurrent_max > 1 {
            write!(out, ", {} at a time", self.concurrent_max)?;
        }
        write!(out, ", kept {} without one", show_duration(self.idle_timeout))
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.address)?;
        if self.tls.is_some() {
            out.write_str(", encrypted")?;
        }
        if self.proxy_protocol == ProxyProtocol::Required {
            out.write_str(", behind a proxy that names the client")?;
        }
        Ok(())
    }
}

impl fmt::Display for Route {
    /// The requests that it is for: `GET POST example.com/api/*`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for method in &self.methods {
            write!(out, "{method} ")?;
        }
        match self.hosts.as_slice() {
            [] => {}
            [host] => write!(out, "{host}")?,
            hosts => {
                let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
                write!(out, "{{{}}}", hosts.join(","))?;
            }
        }
        write!(out, "{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(hosts: &[&str], path: &str, methods: &[&str]) -> Route {
        Route {
            path: path.parse().unwrap(),
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            ..Route::everything(&"main".parse().unwrap())
        }
    }

    #[test]
    fn routes_are_rivals_where_neither_is_more_specific() {
        let any = route(&[], "/*", &[]);
        assert!(any.rivals(&any));
        for (one, other, expected) in [
            (route(&[], "/a/{x}", &[]), route(&[], "/a/{y}", &[]), true),
            (route(&[], "/a/{x}", &[]), route(&[], "/a/*", &[]), false),
            (route(&["a.com"], "/*", &[]), any.clone(), false),
            (
                route(&["a.com", "b.com"], "/*", &[]),
                route(&["B.com"], "/*", &[]),
                true,
            ),
            (
                route(&["*.a.com"], "/*", &[]),
                route(&["b.a.com"], "/*", &[]),
                false,
            ),
            (route(&[], "/*", &["GET"]), any.clone(), false),
            (route(&[], "/*", &["GET"]), route(&[], "/*", &["POST"]), false),
            (
                route(&[], "/*", &["GET", "PUT"]),
                route(&[], "/*", &["PUT"]),
                true,
            ),
        ] {
            assert_eq!(one.rivals(&other), expected, "{one} {other}");
            assert_eq!(other.rivals(&one), expected, "{other} {one}");
        }
    }

    #[test]
    fn what_serves_reads_as_people_write_it() {
        assert_eq!(
            route(&["a.com"], "/api/*", &["GET", "POST"]).to_string(),
            "GET POST a.com/api/*"
        );
        assert_eq!(
            route(&["a.com", "*.b.com"], "/", &[]).to_string(),
            "{a.com,*.b.com}/"
        );
        assert_eq!(Listener::local().to_string(), "127.0.0.1:8080");
        assert_eq!(Reuse::default().to_string(), "a fresh instance for every request");
        let reuse = Reuse {
            requests_max: 128,
            concurrent_max: 16,
            idle_timeout: Duration::from_secs(1),
        };
        assert_eq!(
            reuse.to_string(),
            "an instance for 128 requests, 16 at a time, kept 1 s without one"
        );
    }
}
