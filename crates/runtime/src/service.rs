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
    pub(crate) name: &'static str,
    pub(crate) register: RegisterService,
    pub(crate) register_async: Option<RegisterService>,
}

impl ServiceInterface {
    /// An interface by its name with its version, such as `wasi:keyvalue/store@0.2.0-draft2`, and what registers its types
    /// and functions. The functions find what they act on with [`Cell::service`].
    #[must_use]
    pub const fn new(name: &'static str, register: RegisterService) -> Self {
        Self {
            name,
            register,
            register_async: None,
        }
    }

    /// The same interface with asynchronous functions, which something else registers. An engine without them runs no
    /// program that imports one, but it does run programs that import the interface for its types.
    #[must_use]
    pub const fn with_async(self, register: RegisterService) -> Self {
        Self {
            register_async: Some(register),
            ..self
        }
    }
}

/// Registers something of an interface for the principal of a number.
pub type RegisterService = fn(&mut LinkerInstance<'_, Cell>, usize) -> wasmtime::Result<()>;

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
