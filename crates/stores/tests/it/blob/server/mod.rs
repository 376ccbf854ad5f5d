//! A server of S3 for a test: on a port of its own, gone when the value goes.
//!
//! The protocol, with the check of signatures, is `s3s`. Behind it is a bucket in memory that does what S3 promises,
//! or the folder of `s3s-fs`, which somebody else wrote.

mod bucket;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpSocket;
use tokio::sync::{oneshot, watch};
use weft_stores::blob::s3::{Credentials, Options};

pub(crate) const BUCKET: &str = "test-bucket";
const KEY: &str = "AKIDTEST";
const SECRET: &str = "a secret of tests";

/// A running server.
pub(crate) struct Server {
    service: S3Service,
    address: SocketAddr,
    is_frozen: watch::Sender<bool>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Server {
    /// One that keeps everything in memory, as S3 says.
    pub(crate) fn start() -> Self {
        Self::serve(S3ServiceBuilder::new(bucket::Bucket::default()))
    }

    /// One of others, that keeps objects in a folder.
    pub(crate) fn of_others(folder: &Path) -> Self {
        fs_err::create_dir_all(folder.join(BUCKET)).unwrap();
        Self::serve(S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap()))
    }

    fn serve(mut builder: S3ServiceBuilder) -> Self {
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let mut server = Self {
            service: builder.build(),
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            is_frozen: watch::Sender::new(false),
            running: None,
        };
        server.start_again();
        server
    }

    /// How it is reached, by somebody who may.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(&format!("http://{}", self.address), BUCKET);
        options.credentials = Some(Credentials {
            access_key_id: KEY.to_owned(),
            secret_access_key: SECRET.to_owned(),
        });
        options
    }

    /// Ends it with all connections; what it has is kept.
    pub(crate) fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    /// Starts it again on the same port.
    pub(crate) fn start_again(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (told, address) = std::sync::mpsc::channel();
        let (service, is_frozen, bind) = (self.service.clone(), self.is_frozen.subscribe(), self.address);
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
                    () = accept(listener, service, is_frozen) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        self.address = address.recv().unwrap();
        self.running = Some((stop, thread));
    }

    /// Has it answer nothing more: connections stay.
    pub(crate) fn freeze(&self) {
        self.is_frozen.send_replace(true);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.is_frozen.send_replace(false);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: tokio::net::TcpListener, service: S3Service, is_frozen: watch::Receiver<bool>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (service, is_frozen) = (service.clone(), is_frozen.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let (service, mut is_frozen) = (service.clone(), is_frozen.clone());
                async move {
                    is_frozen.wait_for(|is_frozen| !is_frozen).await.unwrap();
                    hyper::service::Service::call(&service, request).await
                }
            });
            // A client that goes away ends only its own connection.
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await,
            );
        });
    }
}
