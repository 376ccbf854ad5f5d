//! Deadlines of one thread: when the time of a connection or a stream is over, its task is woken.
//!
//! A deadline is moved with every request, so moving one must cost a few nanoseconds: it writes a word into a table,
//! and one task for the whole thread looks through the table when the first of them can be due. It never fires
//! early, and at most [`GRAIN`] late.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How often the table is looked through at most.
const GRAIN: Duration = Duration::from_millis(10);

/// How long the task sleeps when nothing is due.
const LONG: Duration = Duration::from_secs(3600);

/// The table of one thread.
#[derive(Debug)]
pub(crate) struct Timers {
    slots: RefCell<Slots>,
    /// When the task looks next.
    planned: Cell<Instant>,
    sooner: Notify,
}

#[derive(Debug, Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Debug, Default)]
struct Slot {
    deadline: Option<Instant>,
    waker: Option<Waker>,
}

/// One place in the table.
#[derive(Debug)]
pub(crate) struct Alarm {
    timers: Rc<Timers>,
    slot: usize,
}

impl Timers {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            slots: RefCell::default(),
            planned: Cell::new(Instant::now() + LONG),
            sooner: Notify::new(),
        })
    }

    pub(crate) fn alarm(self: &Rc<Self>) -> Alarm {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.all.push(Slot::default());
            slots.all.len() - 1
        });
        Alarm {
            timers: Rc::clone(self),
            slot,
        }
    }

    /// Wakes every task that has an alarm, whatever its deadline.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<Waker> = self
            .slots
            .borrow()
            .all
            .iter()
            .filter_map(|slot| slot.waker.clone())
            .collect();
        wakers.iter().for_each(Waker::wake_by_ref);
    }

    /// Looks through the table for as long as the thread serves.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            let now = Instant::now();
            let next = self.fire(now).unwrap_or(now + LONG).max(now + GRAIN);
            self.planned.set(next);
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                () = self.sooner.notified() => tokio::time::sleep(GRAIN).await,
            }
        }
    }

    /// Wakes whoever is due; when the next one is.
    fn fire(&self, now: Instant) -> Option<Instant> {
        let mut due = Vec::new();
        let mut next: Option<Instant> = None;
        for slot in &mut self.slots.borrow_mut().all {
            let Some(deadline) = slot.deadline else { continue };
            if deadline <= now {
                slot.deadline = None;
                due.extend(slot.waker.clone());
            } else {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
        }
        due.into_iter().for_each(Waker::wake);
        next
    }
}

impl Alarm {
    /// Wakes the task at a time, instead of at the one set before.
    pub(crate) fn set(&self, deadline: Option<Instant>, context: &Context<'_>) {
        let mut slots = self.timers.slots.borrow_mut();
        let Some(slot) = slots.all.get_mut(self.slot) else {
            return;
        };
        slot.deadline = deadline;
        if !slot
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            slot.waker = Some(context.waker().clone());
        }
        if let Some(deadline) = deadline
            && deadline < self.timers.planned.get()
        {
            self.timers.planned.set(deadline);
            self.timers.sooner.notify_one();
        }
    }
}

impl Alarm {
    /// Whether a deadline can be over. It says so too often rather than too late: the clock decides.
    pub(crate) fn may_be_due(&self, deadline: Instant) -> bool {
        let slots = self.timers.slots.borrow();
        let set = slots.all.get(self.slot).and_then(|slot| slot.deadline);
        // One that was set and has not fired lies ahead.
        set.is_none_or(|set| deadline < set)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let mut slots = self.timers.slots.borrow_mut();
        if let Some(slot) = slots.all.get_mut(self.slot) {
            *slot = Slot::default();
        }
        slots.free.push(self.slot);
    }
}
