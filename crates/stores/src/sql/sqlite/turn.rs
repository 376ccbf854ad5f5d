//! Who writes: one after the other, in the order in which they asked; and what becomes of those who do not end.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::session::Inner;
use crate::sql::Error;

/// How often those who wait look whether others have had their time.
const LOOK: Duration = Duration::from_millis(100);
/// How many times as long as a statement a transaction may take in all.
const TRANSACTION: u32 = 6;

pub(super) struct Turn {
    one: Arc<Semaphore>,
    /// Transactions that were begun and not ended, with the time since which they are.
    open: Mutex<Vec<(Instant, Weak<Inner>)>>,
    idle_max: Duration,
}

/// Its holder may write.
pub(super) type MayWrite = OwnedSemaphorePermit;

impl Turn {
    pub(super) fn new(idle_max: Duration) -> Self {
        Self {
            one: Arc::new(Semaphore::new(1)),
            open: Mutex::default(),
            idle_max,
        }
    }

    /// The turn, where nobody has it.
    pub(super) fn try_take(&self) -> Option<MayWrite> {
        Arc::clone(&self.one).try_acquire_owned().ok()
    }

    /// The turn, once those before have had theirs.
    pub(super) async fn take(&self, deadline: Instant) -> Result<MayWrite, Error> {
        let taken = Arc::clone(&self.one).acquire_owned();
        let mut taken = std::pin::pin!(taken);
        loop {
            let look = (Instant::now() + LOOK).min(deadline);
            match tokio::time::timeout_at(look.into(), &mut taken).await {
                Ok(Ok(turn)) => return Ok(turn),
                Err(_) if Instant::now() < deadline => self.end_idle(),
                Ok(Err(_)) | Err(_) => {
                    return Err(Error::Locked {
                        what: "others write, and do not end".to_owned(),
                    });
                }
            }
        }
    }

    /// A transaction was begun.
    pub(super) fn opened(&self, session: &Arc<Inner>) {
        let mut open = self.open.lock();
        open.retain(|(_, known)| known.strong_count() > 0);
        open.push((Instant::now(), Arc::downgrade(session)));
    }

    /// It was ended.
    pub(super) fn closed(&self, session: &Arc<Inner>) {
        let mut open = self.open.lock();
        open.retain(|(_, known)| !std::ptr::eq(known.as_ptr(), Arc::as_ptr(session)));
    }

    /// Rolls back what has done nothing for too long, or takes too long in all. Readers count as well: what they began
    /// to read has to be kept for them, and the log of the database grows with it.
    pub(super) fn end_idle(&self) {
        let mut open = self.open.lock();
        open.retain(|(since, session)| {
            let Some(session) = session.upgrade() else {
                return false;
            };
            if since.elapsed() < self.idle_max {
                return true;
            }
            let is_over = since.elapsed() >= self.idle_max * TRANSACTION;
            !session.roll_back(self.idle_max, is_over)
        });
    }
}
