//! Which principal a host function acts for.
//!
//! The engine's bindings find the state behind a host function with a plain `fn`, which cannot capture for
//! whom it is registered. A constant parameter can: there is one set of such functions for each slot.

use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::random::WasiRandomCtx;
use wasmtime_wasi::sockets::WasiSocketsCtxView;
use wasmtime_wasi_http::WasiHttpCtxView;
use weft_app::grant::ConfigGrant;

use crate::cell::{Cell, Principal, Wasi};
use crate::network::host::NameLookupView;

/// How many principals one cell may have.
pub(super) const PRINCIPALS_MAX: usize = 128;

/// The ways from a cell to the state of one principal.
pub(super) struct Slot {
    pub(super) cli: for<'a> fn(&'a mut Cell) -> WasiCliCtxView<'a>,
    pub(super) clocks: for<'a> fn(&'a mut Cell) -> WasiClocksCtxView<'a>,
    pub(super) filesystem: for<'a> fn(&'a mut Cell) -> WasiFilesystemCtxView<'a>,
    pub(super) random: for<'a> fn(&'a mut Cell) -> &'a mut WasiRandomCtx,
    pub(super) sockets: for<'a> fn(&'a mut Cell) -> WasiSocketsCtxView<'a>,
    pub(super) names: for<'a> fn(&'a mut Cell) -> NameLookupView<'a>,
    pub(super) http: for<'a> fn(&'a mut Cell) -> WasiHttpCtxView<'a>,
    pub(super) config: for<'a> fn(&'a mut Cell) -> &'a ConfigGrant,
}

impl Slot {
    /// The slot of a principal, if there are that many.
    pub(super) fn of(principal: usize) -> Option<&'static Self> {
        SLOTS.get(principal)
    }

    const fn new<const N: usize>() -> Self {
        Self {
            cli: cli::<N>,
            clocks: clocks::<N>,
            filesystem: filesystem::<N>,
            random: random::<N>,
            sockets: sockets::<N>,
            names: names::<N>,
            http: http::<N>,
            config: config::<N>,
        }
    }
}

/// One row of sixteen slots from a number on.
macro_rules! rows {
    ($($first:literal)*) => {
        [$(
            Slot::new::<{ $first }>(), Slot::new::<{ $first + 1 }>(), Slot::new::<{ $first + 2 }>(),
            Slot::new::<{ $first + 3 }>(), Slot::new::<{ $first + 4 }>(), Slot::new::<{ $first + 5 }>(),
            Slot::new::<{ $first + 6 }>(), Slot::new::<{ $first + 7 }>(), Slot::new::<{ $first + 8 }>(),
            Slot::new::<{ $first + 9 }>(), Slot::new::<{ $first + 10 }>(), Slot::new::<{ $first + 11 }>(),
            Slot::new::<{ $first + 12 }>(), Slot::new::<{ $first + 13 }>(), Slot::new::<{ $first + 14 }>(),
            Slot::new::<{ $first + 15 }>(),
        )*]
    };
}

static SLOTS: [Slot; PRINCIPALS_MAX] = rows!(0 16 32 48 64 80 96 112);

fn cli<const N: usize>(cell: &mut Cell) -> WasiCliCtxView<'_> {
    let (principal, table) = cell.principal(N);
    WasiCliCtxView {
        ctx: principal.wasi().context.ctx().ctx.cli(),
        table,
    }
}

fn clocks<const N: usize>(cell: &mut Cell) -> WasiClocksCtxView<'_> {
    let (principal, table) = cell.principal(N);
    WasiClocksCtxView {
        ctx: principal.wasi().context.ctx().ctx.clocks(),
        table,
    }
}

fn filesystem<const N: usize>(cell: &mut Cell) -> WasiFilesystemCtxView<'_> {
    let (principal, table) = cell.principal(N);
    WasiFilesystemCtxView {
        ctx: principal.wasi().context.ctx().ctx.filesystem(),
        table,
    }
}

fn random<const N: usize>(cell: &mut Cell) -> &mut WasiRandomCtx {
    cell.principal(N).0.wasi().context.ctx().ctx.random()
}

fn sockets<const N: usize>(cell: &mut Cell) -> WasiSocketsCtxView<'_> {
    let (principal, table) = cell.principal(N);
    WasiSocketsCtxView {
        ctx: principal.wasi().context.ctx().ctx.sockets(),
        table,
    }
}

fn names<const N: usize>(cell: &mut Cell) -> NameLookupView<'_> {
    let (principal, table) = cell.principal(N);
    let Wasi { context, network } = principal.wasi();
    NameLookupView {
        policy: network,
        sockets: WasiSocketsCtxView {
            ctx: context.ctx().ctx.sockets(),
            table,
        },
    }
}

fn http<const N: usize>(cell: &mut Cell) -> WasiHttpCtxView<'_> {
    let (Principal { http, hooks, .. }, table) = cell.principal(N);
    WasiHttpCtxView {
        hooks: &mut **hooks,
        table,
        ctx: http,
    }
}

fn config<const N: usize>(cell: &mut Cell) -> &ConfigGrant {
    cell.principal(N).0.config()
}
