//! One connection from its first byte to its last: who the client is, whether it is encrypted, which HTTP it speaks.

mod gate;
mod http1;
mod http2;
mod link;
mod meter;
mod stream;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio_rustls::TlsAcceptor;
use weft_app::trigger::http::ProxyProtocol;

use crate::handler::Handler;
use crate::listen::Opened;
use crate::protocol::{Refusal, proxy};
use crate::timers::Alarm;
use crate::worker::Worker;
pub(crate) use link::{Link, Phase};
pub(crate) use stream::{LooseSocket, Socket, Stream};

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) client: Option<SocketAddr>,
    pub(crate) is_encrypted: bool,
}

/// How every connection of HTTP/2 begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a connection is read from after its last response, so that the response is not lost with what the
/// client was still sending.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that are read and thrown away meanwhile.
const LINGER_BYTES_MAX: usize = 1 << 20;

/// Serves a connection to its end.
pub(crate) async fn serve<H: Handler>(
    worker: Rc<Worker<H>>,
    mut socket: Socket,
    opened: Rc<Opened>,
    client: Option<SocketAddr>,
) {
    let alarm = worker.timers.alarm();
    let until = Instant::now() + worker.limits.head_timeout;
    let mut client = client;
    if opened.proxy_protocol == ProxyProtocol::Required {
        match within(&worker, &alarm, until, read_proxy(&mut socket)).await {
            Some(Ok(named)) => client = named.or(client),
            Some(Err(_)) | None => return,
        }
    }
    let Some(tls) = &opened.tls else {
        let peer = Rc::new(Peer {
            client,
            is_encrypted: false,
        });
        let mut read = Vec::new();
        // Until the first byte it is idle; from then on a head comes in.
        let mut until = Instant::now() + worker.limits.idle_timeout;
        let mut refusal = None;
        let is_http2 = loop {
            let is_first = read.is_empty();
            match within(&worker, &alarm, until, speaks_http2(&mut socket, &mut read)).await {
                Some(Ok(Some(is_http2))) => break is_http2,
                Some(Ok(None)) if is_first => until = Instant::now() + worker.limits.head_timeout,
                Some(Ok(None)) => {}
                None if !read.is_empty() => {
                    refusal = Some(Refusal::TooSlow);
                    break false;
                }
                Some(Err(_)) | None => return,
            }
        };
        let stream = Stream::Plain(socket);
        drop(alarm);
        return if is_http2 {
            Box::pin(http2::serve(worker, peer, stream, read)).await;
        } else {
            Box::pin(http1::serve(worker, peer, stream, read, refusal)).await;
        };
    };
    let acceptor = TlsAcceptor::from(tls.current());
    // Boxed apart, like all that follows: a connection without encryption must not have room for a session.
    Box::pin(serve_encrypted(worker, acceptor, socket, client, until, alarm)).await;
}

async fn serve_encrypted<H: Handler>(
    worker: Rc<Worker<H>>,
    acceptor: TlsAcceptor,
    socket: Socket,
    client: Option<SocketAddr>,
    until: Instant,
    alarm: Alarm,
) {
    let stream = match within(&worker, &alarm, until, Box::pin(acceptor.accept(socket))).await {
        Some(Ok(stream)) => stream,
        Some(Err(_)) | None => return,
    };
    let peer = Rc::new(Peer {
        client,
        is_encrypted: true,
    });
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = Stream::Encrypted(Box::new(stream));
    drop(alarm);
    if is_http2 {
        Box::pin(http2::serve(worker, peer, stream, Vec::new())).await;
    } else {
        Box::pin(http1::serve(worker, peer, stream, Vec::new(), None)).await;
    }
}

/// What a future gives, unless its time is over or the server ends first.
async fn within<H: Handler, T>(
    worker: &Worker<H>,
    alarm: &Alarm,
    until: Instant,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(done) = future.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        let until = match worker.draining.get() {
            Some(since) => until.min(since + http1::QUIET),
            None => until,
        };
        if worker.is_stopping.get() || Instant::now() >= until {
            return Poll::Ready(None);
        }
        alarm.set(Some(until), context);
        Poll::Pending
    })
    .await
}

/// Reads the header of the PROXY protocol and not a byte more.
async fn read_proxy(socket: &mut Socket) -> std::io::Result<Option<SocketAddr>> {
    let not_proxy = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let mut read = Vec::with_capacity(128);
    loop {
        match proxy::scan(&read).map_err(|_| not_proxy())? {
            proxy::Found::Whole { client, .. } => return Ok(client),
            proxy::Found::Partial => {}
        }
        let more = proxy::bytes_to_read(&read);
        let had = read.len();
        read.resize(had + more, 0);
        let room = read.get_mut(had..).unwrap_or_default();
        socket.read_exact(room).await?;
    }
}

/// Reads once, and says which HTTP a client speaks as soon as that is clear.
async fn speaks_http2(socket: &mut Socket, read: &mut Vec<u8>) -> std::io::Result<Option<bool>> {
    let is_end = poll_fn(|context| {
        let mut room = [0; 2048];
        let mut buffer = ReadBuf::new(&mut room);
        Pin::new(&mut *socket)
            .poll_read(context, &mut buffer)
            .map_ok(|()| {
                read.extend_from_slice(buffer.filled());
                buffer.filled().is_empty()
            })
    })
    .await?;
    if is_end && read.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let may_be = PREFACE.starts_with(read.get(..PREFACE.len()).unwrap_or(read));
    Ok(if is_end || !may_be {
        Some(false)
    } else if read.len() >= PREFACE.len() {
        Some(true)
    } else {
        None
    })
}

/// Says goodbye: nothing more is sent, and what the client still sends is thrown away for a while.
async fn linger<H: Handler>(worker: &Worker<H>, alarm: &Alarm, mut stream: Stream) {
    let goodbye = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut room = [0; 4096];
        let mut read = 0;
        while read < LINGER_BYTES_MAX {
            match stream.read(&mut room).await {
                Ok(1..) => read += room.len(),
                Ok(0) | Err(_) => return,
            }
        }
    };
    let until = Instant::now() + LINGER;
    let mut goodbye = pin!(goodbye);
    poll_fn(|context| {
        if goodbye.as_mut().poll(context).is_ready() || worker.is_stopping.get() || Instant::now() >= until {
            return Poll::Ready(());
        }
        alarm.set(Some(until), context);
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::BodyExt;
    use http_body_util::combinators::BoxBody;

    use super::*;
    use crate::handler::{About, Fault};
    use crate::request::RequestBody;

    struct Nobody;

    impl Handler for Nobody {
        type Body = BoxBody<Bytes, Fault>;

        async fn handle(&self, _: Request<RequestBody>, _: &About) -> Result<Response<Self::Body>, Fault> {
            let body = http_body_util::Empty::new().map_err(|never: Infallible| match never {});
            Ok(Response::new(BodyExt::boxed(body)))
        }
    }

    fn bytes_of<A, B, C, D, F: Future>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_has_no_room_for_a_session_or_a_goodbye() {
        // What a connection might need one day, and has no buffer for until then, is what it costs while it is idle.
        let connection = bytes_of(serve::<Nobody>);
        let idle =
            bytes_of(|worker, peer, stream, read| http1::serve::<Nobody>(worker, peer, stream, read, None));
        assert!(connection <= 768 && idle <= 512, "{connection} and {idle} bytes");
    }
}
