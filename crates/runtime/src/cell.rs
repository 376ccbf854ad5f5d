//! A cell: one store with everything that belongs to a run.

use std::fmt;
use std::time::Duration;

use wasmtime::Store;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::sockets::WasiSocketsCtxView;
use wasmtime_wasi::{FsPerms, ResourceTable, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};
use weft_app::grant::{Access, ClockGrant, RandomGrant};
use weft_app::{Grants, Limits};

use crate::budget::Budget;
use crate::denial::DenialLog;
use crate::engine::Engine;
use crate::error::SetupError;
use crate::network::NetworkPolicy;
use crate::network::host::NameLookupView;
use crate::output::{Channel, CountedOutput, OutputAllowance};
use crate::repeatable::{SeededRandom, VirtualClock};
use crate::sampling::Sampler;
use crate::stop::Stop;

/// Everything that decides what a run may do and spend.
pub struct Setup {
    /// What the guest may use.
    pub grants: Grants,
    /// What the guest may spend.
    pub limits: Limits,
    /// The guest's arguments, its own name first.
    pub arguments: Vec<String>,
    /// Outgoing HTTP; without it every request is denied.
    pub http: Option<Box<dyn WasiHttpHooks>>,
    /// Where refusals are noted.
    pub denials: DenialLog,
    /// How to end the run from outside.
    pub stop: Stop,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("grants", &self.grants)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What a store carries for the host functions.
pub(crate) struct Cell {
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) network: NetworkPolicy,
    pub(crate) budget: Budget,
    pub(crate) denials: DenialLog,
    pub(crate) stop: Stop,
    pub(crate) sampler: Option<Sampler>,
    http: WasiHttpCtx,
    http_hooks: Box<dyn WasiHttpHooks>,
}

impl WasiView for Cell {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl WasiHttpView for Cell {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut *self.http_hooks,
            table: self.wasi.ctx().table,
            ctx: &mut self.http,
        }
    }
}

impl Cell {
    pub(crate) fn name_lookup(&mut self) -> NameLookupView<'_> {
        let WasiCtxView { ctx, table } = self.wasi.ctx();
        NameLookupView {
            policy: &self.network,
            sockets: WasiSocketsCtxView {
                ctx: ctx.sockets(),
                table,
            },
        }
    }

    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        self.wasi.ctx().table
    }
}

/// Bytes that one host call may make the host hold for the guest: strings, lists, buffers.
const HOSTCALL_BYTES_MAX: usize = 64 << 20;
/// Handles of the component model beyond those that stand for host resources: tasks, waitable sets, streams.
const SPARE_HANDLES: usize = 16 << 10;

/// Opens a store for one run.
pub(crate) fn open(engine: &Engine, setup: Setup) -> Result<Store<Cell>, SetupError> {
    let limits = setup.limits.clone();
    let cell = build(setup)?;
    let mut store = Store::new(engine.wasmtime(), cell);
    store.limiter(|cell| &mut cell.budget);
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    store.set_max_component_handles(limits.handles_max.saturating_add(SPARE_HANDLES));
    store.data_mut().table().set_max_capacity(limits.handles_max);
    if engine.counts_fuel() {
        let fuel = limits.fuel_max.unwrap_or(u64::MAX);
        store
            .set_fuel(fuel)
            .map_err(|error| SetupError::Link(error.into()))?;
    }
    Ok(store)
}

fn build(setup: Setup) -> Result<Cell, SetupError> {
    let Setup {
        grants,
        limits,
        arguments,
        http,
        denials,
        stop,
    } = setup;
    let network = NetworkPolicy::new(grants.network.clone(), denials.clone());
    let mut wasi = WasiCtxBuilder::new();
    // The guest has the thread to itself: file calls need no detour over a pool. Where the clock is virtual,
    // waiting must not block either, since time moves only when the thread has nothing to do.
    wasi.allow_blocking_current_thread(!matches!(grants.clock, ClockGrant::Fixed(_)));
    wasi.args(&arguments);
    wasi.envs(&grants.environment.variables);
    network.install(&mut wasi);
    grant_stdio(
        &mut wasi,
        &grants,
        OutputAllowance::new(limits.output_bytes_max, stop.clone()),
    );
    grant_clock(&mut wasi, grants.clock);
    grant_random(&mut wasi, grants.random);
    grant_directories(&mut wasi, &grants)?;
    Ok(Cell {
        wasi: wasi.build_p1(),
        network,
        budget: Budget::new(&limits),
        http: WasiHttpCtx::new(),
        http_hooks: http.unwrap_or_else(|| Box::new(crate::link::DenyHttp(denials.clone()))),
        denials,
        stop,
        sampler: None,
    })
}

fn grant_stdio(wasi: &mut WasiCtxBuilder, grants: &Grants, allowance: std::sync::Arc<OutputAllowance>) {
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
