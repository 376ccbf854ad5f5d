//! How many requests are worked on at a time, and who waits.
//!
//! While there is room, entering is one atomic addition. Only when there is none does a queue with a lock come in:
//! first come, first served, and bounded, so that whoever could not be served in time is told at once.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// A bound on requests worked on at a time, with a queue before it.
#[derive(Debug)]
pub(crate) struct Admission {
    inside: AtomicUsize,
    inside_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
    queue: Mutex<VecDeque<Arc<Place>>>,
}

/// A place in the queue.
#[derive(Debug)]
struct Place {
    state: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

const WAITS: u8 = 0;
const ENTERED: u8 = 1;
const LEFT: u8 = 2;

/// A thread's own way to the bound: it is counted without touching what other threads count.
#[derive(Debug, Clone)]
pub(crate) struct Door(Rc<Way>);

#[derive(Debug)]
struct Way {
    admission: Arc<Admission>,
}

/// The right to be worked on; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Door);

/// What becomes of a request that asks for a permit.
#[derive(Debug)]
pub(crate) enum Entry {
    /// It may go on.
    Entered(Permit),
    /// It waits for its turn.
    Queued(Turn),
    /// There is no room even to wait.
    Full,
}

/// Waits for its turn; leaves the queue when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    door: Door,
    place: Arc<Place>,
    is_over: bool,
}

impl Admission {
    pub(crate) fn new(inside_max: usize, waiting_max: usize) -> Arc<Self> {
        Arc::new(Self {
            inside: AtomicUsize::new(0),
            inside_max,
            waiting: AtomicUsize::new(0),
            waiting_max,
            queue: Mutex::default(),
        })
    }

    /// Requests that have entered, and requests that wait.
    pub(crate) fn count(&self) -> (usize, usize) {
        (
            self.inside.load(Ordering::Relaxed),
            self.waiting.load(Ordering::Relaxed),
        )
    }

    fn take(&self) -> bool {
        if self.inside.fetch_add(1, Ordering::SeqCst) < self.inside_max {
            return true;
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
        false
    }

    /// Lets in whoever is first, while there is room.
    fn admit(&self, queue: &mut VecDeque<Arc<Place>>) {
        while !queue.is_empty() && self.take() {
            match queue.pop_front() {
                Some(place) => {
                    place.state.store(ENTERED, Ordering::SeqCst);
                    if let Some(waker) = place.waker.lock().take() {
                        waker.wake();
                    }
                }
                None => self.give_back(),
            }
        }
        self.waiting.store(queue.len(), Ordering::SeqCst);
    }

    fn give_back(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.give_back();
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.admit(&mut self.queue.lock());
        }
    }
}

impl Door {
    pub(crate) fn new(admission: Arc<Admission>) -> Self {
        Self(Rc::new(Way { admission }))
    }

    pub(crate) fn enter(&self) -> Entry {
        let admission = &self.0.admission;
        // Nobody overtakes the queue.
        if admission.waiting.load(Ordering::SeqCst) == 0 && admission.take() {
            return Entry::Entered(Permit(self.clone()));
        }
        let mut queue = admission.queue.lock();
        // Whoever comes while there is room need not find a place to wait.
        if queue.is_empty() && admission.take() {
            return Entry::Entered(Permit(self.clone()));
        }
        if queue.len() >= admission.waiting_max {
            return Entry::Full;
        }
        let place = Arc::new(Place {
            state: AtomicU8::new(WAITS),
            waker: Mutex::default(),
        });
        queue.push_back(Arc::clone(&place));
        admission.waiting.store(queue.len(), Ordering::SeqCst);
        // Somebody may have left before the queue was seen.
        admission.admit(&mut queue);
        drop(queue);
        Entry::Queued(Turn {
            door: self.clone(),
            place,
            is_over: false,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.admission.leave();
    }
}

impl Future for Turn {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        // The waker first: whoever is let in between is then woken.
        *self.place.waker.lock() = Some(context.waker().clone());
        if self.place.state.load(Ordering::SeqCst) == ENTERED {
            self.is_over = true;
            return Poll::Ready(Permit(self.door.clone()));
        }
        Poll::Pending
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let admission = Arc::clone(&self.door.0.admission);
        let mut queue = admission.queue.lock();
        if self.place.state.swap(LEFT, Ordering::SeqCst) == ENTERED {
            drop(queue);
            admission.leave();
        } else {
            queue.retain(|place| !Arc::ptr_eq(place, &self.place));
            admission.waiting.store(queue.len(), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(entry: Entry) -> Permit {
        match entry {
            Entry::Entered(permit) => permit,
            other => panic!("{other:?}"),
        }
    }

    fn queued(entry: Entry) -> Turn {
        match entry {
            Entry::Queued(turn) => turn,
            other => panic!("{other:?}"),
        }
    }

    fn poll(turn: &mut Turn) -> Poll<Permit> {
        Pin::new(turn).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn whoever_came_first_is_let_in_first_and_nobody_overtakes() {
        let admission = Admission::new(1, 2);
        let door = Door::new(Arc::clone(&admission));
        let inside = entered(door.enter());
        let mut first = queued(door.enter());
        let mut second = queued(door.enter());
        assert!(matches!(door.enter(), Entry::Full));
        assert!(poll(&mut first).is_pending());
        drop(inside);
        assert!(poll(&mut second).is_pending());
        let Poll::Ready(permit) = poll(&mut first) else {
            panic!("the first one waits")
        };
        assert_eq!(admission.count(), (1, 1));
        drop(permit);
        assert!(poll(&mut second).is_ready());
        drop((first, second));
        assert_eq!(admission.count(), (0, 0));
    }

    #[test]
    fn whoever_leaves_the_queue_leaves_its_turn_to_the_next() {
        let admission = Admission::new(1, 2);
        let door = Door::new(Arc::clone(&admission));
        let inside = entered(door.enter());
        let first = queued(door.enter());
        let mut second = queued(door.enter());
        drop(inside);
        drop(first);
        assert!(poll(&mut second).is_ready());
        assert_eq!(admission.count().1, 0);
    }

    #[test]
    fn many_threads_never_lose_a_permit() {
        let admission = Admission::new(3, 1000);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let door = Door::new(Arc::clone(&admission));
                    for _ in 0..2000 {
                        match door.enter() {
                            Entry::Entered(permit) => drop(permit),
                            Entry::Queued(mut turn) => {
                                let _ended = poll(&mut turn);
                            }
                            Entry::Full => {}
                        }
                    }
                });
            }
        });
        assert_eq!(admission.count(), (0, 0));
        drop(entered(Door::new(admission).enter()));
    }
}
