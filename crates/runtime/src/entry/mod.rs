//! Ways into a guest: run a command, or call one exported function.
//!
//! [`run`] opens a cell, links it, enters the guest and waits for whichever comes first: the guest's own end
//! or somebody using the [`Stop`](crate::Stop) switch. What happened comes back as a plain [`Outcome`].

mod check;
mod component;
pub mod handler;
pub mod http;
mod module;

use std::time::Duration;

use wasmtime::{Store, WasmCoreDump};
use wasmtime_wasi::{I32Exit, ResourceTableError};
use weft_app::Limits;

use crate::cell::{self, Cell, Setup};
use crate::entry::http::Pressure;
use crate::error::SetupError;
use crate::link::Linking;
use crate::program::{Code, Program};
use crate::sampling::{Sampled, Sampler, Ticker};
use crate::stop::{LimitHit, StopReason};
use crate::trap::TrapReport;
use crate::wave::{self, Call, WaveError};

pub use check::{CheckedCall, check_call};

/// What to do with a program.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Run it as a command: `wasi:cli/run` of a component, `_start` of a core module.
    Command,
    /// Call one exported function and hand back what it returns.
    Invoke(Call),
}

/// How a run is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observe {
    /// Keep a core dump when the guest traps. Needs an engine with core dumps.
    pub core_dump: bool,
    /// Take the guest's stack this often. Needs an engine of profile `sampled`.
    pub sample_every: Option<Duration>,
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// The guest ended itself with this code; zero is success.
    Exit(i32),
    /// The called function returned; the text shows its results, and is empty when there are none.
    Returned(String),
    /// The guest did something that WebAssembly forbids, or a host function refused to go on.
    Trap(TrapReport),
    /// A limit ended the guest. The trap is there when the guest was told no and gave up.
    Limit(LimitHit, Option<TrapReport>),
    /// A signal ended the run.
    Signal(i32),
}

/// Everything known after a run.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The first allocation that was refused, whether or not the guest coped.
    pub refused: Option<LimitHit>,
    /// The core dump, if one was asked for and the guest trapped.
    pub core_dump: Option<Vec<u8>>,
    /// The sampled stacks, if they were asked for.
    pub sampled: Option<Sampled>,
}

/// A program that cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The run cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// There is nothing to run.
    #[error("the program is a library: it exports nothing to run, only {}", exports.join(", "))]
    NoCommand {
        /// Functions that can be called instead.
        exports: Vec<String>,
    },
    /// There is nothing at all in it.
    #[error("the program exports nothing that can be run or called")]
    Nothing,
    /// No such function.
    #[error("no exported function is called `{wanted}`")]
    FunctionUnknown {
        /// What was asked for.
        wanted: String,
        /// Functions that there are.
        exports: Vec<String>,
    },
    /// Several interfaces export a function of that name.
    #[error("`{wanted}` is exported by several interfaces: {}", candidates.join(", "))]
    FunctionAmbiguous {
        /// What was asked for.
        wanted: String,
        /// The full names.
        candidates: Vec<String>,
    },
    /// The arguments do not fit the function.
    #[error(transparent)]
    Arguments(#[from] WaveError),
    /// The engine was not made for what was asked.
    #[error("profile `{profile}` cannot {what}")]
    Profile {
        /// The engine's profile.
        profile: &'static str,
        /// What it cannot do.
        what: &'static str,
    },
}

/// Why the guest's future ended without a result.
pub(crate) enum Interrupted {
    /// Nothing of the guest ran.
    NotEntered(EntryError),
    /// The guest, or a host function it called, ended in an error.
    Failed(wasmtime::Error),
}

impl From<EntryError> for Interrupted {
    fn from(error: EntryError) -> Self {
        Self::NotEntered(error)
    }
}

impl From<SetupError> for Interrupted {
    fn from(error: SetupError) -> Self {
        Self::NotEntered(error.into())
    }
}

impl From<WaveError> for Interrupted {
    fn from(error: WaveError) -> Self {
        Self::NotEntered(error.into())
    }
}

/// Runs a program once.
///
/// # Authority
/// Exactly what the grants of the setup's principals name.
///
/// # Errors
/// When the program cannot be entered. What goes wrong inside the guest is an [`Outcome`], not an error.
///
/// # Limits
/// Memory, tables, fuel, stack, handles and output are enforced here. Time is not: the caller watches it and
/// uses the [`Stop`](crate::Stop) switch, and ends the process if a computing guest does not look up.
///
/// Dropping the future ends the guest; nothing of it stays behind.
pub async fn run(
    program: &Program,
    entry: &Entry,
    setup: Setup,
    observe: Observe,
) -> Result<Report, EntryError> {
    let (limits, stop) = (setup.limits.clone(), setup.stop.clone());
    let linking = Linking::of(&setup);
    check_profile(program, &limits, observe)?;
    let mut store = cell::open(program.engine(), setup, Pressure::default())?;
    let _ticker = start_sampling(program, &mut store, observe)?;
    let guest = async {
        match &program.code {
            Code::Component(component) => {
                component::enter(program.engine(), component, entry, &linking, &mut store).await
            }
            Code::Module(module) => {
                module::enter(program.engine(), module, entry, &linking, &mut store).await
            }
        }
    };
    let ended = tokio::select! {
        biased;
        reason = stop.requested() => Err(reason),
        ended = guest => Ok(ended),
    };
    let (outcome, core_dump) = match ended {
        Err(StopReason::Limit(hit)) => (Outcome::Limit(hit, None), None),
        Err(StopReason::Signal(signal)) => (Outcome::Signal(signal), None),
        Ok(Ok(outcome)) => (outcome, None),
        Ok(Err(Interrupted::NotEntered(error))) => return Err(error),
        Ok(Err(Interrupted::Failed(error))) => {
            let dump = if observe.core_dump {
                core_dump(&error, &mut store)
            } else {
                None
            };
            (explain(&error, &store, &limits), dump)
        }
    };
    let refused = store.data().budget.refused().cloned();
    let sampled = store.data_mut().sampler.take().map(Sampler::finish);
    Ok(Report {
        outcome,
        refused,
        core_dump,
        sampled,
    })
}

fn check_profile(program: &Program, limits: &Limits, observe: Observe) -> Result<(), EntryError> {
    let engine = program.engine();
    let cannot = |what| {
        Err(EntryError::Profile {
            profile: engine.profile().name(),
            what,
        })
    };
    if limits.fuel_max.is_some() && !engine.counts_fuel() {
        return cannot("count fuel");
    }
    if observe.sample_every.is_some() && !engine.checks_epochs() {
        return cannot("be sampled");
    }
    Ok(())
}

fn start_sampling(
    program: &Program,
    store: &mut Store<Cell>,
    observe: Observe,
) -> Result<Option<Ticker>, EntryError> {
    let Some(every) = observe.sample_every else {
        return Ok(None);
    };
    let sampler = Sampler::new(program, every).map_err(|error| SetupError::Link(error.into()))?;
    store.data_mut().sampler = Some(sampler);
    Ok(Some(Sampler::attach(program.engine(), store, every)))
}

fn core_dump(error: &wasmtime::Error, store: &mut Store<Cell>) -> Option<Vec<u8>> {
    error
        .downcast_ref::<WasmCoreDump>()
        .map(|dump| dump.serialize(&mut *store, "guest"))
}

/// Says what an error that ended the guest means.
fn explain(error: &wasmtime::Error, store: &Store<Cell>, limits: &Limits) -> Outcome {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Outcome::Exit(*code);
    }
    if let Some(hit) = limit_behind(error, limits) {
        return Outcome::Limit(hit, None);
    }
    let trap = TrapReport::new(error);
    match (store.data().stop.reason(), store.data().budget.refused()) {
        (Some(StopReason::Signal(signal)), _) => Outcome::Signal(*signal),
        (Some(StopReason::Limit(hit)), _) => Outcome::Limit(hit.clone(), None),
        (None, Some(hit)) => Outcome::Limit(hit.clone(), Some(trap)),
        (None, None) => Outcome::Trap(trap),
    }
}

pub(crate) fn limit_behind(error: &wasmtime::Error, limits: &Limits) -> Option<LimitHit> {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return Some(hit.clone());
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        return Some(LimitHit::Handles(limits.handles_max));
    }
    match error.downcast_ref::<wasmtime::Trap>()? {
        wasmtime::Trap::OutOfFuel => Some(LimitHit::Fuel(limits.fuel_max.unwrap_or(u64::MAX))),
        wasmtime::Trap::StackOverflow => Some(LimitHit::Stack(limits.stack_bytes_max)),
        _ => None,
    }
}

/// Names for a message: a few, and how many more there are.
fn some_of(names: impl Iterator<Item = String>) -> Vec<String> {
    const SHOWN: usize = 12;
    let mut names: Vec<String> = names.collect();
    if names.len() > SHOWN {
        let more = names.len() - SHOWN;
        names.truncate(SHOWN);
        names.push(format!("and {more} more"));
    }
    names
}

pub(crate) use wave::{read_core_arguments, show_core_results};
