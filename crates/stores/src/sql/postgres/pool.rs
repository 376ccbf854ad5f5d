//! Connections that nobody uses, each for the component that it served, and room for no more than there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::link::Link;
use crate::sql::Error;

pub(super) struct Pool {
    max: usize,
    room: Arc<Semaphore>,
    /// The longest unused one first, each with the side that it is of.
    idle: Mutex<Vec<(u64, Link)>>,
    sides: AtomicU64,
}

impl Pool {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            room: Arc::new(Semaphore::new(max)),
            idle: Mutex::default(),
            sides: AtomicU64::new(0),
        }
    }

    /// A number for a side.
    pub(super) fn side(&self) -> u64 {
        self.sides.fetch_add(1, Ordering::Relaxed)
    }

    /// Room for one connection, once there is some.
    pub(super) async fn room(&self, timeout: Duration) -> Result<OwnedSemaphorePermit, Error> {
        let room = Arc::clone(&self.room).acquire_owned();
        match tokio::time::timeout(timeout, room).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Error::Connections { max: self.max }),
        }
    }

    /// A connection of this side that is unused. Where there is none, one is let go of so that another can be made.
    pub(super) fn take(&self, side: u64) -> Option<Link> {
        let runtime = Handle::current().id();
        let mut idle = self.idle.lock();
        idle.retain(|(_, link)| !link.client.is_closed());
        let found = idle
            .iter()
            .rposition(|(of, link)| *of == side && link.runtime == runtime);
        if let Some(found) = found {
            return Some(idle.remove(found).1);
        }
        // Those in use, the one that will be made among them, have their room already.
        let in_use = self.max.saturating_sub(self.room.available_permits());
        while !idle.is_empty() && idle.len() + in_use > self.max {
            drop(idle.remove(0));
        }
        None
    }

    pub(super) fn put(&self, side: u64, link: Link) {
        if !link.client.is_closed() {
            self.idle.lock().push((side, link));
        }
    }
}
