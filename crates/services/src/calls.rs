//! Calls that one component has under way at one time, where its interfaces let it make several.
//!
//! A guest that calls a synchronous function waits for it, so its instances bound its calls. One that calls asynchronous
//! ones does not, and what it hands over lies here until a store has taken it.
//!
//! What always holds: the bytes of all calls of a component stay below a bound, those of calls that wait included; and
//! so do the calls that stores work on, and the streams that are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::{Cause, Refusal};

/// Calls that a store works on at a time; others wait for their turn.
const TURNS: usize = 64;
/// Bytes that calls may have handed over, and that are not with a store yet.
const BYTES_MAX: usize = 64 << 20;
/// Streams that are open at a time. Each may hold a piece or a page.
const STREAMS_MAX: usize = 256;

/// The calls of one component, over all its instances.
#[derive(Debug)]
pub(crate) struct Calls {
    turns: Arc<Semaphore>,
    bytes: AtomicUsize,
    streams: AtomicUsize,
}

impl Calls {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            turns: Arc::new(Semaphore::new(TURNS)),
            bytes: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
        })
    }

    /// Counts what a call has handed over, and waits for its turn. What is returned is kept for as long as it is worked
    /// on.
    pub(crate) async fn begin(self: &Arc<Self>, bytes: usize) -> Result<Turn, Refusal> {
        let held = self.hold(bytes)?;
        let permit = Arc::clone(&self.turns).acquire_owned().await;
        Ok(Turn {
            // The turns are never closed.
            _permit: permit.ok(),
            _held: held,
        })
    }

    /// Counts what a call has handed over, where it waits for more than a store.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> Result<Bytes, Refusal> {
        if !take(&self.bytes, bytes, BYTES_MAX) {
            let why = format!("calls with more than {BYTES_MAX} bytes together are under way");
            return Err(Refusal::of(Cause::Quota, why));
        }
        Ok(Bytes {
            of: Arc::clone(self),
            bytes,
        })
    }

    /// Counts a stream. What is returned is kept for as long as it is open.
    pub(crate) fn stream(self: &Arc<Self>) -> Result<Stream, Refusal> {
        if !take(&self.streams, 1, STREAMS_MAX) {
            let why = format!("more than {STREAMS_MAX} streams are open");
            return Err(Refusal::of(Cause::Quota, why));
        }
        Ok(Stream(Arc::clone(self)))
    }
}

fn take(taken: &AtomicUsize, more: usize, max: usize) -> bool {
    let add = |taken: usize| taken.checked_add(more).filter(|all| *all <= max);
    taken
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        .is_ok()
}

/// A call that a store works on.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
    _held: Bytes,
}

/// What a call has handed over.
#[derive(Debug)]
pub(crate) struct Bytes {
    of: Arc<Calls>,
    bytes: usize,
}

impl Drop for Bytes {
    fn drop(&mut self) {
        self.of.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct Stream(Arc<Calls>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn bytes_of_calls_that_wait_count_and_come_back_when_they_are_dropped() {
        let calls = Calls::new();
        let turns: Vec<_> = (0..TURNS)
            .map(|_| calls.begin(0).now_or_never().unwrap())
            .collect();
        let mut waits = Box::pin(calls.begin(BYTES_MAX));
        assert!(waits.as_mut().now_or_never().is_none());
        let refused = calls.begin(1).now_or_never().unwrap().unwrap_err();
        assert!(matches!(refused, Refusal::Failed(Cause::Quota, _)));
        drop(turns);
        let turn = waits.now_or_never().unwrap().unwrap();
        assert!(calls.hold(1).is_err());
        drop(turn);
        assert!(calls.begin(BYTES_MAX).now_or_never().unwrap().is_ok());
    }

    #[test]
    fn a_stream_that_is_dropped_makes_room_for_another() {
        let calls = Calls::new();
        let mut open: Vec<_> = (0..STREAMS_MAX).map(|_| calls.stream().unwrap()).collect();
        assert!(calls.stream().is_err());
        open.pop();
        assert!(calls.stream().is_ok());
    }
}
