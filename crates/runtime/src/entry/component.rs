//! The ways into a component.

use wasmtime::Store;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, Instance, Val};

use super::{Entry, EntryError, Interrupted, Outcome, some_of};
use crate::cell::Cell;
use crate::engine::{Concurrency, Engine};
use crate::error::SetupError;
use crate::link::Linking;
use crate::prepared;
use crate::wave::{self, Call};

pub(super) async fn enter(
    engine: &Engine,
    component: &Component,
    entry: &Entry,
    linking: &Linking,
    store: &mut Store<Cell>,
) -> Result<Outcome, Interrupted> {
    let call = match entry {
        Entry::Command => None,
        Entry::Invoke(call) => Some(Prepared::new(engine, component, call)?),
    };
    if call.is_none() && !exports_run(engine, component) {
        return Err(no_command(engine, component).into());
    }
    let instance = instantiate(engine, component, linking, store).await?;
    match call {
        Some(call) => call.run(engine, &instance, store).await,
        None => run(engine, &instance, store).await,
    }
}

async fn instantiate(
    engine: &Engine,
    component: &Component,
    linking: &Linking,
    store: &mut Store<Cell>,
) -> Result<Instance, Interrupted> {
    let linked = prepared::link(engine, component, linking)?;
    linked.instantiate_async(store).await.map_err(Interrupted::Failed)
}

/// Runs `wasi:cli/run`, of 0.3 where it is exported, else of 0.2.
async fn run(engine: &Engine, instance: &Instance, store: &mut Store<Cell>) -> Result<Outcome, Interrupted> {
    let newer = match engine.profile().concurrency() {
        Concurrency::On => wasmtime_wasi::p3::bindings::Command::new(&mut *store, instance).ok(),
        Concurrency::Off => None,
    };
    let result = match newer {
        Some(command) => store
            .run_concurrent(async |accessor| command.wasi_cli_run().call_run(accessor).await)
            .await
            .map_err(Interrupted::Failed)?,
        None => {
            let command = wasmtime_wasi::p2::bindings::Command::new(&mut *store, instance)
                .map_err(|error| SetupError::ImportMismatch(error.into()))?;
            command.wasi_cli_run().call_run(&mut *store).await
        }
    };
    match result.map_err(Interrupted::Failed)? {
        Ok(()) => Ok(Outcome::Exit(0)),
        Err(()) => Ok(Outcome::Exit(1)),
    }
}

fn exports_run(engine: &Engine, component: &Component) -> bool {
    component
        .component_type()
        .exports(engine.wasmtime())
        .any(|(name, _)| name.starts_with("wasi:cli/run@"))
}

fn no_command(engine: &Engine, component: &Component) -> EntryError {
    let exports = some_of(
        functions(engine, component)
            .into_iter()
            .map(|function| format!("`{}`", function.full_name())),
    );
    if exports.is_empty() {
        EntryError::Nothing
    } else {
        EntryError::NoCommand { exports }
    }
}

/// An exported function and where it stands.
struct Function {
    interface: Option<String>,
    name: String,
    ty: ComponentFunc,
}

impl Function {
    fn full_name(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}#{}", self.name),
            None => self.name.clone(),
        }
    }

    fn answers_to(&self, call: &Call) -> bool {
        let interface_fits = match (&call.interface, &self.interface) {
            (None, _) => true,
            (Some(wanted), Some(interface)) => same_interface(wanted, interface),
            (Some(_), None) => false,
        };
        interface_fits && self.name == call.function
    }

    fn index(&self, component: &Component) -> Option<ComponentExportIndex> {
        let instance = match &self.interface {
            Some(interface) => Some(component.get_export_index(None, interface)?),
            None => None,
        };
        component.get_export_index(instance.as_ref(), &self.name)
    }
}

/// Whether a person who wrote `wanted` means `interface`: the same name, with the version left out or not.
fn same_interface(wanted: &str, interface: &str) -> bool {
    let unversioned = interface.split_once('@').map_or(interface, |(name, _)| name);
    wanted == interface || wanted == unversioned
}

fn functions(engine: &Engine, component: &Component) -> Vec<Function> {
    let engine = engine.wasmtime();
    let mut found = Vec::new();
    for (name, item) in component.component_type().exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(ty) => {
                found.push(Function {
                    interface: None,
                    name: name.to_owned(),
                    ty,
                });
            }
            ComponentItem::ComponentInstance(instance) => {
                for (inner, item) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(ty) = item.ty {
                        found.push(Function {
                            interface: Some(name.to_owned()),
                            name: inner.to_owned(),
                            ty,
                        });
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// A call whose function was found and whose arguments fit: everything that can go wrong before the guest
/// runs has been checked.
pub(super) struct Prepared {
    /// The full name of the function.
    pub(super) function: String,
    pub(super) arguments: Vec<Val>,
    index: ComponentExportIndex,
    result_count: usize,
}

impl Prepared {
    pub(super) fn new(engine: &Engine, component: &Component, call: &Call) -> Result<Self, EntryError> {
        let all = functions(engine, component);
        let unknown = || EntryError::FunctionUnknown {
            wanted: call.full_name(),
            exports: some_of(all.iter().map(|function| format!("`{}`", function.full_name()))),
        };
        let mut fitting: Vec<&Function> = all.iter().filter(|function| function.answers_to(call)).collect();
        // A function of the component itself is meant before one of an interface.
        if fitting.len() > 1 && call.interface.is_none() && fitting.iter().any(|f| f.interface.is_none()) {
            fitting.retain(|function| function.interface.is_none());
        }
        let function = match fitting.as_slice() {
            [] => return Err(unknown()),
            [function] => *function,
            several => {
                let candidates = several
                    .iter()
                    .map(|function| format!("`{}`", function.full_name()));
                return Err(EntryError::FunctionAmbiguous {
                    wanted: call.full_name(),
                    candidates: candidates.collect(),
                });
            }
        };
        Ok(Self {
            function: function.full_name(),
            arguments: wave::read_arguments(call, &function.ty)?,
            index: function.index(component).ok_or_else(unknown)?,
            result_count: function.ty.results().len(),
        })
    }

    async fn run(
        self,
        engine: &Engine,
        instance: &Instance,
        store: &mut Store<Cell>,
    ) -> Result<Outcome, Interrupted> {
        let function = instance
            .get_func(&mut *store, self.index)
            .ok_or(EntryError::Nothing)?;
        let mut results = vec![Val::Bool(false); self.result_count];
        let called = match engine.profile().concurrency() {
            Concurrency::On => store
                .run_concurrent(async |accessor| {
                    function
                        .call_concurrent(accessor, &self.arguments, &mut results)
                        .await
                })
                .await
                .and_then(|called| called),
            Concurrency::Off => {
                function
                    .call_async(&mut *store, &self.arguments, &mut results)
                    .await
            }
        };
        called.map_err(Interrupted::Failed)?;
        Ok(Outcome::Returned(wave::show_results(&results)))
    }
}
