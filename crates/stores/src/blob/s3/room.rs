//! Memory that all objects of a store share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// How much there is.
const KIB: u32 = 64 << 10;

/// Memory for what is on its way.
#[derive(Debug)]
pub(super) struct Room(Arc<Semaphore>);

/// A part of it.
#[derive(Debug)]
pub(super) struct Part(OwnedSemaphorePermit);

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(KIB as usize)))
    }

    /// Waits for so much of it, or for all there is.
    pub(super) async fn take(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        self.0.acquire_many(kib(bytes)).await.ok()
    }

    /// So much of it, if it is there.
    pub(super) fn take_now(&self, bytes: u64) -> Option<Part> {
        let taken = Arc::clone(&self.0).try_acquire_many_owned(kib(bytes));
        taken.ok().map(Part)
    }
}

impl Part {
    /// Gives back what so many bytes do not need.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let unused = self.0.num_permits().saturating_sub(kib(bytes) as usize);
        drop(self.0.split(unused));
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(KIB).clamp(1, KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_is_there_for_others() {
        let room = Room::new();
        let mut most = room.take_now(63 << 20).unwrap();
        assert!(room.take_now(2 << 20).is_none());
        most.shrink(1 << 20);
        let rest = room.take_now(63 << 20).unwrap();
        assert!(room.take_now(1).is_none());
        drop((most, rest));
        assert!(room.take_now(u64::MAX).is_some());
    }
}
