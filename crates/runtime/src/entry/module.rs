//! The ways into a core module.

use wasmtime::{ExternType, Module, Store, Val};

use super::{Entry, EntryError, Interrupted, Outcome, read_core_arguments, show_core_results, some_of};
use crate::cell::Cell;
use crate::engine::Engine;
use crate::error::SetupError;
use crate::link::{self, Linking};
use crate::wave::Call;

pub(super) async fn enter(
    engine: &Engine,
    module: &Module,
    entry: &Entry,
    linking: &Linking,
    store: &mut Store<Cell>,
) -> Result<Outcome, Interrupted> {
    let linker = link::modules(engine, module, linking)?;
    let missing: Vec<String> = module
        .imports()
        .filter(|import| linker.get_by_import(&mut *store, import).is_none())
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    if !missing.is_empty() {
        return Err(SetupError::ImportMissing { missing }.into());
    }
    let ready = linker
        .instantiate_pre(module)
        .map_err(|error| SetupError::ImportMismatch(error.into()))?;
    let call = match entry {
        Entry::Command => {
            check_command(module)?;
            None
        }
        Entry::Invoke(call) => Some((call, read_arguments(module, call)?)),
    };
    let instance = ready
        .instantiate_async(&mut *store)
        .await
        .map_err(Interrupted::Failed)?;
    if let Some(initialize) = instance.get_func(&mut *store, "_initialize") {
        initialize
            .call_async(&mut *store, &[], &mut [])
            .await
            .map_err(Interrupted::Failed)?;
    }
    match call {
        Some((call, arguments)) => invoke(&instance, call, &arguments, store).await,
        None => {
            if let Some(start) = instance.get_func(&mut *store, "_start") {
                start
                    .call_async(&mut *store, &[], &mut [])
                    .await
                    .map_err(Interrupted::Failed)?;
            }
            Ok(Outcome::Exit(0))
        }
    }
}

/// Says before anything runs when there is nothing to run. A module without any function to call is run by
/// instantiating it: its start function is all it has.
fn check_command(module: &Module) -> Result<(), EntryError> {
    let functions = || exported_functions(module);
    if functions().any(|name| name != "_initialize") && !functions().any(|name| name == "_start") {
        return Err(EntryError::NoCommand {
            exports: quoted(module),
        });
    }
    Ok(())
}

/// Reads the arguments of a call before anything runs.
pub(super) fn read_arguments(module: &Module, call: &Call) -> Result<Vec<Val>, EntryError> {
    match module.get_export(&call.function) {
        Some(ExternType::Func(ty)) if call.interface.is_none() => Ok(read_core_arguments(call, &ty)?),
        _ => Err(EntryError::FunctionUnknown {
            wanted: call.full_name(),
            exports: quoted(module),
        }),
    }
}

fn quoted(module: &Module) -> Vec<String> {
    some_of(exported_functions(module).map(|name| format!("`{name}`")))
}

fn exported_functions(module: &Module) -> impl Iterator<Item = &str> {
    let functions = module
        .exports()
        .filter(|export| matches!(export.ty(), ExternType::Func(_)));
    functions.map(|export| export.name())
}

async fn invoke(
    instance: &wasmtime::Instance,
    call: &Call,
    arguments: &[Val],
    store: &mut Store<Cell>,
) -> Result<Outcome, Interrupted> {
    let function = instance
        .get_func(&mut *store, &call.function)
        .ok_or(EntryError::Nothing)?;
    let ty = function.ty(&*store);
    let mut results: Vec<Val> = ty
        .results()
        .map(|ty| Val::default_for_ty(&ty).unwrap_or(Val::I32(0)))
        .collect();
    function
        .call_async(&mut *store, arguments, &mut results)
        .await
        .map_err(Interrupted::Failed)?;
    Ok(Outcome::Returned(show_core_results(&results)))
}
