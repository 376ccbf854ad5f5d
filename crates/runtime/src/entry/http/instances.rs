//! Instances that answer requests: new ones, and those that answered one and may answer another.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wasmtime::Store;
use weft_app::trigger::http::Reuse;

use super::failure::Failure;
use super::pressure::Pressure;
use super::{Inner, open};
use crate::cell::Cell;
use crate::engine::Engine;
use crate::interruption;

/// The way into instances of one release of WASI.
pub(super) trait Way: Send + Sync + 'static {
    /// What an instance is entered through.
    type Proxy: Send + 'static;

    fn instantiate(
        &self,
        store: &mut Store<Cell>,
    ) -> impl Future<Output = wasmtime::Result<Self::Proxy>> + Send;
}

/// An instance, entered through `P`.
pub(super) struct Instance<P> {
    pub(super) store: Store<Cell>,
    pub(super) proxy: P,
    /// Requests that it has answered.
    pub(super) answered: u32,
}

impl<P> Instance<P> {
    /// Makes it ready for another request.
    fn attend(&mut self, engine: &Engine, pressure: Pressure) {
        let cell = self.store.data_mut();
        cell.pressure = pressure;
        // Who was called for the request before is nobody's for this one.
        cell.calls.renew();
        interruption::begin_turn(engine, &mut self.store);
    }
}

impl<W: Way> Inner<W> {
    /// An instance for one request: one that is kept, else a new one.
    pub(super) async fn instance(&self, pressure: Pressure) -> Result<Instance<W::Proxy>, Failure> {
        if let Some(mut instance) = self.instances.take() {
            instance.attend(&self.engine, pressure);
            return Ok(instance);
        }
        self.new_instance(pressure).await
    }

    pub(super) async fn new_instance(&self, pressure: Pressure) -> Result<Instance<W::Proxy>, Failure> {
        let mut store = open(&self.engine, &self.serving, pressure)?;
        let proxy = self.way.instantiate(&mut store).await;
        let proxy =
            proxy.map_err(|error| Failure::of_instantiation(&error, store.data(), &self.serving.limits))?;
        Ok(Instance {
            store,
            proxy,
            answered: 0,
        })
    }

    /// Says how a request ended, and keeps its instance where that may answer another.
    pub(super) fn finish(
        &self,
        mut instance: Instance<W::Proxy>,
        ended: wasmtime::Result<()>,
    ) -> Result<(), Failure> {
        if let Err(error) = ended {
            return Err(Failure::of(&error, instance.store.data(), &self.serving.limits));
        }
        instance.answered += 1;
        self.instances.give_back(instance);
        Ok(())
    }
}

struct Idle<P> {
    since: Instant,
    instance: Instance<P>,
}

/// Instances that wait for a request. The one that came last goes first: its memory is warm.
pub(super) struct Instances<P> {
    reuse: Reuse,
    idle: Mutex<Vec<Idle<P>>>,
}

/// How many wait at most. More would have been used at the same time only under a load that is over.
const IDLE_MAX: usize = 256;

impl<P> Instances<P> {
    pub(super) fn new(reuse: Reuse) -> Self {
        Self {
            reuse,
            idle: Mutex::default(),
        }
    }

    /// Whether any instance is ever used twice.
    pub(super) fn keeps(&self) -> bool {
        self.reuse.requests_max > 1
    }

    fn take(&self) -> Option<Instance<P>> {
        if !self.keeps() {
            return None;
        }
        let idle = self.idle.lock().pop()?;
        Some(idle.instance)
    }

    /// Keeps an instance, if it may answer another request.
    fn give_back(&self, instance: Instance<P>) {
        if instance.answered >= self.reuse.requests_max {
            return;
        }
        let kept = Idle {
            since: Instant::now(),
            instance,
        };
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(kept);
        }
    }

    pub(super) fn sweep(&self) {
        let too_old =
            |idle: &Idle<P>| idle.since.elapsed() >= self.reuse.idle_timeout.max(Duration::from_millis(1));
        let old: Vec<Idle<P>> = {
            let mut idle = self.idle.lock();
            // The oldest are in front.
            let count = idle.iter().take_while(|idle| too_old(idle)).count();
            idle.drain(..count).collect()
        };
        // Outside the lock: memory is given back here.
        drop(old);
    }
}
