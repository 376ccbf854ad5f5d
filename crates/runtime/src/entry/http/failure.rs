//! Why there is no response.

use wasmtime_wasi::I32Exit;
use weft_app::Limits;

use crate::cell::Cell;
use crate::entry::limit_behind;
use crate::stop::LimitHit;
use crate::trap::TrapReport;

/// Why a guest gave no response, or no whole one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// It did something that WebAssembly forbids, or a host function refused to go on.
    #[error("the guest trapped: {}", .0.reason)]
    Trap(TrapReport),
    /// It reached a limit. The trap is there when it was told no and gave up.
    #[error("{0}")]
    Limit(LimitHit, Option<TrapReport>),
    /// It asked for the end of the program.
    #[error("the guest ended itself with code {0} instead of answering")]
    Exit(i32),
    /// It ended, or gave up its right to answer, without a response.
    #[error("the guest ended without a response")]
    NoResponse,
    /// It answered that something went wrong.
    #[error("the guest answered with the error `{0}`")]
    Refused(String),
    /// Its response, or the rest of it, is none that can be sent.
    #[error("the guest's response cannot be sent: {0}")]
    BadResponse(String),
    /// All places for instances are taken.
    #[error("there is no room for another instance: {0}")]
    NoRoom(String),
    /// The host failed.
    #[error("{0}")]
    Platform(String),
}

impl Failure {
    pub(in crate::entry) fn platform(detail: impl Into<String>) -> Self {
        Self::Platform(detail.into())
    }

    /// What an error means that came out of a guest or of what it called.
    pub(in crate::entry) fn of(error: &wasmtime::Error, cell: &Cell, limits: &Limits) -> Self {
        if let Some(I32Exit(code)) = error.downcast_ref() {
            return Self::Exit(*code);
        }
        if let Some(hit) = limit_behind(error, limits) {
            return Self::Limit(hit, None);
        }
        let trap = TrapReport::new(error);
        match cell.budget.refused() {
            Some(hit) => Self::Limit(hit.clone(), Some(trap)),
            None => Self::Trap(trap),
        }
    }

    /// What it means that no instance could be made.
    pub(in crate::entry) fn of_instantiation(error: &wasmtime::Error, cell: &Cell, limits: &Limits) -> Self {
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Self::NoRoom(error.root_cause().to_string());
        }
        Self::of(error, cell, limits)
    }
}
