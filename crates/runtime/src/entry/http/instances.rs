//! Instances that answered a request and may answer another.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wasmtime::Store;
use weft_app::trigger::http::Reuse;

use super::pressure::Pressure;
use crate::cell::Cell;
use crate::engine::Engine;
use crate::interruption;

/// An instance, entered through `P`.
pub(super) struct Instance<P> {
    pub(super) store: Store<Cell>,
    pub(super) proxy: P,
    /// Requests that it has answered.
    pub(super) answered: u32,
}

impl<P> Instance<P> {
    /// Makes it ready for another request.
    pub(super) fn attend(&mut self, engine: &Engine, pressure: Pressure) {
        self.store.data_mut().pressure = pressure;
        interruption::begin_turn(engine, &mut self.store);
    }
}

/// Either kind.
pub(super) enum Kept {
    P2(Instance<wasmtime_wasi_http::p2::bindings::Proxy>),
    P3(Instance<wasmtime_wasi_http::p3::bindings::Service>),
}

struct Idle {
    since: Instant,
    kept: Kept,
}

/// Instances that wait for a request. The one that came last goes first: its memory is warm.
pub(super) struct Instances {
    reuse: Reuse,
    idle: Mutex<Vec<Idle>>,
}

/// How many wait at most. More would have been used at the same time only under a load that is over.
const IDLE_MAX: usize = 256;

impl Instances {
    pub(super) fn new(reuse: Reuse) -> Self {
        Self {
            reuse,
            idle: Mutex::default(),
        }
    }

    /// Whether any instance is ever used twice.
    fn keeps(&self) -> bool {
        self.reuse.requests_max > 1
    }

    pub(super) fn take(&self) -> Option<Kept> {
        if !self.keeps() {
            return None;
        }
        let idle = self.idle.lock().pop()?;
        Some(idle.kept)
    }

    /// Keeps an instance that has answered so many requests, if it may answer another.
    pub(super) fn give_back(&self, answered: u32, kept: impl FnOnce() -> Kept) {
        if !self.keeps() || answered >= self.reuse.requests_max {
            return;
        }
        let kept = Idle {
            since: Instant::now(),
            kept: kept(),
        };
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(kept);
        }
    }

    pub(super) fn sweep(&self) {
        let too_old =
            |idle: &Idle| idle.since.elapsed() >= self.reuse.idle_timeout.max(Duration::from_millis(1));
        let old: Vec<Idle> = {
            let mut idle = self.idle.lock();
            // The oldest are in front.
            let count = idle.iter().take_while(|idle| too_old(idle)).count();
            idle.drain(..count).collect()
        };
        // Outside the lock: memory is given back here.
        drop(old);
    }
}
