//! The gate before the HTTP/1 parser: it follows every byte that comes in and lets a request through when its whole
//! head is there and nobody could read it in another way.
//!
//! A request that is refused is replaced by a plain one that ends the connection, so that its answer stands in its
//! place behind the answers of the requests before it. What came after it is never looked at. Bytes go straight
//! into the parser's buffer; only a head that comes in pieces is kept here until it is whole.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::link::{Link, Phase};
use super::stream::Reset;
use crate::protocol::head::{self, Bounds, Framing, Scan};
use crate::protocol::{Chunks, Refusal};

/// Stands for a request that was refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// Asks a client that has closed its side whether it is there: it ignores this, and one that is gone resets the
/// connection. Of all interim responses, this is the one that every client knows (RFC 9110, section 15.2).
const ARE_YOU_THERE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[derive(Debug)]
pub(crate) struct Gate<S> {
    stream: S,
    link: Rc<Link>,
    bounds: Bounds,
    at: At,
    /// The beginning of a head that goes on, or bytes that were read before the parser asked.
    kept: Vec<u8>,
    /// How many of the kept bytes were let through and wait for room.
    through: usize,
    /// How many of the kept bytes have been looked at for the end of a head.
    looked: usize,
    /// Whether the response to what was read last has waited for those of other connections.
    has_waited: bool,
    /// What of an interim response is still to be written.
    interim: &'static [u8],
}

#[derive(Debug)]
enum At {
    Head,
    Body(u64),
    Chunked(Box<Chunks>),
    /// Nothing that comes is read any more.
    Shut,
}

impl<S> Gate<S> {
    pub(crate) fn new(stream: S, link: Rc<Link>, bounds: Bounds, read_before: Vec<u8>) -> Self {
        Self {
            stream,
            link,
            bounds,
            at: At::Head,
            kept: read_before,
            through: 0,
            looked: 0,
            has_waited: false,
            interim: &[],
        }
    }

    /// Whether a request has begun to come in and is not whole.
    pub(crate) fn has_part(&self) -> bool {
        !self.kept.is_empty()
    }

    fn has_only_empty_lines(&self) -> bool {
        self.kept.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
    }

    /// Gives back bytes that were let through and not read by the parser.
    pub(crate) fn give_back(&mut self, bytes: &[u8]) {
        self.kept.splice(..0, bytes.iter().copied());
        self.through += bytes.len();
        self.looked += bytes.len();
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Frees what an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.kept.is_empty() {
            self.kept = Vec::new();
        }
    }

    /// Follows bytes from the beginning: how many may be let through. Where a request is refused, that many stand
    /// before it.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        // Where the request begins whose head is among these bytes.
        let mut head_at = None;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return at;
            }
            match self.step(rest) {
                Ok(Step::Head(length)) => {
                    head_at = Some(at);
                    at += length;
                }
                Ok(Step::Body(length)) => at += length,
                Ok(Step::Wait) => return at,
                Err(refusal) => {
                    let in_body = !matches!(self.at, At::Head);
                    self.at = At::Shut;
                    return match head_at {
                        // The parser has not seen the head of this body yet.
                        Some(head_at) if in_body => {
                            self.link.passed.set(self.link.passed.get() - 1);
                            self.refuse(refusal);
                            head_at
                        }
                        _ if in_body => {
                            self.link.violation.set(Some(refusal));
                            at
                        }
                        _ => {
                            self.refuse(refusal);
                            at
                        }
                    };
                }
            }
        }
    }

    fn step(&mut self, rest: &[u8]) -> Result<Step, Refusal> {
        match &mut self.at {
            At::Head => match head::scan(rest, &self.bounds)? {
                Scan::Partial => Ok(Step::Wait),
                Scan::Whole { length, framing } => {
                    self.link.passed.set(self.link.passed.get() + 1);
                    self.link.violation.set(None);
                    self.at = match framing {
                        Framing::Length(0) => At::Head,
                        Framing::Length(length) => At::Body(length),
                        Framing::Chunked => At::Chunked(Box::default()),
                    };
                    Ok(Step::Head(length))
                }
            },
            At::Body(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= here as u64;
                if *left == 0 {
                    self.at = At::Head;
                }
                Ok(Step::Body(here))
            }
            At::Chunked(chunks) => {
                let length = chunks.follow(rest, self.bounds.body_bytes_max)?;
                if chunks.is_done() {
                    self.at = At::Head;
                }
                Ok(Step::Body(length))
            }
            At::Shut => Ok(Step::Wait),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        let number = self.link.passed.get() + 1;
        self.link.passed.set(number);
        self.link.refused.set(Some((number, refusal)));
        self.at = At::Shut;
    }

    /// Notes when a head has begun to come in.
    fn note_head(&self) {
        let is_partial = self.kept.len() > self.through;
        self.link.is_partial.set(is_partial);
        if is_partial && self.link.phase.get() == Phase::Idle {
            self.link.enter(Phase::Head, Instant::now());
        }
    }

    /// Puts the stand-in behind what was let through.
    fn stand_in(&mut self) {
        self.kept.truncate(self.through);
        self.kept.extend_from_slice(STAND_IN);
        self.through = self.kept.len();
    }

    /// Hands out what was let through and kept.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.through.min(buffer.remaining());
        buffer.put_slice(self.kept.get(..length).unwrap_or_default());
        self.kept.drain(..length);
        self.through -= length;
        self.looked = self.looked.saturating_sub(length);
        self.note_head();
    }

    /// Looks at what is kept, once the end of a head can be in it.
    fn follow_kept(&mut self) {
        if matches!(self.at, At::Shut) {
            return;
        }
        if matches!(self.at, At::Head) && !self.may_be_whole() {
            self.looked = self.kept.len();
            return;
        }
        let kept = std::mem::take(&mut self.kept);
        let through = self.follow(kept.get(self.through..).unwrap_or_default());
        self.kept = kept;
        self.through += through;
        self.looked = self.kept.len();
        if matches!(self.at, At::Shut) && self.link.violation.get().is_none() {
            self.stand_in();
        }
    }

    /// Whether the kept head is worth reading again: something came that can end it, or it is too long.
    fn may_be_whole(&self) -> bool {
        let fresh = self.kept.get(self.looked.saturating_sub(3)..).unwrap_or_default();
        self.looked == 0
            || self.kept.len() > self.bounds.bytes_max
            || memchr::memmem::find(fresh, b"\n\r\n").is_some()
            || memchr::memmem::find(fresh, b"\n\n").is_some()
            || fresh
                .iter()
                .any(|&byte| byte < b' ' && !matches!(byte, b'\r' | b'\n' | b'\t'))
    }
}

enum Step {
    Head(usize),
    Body(usize),
    Wait,
}

impl<S: AsyncRead + AsyncWrite + Reset + Unpin> Gate<S> {
    /// Waits, without a parser, until bytes of the next request are there: whether there are any.
    pub(crate) fn poll_first_bytes(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.kept.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let mut room = [0; 2048];
        let mut buffer = ReadBuf::new(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.kept.extend_from_slice(buffer.filled());
        if self.kept.is_empty() {
            self.link.note_end();
        }
        Poll::Ready(Ok(!self.kept.is_empty()))
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            if let Some(refusal) = self.link.to_refuse.take()
                && !matches!(self.at, At::Shut)
            {
                self.refuse(refusal);
                self.stand_in();
            }
            if self.through == 0 && self.looked == 0 && !self.kept.is_empty() {
                self.follow_kept();
                self.note_head();
            }
            if self.through > 0 {
                self.hand_out(buffer);
                return Poll::Ready(Ok(()));
            }
            if let Some(refusal) = self.link.violation.get() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal.reason())));
            }
            if matches!(self.at, At::Shut) {
                return Poll::Pending;
            }
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let came = buffer.filled().get(before..).unwrap_or_default();
            if came.is_empty() {
                self.link.note_end();
                match self.at {
                    // An empty line behind a body is something that old clients send, and no request.
                    At::Head if self.has_part() && self.has_only_empty_lines() => {
                        self.kept.clear();
                        self.looked = 0;
                        self.note_head();
                    }
                    At::Head if self.has_part() => {
                        self.refuse(Refusal::Malformed("the connection ended within a head"));
                        self.stand_in();
                    }
                    At::Body(_) | At::Chunked(_) => {
                        let why = Refusal::Malformed("the connection ended within a body");
                        self.link.violation.set(Some(why));
                    }
                    // The parser would drop a request whose client has closed its side, though that client may
                    // wait for the response: the driver decides how long.
                    At::Head | At::Shut if !self.link.is_quiet() => return self.poll_ask(context),
                    At::Head | At::Shut => return Poll::Ready(Ok(())),
                }
                continue;
            }
            self.link.note_move();
            self.has_waited = false;
            if self.kept.is_empty() {
                if self.take_in(before, buffer) {
                    return Poll::Ready(Ok(()));
                }
            } else {
                self.kept.extend_from_slice(came);
                buffer.set_filled(before);
                self.follow_kept();
            }
            self.note_head();
        }
    }

    /// Sends the interim response that the driver asked for, as long as nothing of the real one is on its way.
    fn poll_ask(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_now = self.link.to_ask.take() == Some(self.link.called.get())
            && self.link.phase.get() == Phase::Working
            && !self.link.is_write_blocked.get();
        if is_now && self.interim.is_empty() {
            self.interim = ARE_YOU_THERE;
        }
        if let Poll::Ready(Err(error)) = self.poll_interim(context) {
            return Poll::Ready(Err(error));
        }
        if self.link.has_written_since.get() && self.stream.was_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Pending
    }

    /// Looks at what was read into the parser's buffer, and leaves there what may stay: whether that is anything.
    fn take_in(&mut self, before: usize, buffer: &mut ReadBuf<'_>) -> bool {
        let came = buffer.filled().get(before..).unwrap_or_default();
        let through = self.follow(came);
        if through < came.len() && !matches!(self.at, At::Shut) {
            self.kept
                .extend_from_slice(came.get(through..).unwrap_or_default());
            self.looked = self.kept.len();
        }
        buffer.set_filled(before + through);
        if matches!(self.at, At::Shut) && self.link.violation.get().is_none() {
            self.stand_in();
        }
        through > 0
    }
}

impl<S: AsyncRead + AsyncWrite + Reset + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_bytes(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_turn(context))?;
        let done = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.note_write(done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_turn(context))?;
        let done = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.note_write(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // What is to be aborted must not end as if it were whole.
        let is_other = matches!(this.link.refused.get(), Some((_, Refusal::NotHttp)));
        if is_other || this.link.is_broken.get() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

impl<S: AsyncWrite + Unpin> Gate<S> {
    /// Lets the first bytes of a response wait until the thread has gone once through all connections that had
    /// something to read. Their responses then go out one behind the other, and wake a client or a balancer that waits
    /// for several of them once, where each would have waked it anew.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_waited {
            return self.poll_interim(context);
        }
        self.has_waited = true;
        self.link.is_write_blocked.set(true);
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_interim(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            let done = Pin::new(&mut self.stream).poll_write(context, self.interim);
            let written = ready!(self.note_write(done))?;
            self.interim = self.interim.get(written..).unwrap_or_default();
            if self.interim.is_empty() {
                // What cannot be sent now is sent with what follows.
                let _ = Pin::new(&mut self.stream).poll_flush(context)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn note_write(&self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.link.is_write_blocked.set(done.is_pending());
        if let Poll::Ready(Ok(_)) = &done {
            self.link.note_move();
            if self.link.end_seen.get().is_some() {
                self.link.has_written_since.set(true);
            }
        }
        done
    }
}

#[cfg(test)]
mod tests;
