//! The ticks of an engine, and whether anybody needs them: a clock that nobody looks at stands still, so that a server
//! with nothing to do sleeps.
//!
//! Guests that count look at the clock when their turn begins and while they compute. Those that check epochs do not,
//! so while there is one the clock goes on.
//!
//! What always holds: whoever looks at a clock that stands still starts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};

use parking_lot::Mutex;

/// What an engine and its guests know of the time.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    count: AtomicU64,
    /// Whether somebody has looked since it was asked last.
    is_used: AtomicBool,
    /// Guests that need ticks without looking.
    dependent: AtomicUsize,
    /// Whether there are sleepers.
    is_resting: AtomicBool,
    /// Threads that count ticks, and have stopped.
    sleepers: Mutex<Vec<Thread>>,
}

/// A guest that needs ticks for as long as it is there.
#[derive(Debug)]
pub(crate) struct Dependent(Arc<Ticks>);

impl Ticks {
    /// Looks at the clock.
    pub(crate) fn now(&self) -> u64 {
        // Most of those who look do so while others have, and then nothing is written that threads share.
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::SeqCst);
            self.wake();
        }
        self.count.load(Ordering::Relaxed)
    }

    /// Ends a tick.
    pub(crate) fn advance(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps the clock going.
    pub(crate) fn depend(self: &Arc<Self>) -> Dependent {
        self.dependent.fetch_add(1, Ordering::SeqCst);
        self.wake();
        Dependent(self.clone())
    }

    /// Whether anybody has needed ticks since this was asked last.
    pub(crate) fn were_needed(&self) -> bool {
        self.is_used.swap(false, Ordering::SeqCst) || self.dependent.load(Ordering::SeqCst) > 0
    }

    /// Has this thread waked as soon as somebody needs ticks. Whoever calls it asks once more before it sleeps: one of
    /// both sides sees the other.
    pub(crate) fn rest(&self) {
        self.sleepers.lock().push(thread::current());
        self.is_resting.store(true, Ordering::SeqCst);
    }

    /// This thread counts again.
    pub(crate) fn go_on(&self) {
        let mut sleepers = self.sleepers.lock();
        sleepers.retain(|sleeper| sleeper.id() != thread::current().id());
        self.is_resting.store(!sleepers.is_empty(), Ordering::SeqCst);
    }

    fn wake(&self) {
        if self.is_resting.load(Ordering::SeqCst) {
            self.sleepers.lock().iter().for_each(Thread::unpark);
        }
    }
}

impl Drop for Dependent {
    fn drop(&mut self) {
        self.0.dependent.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_look_is_noticed_once_and_a_dependent_for_as_long_as_it_is_there() {
        let ticks = Arc::new(Ticks::default());
        assert!(!ticks.were_needed());
        ticks.advance();
        assert_eq!(ticks.now(), 1);
        assert!(ticks.were_needed() && !ticks.were_needed());
        let dependent = ticks.depend();
        assert!(ticks.were_needed() && ticks.were_needed());
        drop(dependent);
        assert!(!ticks.were_needed());
    }

    /// Whether a clock that stands still is started by what is done to it.
    fn is_started_by(needs: impl FnOnce(&Arc<Ticks>) -> Option<Dependent>) -> bool {
        let ticks = Arc::new(Ticks::default());
        let resting = ticks.clone();
        let clock = thread::spawn(move || {
            resting.rest();
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(20) && !resting.were_needed() {
                thread::park_timeout(Duration::from_secs(20));
            }
            resting.go_on();
            begun.elapsed() < Duration::from_secs(20)
        });
        while !ticks.is_resting.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let _dependent = needs(&ticks);
        clock.join().unwrap() && !ticks.is_resting.load(Ordering::SeqCst)
    }

    #[test]
    fn who_needs_a_clock_that_stands_still_starts_it() {
        assert!(is_started_by(|ticks| {
            ticks.now();
            None
        }));
        assert!(is_started_by(|ticks| Some(ticks.depend())));
    }
}
