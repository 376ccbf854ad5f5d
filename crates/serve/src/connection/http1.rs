//! A connection of HTTP/1: the gate, the parser behind it, and the time limits around both.
//!
//! An idle connection that stays idle is put away: of parser and buffers nothing is kept, only the socket, until
//! bytes come.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::gate::Gate;
use super::link::{Link, Phase};
use super::{Peer, Stream, linger};
use crate::handler::Handler;
use crate::protocol::Refusal;
use crate::request::answer;
use crate::timers::Alarm;
use crate::worker::Worker;

/// How long a connection is idle before it is put away.
const DOZE: Duration = Duration::from_secs(1);

/// How long an idle connection is still listened to when the server ends: a request may be on its way.
pub(super) const QUIET: Duration = Duration::from_millis(250);

/// How often a client that has closed its side is looked after. It may wait for its response, or be gone altogether:
/// that shows only in what becomes of bytes that are sent to it.
const LOOK: Duration = Duration::from_millis(250);

/// How often it is sent something to find out.
const ASK: Duration = Duration::from_secs(10);

/// How long a client of HTTP/1.0 may wait, which cannot be sent anything before its response.
const GONE: Duration = Duration::from_millis(500);

/// How long a response to it may pause that had begun before, so that there is nothing it could be sent.
const PAUSE: Duration = Duration::from_secs(5);

/// Why the parser is not polled any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The connection has ended, or ends now.
    Over,
    /// Nothing came for a while.
    Doze,
    /// Something went wrong in the middle of a response, or time is over.
    Abort,
}

/// Serves a connection of HTTP/1 to its end; with a refusal where what was read is no request already.
pub(super) async fn serve<H: Handler>(
    worker: Rc<Worker<H>>,
    peer: Rc<Peer>,
    stream: Stream,
    read: Vec<u8>,
    refusal: Option<Refusal>,
) {
    let link = Rc::new(Link::new(Instant::now()));
    link.to_refuse.set(refusal);
    let driver = Driver {
        alarm: worker.timers.alarm(),
        link: Rc::clone(&link),
        worker: Rc::clone(&worker),
        looked: Cell::new(None),
        asked: Cell::new(None),
    };
    let mut gate = Gate::new(stream, Rc::clone(&link), worker.bounds, read);
    loop {
        if !poll_fn(|context| driver.poll_asleep(&mut gate, context)).await {
            break;
        }
        let service =
            service_fn(|request| answer(Rc::clone(&worker), Rc::clone(&peer), Rc::clone(&link), request));
        let mut http = Box::new(worker.http1.serve_connection(TokioIo::new(gate), service));
        let end = poll_fn(|context| driver.poll(&mut *http, context)).await;
        let parts = http.into_parts();
        gate = parts.io.into_inner();
        if end == End::Abort || (end == End::Over && link.is_broken.get()) {
            gate.into_stream().abort();
            return;
        }
        if matches!(link.refused.get(), Some((_, Refusal::NotHttp))) {
            // Whoever speaks another protocol must see an end, and not an answer that it takes for its own.
            gate.into_stream().abort();
            return;
        }
        if end == End::Over {
            break;
        }
        gate.give_back(&parts.read_buf);
        gate.shrink();
    }
    if link.end_seen.get().is_none() {
        // Boxed, so that its buffer is there when it is needed and not for as long as the connection is.
        Box::pin(linger(&worker, &driver.alarm, gate.into_stream())).await;
    }
}

struct Driver<H> {
    alarm: Alarm,
    link: Rc<Link>,
    worker: Rc<Worker<H>>,
    /// When a client that has closed its side was looked after last, and when it was sent something.
    looked: Cell<Option<Instant>>,
    asked: Cell<Option<Instant>>,
}

impl<H: Handler> Driver<H> {
    /// Waits for bytes without a parser: whether there are any.
    fn poll_asleep(&self, gate: &mut Gate<Stream>, context: &mut Context<'_>) -> Poll<bool> {
        match gate.poll_first_bytes(context) {
            Poll::Ready(Ok(are_there)) => return Poll::Ready(are_there),
            Poll::Ready(Err(_)) => return Poll::Ready(false),
            Poll::Pending => {}
        }
        let until = self.idle_until();
        if self.worker.is_stopping.get() || Instant::now() >= until {
            return Poll::Ready(false);
        }
        self.alarm.set(Some(until), context);
        Poll::Pending
    }

    /// Polls the parser and everything behind it, and sees to the time limits.
    fn poll<F: Future + Unpin>(&self, http: &mut F, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if Pin::new(&mut *http).poll(context).is_ready() {
                return Poll::Ready(End::Over);
            }
            self.link.to_ask.set(None);
            if self.worker.is_stopping.get() {
                return Poll::Ready(End::Abort);
            }
            if self.link.end_seen.get().is_some() && self.link.is_quiet() {
                return Poll::Ready(End::Over);
            }
            let due = self.due();
            // While requests follow one another, no deadline is ever near, and the clock need not be asked.
            if due.is_none_or(|due| !self.alarm.may_be_due(due)) {
                self.alarm.set(due, context);
                return Poll::Pending;
            }
            let now = Instant::now();
            if let Some(due) = due
                && now < due
            {
                self.alarm.set(Some(due), context);
                return Poll::Pending;
            }
            match self.link.phase.get() {
                Phase::Idle if !self.link.is_write_blocked.get() && now >= self.idle_until() => {
                    return Poll::Ready(End::Over);
                }
                Phase::Idle if self.link.is_quiet() => return Poll::Ready(End::Doze),
                Phase::Head if !self.has_refused() => self.link.to_refuse.set(Some(Refusal::TooSlow)),
                Phase::Responding if now >= self.response_until() => return Poll::Ready(End::Abort),
                Phase::Working | Phase::Responding if self.look_at().is_some_and(|look| now >= look) => {
                    if !self.look_after(now) {
                        return Poll::Ready(End::Abort);
                    }
                }
                // Nothing moved since the gate was told, or the parser waits for something else: it had its time.
                Phase::Head | Phase::Idle => return Poll::Ready(End::Abort),
                // Whoever works on it was asked a moment ago, and will set another time.
                Phase::Working | Phase::Responding => {
                    self.alarm.set(Some(now + Duration::from_millis(10)), context);
                    return Poll::Pending;
                }
            }
        }
    }

    fn has_refused(&self) -> bool {
        self.link.to_refuse.get().is_some() || self.link.refused.get().is_some()
    }

    /// When something is to happen if nothing else does before.
    fn due(&self) -> Option<Instant> {
        let limits = &self.worker.limits;
        let since = self.link.since.get();
        let due = match self.link.phase.get() {
            // The end of a response is still here: whoever it is for may read slowly, also when the server ends.
            Phase::Idle if self.link.is_write_blocked.get() => Some(since + limits.body_timeout),
            Phase::Idle if self.worker.draining.get().is_some() => Some(self.idle_until()),
            Phase::Idle => Some(since + DOZE.min(limits.idle_timeout)),
            Phase::Head => Some(since + limits.head_timeout),
            Phase::Working => self.link.wanted.get(),
            Phase::Responding => Some(self.response_until()),
        };
        match self.look_at() {
            Some(look) => Some(due.map_or(look, |due| due.min(look))),
            None => due,
        }
    }

    /// When a response has had its time.
    fn response_until(&self) -> Instant {
        let limits = &self.worker.limits;
        let until = self.link.since.get() + limits.total_timeout;
        until.min(self.link.moved() + limits.body_timeout)
    }

    /// When a client that has closed its side is looked after next.
    fn look_at(&self) -> Option<Instant> {
        let seen = self.link.end_seen.get()?;
        let looked = self.looked.get().unwrap_or(seen);
        match self.link.phase.get() {
            Phase::Working if !self.link.takes_interim.get() => Some(looked + GONE),
            Phase::Responding if !self.link.has_written_since.get() => {
                Some(seen.max(self.link.moved()) + PAUSE)
            }
            Phase::Working | Phase::Responding => Some(looked + LOOK),
            // What is left to be written has a time limit of its own.
            Phase::Idle | Phase::Head => None,
        }
    }

    /// Looks after a client that has closed its side: whether it may still be there. The next poll sends it what it is
    /// to be sent, and finds out what became of what was sent before.
    fn look_after(&self, now: Instant) -> bool {
        self.looked.set(Some(now));
        if self.link.phase.get() == Phase::Working && self.link.takes_interim.get() {
            if self.asked.get().is_none_or(|asked| now >= asked + ASK) {
                self.asked.set(Some(now));
                self.link.to_ask.set(Some(self.link.called.get()));
            }
            return true;
        }
        self.link.has_written_since.get()
    }

    /// When an idle connection is closed.
    fn idle_until(&self) -> Instant {
        let until = self.link.since.get() + self.worker.limits.idle_timeout;
        match self.worker.draining.get() {
            Some(since) => until.min(since + QUIET),
            None => until,
        }
    }
}
