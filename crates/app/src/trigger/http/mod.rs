//! Serving HTTP: where an app listens, who answers which request, and what a client may cost.

mod listener;
mod pattern;

use std::path::PathBuf;
use std::time::Duration;

use crate::Name;

pub use listener::{ListenAddress, ListenAddressError, Listener, ProxyProtocol, TlsFiles};
pub use pattern::{PathPattern, PatternError, RouteHost};

/// Requests come in on listeners and go out to routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTrigger {
    /// Where connections are accepted; at least one.
    pub listeners: Vec<Listener>,
    /// Where health, readiness and numbers are shown; never to the same clients as the app.
    pub admin: Option<ListenAddress>,
    /// Who answers; at least one. No two match the same requests equally well.
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

/// Some requests, and who answers them.
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
