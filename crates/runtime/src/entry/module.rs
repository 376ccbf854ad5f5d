//! The ways into a core module.

use wasmtime::{ExternType, Module, Store};

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
        Entry::Command => None,
        Entry::Invoke(call) => Some(call),
    };
    check_exports(module, call)?;
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
        Some(call) => invoke(&instance, call, store).await,
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
fn check_exports(module: &Module, call: Option<&Call>) -> Result<(), EntryError> {
    let functions = || {
        let functions = module
            .exports()
            .filter(|export| matches!(export.ty(), ExternType::Func(_)));
        functions.map(|export| export.name().to_owned())
    };
    let quoted = || some_of(functions().map(|name| format!("`{name}`")));
    match call {
        Some(call) if call.interface.is_some() || !functions().any(|name| name == call.function) => {
            Err(EntryError::FunctionUnknown {
                wanted: call.full_name(),
                exports: quoted(),
            })
        }
        None if functions().any(|name| name != "_initialize")
            && !functions().any(|name| name == "_start") =>
        {
            Err(EntryError::NoCommand { exports: quoted() })
        }
        _ => Ok(()),
    }
}

async fn invoke(
    instance: &wasmtime::Instance,
    call: &Call,
    store: &mut Store<Cell>,
) -> Result<Outcome, Interrupted> {
    let function = instance
        .get_func(&mut *store, &call.function)
        .ok_or(EntryError::Nothing)?;
    let ty = function.ty(&*store);
    let arguments = read_core_arguments(call, &ty)?;
    let mut results: Vec<wasmtime::Val> = ty
        .results()
        .map(|ty| wasmtime::Val::default_for_ty(&ty).unwrap_or(wasmtime::Val::I32(0)))
        .collect();
    function
        .call_async(&mut *store, &arguments, &mut results)
        .await
        .map_err(Interrupted::Failed)?;
    Ok(Outcome::Returned(show_core_results(&results)))
}
