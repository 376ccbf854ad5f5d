//! How requests get to the server: over connections that are kept, HTTP/1.1, with TLS where the endpoint says so.
//!
//! A connection is driven by the runtime that made it, so every runtime has its own.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::client::{
    ClientOptions, HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};

/// How long a connection that nobody uses is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections of a runtime that are kept.
const IDLE_MAX: usize = 16;

type Connections = Client<HttpsConnector<HttpConnector>, HttpRequestBody>;

/// What is wrong with a connection or what came over it.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    #[error("TLS cannot be used")]
    Tls(#[source] rustls::Error),
    #[error("the server sent less than it was asked for")]
    Short,
}

/// Connections to one server.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<HttpConnector>,
    by_runtime: Arc<Mutex<HashMap<Id, Connections>>>,
}

impl Connector {
    pub(super) fn new() -> Result<Self, TransportError> {
        let provider = rustls::crypto::ring::default_provider();
        let builder = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(TransportError::Tls)?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        Ok(Self {
            https: builder.https_or_http().enable_http1().wrap_connector(http),
            by_runtime: Arc::default(),
        })
    }

    fn connections(&self) -> Connections {
        let make = || {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(IDLE_MAX)
                .build(self.https.clone())
        };
        let mut by_runtime = self.by_runtime.lock();
        by_runtime
            .entry(Handle::current().id())
            .or_insert_with(make)
            .clone()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl object_store::client::HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.connections().request(request).await.map_err(|error| {
            let kind = if error.is_connect() {
                HttpErrorKind::Connect
            } else {
                HttpErrorKind::Request
            };
            HttpError::new(kind, error)
        })?;
        let interrupted = |error| HttpError::new(HttpErrorKind::Interrupted, error);
        Ok(answer.map(|body| HttpResponseBody::new(body.map_err(interrupted))))
    }
}
