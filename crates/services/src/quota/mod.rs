//! Bounds on what the part of a store comes to that a component is granted.
//!
//! No store carries along what a part of it has, and counting takes the longer, the more there is. So a [`Quota`] counts
//! when it must, and adds up what is written after that as if it replaced nothing. Only near the bound it asks what each
//! change replaces, one change after the other, and then it knows what is there without counting.
//!
//! What always holds, as long as all who write to the part share its quota: what is there never has more bytes than
//! [`Count`] says, so a change that fits there fits in truth. Whoever else writes is learnt of with the next count. One
//! counts at a time, and counting takes no more than about a tenth of the time, whatever a guest does.
//!
//! Changes are made by tasks of their own. A guest that is ended, or computes and has none of its calls looked after,
//! leaves nobody else waiting, and it is always known what has become of a change.

mod count;
mod parts;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard};

use count::Count;
pub(crate) use count::{Exactly, Outcome};
pub use parts::Quotas;

/// How long a change waits at most until it may be counted again.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What a change that is under way takes by itself.
const TASK_BYTES: u64 = 1 << 10;

/// A change of a store, and what a quota has to ask about it.
pub(crate) trait Change: Send + Sync + 'static {
    type Error: Send + 'static;

    /// Bytes that it adds at most, whatever is there: 0 if it only takes away.
    fn adds_at_most(&self) -> u64;

    /// What it does to what is there now; none where that would take long to find out.
    fn exactly(&self) -> impl Future<Output = Result<Option<Exactly>, Self::Error>> + Send;

    /// Bytes that there are now.
    fn count(&self) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Bytes that it takes while it is under way.
    fn takes(&self) -> u64;

    /// Bytes that all changes may take that are under way at one time.
    fn all_take_at_most(&self) -> u64;

    /// That there is no room for it.
    fn full(bytes_max: u64) -> Self::Error;

    /// That nobody knows how much there is, or what has become of it.
    fn unknown(why: &'static str) -> Self::Error;
}

/// How much a part of a store has. Shared by all who write to it and have a bound.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    /// Changes share it; who counts, and who asks what a change replaces, has it alone.
    turns: RwLock<()>,
    count: Mutex<Count>,
    under_way: Mutex<u64>,
    less_under_way: Notify,
}

/// Room for a change, until it is known what has become of it.
struct Room<'a> {
    quota: &'a Quota,
    _turn: Turn<'a>,
    exactly: Exactly,
    /// What was added to the count.
    added: u64,
    outcome: Outcome,
}

#[expect(dead_code, reason = "they are held, not used")]
enum Turn<'a> {
    Shared(RwLockReadGuard<'a, ()>),
    Alone(RwLockWriteGuard<'a, ()>),
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut count = self.quota.count.lock();
        count.end(self.exactly, self.added, self.outcome, Instant::now());
    }
}

impl Room<'_> {
    fn settle(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Quota {
    /// Makes a change if there is room for it.
    ///
    /// Dropped, the change is made all the same once it has begun to wait for its turn.
    pub(crate) async fn change<C: Change, T: Send + 'static>(
        self: &Arc<Self>,
        bytes_max: u64,
        change: C,
        make: impl Future<Output = (Outcome, Result<T, C::Error>)> + Send + 'static,
    ) -> Result<T, C::Error> {
        let under_way = self.begin(change.takes(), change.all_take_at_most()).await;
        let task = tokio::spawn(async move {
            let quota = &*under_way.quota;
            let room = match change.adds_at_most() {
                0 => Some(quota.without_adding(bytes_max, &change).await),
                _ => quota.room(bytes_max, &change).await?,
            };
            let room = room.ok_or_else(|| C::full(bytes_max))?;
            let (outcome, made) = make.await;
            room.settle(outcome);
            made
        });
        let lost = |_| Err(C::unknown("the task of the change is lost"));
        task.await.unwrap_or_else(lost)
    }

    /// Waits until what is under way leaves memory for more. Nobody is handed a turn here that he may never take.
    async fn begin(self: &Arc<Self>, bytes: u64, bytes_max: u64) -> UnderWay {
        let bytes = bytes.saturating_add(TASK_BYTES);
        loop {
            let less = self.less_under_way.notified();
            {
                let mut all = self.under_way.lock();
                let after = all.saturating_add(bytes);
                if *all == 0 || after <= bytes_max {
                    *all = after;
                    let quota = Arc::clone(self);
                    return UnderWay { quota, bytes };
                }
            }
            less.await;
        }
    }

    /// Room for a change; none where there is none.
    async fn room<C: Change>(&self, bytes_max: u64, change: &C) -> Result<Option<Room<'_>>, C::Error> {
        let adds = change.adds_at_most();
        let turn = self.turns.read().await;
        if self.count.lock().add(adds, bytes_max, Instant::now()) {
            return Ok(Some(self.shared(turn, adds)));
        }
        drop(turn);
        let alone = self.turns.write().await;
        // Somebody else may have counted by now.
        let is_due = self.count.lock().is_due(bytes_max, Instant::now());
        if is_due && !self.count_again(change).await? && !self.count.lock().is_counted() {
            return Err(C::unknown("it cannot be counted as often as that"));
        }
        if self.count.lock().add(adds, bytes_max, Instant::now()) {
            return Ok(Some(self.shared(alone.downgrade(), adds)));
        }
        self.exact_room(alone, bytes_max, change).await
    }

    /// Room near the bound, for one change at a time.
    async fn exact_room<'a, C: Change>(
        &'a self,
        alone: RwLockWriteGuard<'a, ()>,
        bytes_max: u64,
        change: &C,
    ) -> Result<Option<Room<'a>>, C::Error> {
        let exactly = change.exactly().await?.unwrap_or(Exactly {
            removes: 0,
            adds: change.adds_at_most(),
        });
        let mut added = self.count.lock().fit(exactly, bytes_max);
        let may_be_less = self.count.lock().may_be_less(Instant::now());
        if added.is_none() && may_be_less && self.count_again(change).await? {
            added = self.count.lock().fit(exactly, bytes_max);
        }
        Ok(added.map(|added| Room {
            quota: self,
            _turn: Turn::Alone(alone),
            exactly,
            added,
            outcome: Outcome::Unknown,
        }))
    }

    /// What only takes away is never kept from doing so, even where nothing can be counted.
    async fn without_adding<C: Change>(&self, bytes_max: u64, change: &C) -> Room<'_> {
        let turn = self.turns.read().await;
        if self.count.lock().take_away(bytes_max) {
            return self.shared(turn, 0);
        }
        drop(turn);
        let alone = self.turns.write().await;
        match change.exactly().await {
            Ok(Some(exactly)) => Room {
                quota: self,
                _turn: Turn::Alone(alone),
                exactly,
                added: 0,
                outcome: Outcome::Unknown,
            },
            Ok(None) | Err(_) => {
                self.count.lock().loosen();
                self.shared(alone.downgrade(), 0)
            }
        }
    }

    /// Room for a change that is taken to replace nothing.
    fn shared<'a>(&'a self, turn: RwLockReadGuard<'a, ()>, adds: u64) -> Room<'a> {
        Room {
            quota: self,
            _turn: Turn::Shared(turn),
            exactly: Exactly { removes: 0, adds },
            added: adds,
            outcome: Outcome::Unknown,
        }
    }

    /// Counts, for somebody who has the turns alone; false where that was done too short a time ago.
    async fn count_again<C: Change>(&self, change: &C) -> Result<bool, C::Error> {
        let wait = self.count.lock().pause(Instant::now());
        if wait > WAIT_MAX {
            return Ok(false);
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let begun = Instant::now();
        let counted = change.count().await;
        self.count
            .lock()
            .set(counted.as_ref().ok(), begun, Instant::now());
        counted.map(|_| true)
    }
}

/// A change that is under way.
struct UnderWay {
    quota: Arc<Quota>,
    bytes: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.quota.under_way.lock() -= self.bytes;
        self.quota.less_under_way.notify_waiters();
    }
}
