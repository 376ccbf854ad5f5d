//! A server of S3 for a test: on a port of its own, gone when the value goes.
//!
//! The protocol, with the check of signatures, is `s3s`. Behind it is a bucket in memory that does what S3 promises,
//! or the folder of `s3s-fs`, which somebody else wrote.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod bucket;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;

/// The bucket that there is.
pub const BUCKET: &str = "test-bucket";
/// The name of the key that requests have to be signed with.
pub const KEY_ID: &str = "AKIDTEST";
/// The key.
pub const KEY: &str = "a secret of tests";

/// A running server.
pub struct Server {
    handled: Handled,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    is_frozen: watch::Sender<bool>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What requests are answered by.
#[derive(Clone)]
struct Handled {
    service: S3Service,
    /// The token of the session that requests have to be of.
    token: Option<Arc<str>>,
    is_frozen: watch::Receiver<bool>,
    /// How many requests came.
    came: Arc<AtomicUsize>,
}

impl Server {
    /// One that keeps everything in memory, as S3 says.
    ///
    /// # Panics
    ///
    /// Like all methods: with the reason, where the server does not do what it should.
    #[must_use]
    pub fn start() -> Self {
        Self::serve(S3ServiceBuilder::new(bucket::Bucket::default()), None, None)
    }

    /// The same, which answers only who says of which session he is.
    #[must_use]
    pub fn start_with_token(token: &str) -> Self {
        let builder = S3ServiceBuilder::new(bucket::Bucket::default());
        Self::serve(builder, None, Some(token))
    }

    /// The same over TLS, with this certificate and its key in PEM.
    #[must_use]
    pub fn start_with_tls(certificate: &str, key: &str) -> Self {
        let builder = S3ServiceBuilder::new(bucket::Bucket::default());
        Self::serve(builder, Some(acceptor(certificate, key)), None)
    }

    /// One of others, that keeps objects in a folder.
    #[must_use]
    pub fn of_others(folder: &Path) -> Self {
        fs_err::create_dir_all(folder.join(BUCKET)).unwrap();
        let files = s3s_fs::FileSystem::new(folder).unwrap();
        Self::serve(S3ServiceBuilder::new(files), None, None)
    }

    fn serve(mut builder: S3ServiceBuilder, tls: Option<TlsAcceptor>, token: Option<&str>) -> Self {
        builder.set_auth(SimpleAuth::from_single(KEY_ID, KEY));
        let is_frozen = watch::Sender::new(false);
        let mut server = Self {
            handled: Handled {
                service: builder.build(),
                token: token.map(Arc::from),
                is_frozen: is_frozen.subscribe(),
                came: Arc::default(),
            },
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            tls,
            is_frozen,
            running: None,
        };
        server.start_again();
        server
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// How many requests came so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.handled.came.load(Ordering::Relaxed)
    }

    /// Ends it with all connections; what it has is kept.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    /// Starts it again on the same port.
    pub fn start_again(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (told, address) = std::sync::mpsc::channel();
        let (handled, tls, bind) = (self.handled.clone(), self.tls.clone(), self.address);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                socket.bind(bind).unwrap();
                let listener = socket.listen(64).unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = accept(listener, tls, handled) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        self.address = address.recv().unwrap();
        self.running = Some((stop, thread));
    }

    /// Has it answer nothing more: connections stay.
    pub fn freeze(&self) {
        self.is_frozen.send_replace(true);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.is_frozen.send_replace(false);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn acceptor(certificate: &str, key: &str) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: tokio::net::TcpListener, tls: Option<TlsAcceptor>, handled: Handled) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (tls, handled) = (tls.clone(), handled.clone());
        // A client that goes away, or believes nothing, ends only its own connection.
        tokio::spawn(async move {
            match tls {
                None => handled.converse(stream).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        handled.converse(stream).await;
                    }
                }
            }
        });
    }
}

impl Handled {
    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let answer = service_fn(move |request| {
            let mut handled = self.clone();
            async move {
                handled.came.fetch_add(1, Ordering::Relaxed);
                handled.is_frozen.wait_for(|is_frozen| !is_frozen).await.unwrap();
                if !handled.is_of_session(&request) {
                    let mut refused = Response::new(s3s::Body::empty());
                    *refused.status_mut() = StatusCode::FORBIDDEN;
                    return Ok(refused);
                }
                hyper::service::Service::call(&handled.service, request).await
            }
        });
        let conversed = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        drop(conversed.await);
    }

    fn is_of_session<T>(&self, request: &Request<T>) -> bool {
        let Some(token) = &self.token else { return true };
        let said = request.headers().get("x-amz-security-token");
        said.is_some_and(|said| said.as_bytes() == token.as_bytes())
    }
}
