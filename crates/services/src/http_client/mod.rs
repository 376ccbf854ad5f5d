//! Outgoing HTTP: requests that guests send, as far as their grant reaches.
//!
//! [`Client`] stands behind `wasi:http` 0.2 (`outgoing-handler`) and 0.3 (`client`); wasmtime-wasi-http owns the
//! border to the guest, this module everything from a finished request to the server and back. `egress`
//! decides, `connector` reaches out, `pool` keeps connections, `exchange` sends, `body` streams.
//!
//! What always holds: nothing is looked up for an origin that is not granted; nothing is connected to but an
//! address that was checked; and what is checked, connected to and named in the request is one value.

mod body;
mod connector;
mod egress;
mod error;
mod exchange;
mod pool;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::Instant;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};
use weft_app::grant::HttpGrant;

pub use connector::{Resolve, SystemResolver};
use egress::Destination;

/// The interface that denials are about.
const INTERFACE: &str = "wasi:http";

/// Something a guest tried that its grant does not cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The interface that was called.
    pub interface: &'static str,
    /// What was attempted.
    pub attempted: String,
    /// The flag that would grant it.
    pub flag: String,
}

/// What bounds a [`Client`] in number, size and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in use at the same time. A request beyond waits for one to become free. Default 256.
    pub connections_max: usize,
    /// Connections in use at the same time to one origin. Default 32.
    pub connections_per_origin_max: usize,
    /// HTTP/1.1 connections kept while nothing uses them. Default 64.
    pub idle_connections_max: usize,
    /// HTTP/1.1 connections to one origin kept while nothing uses them. Default 8.
    pub idle_connections_per_origin_max: usize,
    /// How long a connection is kept while nothing uses it. Default 90 s.
    pub idle_timeout: Duration,
    /// The size of the status line and headers of a response. Default 128 KiB.
    pub response_head_bytes_max: usize,
    /// How long look-up, connection and TLS may take together, waiting for a free connection included, where
    /// the guest asks for nothing else. Default 30 s.
    pub connect_timeout: Duration,
    /// How long a server may stay silent after the last piece of a request that it took, where the guest asks
    /// for nothing else. Default 600 s: some answers are computed for minutes.
    pub first_byte_timeout: Duration,
    /// How long a server may stay silent within a response while the guest waits, where the guest asks for
    /// nothing else. Default 600 s.
    pub between_bytes_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            connections_per_origin_max: 32,
            idle_connections_max: 64,
            idle_connections_per_origin_max: 8,
            idle_timeout: Duration::from_secs(90),
            response_head_bytes_max: 128 * 1024,
            connect_timeout: Duration::from_secs(30),
            first_byte_timeout: Duration::from_secs(600),
            between_bytes_timeout: Duration::from_secs(600),
        }
    }
}

/// How a [`Client`] differs from the usual one.
pub struct Options {
    limits: Limits,
    resolver: Arc<dyn Resolve>,
    extra_roots: RootCertStore,
}

impl Options {
    /// Bounds the client like this.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Looks names up here.
    pub fn resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// Trusts these certificates (PEM, one or more) besides the usual authorities.
    ///
    /// # Errors
    ///
    /// The text holds no certificate, or something that cannot be read as one.
    pub fn extra_roots(mut self, pem: &[u8]) -> Result<Self, RootsError> {
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(RootsError::Text)?;
            self.extra_roots
                .add(certificate)
                .map_err(RootsError::Certificate)?;
            found = true;
        }
        if found { Ok(self) } else { Err(RootsError::Empty) }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            resolver: Arc::new(SystemResolver),
            extra_roots: RootCertStore::empty(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("limits", &self.limits)
            .field("extra_roots", &self.extra_roots.len())
            .finish_non_exhaustive()
    }
}

/// Root certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// There is none.
    #[error("no certificate found, expected PEM text with `BEGIN CERTIFICATE`")]
    Empty,
    /// The text around them is damaged.
    #[error("certificates cannot be read as PEM text")]
    Text(#[source] rustls::pki_types::pem::Error),
    /// One of them is not what a root certificate is.
    #[error("a certificate cannot be used as a root")]
    Certificate(#[source] rustls::Error),
}

/// Sends the requests of one component. Clones share connections and grant.
///
/// Making one is cheap: no thread, no runtime, no TLS settings before the first request that is granted.
///
/// # Authority
///
/// Looks up names and opens TCP connections, decided by its [`HttpGrant`] and by nothing else; it reads no
/// proxy, certificate or other setting from the environment. Redirects are returned to the guest as they are.
///
/// # Limits
///
/// [`Limits`] bounds connections and waiting. Bodies are streamed: what a server or a guest does not take stays
/// with its sender, but for one window (HTTP/2: 256 KiB for each stream, 4 MiB for each connection; HTTP/1.1: one
/// read buffer of at most 400 KiB).
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What requests in flight need of their client.
struct Shared {
    policy: egress::Policy,
    denied: Box<dyn Fn(Denial) + Send + Sync>,
    limits: Limits,
    connector: connector::Connector,
    pool: Arc<pool::Pool>,
}

impl Client {
    /// A client with the usual limits and authorities. `denied` is called for every request that the grant
    /// refuses, from whichever thread sends it; a guest can make that happen as often as it likes.
    pub fn new(grant: HttpGrant, denied: impl Fn(Denial) + Send + Sync + 'static) -> Self {
        Self::with_options(grant, Options::default(), denied)
    }

    /// A client with its own limits, resolver or authorities.
    pub fn with_options(
        grant: HttpGrant,
        options: Options,
        denied: impl Fn(Denial) + Send + Sync + 'static,
    ) -> Self {
        let Options {
            limits,
            resolver,
            extra_roots,
        } = options;
        let shared = Shared {
            policy: egress::Policy::new(grant),
            denied: Box::new(denied),
            pool: pool::Pool::new(limits.clone()),
            connector: connector::Connector::new(resolver, extra_roots),
            limits,
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("policy", &self.shared.policy)
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn check_origin(&self, destination: &Destination) -> Result<(), Error> {
        self.policy.check_origin(destination).map_err(|denial| {
            (self.denied)(denial);
            Error::HttpRequestDenied
        })
    }

    fn check_addresses(&self, destination: &Destination, found: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
        self.policy.check_addresses(destination, found).map_err(|denial| {
            (self.denied)(denial);
            Error::DestinationIpProhibited
        })
    }

    /// A connection to a granted origin: a kept one, or a new one to an address that passes the check.
    async fn lease(
        &self,
        destination: &Destination,
        rested: pool::Rested,
        deadline: Instant,
    ) -> Result<pool::Lease, Error> {
        let open = async || {
            let found = self.connector.addresses(destination, deadline).await?;
            let checked = self.check_addresses(destination, &found)?;
            self.connector.open(destination, &checked, deadline).await
        };
        self.pool.lease(destination, rested, deadline, open).await
    }
}

/// What a sent request comes to: the response, and the future that drives the rest of the exchange.
type Sent = Result<
    (
        http::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for Client {
    /// The `host` header is written from the checked destination when the request is sent, never from what the
    /// guest wrote.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        response_processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        // How the guest fared with the response makes no difference to an HTTP exchange.
        drop(response_processed);
        let shared = Arc::clone(&self.shared);
        Box::new(async move {
            let (response, in_flight) = exchange::send(shared, request, options).await?;
            Ok((
                response,
                Box::new(in_flight) as Box<dyn Future<Output = _> + Send>,
            ))
        })
    }
}
