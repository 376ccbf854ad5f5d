//! A cell: one store with everything that belongs to a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, ResourceTable, WasiCtxBuilder, WasiView as _};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks};
use weft_app::grant::{Access, ClockGrant, ConfigGrant, RandomGrant};
use weft_app::{Grants, Limits};

use crate::bridge::{Calls, Ending, Fate, Links};
use crate::budget::Budget;
use crate::denial::DenialLog;
use crate::engine::Engine;
use crate::entry::http::Pressure;
use crate::error::SetupError;
use crate::interruption::{self, Lookout};
use crate::link::{DenyHttp, Imports};
use crate::network::NetworkPolicy;
use crate::output::{Channel, CountedOutput, OutputAllowance};
use crate::repeatable::{SeededRandom, VirtualClock};
use crate::sampling::Sampler;
use crate::service::{Service, Services};
use crate::stop::Stop;

/// Everything that decides what a run may do and spend.
pub struct Setup {
    /// On whose behalf the guest acts: the components it was made of, the one that is entered first. Never empty.
    pub principals: Vec<PrincipalSetup>,
    /// Whose import is whose.
    pub imports: Imports,
    /// Imports that other cells satisfy.
    pub links: Links,
    /// What the guest may spend.
    pub limits: Limits,
    /// Bytes of the engine's heap, where that is less than [`Limits::memory_bytes_max`]: for programs all of
    /// whose memories have maxima.
    pub heap_bytes_max: Option<u64>,
    /// How to end the run from outside.
    pub stop: Stop,
    /// Whose the thread is on which the guest runs.
    pub thread: Thread,
}

/// Whose the thread is on which a guest runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thread {
    /// The guest has it to itself: a call that waits for a disk may hold it.
    Own,
    /// Others use it too: what waits for a disk goes to threads that are there for that.
    Shared,
}

/// What one component of a run may do.
pub struct PrincipalSetup {
    /// What it may use.
    pub grants: Arc<Grants>,
    /// Its arguments, its own name first.
    pub arguments: Arc<[String]>,
    /// Outgoing HTTP; without it every request is denied.
    pub http: Option<Box<dyn WasiHttpHooks>>,
    /// Interfaces that are implemented outside of this crate.
    pub services: Services,
    /// Where refusals are noted.
    pub denials: DenialLog,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("principals", &self.principals)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PrincipalSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrincipalSetup")
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}

/// What a store carries for the host functions.
pub struct Cell {
    principals: Vec<Principal>,
    /// Of all principals: a handle is a guest's only where the guest holds it.
    table: ResourceTable,
    pub(crate) budget: Budget,
    pub(crate) stop: Stop,
    pub(crate) lookout: Lookout,
    pub(crate) sampler: Option<Sampler>,
    /// Where the ticks are noted that end while the guest computes.
    pub(crate) pressure: Pressure,
    /// The cells that it calls.
    pub(crate) calls: Calls,
    /// Why it ends, once it does: those who read what its guests write are to know.
    /// Made when somebody first wants to know: few cells have streams to another.
    ending: Option<Ending>,
}

impl Cell {
    /// Where it will stand why the cell ended.
    pub(crate) fn ending(&mut self) -> Ending {
        self.ending.get_or_insert_default().clone()
    }

    /// Notes why the cell ends. What was noted first counts.
    pub(crate) fn end(&self, fate: Fate) {
        if let Some(ending) = &self.ending {
            let _ = ending.set(fate);
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.end(Fate::Ended);
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Cell")
            .field("principals", &self.principals.len())
            .finish_non_exhaustive()
    }
}

/// One component's side of a cell.
pub(crate) struct Principal {
    side: Side,
    /// Made when it is first used: many a request ends without it.
    wasi: Option<Box<Wasi>>,
    pub(crate) denials: DenialLog,
    pub(crate) http: WasiHttpCtx,
    pub(crate) hooks: Box<dyn WasiHttpHooks>,
}

/// What a component's side of a cell is made of.
struct Side {
    grants: Arc<Grants>,
    arguments: Arc<[String]>,
    allowance: Arc<OutputAllowance>,
    handles_max: usize,
    thread: Thread,
    services: Services,
}

pub(crate) struct Wasi {
    /// Core modules use all of it; components use what is in it and the table of the cell.
    pub(crate) context: WasiP1Ctx,
    pub(crate) network: NetworkPolicy,
}

impl Principal {
    fn new(setup: PrincipalSetup, side: Side) -> Result<Self, SetupError> {
        let PrincipalSetup { http, denials, .. } = setup;
        let has_directories = !side.grants.directories.is_empty();
        // Only directories can be missing, and whoever opens the cell hears of it.
        let wasi = has_directories.then(|| side.wasi(&denials)).transpose()?;
        Ok(Self {
            side,
            wasi,
            http: WasiHttpCtx::new(),
            hooks: http.unwrap_or_else(|| Box::new(DenyHttp(denials.clone()))),
            denials,
        })
    }

    pub(crate) fn wasi(&mut self) -> &mut Wasi {
        let Self {
            side, wasi, denials, ..
        } = self;
        wasi.get_or_insert_with(|| side.wasi_without_directories(denials))
    }

    pub(crate) fn config(&self) -> &ConfigGrant {
        &self.side.grants.config
    }
}

impl Cell {
    /// One principal, and the table.
    #[expect(
        clippy::indexing_slicing,
        reason = "linking refuses imports of principals that are not there, so no host function asks for one"
    )]
    pub(crate) fn principal(&mut self, number: usize) -> (&mut Principal, &mut ResourceTable) {
        (&mut self.principals[number], &mut self.table)
    }

    /// What requests and responses of a served guest are made of. Handles of HTTP carry no authority, so it does not
    /// matter whose they are: any principal's will do.
    pub(crate) fn http_view(&mut self) -> WasiHttpCtxView<'_> {
        let (principal, table) = self.principal(0);
        WasiHttpCtxView {
            hooks: principal.hooks.as_mut(),
            table,
            ctx: &mut principal.http,
        }
    }

    /// A service of one principal, and the handles of the cell; none where it has no such service.
    pub fn service<T: Service>(&mut self, principal: usize) -> Option<(&T, &mut ResourceTable)> {
        let principal = self.principals.get(principal)?;
        Some((principal.side.services.get()?, &mut self.table))
    }

    /// The handles of the cell.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

/// Bytes that one host call may make the host hold for the guest: strings, lists, buffers.
const HOSTCALL_BYTES_MAX: usize = 64 << 20;
/// Handles of the component model beyond those that stand for host resources: tasks, waitable sets, streams.
const SPARE_HANDLES: usize = 16 << 10;

/// Opens a store for one run.
pub(crate) fn open(engine: &Engine, setup: Setup, pressure: Pressure) -> Result<Store<Cell>, SetupError> {
    let limits = setup.limits.clone();
    let cell = build(setup, pressure, Lookout::of(engine))?;
    let mut store = Store::new(engine.wasmtime(), cell);
    interruption::attach(engine, &mut store);
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    store.set_max_component_handles(limits.handles_max.saturating_add(SPARE_HANDLES));
    if engine.counts_fuel() {
        let fuel = limits.fuel_max.unwrap_or(u64::MAX);
        store
            .set_fuel(fuel)
            .map_err(|error| SetupError::Link(error.into()))?;
    }
    Ok(store)
}

fn build(setup: Setup, pressure: Pressure, lookout: Lookout) -> Result<Cell, SetupError> {
    let Setup {
        principals,
        // They matter to linking, which is done once for many stores.
        imports: _,
        links,
        limits,
        heap_bytes_max,
        stop,
        thread,
    } = setup;
    if principals.is_empty() {
        return Err(SetupError::PrincipalUnknown { known: 0 });
    }
    let allowance = OutputAllowance::new(limits.output_bytes_max, stop.clone());
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.handles_max);
    let side = |principal: &PrincipalSetup| Side {
        grants: principal.grants.clone(),
        arguments: principal.arguments.clone(),
        allowance: allowance.clone(),
        handles_max: limits.handles_max,
        thread,
        services: principal.services.clone(),
    };
    let principals = principals
        .into_iter()
        .map(|principal| {
            let side = side(&principal);
            Principal::new(principal, side)
        })
        .collect::<Result<_, _>>()?;
    Ok(Cell {
        calls: Calls::of(&links.cells, &stop, thread),
        ending: None,
        principals,
        table,
        budget: Budget::new(&limits, heap_bytes_max),
        stop,
        lookout,
        sampler: None,
        pressure,
    })
}

impl Side {
    fn wasi(&self, denials: &DenialLog) -> Result<Box<Wasi>, SetupError> {
        let (mut builder, network) = self.builder(denials);
        grant_directories(&mut builder, &self.grants)?;
        Ok(self.finish(builder, network))
    }

    fn wasi_without_directories(&self, denials: &DenialLog) -> Box<Wasi> {
        let (builder, network) = self.builder(denials);
        self.finish(builder, network)
    }

    fn builder(&self, denials: &DenialLog) -> (WasiCtxBuilder, NetworkPolicy) {
        let grants = &self.grants;
        let network = NetworkPolicy::new(grants.network.clone(), denials.clone());
        let mut wasi = WasiCtxBuilder::new();
        // On a thread of its own file calls need no detour over a pool. Where the clock is virtual, waiting must not
        // block either, since time moves only when the thread has nothing to do.
        let may_block = self.thread == Thread::Own && !matches!(grants.clock, ClockGrant::Fixed(_));
        wasi.allow_blocking_current_thread(may_block);
        wasi.args(&self.arguments);
        wasi.envs(&grants.environment.variables);
        network.install(&mut wasi);
        grant_stdio(&mut wasi, grants, self.allowance.clone());
        grant_clock(&mut wasi, grants.clock);
        grant_random(&mut wasi, grants.random);
        (wasi, network)
    }

    fn finish(&self, mut builder: WasiCtxBuilder, network: NetworkPolicy) -> Box<Wasi> {
        let mut context = builder.build_p1();
        context.ctx().table.set_max_capacity(self.handles_max);
        Box::new(Wasi { context, network })
    }
}

fn grant_stdio(wasi: &mut WasiCtxBuilder, grants: &Grants, allowance: Arc<OutputAllowance>) {
    if grants.stdio.input {
        wasi.inherit_stdin();
    }
    if grants.stdio.output {
        wasi.stdout(CountedOutput {
            channel: Channel::Output,
            allowance: allowance.clone(),
        });
    }
    if grants.stdio.error {
        wasi.stderr(CountedOutput {
            channel: Channel::Error,
            allowance,
        });
    }
}

fn grant_clock(wasi: &mut WasiCtxBuilder, grant: ClockGrant) {
    // `None` is enforced where the functions are linked; a standing clock is behind it all the same.
    let epoch = match grant {
        ClockGrant::Real => return,
        ClockGrant::Fixed(epoch) => epoch,
        ClockGrant::None => Duration::ZERO,
    };
    let clock = VirtualClock::starting_at(epoch);
    wasi.wall_clock(clock.clone()).monotonic_clock(clock);
}

fn grant_random(wasi: &mut WasiCtxBuilder, grant: RandomGrant) {
    let seed = match grant {
        RandomGrant::Real => return,
        RandomGrant::Fixed(seed) => seed,
        RandomGrant::None => 0,
    };
    let mut seeds = SeededRandom::new(seed);
    wasi.secure_random(SeededRandom::new(seeds.next()));
    wasi.insecure_random(SeededRandom::new(seeds.next()));
    wasi.insecure_random_seed(u128::from(seeds.next()) << 64 | u128::from(seeds.next()));
}

fn grant_directories(wasi: &mut WasiCtxBuilder, grants: &Grants) -> Result<(), SetupError> {
    for directory in &grants.directories {
        let permissions = match directory.access {
            Access::ReadOnly => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        wasi.preopened_dir(&directory.host, &directory.guest, permissions)
            .map_err(|source| SetupError::Directory {
                path: directory.host.clone(),
                source: source.into(),
            })?;
    }
    Ok(())
}
