//! A component linked once, of which any number of instances can then be had quickly.
//!
//! What does not change from instance to instance is done in [`Prepared::new`]: finding the host functions, checking
//! their types, refusing what is not granted. [`Prepared::instantiate`] is left with a store and the memory.
//! A run of its own ([`run`](crate::run)) goes the same way with a single instance.
//!
//! What always holds: an instance has the grants with which its component was linked, and none of another instance's
//! state.

use std::fmt;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{Component, Instance, InstancePre};
use wasmtime_wasi_http::WasiHttpHooks;
use weft_app::{Grants, Limits};

use crate::bridge::Links;
use crate::cell::{self, Cell, PrincipalSetup, Setup, Thread};
use crate::denial::DenialLog;
use crate::engine::Engine;
use crate::entry::http::Pressure;
use crate::error::SetupError;
use crate::link::{self, Imports, Linking};
use crate::program::{Code, Program};
use crate::service::Services;
use crate::stop::Stop;

/// A component, linked with what it was granted.
#[derive(Clone)]
pub struct Prepared {
    engine: Engine,
    linked: InstancePre<Cell>,
    grants: Arc<Grants>,
    limits: Limits,
}

/// What differs from instance to instance.
pub struct Occasion {
    /// The guest's arguments, its own name first.
    pub arguments: Arc<[String]>,
    /// Outgoing HTTP; without it every request is denied.
    pub http: Option<Box<dyn WasiHttpHooks>>,
    /// Where refusals are noted.
    pub denials: DenialLog,
    /// How to end the instance from outside.
    pub stop: Stop,
}

/// An instance with everything that belongs to it. Dropping it gives all of it back.
pub struct Live {
    store: Store<Cell>,
    instance: Instance,
}

/// A component that cannot be prepared or instantiated.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Only components can be prepared.
    #[error("the program is a core module, not a component")]
    Module,
    /// What the component needs cannot be put together.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The engine or the component's own start functions refused.
    #[error("the component cannot be instantiated")]
    Instantiate(#[source] anyhow::Error),
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("engine", &self.engine)
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Occasion")
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl Prepared {
    /// Links a component with what it is granted.
    ///
    /// # Errors
    /// When the program is a core module, or imports what nothing here provides.
    ///
    /// # Authority
    /// Every instance may do exactly what `grants` names.
    pub fn new(program: &Program, grants: Grants, limits: Limits) -> Result<Self, PrepareError> {
        let Code::Component(component) = &program.code else {
            return Err(PrepareError::Module);
        };
        let engine = program.engine().clone();
        let linked = link(&engine, component, &Linking::own(&grants))?;
        Ok(Self {
            engine,
            linked,
            grants: grants.into(),
            limits,
        })
    }

    /// Makes an instance, and runs the start functions of its core modules.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// When a granted directory is gone, a pool is full, a limit is smaller than what the component needs at once, or
    /// a start function traps.
    ///
    /// # Limits
    /// Memory, tables, handles, output and stack count for each instance by itself; time is the caller's to watch.
    pub async fn instantiate(&self, occasion: Occasion) -> Result<Live, PrepareError> {
        let Occasion {
            arguments,
            http,
            denials,
            stop,
        } = occasion;
        let (grants, limits) = (self.grants.clone(), self.limits.clone());
        let mut store = cell::open(
            &self.engine,
            Setup {
                principals: vec![PrincipalSetup {
                    grants,
                    arguments,
                    http,
                    services: Services::default(),
                    denials,
                }],
                imports: Imports::Own,
                links: Links::default(),
                limits,
                heap_bytes_max: None,
                stop,
                thread: Thread::Own,
            },
            Pressure::default(),
        )?;
        let failed = |error: wasmtime::Error| PrepareError::Instantiate(error.into());
        let instance = self.linked.instantiate_async(&mut store).await.map_err(failed)?;
        Ok(Live { store, instance })
    }
}

impl Live {
    /// Bytes of linear memory that the instance has now.
    pub fn memory_bytes(&self) -> u64 {
        self.store.data().budget.memory_bytes()
    }
}

/// Finds everything that a component imports.
pub(crate) fn link(
    engine: &Engine,
    component: &Component,
    linking: &Linking,
) -> Result<InstancePre<Cell>, SetupError> {
    link::components(engine, component, linking)?
        .instantiate_pre(component)
        .map_err(|error| SetupError::ImportMismatch(error.into()))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use weft_testing::guest;

    use super::*;
    use crate::engine::{Concurrency, EngineOptions, Profile};

    fn program(name: &str) -> Program {
        let engine = Engine::new(Profile::Command(Concurrency::Off), EngineOptions::default()).unwrap();
        Program::compile(&engine, &fs_err::read(guest(name)).unwrap()).unwrap()
    }

    fn occasion() -> Occasion {
        Occasion {
            arguments: Arc::default(),
            http: None,
            denials: DenialLog::default(),
            stop: Stop::new(),
        }
    }

    #[test]
    fn every_instance_has_a_memory_and_a_limit_of_its_own() {
        let limits = Limits {
            memory_bytes_max: Some(64 << 10),
            ..Limits::default()
        };
        let prepared = Prepared::new(&program("hello-component.wat"), Grants::default(), limits).unwrap();
        let live: Vec<Live> = (0..3)
            .map(|_| prepared.instantiate(occasion()).now_or_never().unwrap().unwrap())
            .collect();
        assert!(live.iter().all(|live| live.memory_bytes() == 64 << 10));
    }

    #[test]
    fn a_component_that_needs_more_than_its_limit_is_not_instantiated() {
        let limits = Limits {
            memory_bytes_max: Some(1),
            ..Limits::default()
        };
        let prepared = Prepared::new(&program("hello-component.wat"), Grants::default(), limits).unwrap();
        let refused = prepared.instantiate(occasion()).now_or_never().unwrap();
        assert!(matches!(refused, Err(PrepareError::Instantiate(_))));
    }

    #[test]
    fn what_nothing_provides_is_found_before_any_instance() {
        let error = Prepared::new(
            &program("absent-import-component.wat"),
            Grants::default(),
            Limits::default(),
        );
        assert!(matches!(
            error,
            Err(PrepareError::Setup(SetupError::ImportMissing { .. }))
        ));
        let error = Prepared::new(&program("hello.wat"), Grants::default(), Limits::default());
        assert!(matches!(error, Err(PrepareError::Module)));
    }
}
