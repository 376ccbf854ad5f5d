//! Bodies of responses, which drive the guest that writes them.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::WasiBody;

use super::failure::Failure;
use super::shared::Ticket;
use super::work::Work;

/// Bytes that a body may have to be handed on as one piece.
const WHOLE_BYTES_MAX: usize = 1 << 20;

/// The body of a guest's response.
///
/// Whoever reads it drives the guest; dropping it ends a guest that is still at work. A guest that has written its
/// whole body and goes on working is let finish.
pub struct GuestBody {
    source: Source,
    guest: Guest,
}

/// Who writes the body.
enum Guest {
    /// Nobody any more.
    Gone,
    /// A guest that reading drives.
    AtWork(Work),
    /// A guest that answers others too, and is driven by a task of its own. The ticket keeps the place in it.
    Shared(#[expect(dead_code, reason = "it matters when it is dropped")] Ticket),
}

enum Source {
    /// All of it is known.
    Whole {
        data: Bytes,
        trailers: Option<HeaderMap>,
    },
    /// The guest writes it.
    Written(WasiBody),
}

impl std::fmt::Debug for GuestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestBody").finish_non_exhaustive()
    }
}

impl GuestBody {
    /// No body at all.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            source: Source::Whole {
                data: Bytes::new(),
                trailers: None,
            },
            guest: Guest::Gone,
        }
    }

    pub(super) fn new(body: WasiBody, work: Work) -> Self {
        if work.is_done() {
            return Self {
                source: collect(body),
                guest: Guest::Gone,
            };
        }
        Self {
            source: Source::Written(body),
            guest: Guest::AtWork(work),
        }
    }

    pub(super) fn of_shared(body: WasiBody, ticket: Ticket) -> Self {
        Self {
            source: Source::Written(body),
            guest: Guest::Shared(ticket),
        }
    }

    /// Reads it to its end without anybody listening, so that the guest can finish.
    pub(super) fn finish_unread(mut self) {
        if matches!(self.guest, Guest::Gone) {
            return;
        }
        tokio::spawn(async move {
            while std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx))
                .await
                .is_some()
            {}
        });
    }

    /// Lets a guest finish whose body is over.
    fn let_finish(&mut self) {
        if let Guest::AtWork(mut work) = mem::replace(&mut self.guest, Guest::Gone) {
            tokio::spawn(async move { std::future::poll_fn(|cx| work.poll(cx)).await });
        }
    }
}

/// Why the body of a request is not all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than it may be.
    #[error("the body of the request is larger than it may be")]
    TooLarge,
    /// It took too long.
    #[error("the body of the request took too long")]
    TooSlow,
    /// The connection broke, or what came on it was no body.
    #[error("the body of the request broke off")]
    Broken,
}

impl BodyError {
    /// What the guest is told.
    fn to_guest(self) -> wasmtime_wasi_http::Error {
        match self {
            Self::TooLarge => wasmtime_wasi_http::Error::HttpRequestBodySize(None),
            Self::TooSlow => wasmtime_wasi_http::Error::ConnectionReadTimeout,
            Self::Broken => wasmtime_wasi_http::Error::HttpProtocolError,
        }
    }
}

/// A body of a request as the guest reads it.
pub(super) fn for_guest<B>(
    body: B,
) -> impl Body<Data = Bytes, Error = wasmtime_wasi_http::Error> + Send + 'static
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    use http_body_util::BodyExt as _;
    body.map_err(|error| error.into().to_guest())
}

/// What is left of a body whose guest has ended: in one piece, unless it is large or not all there.
fn collect(mut body: WasiBody) -> Source {
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let mut trailers = None;
    loop {
        if first.len() + more.len() > WHOLE_BYTES_MAX {
            break;
        }
        match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(None) => {
                let data = join(first, more);
                return Source::Whole { data, trailers };
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if first.is_empty() => first = data,
                Ok(data) => more.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
            // Told again when it is read.
            Poll::Ready(Some(Err(error))) => return rest(join(first, more), trailers, Failed(Some(error))),
            Poll::Pending => break,
        }
    }
    rest(join(first, more), trailers, body)
}

fn join(first: Bytes, more: BytesMut) -> Bytes {
    if more.is_empty() {
        return first;
    }
    let mut all = BytesMut::with_capacity(first.len() + more.len());
    all.extend_from_slice(&first);
    all.extend_from_slice(&more);
    all.freeze()
}

/// A body that begins with what was read already.
fn rest<B>(data: Bytes, trailers: Option<HeaderMap>, body: B) -> Source
where
    B: Body<Data = Bytes, Error = wasmtime_wasi_http::Error> + Send + Unpin + 'static,
{
    use http_body_util::BodyExt as _;
    Source::Written(Resumed { data, trailers, body }.boxed_unsync())
}

struct Resumed<B> {
    data: Bytes,
    trailers: Option<HeaderMap>,
    body: B,
}

impl<B> Body for Resumed<B>
where
    B: Body<Data = Bytes, Error = wasmtime_wasi_http::Error> + Unpin,
{
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.data.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.data)))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// A body that is nothing but an error.
struct Failed(Option<wasmtime_wasi_http::Error>);

impl Body for Failed {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

impl Body for GuestBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            let body = match &mut self.source {
                Source::Whole { data, trailers } => {
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(mem::take(data)))));
                    }
                    return Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
                }
                Source::Written(body) => body,
            };
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => return Poll::Ready(Some(Ok(frame))),
                Poll::Ready(Some(Err(error))) => {
                    // A guest that trapped also broke its body off, and the trap says more.
                    if let Guest::AtWork(work) = &mut self.guest
                        && let Poll::Ready(Err(failure)) = work.poll(cx)
                    {
                        return Poll::Ready(Some(Err(failure)));
                    }
                    return Poll::Ready(Some(Err(Failure::BadResponse(error.to_string()))));
                }
                Poll::Ready(None) => {
                    self.let_finish();
                    return Poll::Ready(None);
                }
                Poll::Pending => {}
            }
            let Guest::AtWork(work) = &mut self.guest else {
                return Poll::Pending;
            };
            match work.poll(cx) {
                Poll::Ready(Err(failure)) => return Poll::Ready(Some(Err(failure))),
                Poll::Ready(Ok(())) => self.guest = Guest::Gone,
                // It may have written meanwhile; then it woke this task, and the body is read again.
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole { data, trailers } => data.is_empty() && trailers.is_none(),
            Source::Written(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole { data, trailers: None } => SizeHint::with_exact(data.len() as u64),
            Source::Whole { .. } | Source::Written(_) => SizeHint::default(),
        }
    }
}
