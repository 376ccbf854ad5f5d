//! Linking core modules of WASI preview 1.

use wasmtime::{Caller, Linker, Module};

use super::Linking;
use super::refusal::{Refusals, no_clock, no_directory, no_random};
use crate::cell::Cell;
use crate::denial::Denial;
use crate::engine::Engine;
use crate::error::SetupError;

/// The first principal is the only one of a core module.
const ONLY: usize = 0;

/// A linker with what a core module imports.
pub(crate) fn modules(
    engine: &Engine,
    module: &Module,
    linking: &Linking,
) -> Result<Linker<Cell>, SetupError> {
    let mut linker = Linker::new(engine.wasmtime());
    link_modules(&mut linker, module, linking.refusals_of(ONLY))
        .map_err(|error| SetupError::Link(error.into()))?;
    Ok(linker)
}

const P1: &str = "wasi_snapshot_preview1";
const P0: &str = "wasi_unstable";
/// `errno.badf` and `errno.notcapable` of preview 1.
const BAD_FILE_DESCRIPTOR: i32 = 8;
const NOT_CAPABLE: i32 = 76;

fn link_modules(linker: &mut Linker<Cell>, module: &Module, refusals: Refusals) -> wasmtime::Result<()> {
    let is_asked = |name: &str| module.imports().any(|import| import.module() == name);
    if is_asked(P1) {
        wasmtime_wasi::p1::add_to_linker_async(linker, |cell: &mut Cell| {
            &mut cell.principal(ONLY).0.wasi().context
        })?;
    }
    if is_asked(P0) {
        wasmtime_wasi::p0::add_to_linker_async(linker, |cell: &mut Cell| {
            &mut cell.principal(ONLY).0.wasi().context
        })?;
    }
    linker.allow_shadowing(true);
    for name in [P1, P0].into_iter().filter(|name| is_asked(name)) {
        if refusals.directories {
            linker.func_wrap(
                name,
                "fd_prestat_get",
                |mut caller: Caller<'_, Cell>, _: i32, _: i32| {
                    note(&mut caller, no_directory(P1));
                    BAD_FILE_DESCRIPTOR
                },
            )?;
        }
        if refusals.clock {
            linker.func_wrap(
                name,
                "clock_time_get",
                |mut caller: Caller<'_, Cell>, _: i32, _: i64, _: i32| {
                    note(&mut caller, no_clock(P1));
                    NOT_CAPABLE
                },
            )?;
        }
        if refusals.random {
            linker.func_wrap(
                name,
                "random_get",
                |mut caller: Caller<'_, Cell>, _: i32, _: i32| {
                    note(&mut caller, no_random(P1));
                    NOT_CAPABLE
                },
            )?;
        }
    }
    linker.allow_shadowing(false);
    Ok(())
}

fn note(caller: &mut Caller<'_, Cell>, denial: Denial) {
    caller.data_mut().principal(ONLY).0.denials.record(denial);
}
