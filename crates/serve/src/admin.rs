//! The listener for whoever runs the server: health, readiness and numbers. It has a thread of its own, so that it
//! answers whatever the others do.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

use crate::handler::Handler;
use crate::listen::Bound;
use crate::observe::render;
use crate::worker::Shared;

/// Connections at a time. Whoever watches a server needs one.
const CONNECTIONS_MAX: usize = 64;

/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts the thread. It ends when `until` is told or gone.
pub(crate) fn start<H: Handler>(
    socket: Bound,
    shared: Arc<Shared<H>>,
    until: watch::Receiver<()>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || {
            let mut until = until;
            runtime.block_on(async {
                tokio::select! {
                    () = accept(socket, shared) => {}
                    _ = until.changed() => {}
                }
            });
        })
}

async fn accept<H: Handler>(socket: Bound, shared: Arc<Shared<H>>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    match socket {
        Bound::Tcp(socket) => {
            let Ok(listener) = TcpListener::from_std(socket) else {
                return;
            };
            loop {
                let accepted = listener.accept().await.map(|(stream, _)| stream);
                serve(accepted, &shared, &room).await;
            }
        }
        Bound::Unix(socket) => {
            let Ok(listener) = UnixListener::from_std(socket) else {
                return;
            };
            loop {
                let accepted = listener.accept().await.map(|(stream, _)| stream);
                serve(accepted, &shared, &room).await;
            }
        }
    }
}

async fn serve<H, S>(accepted: io::Result<S>, shared: &Arc<Shared<H>>, room: &Arc<Semaphore>)
where
    H: Handler,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(stream) = accepted else {
        return tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let Ok(permit) = Arc::clone(room).acquire_owned().await else {
        return;
    };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let _permit = permit;
        let service = service_fn(|request| std::future::ready(answer(&shared, &request)));
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(10))
            .max_buf_size(16 << 10);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        // A connection that ends badly is its client's loss.
        let _ended = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
    });
}

fn answer<H: Handler>(
    shared: &Shared<H>,
    request: &Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Ok(page(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and HEAD\n".to_owned(),
        ));
    }
    Ok(match request.uri().path() {
        "/livez" => page(StatusCode::OK, "live\n".to_owned()),
        "/readyz" if shared.is_ready.load(Ordering::Acquire) => page(StatusCode::OK, "ready\n".to_owned()),
        "/readyz" => page(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
        "/healthz" => {
            let (is_healthy, text) = shared.health.page();
            let status = match is_healthy {
                true => StatusCode::OK,
                false => StatusCode::SERVICE_UNAVAILABLE,
            };
            page(status, text)
        }
        "/metrics" => {
            let (inside, waiting) = shared.admission.count();
            let site = Arc::clone(&shared.site.lock());
            let numbers =
                render(&shared.metrics, inside, waiting) + &site.handler.numbers() + &shared.health.numbers();
            let mut response = page(StatusCode::OK, numbers);
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        _ => page(
            StatusCode::NOT_FOUND,
            "there are /livez, /readyz, /healthz and /metrics\n".to_owned(),
        ),
    })
}

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
