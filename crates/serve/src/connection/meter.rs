//! What an HTTP/2 client may make the server do for nothing: frames that cost an answer or a thought and carry no
//! request. Each such frame costs points, and each frame that carries data or begins a request earns some back;
//! a client that has spent its points is cut off (RFC 9113, section 10.5).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Points that a connection begins with, and has at most.
const POINTS_MAX: u32 = 1000;

/// Points that come back in a second.
const POINTS_A_SECOND: u32 = 50;

/// Points that a useful frame earns.
const POINTS_EARNED: u32 = 4;

/// Points that it costs to take a request back: more than it earned, or asking and taking back would be free.
const POINTS_A_RESET: u32 = 5;

/// Bytes that padding can have, with its length.
const PADDING_BYTES_MAX: u32 = 256;

/// Bytes of responses that earn one point.
const BYTES_A_POINT: usize = 1024;

/// Frames that follow one another without one that does something.
#[derive(Debug)]
pub(crate) struct Meter<S> {
    stream: S,
    /// Bytes that were read before.
    read: Vec<u8>,
    /// Bytes until the next frame begins; the preface is before the first.
    skip: usize,
    head: [u8; 9],
    head_length: usize,
    points: u32,
    counted: Instant,
    /// Bytes that went out and earned nothing yet.
    written: usize,
}

impl<S> Meter<S> {
    pub(crate) fn new(stream: S, read: Vec<u8>) -> Self {
        Self {
            stream,
            read,
            skip: super::PREFACE.len(),
            head: [0; 9],
            head_length: 0,
            points: POINTS_MAX,
            counted: Instant::now(),
            written: 0,
        }
    }

    /// Follows bytes that came in: whether the client may go on.
    fn follow(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.skip > 0 {
                let here = self.skip.min(rest.len());
                rest = rest.get(here..).unwrap_or_default();
                self.skip -= here;
                continue;
            }
            let here = (self.head.len() - self.head_length).min(rest.len());
            let (start, after) = rest.split_at(here);
            if let Some(room) = self.head.get_mut(self.head_length..self.head_length + here) {
                room.copy_from_slice(start);
            }
            self.head_length += here;
            rest = after;
            if self.head_length == self.head.len() {
                self.head_length = 0;
                let [high, middle, low, kind, flags, ..] = self.head;
                let length = u32::from_be_bytes([0, high, middle, low]);
                self.skip = usize::try_from(length).unwrap_or(usize::MAX);
                if !self.count(kind, flags, length) {
                    return false;
                }
            }
        }
        true
    }

    /// Whoever reads a long response has to say so now and then.
    fn count_written(&mut self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(length)) = &done {
            self.written += length;
            let earned = u32::try_from(self.written / BYTES_A_POINT).unwrap_or(POINTS_MAX);
            self.written %= BYTES_A_POINT;
            self.points = self.points.saturating_add(earned).min(POINTS_MAX);
        }
        done
    }

    fn count(&mut self, kind: u8, flags: u8, length: u32) -> bool {
        const IS_LAST: u8 = 1;
        const IS_PADDED: u8 = 8;
        let cost = match kind {
            // DATA: an empty one that does not end anything is for nothing, and so is one of padding alone.
            0 if flags & IS_LAST != 0 => 0,
            0 if flags & IS_PADDED != 0 && length <= PADDING_BYTES_MAX => 1,
            0 if length > 0 => 0,
            // HEADERS begin a request.
            1 => 0,
            // RST_STREAM.
            3 => POINTS_A_RESET,
            _ => 1,
        };
        if cost == 0 {
            self.points = (self.points + POINTS_EARNED).min(POINTS_MAX);
            return true;
        }
        if self.points < cost {
            let seconds = self.counted.elapsed().as_secs();
            let back = POINTS_A_SECOND.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX));
            self.points = self.points.saturating_add(back).min(POINTS_MAX);
            self.counted = Instant::now();
        }
        match self.points.checked_sub(cost) {
            Some(points) => {
                self.points = points;
                true
            }
            None => false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if this.read.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        } else {
            let length = this.read.len().min(buffer.remaining());
            buffer.put_slice(this.read.get(..length).unwrap_or_default());
            this.read.drain(..length);
        }
        if this.follow(buffer.filled().get(before..).unwrap_or_default()) {
            Poll::Ready(Ok(()))
        } else {
            let why = "the client sends frames that do nothing";
            Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)))
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.count_written(done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.count_written(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 0];
        frame.resize(9 + usize::from(length), 0);
        frame
    }

    #[test]
    fn a_client_that_only_pings_is_cut_off_and_one_that_works_is_not() {
        let mut meter = Meter::new((), Vec::new());
        assert!(meter.follow(super::super::PREFACE));
        let work = [frame(1, 20), frame(0, 100), frame(8, 4), frame(6, 8)].concat();
        for _ in 0..10_000 {
            assert!(work.chunks(7).all(|bytes| meter.follow(bytes)));
        }
        let ping = frame(6, 8);
        let survived = (0..5_000).take_while(|_| meter.follow(&ping)).count();
        assert!((900..=1_100).contains(&survived), "{survived}");
    }

    #[test]
    fn it_is_not_free_to_ask_and_take_back_nor_to_send_padding() {
        let mut padding = frame(0, 8);
        padding[4] = 8;
        for (frames, most) in [([frame(1, 20), frame(3, 4)].concat(), 1_100), (padding, 1_100)] {
            let mut meter = Meter::new((), Vec::new());
            assert!(meter.follow(super::super::PREFACE));
            let survived = (0..5_000).take_while(|_| meter.follow(&frames)).count();
            assert!((900..=most).contains(&survived), "{survived}");
        }
        // Whoever takes back one request of three does something all the same.
        let mut meter = Meter::new((), Vec::new());
        assert!(meter.follow(super::super::PREFACE));
        let work = [frame(1, 20), frame(1, 20), frame(1, 20), frame(3, 4)].concat();
        assert!((0..5_000).all(|_| meter.follow(&work)));
    }
}
