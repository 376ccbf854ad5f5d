//! How many bytes a store has, and whether there is room for more.
//!
//! They are counted once when the store is opened, which writers wait for, and then carried along. What other
//! processes do is learnt by counting again, which is done before a write is refused.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::blob::Error;

/// How long a count is good for, at least: a full store is not counted for every write that it refuses.
const COUNT_AGAIN_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Usage {
    bytes_max: u64,
    state: Mutex<State>,
    counted: Condvar,
}

#[derive(Debug)]
struct State {
    /// None until it was counted; an error where that was not possible.
    bytes: Option<Result<i64, Error>>,
    /// What writes will add that are under way.
    reserved: i64,
    count_again: Instant,
}

/// Room for a write.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    usage: &'a Usage,
    bytes: i64,
}

impl Usage {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            state: Mutex::new(State {
                bytes: None,
                reserved: 0,
                count_again: Instant::now(),
            }),
            counted: Condvar::new(),
        }
    }

    /// Takes a count that was begun some time ago.
    pub(super) fn set(&self, counted: Result<u64, Error>, took: Duration) {
        let mut state = self.state.lock();
        state.bytes = Some(counted.map(signed));
        // Counting is never more than a small part of what is done.
        state.count_again = Instant::now() + COUNT_AGAIN_AFTER.max(took * 10);
        self.counted.notify_all();
    }

    /// Waits for the first count.
    pub(super) fn wait(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        self.counted.wait_while(&mut state, |state| state.bytes.is_none());
        state.bytes.clone().transpose().map(drop)
    }

    pub(super) fn may_be_counted_again(&self) -> bool {
        Instant::now() >= self.state.lock().count_again
    }

    /// Makes room for bytes that will be there instead of others.
    pub(super) fn reserve(&self, bytes: u64, instead_of: u64) -> Result<Reserved<'_>, Error> {
        let bytes = signed(bytes).saturating_sub(signed(instead_of));
        let mut state = self.state.lock();
        let there = state.bytes.clone().transpose()?.unwrap_or_default();
        let after = there.saturating_add(state.reserved).saturating_add(bytes);
        if bytes > 0 && after > signed(self.bytes_max) {
            let bytes_max = self.bytes_max;
            return Err(Error::Full { bytes_max });
        }
        state.reserved += bytes;
        Ok(Reserved { usage: self, bytes })
    }

    /// Notes what has changed.
    pub(super) fn change(&self, added: u64, removed: u64) {
        if let Some(Ok(bytes)) = &mut self.state.lock().bytes {
            *bytes = bytes
                .saturating_add(signed(added))
                .saturating_sub(signed(removed));
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.usage.state.lock().reserved -= self.bytes;
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
