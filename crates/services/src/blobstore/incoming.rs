//! Stored objects on their way to a guest.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};
use weft_stores::blob::{self, Object};

use super::view::View;
use crate::refusal::Refusal;

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
            return Err(Refusal::failed(format!(
                "there are no bytes {first} to {last} in an object of {bytes} bytes"
            )));
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
            let wanted = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            let read = self.object.read(at, wanted).await;
            let piece = read.map_err(|error| self.view.failed(&error))?;
            if piece.is_empty() {
                return Err(Refusal::failed("the object ended before its end"));
            }
            at += piece.len() as u64;
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
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
                Ok(piece) if piece.is_empty() => {
                    State::Failed(Refusal::failed("the object ended before its end"))
                }
                Ok(piece) => {
                    self.at += piece.len() as u64;
                    State::Piece(piece)
                }
                Err(error) => State::Failed(self.of.view.failed(&error)),
            };
        }
    }

    fn begin(&self) -> State {
        let left = usize::try_from(self.of.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        if left == 0 {
            return State::Closed;
        }
        let (object, at) = (Arc::clone(&self.of.object), self.at);
        State::Reading(Box::pin(
            async move { object.read(at, left.min(PIECE_BYTES)).await },
        ))
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
                let why = match refusal {
                    Refusal::Denied => "access denied".to_owned(),
                    Refusal::Failed(why) => std::mem::take(why),
                };
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
