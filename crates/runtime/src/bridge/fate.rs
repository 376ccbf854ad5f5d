//! How a callee failed.

use std::time::Duration;

use weft_app::quantity::show_duration;

use crate::stop::LimitHit;
use crate::trap::{Frame, TrapReport};

/// Why a call over an isolated link has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fate {
    /// The callee did something that WebAssembly forbids, or a host function refused to go on.
    #[error("it trapped: {}", .0.reason)]
    Trap(TrapReport),
    /// It reached a limit. The trap is there when it was told no and gave up.
    #[error("it {}", .0.to_string().trim_start_matches("the program "))]
    Limit(LimitHit, Option<TrapReport>),
    /// It asked for the end of the program.
    #[error("it ended itself with code {0}")]
    Exit(i32),
    /// It handed over values that are none, or no memory for those that it was to be given.
    #[error("values cannot be exchanged with it: {0}")]
    Values(String),
    /// A handle belongs to an instance that has failed since.
    #[error("the handle belongs to an instance of it that is gone")]
    HandleGone,
    /// Too many calls are nested.
    #[error("{0} calls over isolated links are nested, its limit")]
    Depth(u32),
    /// It failed too often, and is left alone for a while.
    #[error("it failed too often, and is not called for another {}", show_duration(*.0))]
    CircuitOpen(Duration),
    /// It cannot be instantiated.
    #[error("it cannot be started: {0}")]
    Start(String),
    /// The caller is being ended.
    #[error("the caller is told to end")]
    Ended,
}

impl Fate {
    /// Where in the callee it happened, innermost frame first.
    pub(crate) fn frames(&self) -> &[Frame] {
        match self {
            Self::Trap(trap) | Self::Limit(_, Some(trap)) => &trap.frames,
            _ => &[],
        }
    }

    /// Whether another try may go better: not where the caller itself is at fault or at its end.
    pub(super) fn may_be_retried(&self) -> bool {
        !matches!(
            self,
            Self::HandleGone | Self::Depth(_) | Self::CircuitOpen(_) | Self::Ended
        )
    }

    /// Whether the callee's instance is gone. Where it was never called, it is as it was.
    pub(super) fn ends_the_instance(&self) -> bool {
        !matches!(self, Self::HandleGone | Self::Depth(_) | Self::CircuitOpen(_))
    }
}

/// What a caller traps with whose callee failed.
#[derive(Debug, thiserror::Error)]
#[error("component `{callee}`, called over an isolated link (`{function}`), failed: {fate}")]
pub(crate) struct LinkFailed {
    pub(crate) callee: String,
    pub(crate) function: String,
    pub(crate) fate: Fate,
}
