//! Stored objects on their way to a guest.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, StreamProducer, StreamResult as Produced, VecBuffer};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};
use weft_runtime::Cell;
use weft_stores::blob::{self, Object};

use super::view::View;
use crate::calls;
use crate::refusal::{Cause, Refusal};

/// Bytes that a guest may take at once. More goes through a stream.
const AT_ONCE_BYTES_MAX: u64 = 64 << 20;
/// Bytes that a stream asks a store for, and holds. A guest may have many streams.
const PIECE_BYTES: usize = 64 << 10;

/// The resource `incoming-value`: a part of an object.
pub(super) struct Incoming {
    view: Arc<View>,
    object: Arc<dyn Object>,
    begin: u64,
    /// Behind the last byte.
    end: u64,
}

impl Incoming {
    /// The bytes from `first` to `last`, which is one of them.
    pub(super) fn new(
        view: Arc<View>,
        object: Arc<dyn Object>,
        first: u64,
        last: u64,
    ) -> Result<Self, Refusal> {
        let bytes = object.info().bytes;
        if first > last || first > bytes {
            let why = format!("there are no bytes {first} to {last} in an object of {bytes} bytes");
            return Err(Refusal::of(Cause::Invalid, why));
        }
        Ok(Self {
            view,
            object,
            begin: first,
            end: last.saturating_add(1).min(bytes),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.end - self.begin
    }

    /// All of it.
    pub(super) async fn at_once(self) -> Result<Vec<u8>, Refusal> {
        if self.bytes() > AT_ONCE_BYTES_MAX {
            return Err(Refusal::failed(format!(
                "{} bytes are too many at once: up to {AT_ONCE_BYTES_MAX}, and more through a stream",
                self.bytes()
            )));
        }
        let mut all = BytesMut::new();
        let mut at = self.begin;
        while at < self.end {
            let read = self.object.read(at, self.left(at)).await;
            let piece = read.map_err(|error| self.view.failed(&error))?;
            if piece.is_empty() {
                return Err(ended_early());
            }
            at += piece.len() as u64;
            if at == self.end && all.is_empty() {
                // Most objects come as a whole, which nobody needs to copy.
                return Ok(piece.into());
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    /// How many bytes there are from a place on.
    fn left(&self, at: u64) -> usize {
        usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX)
    }

    /// A stream of the component model of it.
    pub(super) fn download(self, open: calls::Stream) -> Download {
        Download {
            at: self.begin,
            of: self,
            reading: None,
            piece: Bytes::new(),
            _open: open,
        }
    }

    /// A stream of it.
    pub(super) fn stream(self) -> Stream {
        Stream {
            at: self.begin,
            of: self,
            state: State::Idle,
        }
    }
}

type Read = Pin<Box<dyn Future<Output = Result<Bytes, blob::Error>> + Send>>;

/// A part of an object, as a stream of `wasi:io`. It reads one piece ahead of the guest.
pub(super) struct Stream {
    of: Incoming,
    /// Where the next piece begins.
    at: u64,
    state: State,
}

enum State {
    Idle,
    Reading(Read),
    Piece(Bytes),
    Failed(Refusal),
    Closed,
}

impl Stream {
    /// Begins to read the next piece where nothing is there, and waits for it.
    async fn fill(&mut self) {
        if matches!(self.state, State::Idle) {
            self.state = self.begin();
        }
        if let State::Reading(read) = &mut self.state {
            // Dropped while it waits, this leaves the read where it is.
            let piece = read.await;
            self.state = match piece {
                Ok(piece) if piece.is_empty() => State::Failed(ended_early()),
                Ok(piece) => {
                    self.at += piece.len() as u64;
                    State::Piece(piece)
                }
                Err(error) => State::Failed(self.of.view.failed(&error)),
            };
        }
    }

    fn begin(&self) -> State {
        let left = self.of.left(self.at);
        if left == 0 {
            return State::Closed;
        }
        let (object, at) = (Arc::clone(&self.of.object), self.at);
        State::Reading(Box::pin(
            async move { object.read(at, left.min(PIECE_BYTES)).await },
        ))
    }
}

fn ended_early() -> Refusal {
    Refusal::failed("the object ended before its end")
}

type Piece = Pin<Box<dyn Future<Output = Result<Bytes, Refusal>> + Send>>;

/// A part of an object, as a stream of the component model. It asks the store for what the guest reads, and no more.
pub(super) struct Download {
    of: Incoming,
    /// Where the next piece begins.
    at: u64,
    /// A piece that is on its way, which a guest may stop waiting for.
    reading: Option<Piece>,
    /// What the guest has not taken of it.
    piece: Bytes,
    _open: calls::Stream,
}

impl Download {
    fn begin(&self, wanted: usize) -> Piece {
        let bytes = self.of.left(self.at).min(wanted).min(PIECE_BYTES);
        let (object, view, at) = (Arc::clone(&self.of.object), Arc::clone(&self.of.view), self.at);
        Box::pin(async move {
            let _turn = view.calls().begin(0).await?;
            match object.read(at, bytes).await {
                Ok(piece) if piece.is_empty() => Err(ended_early()),
                Ok(piece) => Ok(piece),
                Err(error) => Err(view.failed(&error)),
            }
        })
    }

    fn is_at_end(&self) -> bool {
        self.piece.is_empty() && self.of.left(self.at) == 0
    }

    /// Has a piece for the guest.
    ///
    /// # Errors
    /// The object cannot be read on. A stream has no other end than its last byte, and what is there already must not
    /// be taken for all of it: the guest traps.
    fn poll_piece(&mut self, context: &mut Context<'_>, wanted: usize) -> Poll<wasmtime::Result<()>> {
        if !self.piece.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut reading = self.reading.take().unwrap_or_else(|| self.begin(wanted));
        match reading.as_mut().poll(context) {
            Poll::Pending => {
                self.reading = Some(reading);
                Poll::Pending
            }
            Poll::Ready(Ok(piece)) => {
                self.at += piece.len() as u64;
                self.piece = piece;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(refusal)) => {
                let why = refusal.into_text();
                Poll::Ready(Err(wasmtime::format_err!("an object cannot be read on: {why}")))
            }
        }
    }
}

impl StreamProducer<Cell> for Download {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, Cell>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<Produced>> {
        if self.is_at_end() {
            return Poll::Ready(Ok(Produced::Dropped));
        }
        let wanted = destination.remaining(&mut store).unwrap_or(PIECE_BYTES);
        if wanted == 0 {
            // It asks whether there is something, which a later read finds out.
            return Poll::Ready(Ok(Produced::Completed));
        }
        match self.poll_piece(context, wanted) {
            Poll::Ready(had) => had?,
            Poll::Pending if finish => return Poll::Ready(Ok(Produced::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut room = destination.as_direct(store, PIECE_BYTES);
        let into = room.remaining();
        let piece = &mut self.piece;
        let taken = piece.split_to(piece.len().min(into.len()));
        if let Some(into) = into.get_mut(..taken.len()) {
            into.copy_from_slice(&taken);
        }
        room.mark_written(taken.len());
        Poll::Ready(Ok(if self.is_at_end() {
            Produced::Dropped
        } else {
            Produced::Completed
        }))
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Stream {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return match self.state {
                State::Closed => Err(StreamError::Closed),
                _ => Ok(Bytes::new()),
            };
        }
        // A guest may ask again and again without ever waiting.
        let _ = self.fill().now_or_never();
        match &mut self.state {
            State::Idle | State::Reading(_) => Ok(Bytes::new()),
            State::Piece(piece) => {
                let taken = piece.split_to(piece.len().min(size));
                if piece.is_empty() {
                    self.state = State::Idle;
                }
                Ok(taken)
            }
            State::Failed(refusal) => {
                let why = refusal.clone().into_text();
                self.state = State::Closed;
                Err(StreamError::LastOperationFailed(wasmtime::format_err!("{why}")))
            }
            State::Closed => Err(StreamError::Closed),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        self.fill().await;
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Incoming")
            .field("begin", &self.begin)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
