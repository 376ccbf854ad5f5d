//! The bytes of a file on their way out: all at once where they are few, else one piece at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::handler::{Fault, FaultKind};

/// The longest file that is read when it is opened.
pub(super) const SMALL_BYTES_MAX: u64 = 64 << 10;

/// Bytes that are read at a time from a longer one.
const PIECE: usize = 128 << 10;

/// The body of a response with a file.
#[derive(Debug)]
pub(crate) enum FileBody {
    Empty,
    Whole(Bytes),
    Pieces(Pieces),
}

#[derive(Debug)]
pub(crate) struct Pieces {
    file: Arc<File>,
    at: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl FileBody {
    pub(super) fn new(file: File, bytes: Option<Vec<u8>>, from: u64, length: u64) -> Self {
        if length == 0 {
            return Self::Empty;
        }
        let part = bytes.and_then(|bytes| {
            let from = usize::try_from(from).ok()?;
            let end = from.checked_add(usize::try_from(length).ok()?)?;
            (end <= bytes.len()).then(|| Bytes::from(bytes).slice(from..end))
        });
        match part {
            Some(part) => Self::Whole(part),
            None => Self::Pieces(Pieces {
                file: Arc::new(file),
                at: from,
                left: length,
                reading: None,
            }),
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Pieces(pieces) => {
                let piece = ready!(pieces.poll_next(context));
                if piece.is_err() || pieces.left == 0 {
                    *self = Self::Empty;
                }
                Poll::Ready(Some(piece.map(Frame::data)))
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Pieces(pieces) => pieces.left,
        })
    }
}

impl Pieces {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Fault>> {
        let reading = self.reading.get_or_insert_with(|| {
            let file = Arc::clone(&self.file);
            let at = self.at;
            let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE);
            tokio::task::spawn_blocking(move || read_at(&file, at, length))
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let read = read
            .map_err(io::Error::other)
            .and_then(|read| read)
            .map_err(|error| Fault {
                kind: FaultKind::Platform,
                detail: format!("a file could not be read to its end: {error}"),
            })?;
        self.at += read.len() as u64;
        self.left -= read.len() as u64;
        Poll::Ready(Ok(Bytes::from(read)))
    }
}

/// Reads so many bytes at a place, or fails.
pub(super) fn read_at(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}
