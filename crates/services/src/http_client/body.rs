//! One exchange in flight: the two bodies, the connection they use, and how it all ends together.
//!
//! The connection goes back to the pool when both bodies are complete. It is closed when either breaks, and when
//! the guest gives the exchange up: the [`InFlight`] future is what the guest's handles keep alive, and dropping
//! it cuts both directions. Nothing is buffered here; each side waits for the other through the poll of frames.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::error::{Phase, copy, from_hyper};
use super::pool::Lease;

/// What both directions of an exchange know of each other.
pub(crate) struct Exchange {
    state: Mutex<State>,
}

struct State {
    request: Direction,
    response: Direction,
    /// The connection, from the moment the response begins until both directions have ended.
    lease: Option<Lease>,
    cancelled: bool,
    /// What the guest's own body said when it broke: the reason for everything that breaks after it.
    request_error: Option<Error>,
    request_moved: Instant,
    request_waker: Option<Waker>,
    response_waker: Option<Waker>,
    in_flight_waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Open,
    Complete,
    Broken,
}

impl Exchange {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                request: Direction::Open,
                response: Direction::Open,
                lease: None,
                cancelled: false,
                request_error: None,
                request_moved: Instant::now(),
                request_waker: None,
                response_waker: None,
                in_flight_waker: None,
            }),
        })
    }

    /// When a piece of the request was last taken.
    pub(crate) fn request_moved(&self) -> Instant {
        self.state.lock().request_moved
    }

    /// Why the exchange broke: what the guest's own body said, or else what hyper saw of it.
    pub(crate) fn reason(&self, seen: &hyper::Error, phase: Phase) -> Error {
        let told = self.state.lock().request_error.as_ref().map(copy);
        told.unwrap_or_else(|| from_hyper(seen, phase))
    }

    /// The request body, passed on to hyper.
    pub(crate) fn request(self: &Arc<Self>, inner: WasiBody, headers: &HeaderMap) -> RequestBody {
        let declared = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let remaining = declared.or_else(|| inner.size_hint().exact());
        RequestBody {
            inner,
            first: None,
            remaining,
            exchange: Arc::clone(self),
        }
    }

    /// The response body, passed on to the guest. From now on the exchange owns the connection.
    pub(crate) fn response(
        self: &Arc<Self>,
        inner: Incoming,
        lease: Lease,
        between_bytes: Duration,
    ) -> ResponseBody {
        let ended = inner.is_end_stream();
        self.update(|state| {
            state.lease = Some(lease);
            if ended {
                state.response = Direction::Complete;
            }
        });
        ResponseBody {
            inner,
            between_bytes,
            silence: None,
            ended,
            exchange: Arc::clone(self),
        }
    }

    /// Cuts both directions.
    pub(crate) fn cancel(&self) {
        self.update(|state| {
            state.cancelled |= state.request == Direction::Open || state.response == Direction::Open;
        });
    }

    /// Changes the state, then does what follows from it. The connection is let go of outside the lock: that
    /// may drop a request body, which comes back here.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let (lease, is_complete, wakers) = {
            let mut state = self.state.lock();
            change(&mut state);
            let is_complete = state.request == Direction::Complete && state.response == Direction::Complete;
            let has_ended = state.request != Direction::Open && state.response != Direction::Open;
            if !has_ended && !state.cancelled {
                return;
            }
            let lease = state.lease.take();
            let wakers = [
                state.request_waker.take(),
                state.response_waker.take(),
                state.in_flight_waker.take(),
            ];
            (lease, is_complete, wakers)
        };
        match lease {
            Some(lease) if is_complete => lease.finish(),
            other => drop(other),
        }
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// The body of a request on its way to the server.
pub(crate) struct RequestBody {
    inner: WasiBody,
    /// A frame that was looked at before sending; see [`RequestBody::peek`].
    first: Option<Option<Result<Frame<Bytes>, Error>>>,
    /// What is still to come, where that is known.
    remaining: Option<u64>,
    exchange: Arc<Exchange>,
}

/// Whether a request has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// It has none, or one whose length is declared.
    Plain,
    /// It has one, or may have one, of unknown length.
    Unmeasured,
}

impl RequestBody {
    /// Finds out whether there is a body, waiting for its first frame no longer than `patience`.
    pub(crate) async fn peek(&mut self, patience: Duration) -> Content {
        if self.remaining.is_some() || self.is_end_stream() {
            return Content::Plain;
        }
        let first = std::future::poll_fn(|context| Pin::new(&mut self.inner).poll_frame(context));
        match tokio::time::timeout(patience, first).await {
            Err(_) => Content::Unmeasured,
            Ok(frame) => {
                let has_content = frame.is_some();
                self.first = Some(frame);
                if has_content {
                    Content::Unmeasured
                } else {
                    Content::Plain
                }
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.remaining == Some(0) || self.is_end_stream()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        {
            let mut state = self.exchange.state.lock();
            if state.cancelled {
                return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
            }
            state.request_waker = Some(context.waker().clone());
        }
        let frame = match self.first.take() {
            Some(frame) => frame,
            None => match Pin::new(&mut self.inner).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => frame,
            },
        };
        if let (Some(Ok(frame)), Some(remaining)) = (&frame, &mut self.remaining) {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            *remaining = remaining.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
        // Nothing follows trailers, and hyper does not ask again.
        let ended = match &frame {
            Some(Ok(frame)) if !frame.is_trailers() => None,
            Some(Err(_)) => Some(Direction::Broken),
            Some(Ok(_)) | None => Some(Direction::Complete),
        };
        self.exchange.update(|state| {
            state.request_moved = Instant::now();
            if let Some(Err(error)) = &frame {
                state.request_error = Some(copy(error));
            }
            if let (Some(ended), Direction::Open) = (ended, state.request) {
                state.request = ended;
            }
        });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.first {
            Some(None) => true,
            Some(Some(_)) => false,
            None => self.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.first {
            Some(None) => SizeHint::with_exact(0),
            Some(Some(_)) => SizeHint::default(),
            None => self.inner.size_hint(),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // hyper lets go of a body that it knows to be at its end without polling it once more.
        let ended = if self.is_complete() {
            Direction::Complete
        } else {
            Direction::Broken
        };
        self.exchange.update(|state| {
            if state.request == Direction::Open {
                state.request = ended;
            }
        });
    }
}

/// The body of a response on its way to the guest.
pub(crate) struct ResponseBody {
    inner: Incoming,
    between_bytes: Duration,
    /// Runs only while the guest waits: a guest that takes its time is no fault of the server.
    silence: Option<Pin<Box<Sleep>>>,
    ended: bool,
    exchange: Arc<Exchange>,
}

impl ResponseBody {
    fn end(&mut self, direction: Direction) {
        if !std::mem::replace(&mut self.ended, true) {
            self.exchange.update(|state| {
                state.response = direction;
                // Where the response broke nobody waits for the rest of the request either.
                state.cancelled |= direction == Direction::Broken && state.request == Direction::Open;
            });
        }
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.between_bytes;
        self.silence
            .get_or_insert_with(|| Box::pin(sleep(limit)))
            .as_mut()
            .poll(context)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        {
            let mut state = self.exchange.state.lock();
            if state.cancelled {
                drop(state);
                self.end(Direction::Broken);
                return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
            }
            state.response_waker = Some(context.waker().clone());
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.silence = None;
                if self.inner.is_end_stream() {
                    self.end(Direction::Complete);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(cause))) => {
                self.end(Direction::Broken);
                Poll::Ready(Some(Err(self.exchange.reason(&cause, Phase::Body))))
            }
            Poll::Ready(None) => {
                self.end(Direction::Complete);
                Poll::Ready(None)
            }
            Poll::Pending => match self.poll_silence(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => {
                    self.end(Direction::Broken);
                    Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A response that nobody wants to read is over, but the request may go on: a guest is free to look at
        // the status only. What ends the request is the guest letting go of the exchange.
        let direction = if self.inner.is_end_stream() {
            Direction::Complete
        } else {
            Direction::Broken
        };
        if !std::mem::replace(&mut self.ended, true) {
            self.exchange.update(|state| state.response = direction);
        }
    }
}

/// The rest of an exchange after the head of its response: ready when both bodies have ended, and the end of
/// both when dropped.
pub(crate) struct InFlight {
    exchange: Arc<Exchange>,
}

impl InFlight {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange }
    }
}

impl Future for InFlight {
    type Output = Result<(), Error>;

    /// # Errors
    ///
    /// The request was cut off before its end. What broke the response its body tells.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.exchange.state.lock();
        let open = state.request == Direction::Open || state.response == Direction::Open;
        if open && !state.cancelled {
            state.in_flight_waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        match state.request {
            Direction::Complete => Poll::Ready(Ok(())),
            Direction::Open | Direction::Broken => {
                let reason = state.request_error.as_ref().map(copy);
                Poll::Ready(Err(reason.unwrap_or(Error::ConnectionTerminated)))
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.exchange.cancel();
    }
}
