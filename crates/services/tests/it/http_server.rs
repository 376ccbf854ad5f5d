//! Servers for the tests of outgoing HTTP: real ones on a loopback port, closed when dropped.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub(crate) type ServerBody = UnsyncBoxBody<Bytes, Infallible>;
type Handler = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<ServerBody>> + Send + Sync>;

/// How a server speaks.
#[derive(Clone)]
pub(crate) enum Speaks {
    Http1,
    /// TLS, offering these protocols.
    Tls(Arc<Authority>, &'static [&'static str]),
}

/// A certificate authority made for one test, and a server certificate that it signed for `localhost`,
/// `api.test` and `127.0.0.1`.
pub(crate) struct Authority {
    pub(crate) root_pem: String,
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Arc<Self> {
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "api.test", "127.0.0.1"].map(String::from);
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &root)
            .unwrap();
        Arc::new(Self {
            root_pem: root.pem(),
            certificate,
            key,
        })
    }

    fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server that counts its connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    closed: watch::Receiver<usize>,
    task: AbortHandle,
}

impl Server {
    /// Answers every request with what `handler` makes of it.
    pub(crate) async fn start<F, Fut>(speaks: Speaks, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response<ServerBody>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        let acceptor = match speaks {
            Speaks::Http1 => None,
            Speaks::Tls(authority, protocols) => Some(authority.acceptor(protocols)),
        };
        Self::start_raw(move |stream| {
            let (handler, acceptor) = (Arc::clone(&handler), acceptor.clone());
            async move {
                match acceptor {
                    None => serve(stream, false, handler).await,
                    Some(acceptor) => {
                        let Ok(stream) = acceptor.accept(stream).await else {
                            return;
                        };
                        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        serve(stream, is_http2, handler).await;
                    }
                }
            }
        })
        .await
    }

    /// Hands every connection to `serve`, for servers that misbehave.
    pub(crate) async fn start_raw<F, Fut>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (closing, closed) = watch::channel(0);
        let counter = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                let (connection, closing) = (serve(stream), closing.clone());
                connections.spawn(async move {
                    connection.await;
                    closing.send_modify(|count| *count += 1);
                });
            }
        });
        Self {
            address,
            accepted,
            closed,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until this many connections have ended.
    pub(crate) async fn closed(&self, count: usize) {
        self.closed
            .clone()
            .wait_for(|closed| *closed >= count)
            .await
            .unwrap();
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<T>(stream: T, is_http2: bool, handler: Handler)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    // A client that goes away mid-exchange is what several tests are about.
    let _outcome = if is_http2 {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.serve_connection(TokioIo::new(stream), service).await
    } else {
        let builder = hyper::server::conn::http1::Builder::new();
        builder.serve_connection(TokioIo::new(stream), service).await
    };
}

/// A response that is there all at once.
pub(crate) fn text(body: impl Into<Bytes>) -> Response<ServerBody> {
    Response::new(Full::new(body.into()).boxed_unsync())
}
