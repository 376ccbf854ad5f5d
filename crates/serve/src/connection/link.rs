//! What the parts of one connection tell one another: the gate that reads, the requests, the driver that polls.
//!
//! One for a connection of HTTP/1, which works on one request at a time, and one for each stream of HTTP/2.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use crate::protocol::Refusal;
use crate::request::Watch;

/// Where a connection, or a stream, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between two requests.
    Idle,
    /// A request has begun to come in.
    Head,
    /// A request is worked on, and its response has not begun.
    Working,
    /// A response goes out.
    Responding,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) phase: Cell<Phase>,
    /// When the phase began; for a response, when its request came in.
    pub(crate) since: Cell<Instant>,
    /// When a body moved last.
    pub(crate) moved: Cell<Instant>,
    /// When whoever works on a request wants to be asked again.
    pub(crate) wanted: Cell<Option<Instant>>,
    /// Heads that the gate has let through, requests that came out of them, and responses that have ended.
    pub(crate) passed: Cell<u64>,
    pub(crate) called: Cell<u64>,
    pub(crate) ended: Cell<u64>,
    /// The request that stands for one which was not let through, and why it was not.
    pub(crate) refused: Cell<Option<(u64, Refusal)>>,
    /// Why the body that is read now is refused.
    pub(crate) violation: Cell<Option<Refusal>>,
    /// What the driver asks the gate to refuse when it is polled next.
    pub(crate) to_refuse: Cell<Option<Refusal>>,
    /// Whether bytes wait to be written.
    pub(crate) is_write_blocked: Cell<bool>,
    /// When the client was seen to have sent all it will.
    pub(crate) end_seen: Cell<Option<Instant>>,
    /// Whether anything was written since: a client that is gone answers that with a reset.
    pub(crate) has_written_since: Cell<bool>,
    /// Whether the client of the present request takes an interim response, as that of HTTP/1.0 does not.
    pub(crate) takes_interim: Cell<bool>,
    /// The request whose client the driver wants to be sent an interim response.
    pub(crate) to_ask: Cell<Option<u64>>,
    /// Whether the beginning of a head waits for its end.
    pub(crate) is_partial: Cell<bool>,
    /// Whether a response ended before its end.
    pub(crate) is_broken: Cell<bool>,
    /// The body of the present request, where it has one.
    pub(crate) body: RefCell<Option<Arc<Watch>>>,
}

impl Link {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            phase: Cell::new(Phase::Idle),
            since: Cell::new(now),
            moved: Cell::new(now),
            wanted: Cell::new(None),
            passed: Cell::new(0),
            called: Cell::new(0),
            ended: Cell::new(0),
            refused: Cell::new(None),
            violation: Cell::new(None),
            to_refuse: Cell::new(None),
            is_write_blocked: Cell::new(false),
            end_seen: Cell::new(None),
            has_written_since: Cell::new(false),
            takes_interim: Cell::new(false),
            to_ask: Cell::new(None),
            is_partial: Cell::new(false),
            is_broken: Cell::new(false),
            body: RefCell::new(None),
        }
    }

    pub(crate) fn enter(&self, phase: Phase, now: Instant) {
        self.phase.set(phase);
        self.since.set(now);
    }

    /// Notes that a body moved. The clock is asked only where somebody wants to know.
    pub(crate) fn note_move(&self) {
        if matches!(self.phase.get(), Phase::Working | Phase::Responding) {
            self.moved.set(Instant::now());
        }
    }

    /// Counts a request; why it is to be refused, where it is.
    pub(crate) fn count_request(&self) -> Option<Refusal> {
        let number = self.called.get() + 1;
        self.called.set(number);
        self.refused
            .get()
            .filter(|(refused, _)| *refused == number)
            .map(|(_, why)| why)
    }

    /// When a body moved last, in either direction.
    pub(crate) fn moved(&self) -> Instant {
        let moved = self.moved.get();
        let body = self.body.borrow();
        body.as_ref().map_or(moved, |body| moved.max(body.moved()))
    }

    /// Notes the end of a request.
    pub(crate) fn finish(&self, now: Instant) {
        self.ended.set(self.ended.get() + 1);
        if self.body.borrow().is_some() {
            *self.body.borrow_mut() = None;
        }
        let next = if self.is_partial.get() {
            Phase::Head
        } else {
            Phase::Idle
        };
        self.enter(next, now);
    }

    /// Notes that the client will send nothing more.
    pub(crate) fn note_end(&self) {
        if self.end_seen.get().is_none() {
            self.end_seen.set(Some(Instant::now()));
        }
    }

    /// Whether nothing is on its way in either direction.
    pub(crate) fn is_quiet(&self) -> bool {
        self.passed.get() == self.ended.get() && !self.is_write_blocked.get()
    }
}
