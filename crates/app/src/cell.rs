//! Cells: how long the instances of a component live that is called over isolated links, and what a call may spend.

use std::fmt;
use std::time::Duration;

/// How a component behaves that others call over isolated links. It counts for everything that is fused with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellSettings {
    /// How long its instances live.
    pub lifetime: Lifetime,
    /// Processor time of one call, in steps of a millisecond. A call that uses it up is ended, and fails.
    pub cpu_time_max: Option<Duration>,
    /// Time on the wall clock of one call. A call that takes longer is ended, and fails. Where nothing is said, the
    /// caller's own limits bound it; calls of a shared cell, which may outlive their caller, end after 30 seconds.
    pub wall_time_max: Option<Duration>,
    /// Handles of the host that one instance may have open: files, sockets, streams. One more traps.
    pub handles_max: usize,
    /// Calls over isolated links that may be nested, this one included. One more fails.
    pub depth_max: u32,
    /// How a shared cell is started anew.
    pub restarts: Restarts,
}

/// How long the instances of a cell live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Each call of the app from outside, a request or a run, has its own: made when it is first called, and gone when
    /// the caller is done.
    #[default]
    Request,
    /// As before, but an instance that is done waits for the next caller, with everything that it remembers.
    Pooled {
        /// Callers that one instance has, one after the other, before a new one takes its place.
        uses_max: u32,
        /// Instances that wait at the same time.
        idle_max: u32,
    },
    /// One instance is there for all callers, one call after the other.
    Shared,
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => f.write_str("an instance of its own for each request or run"),
            Self::Pooled { uses_max, .. } => write!(f, "pooled instances, {uses_max} uses each"),
            Self::Shared => f.write_str("one instance, shared by all"),
        }
    }
}

impl Lifetime {
    /// Callers of a pooled instance where nothing else is said.
    pub const USES_MAX: u32 = 1000;
    /// Pooled instances that wait where nothing else is said.
    pub const IDLE_MAX: u32 = 32;
}

/// How often a shared cell may fail, and how long it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restarts {
    /// Failures within the period after which it is left alone for a whole period.
    pub intensity: u32,
    /// The period.
    pub period: Duration,
    /// How long it is left alone after it failed twice in a row; twice as long each time it fails again.
    pub backoff_min: Duration,
    /// The longest that it is left alone in this way.
    pub backoff_max: Duration,
}

impl Default for CellSettings {
    fn default() -> Self {
        Self {
            lifetime: Lifetime::default(),
            cpu_time_max: None,
            wall_time_max: None,
            handles_max: 1024,
            depth_max: 16,
            restarts: Restarts::default(),
        }
    }
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            intensity: 5,
            period: Duration::from_secs(10),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(10),
        }
    }
}
