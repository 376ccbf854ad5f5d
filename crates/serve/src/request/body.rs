//! The body of a request, as a handler reads it: bounded in length, and watched for clients that stand still.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;

use crate::handler::{Fault, FaultKind};
use crate::protocol::may_be_trailer;

/// The body of a request.
///
/// Reading it to the end, or not at all, is up to the handler.
///
/// # Limits
/// It fails with [`FaultKind::TooLarge`] beyond the bytes that a body may have.
#[derive(Debug)]
pub struct RequestBody {
    /// There until it is dropped.
    incoming: Option<Incoming>,
    left: Option<u64>,
    /// Not there for a body that is known to be empty.
    watch: Option<Arc<Watch>>,
}

/// What the front knows of a body that somebody else reads.
#[derive(Debug)]
pub(crate) struct Watch {
    begun: Instant,
    /// Milliseconds from the beginning until the reader began to wait, and one; zero while it does not.
    waiting: AtomicU64,
    /// Milliseconds from the beginning until bytes came last.
    moved: AtomicU64,
    is_too_large: AtomicBool,
    /// What nobody read of the body.
    left: Mutex<Option<Incoming>>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, bytes_max: Option<u64>, now: Instant) -> Self {
        let watch = (!incoming.is_end_stream()).then(|| {
            Arc::new(Watch {
                begun: now,
                waiting: AtomicU64::new(0),
                moved: AtomicU64::new(0),
                is_too_large: AtomicBool::new(false),
                left: Mutex::new(None),
            })
        });
        Self {
            incoming: Some(incoming),
            left: bytes_max,
            watch,
        }
    }

    pub(crate) fn watch(&self) -> Option<Arc<Watch>> {
        self.watch.clone()
    }

    fn take(&mut self, frame: &Frame<Bytes>) -> Result<(), Fault> {
        if let Some(trailers) = frame.trailers_ref()
            && !trailers
                .keys()
                .all(|name| may_be_trailer(name.as_str().as_bytes()))
        {
            return Err(Fault {
                kind: FaultKind::BadRequest,
                detail: "the body of the request has a trailer that may not be one".to_owned(),
            });
        }
        let (Some(left), Some(data)) = (self.left, frame.data_ref()) else {
            return Ok(());
        };
        match left.checked_sub(data.remaining() as u64) {
            Some(left) => {
                self.left = Some(left);
                Ok(())
            }
            None => {
                if let Some(watch) = &self.watch {
                    watch.is_too_large.store(true, Ordering::Relaxed);
                }
                Err(Fault {
                    kind: FaultKind::TooLarge,
                    detail: "the body is longer than it may be".to_owned(),
                })
            }
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(watch), Some(incoming)) = (&self.watch, self.incoming.take())
            && !incoming.is_end_stream()
        {
            *watch.left.lock() = Some(incoming);
        }
    }
}

impl Watch {
    /// What a reader left of the body, once it has dropped it.
    pub(crate) fn take_left(&self) -> Option<Incoming> {
        self.left.lock().take()
    }

    /// When the reader began to wait for the client, if it does.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        let waiting = self.waiting.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.begun + Duration::from_millis(waiting))
    }

    pub(crate) fn moved(&self) -> Instant {
        self.begun + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }

    pub(crate) fn is_too_large(&self) -> bool {
        self.is_too_large.load(Ordering::Relaxed)
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn note_wait(&self) {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            self.waiting.store(self.elapsed() + 1, Ordering::Relaxed);
        }
    }

    fn note_move(&self) {
        self.waiting.store(0, Ordering::Relaxed);
        self.moved.store(self.elapsed(), Ordering::Relaxed);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(context) else {
            if let Some(watch) = &self.watch {
                watch.note_wait();
            }
            return Poll::Pending;
        };
        if let Some(watch) = &self.watch {
            watch.note_move();
        }
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(self.take(&frame).map(|()| frame)),
            Some(Err(error)) => Some(Err(Fault {
                kind: FaultKind::BadRequest,
                detail: format!("the body of the request broke off: {error}"),
            })),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
