//! Interfaces that are implemented outside of this crate: how they are found, and what they act on.
//!
//! A [`Service`] is one principal's side of some interfaces, with everything that was granted to it. The linker
//! registers their functions once for many stores, so a function knows only the number of its principal, and asks
//! the [`Cell`] for the service when it is called.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::LinkerInstance;

use crate::cell::Cell;

/// What one principal has of interfaces that the host implements elsewhere.
pub trait Service: Any + Send + Sync {
    /// The interfaces. They are the same for all services of one type.
    fn interfaces(&self) -> &'static [ServiceInterface];
}

/// One interface, and how its functions are registered for a principal.
#[derive(Clone, Copy)]
pub struct ServiceInterface {
    /// Its name with its version, such as `wasi:keyvalue/store@0.2.0-draft2`.
    pub name: &'static str,
    /// Registers its types and functions for the principal of a number. The functions find what they act on with
    /// [`Cell::service`].
    pub register: fn(&mut LinkerInstance<'_, Cell>, usize) -> wasmtime::Result<()>,
}

impl fmt::Debug for ServiceInterface {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("ServiceInterface").field(&self.name).finish()
    }
}

/// The services of one principal. Clones are the same services.
#[derive(Clone, Default)]
pub struct Services(Arc<[Arc<dyn Service>]>);

impl Services {
    /// These, no two of one type.
    #[must_use]
    pub fn new(services: Vec<Arc<dyn Service>>) -> Self {
        Self(services.into())
    }

    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &'static ServiceInterface> {
        self.0.iter().flat_map(|service| service.interfaces())
    }

    pub(crate) fn get<T: Service>(&self) -> Option<&T> {
        self.0.iter().find_map(|service| {
            let service: &dyn Any = &**service;
            service.downcast_ref()
        })
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.interfaces()).finish()
    }
}
