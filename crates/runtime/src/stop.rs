//! Ending a run from outside, and the reasons there are for it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use weft_app::quantity::{show_bytes, show_duration};

/// A limit that a run reached. The message says what was asked for and what was allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitHit {
    /// Linear memory.
    #[error("the program asked for {} of memory; its limit is {}", show_bytes(*.asked), show_bytes(*.max))]
    Memory {
        /// Bytes that all memories together would have had.
        asked: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// Table elements.
    #[error("the program asked for {asked} table elements; its limit is {max}")]
    TableElements {
        /// Elements that all tables together would have had.
        asked: u64,
        /// Elements allowed.
        max: u64,
    },
    /// The engine's heap, for components that keep structs, arrays or exceptions in it.
    #[error(
        "the program asked for {} of heap for its structs, arrays and exceptions; its components may have {}",
        show_bytes(*.asked), show_bytes(*.max)
    )]
    Heap {
        /// Bytes that the heap would have had.
        asked: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// Wall-clock time.
    #[error("the program ran for {}, its limit of wall-clock time", show_duration(*.0))]
    WallTime(Duration),
    /// Processor time.
    #[error("the program used {} of processor time, its limit", show_duration(*.0))]
    CpuTime(Duration),
    /// Fuel.
    #[error("the program used {0} units of fuel, its limit")]
    Fuel(u64),
    /// Native stack.
    #[error("the program used {} of stack, its limit", show_bytes(*.0 as u64))]
    Stack(usize),
    /// Open handles.
    #[error("the program tried to open more than {0} handles at a time, its limit")]
    Handles(usize),
    /// Standard output and error.
    #[error("the program wrote {} of output, its limit", show_bytes(*.0))]
    Output(u64),
}

/// Why a run is ended before its guest ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// A limit was reached.
    Limit(LimitHit),
    /// A signal asked for it.
    Signal(i32),
}

/// A switch that ends a run. Clones share the switch; only the first reason counts.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    reason: OnceLock<StopReason>,
    changed: tokio::sync::Notify,
}

impl Stop {
    /// A switch that nobody has used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the end of the run. A guest that waits for the host ends at once; one that computes ends at
    /// its next host call, or at the next epoch if its engine checks epochs.
    pub fn request(&self, reason: StopReason) {
        if self.0.reason.set(reason).is_ok() {
            // `notify_one` keeps a permit: a run that starts to wait later still sees it.
            self.0.changed.notify_one();
        }
    }

    /// The reason, once there is one.
    pub fn reason(&self) -> Option<&StopReason> {
        self.0.reason.get()
    }

    /// Waits until somebody asks for the end.
    pub(crate) async fn requested(&self) -> StopReason {
        loop {
            if let Some(reason) = self.reason() {
                return reason.clone();
            }
            self.0.changed.notified().await;
        }
    }
}
