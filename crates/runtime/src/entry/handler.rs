//! Handing something to a function of an interface that a component exports: messages, and whatever else is defined
//! outside of this crate.
//!
//! [`HandlerProgram`] is such a component, linked once. Each call gets an instance of its own, which ends with it.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use wasmtime::component::{ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower, TypedFunc};
use wasmtime::{AsContextMut as _, Store, StoreContextMut};

use super::http::{self, Failure, Serving};
use super::{Entry, Observe, Pressure, Report};
use crate::cell::Cell;
use crate::engine::{Concurrency, Engine};
use crate::link::Linking;
use crate::prepared::{self, PrepareError};
use crate::program::{Code, Program};

/// A component whose exported functions are called, linked with what it was granted. Clones are the same program.
#[derive(Clone)]
pub struct HandlerProgram(Arc<Inner>);

struct Inner {
    engine: Engine,
    serving: Serving,
    component: InstancePre<Cell>,
}

/// A component that cannot be called in this way.
#[derive(Debug, thiserror::Error)]
pub enum HandlerProgramError {
    /// It cannot be linked.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}

impl HandlerProgram {
    /// Links a component with what it is granted.
    ///
    /// # Errors
    /// When the program is no component, or imports what nothing here provides.
    ///
    /// # Authority
    /// Every instance may do exactly what the grants of its principals name.
    pub fn new(program: &Program, serving: Serving) -> Result<Self, HandlerProgramError> {
        let Code::Component(component) = &program.code else {
            return Err(PrepareError::Module.into());
        };
        let engine = program.engine().clone();
        let linking = Linking::of(&serving.setup());
        let component = prepared::link(&engine, component, &linking).map_err(PrepareError::from)?;
        Ok(Self(Arc::new(Inner {
            engine,
            serving,
            component,
        })))
    }

    /// The first of these interfaces that the component exports.
    #[must_use]
    pub fn exported<'a>(&self, interfaces: &[&'a str]) -> Option<&'a str> {
        let component = self.0.component.component();
        let is_there = |interface: &&&str| component.get_export_index(None, interface).is_some();
        interfaces.iter().find(is_there).copied()
    }

    /// Calls a function of an interface with what `parameters` makes in the store of the new instance, and waits until it has
    /// returned and whatever it has begun has come to its end.
    ///
    /// # Errors
    /// When no instance can be had, there is no such function, or the guest ends before it returns.
    ///
    /// # Limits
    /// Everything but time, which the caller bounds: dropping the future ends the guest.
    pub async fn call<P, R>(
        &self,
        interface: &str,
        function: &str,
        parameters: impl FnOnce(StoreContextMut<'_, Cell>) -> wasmtime::Result<P> + Send,
    ) -> Result<R, Failure>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let inner = &self.0;
        let index = self.index(interface, function)?;
        let mut store = http::open(&inner.engine, &inner.serving, Pressure::default())?;
        let limits = &inner.serving.limits;
        let instance = inner.component.instantiate_async(&mut store).await;
        let instance = instance.map_err(|error| Failure::of_instantiation(&error, store.data(), limits))?;
        let called = async {
            let parameters = parameters(store.as_context_mut())?;
            let function = instance.get_typed_func::<P, R>(&mut store, index)?;
            match inner.engine.profile().concurrency() {
                Concurrency::Off => function.call_async(&mut store, parameters).await,
                Concurrency::On => call_to_the_end(&mut store, function, parameters).await,
            }
        };
        let called = called.await;
        called.map_err(|error| Failure::of(&error, store.data(), limits))
    }

    fn index(&self, interface: &str, function: &str) -> Result<ComponentExportIndex, Failure> {
        let component = self.0.component.component();
        component
            .get_export_index(None, interface)
            .and_then(|interface| component.get_export_index(Some(&interface), function))
            .ok_or_else(|| Failure::platform(format!("there is no function `{interface}#{function}`")))
    }
}

/// Calls an asynchronous function, which may return before its tasks have ended.
async fn call_to_the_end<P, R>(
    store: &mut Store<Cell>,
    function: TypedFunc<P, R>,
    parameters: P,
) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    store
        .run_concurrent(async |accessor| {
            let returned = function.call_concurrent(accessor, parameters).await?;
            poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
            Ok(returned)
        })
        .await
        .flatten()
}

/// Runs a program as a command, as often as somebody likes, each time with an instance of its own.
///
/// # Errors
/// When the program cannot be entered. What goes wrong inside the guest is an [`Outcome`](super::Outcome).
///
/// # Limits
/// Everything but time, which the caller bounds: dropping the future ends the guest.
pub async fn run_served(program: &Program, serving: &Serving) -> Result<Report, super::EntryError> {
    super::run(program, &Entry::Command, serving.setup(), Observe::default()).await
}

impl fmt::Debug for HandlerProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerProgram")
            .field("engine", &self.0.engine)
            .field("serving", &self.0.serving)
            .finish_non_exhaustive()
    }
}
