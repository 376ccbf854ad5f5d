//! Telling whoever runs an app which cells fail, and not more often than anybody can read.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::fate::Fate;

/// A failed call, or what failed between calls.
#[derive(Debug, Clone)]
pub struct Told {
    /// The cell.
    pub cell: String,
    /// The function that was called; none where it failed on its own, while it wrote or read a stream or ended a resource.
    pub function: Option<String>,
    /// How it failed.
    pub fate: Fate,
    /// Failures of the same cell that were not told since the last one that was.
    pub untold: u64,
}

/// Takes what is told.
#[derive(Clone, Default)]
pub struct Tell(Option<Arc<Teller>>);

type Teller = dyn Fn(&Told) + Send + Sync;

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tell").finish_non_exhaustive()
    }
}

impl Tell {
    /// Tells through a function.
    pub fn through(tell: impl Fn(&Told) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }
}

/// The time in which one failure of a cell is told.
const EVERY: Duration = Duration::from_secs(1);

/// What of a cell's failures was told.
#[derive(Debug, Default)]
pub(super) struct Telling(Mutex<(Option<Instant>, u64)>);

impl Telling {
    pub(super) fn tell(&self, tell: &Tell, cell: &str, function: Option<&str>, fate: &Fate) {
        let Some(tell) = &tell.0 else { return };
        let untold = {
            let mut told = self.0.lock();
            let (last, untold) = &mut *told;
            if last.is_some_and(|last| last.elapsed() < EVERY) {
                *untold += 1;
                return;
            }
            *last = Some(Instant::now());
            std::mem::take(untold)
        };
        tell(&Told {
            cell: cell.to_owned(),
            function: function.map(ToOwned::to_owned),
            fate: fate.clone(),
            untold,
        });
    }
}
