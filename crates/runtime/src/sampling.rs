//! Where a guest spends its time: its stack, taken again and again while it runs.
//!
//! A [`Ticker`] ends the engine's epoch at a steady pace; at each tick the guest looks up and its stack is
//! taken. Time that the guest spends waiting in host calls is not sampled: it is not the guest's.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::{AsContext, GuestProfiler, Store, UpdateDeadline, WasmBacktrace};

use crate::cell::Cell;
use crate::engine::Engine;
use crate::program::{Code, Program};
use crate::trap::function_name;

/// Different stacks kept at most; samples of further ones are counted under one name.
const STACKS_MAX: usize = 20_000;

/// The stacks of one run.
#[derive(Debug)]
pub struct Sampled {
    /// A profile for the Firefox profiler (JSON).
    pub firefox: Result<Vec<u8>, String>,
    /// Stacks, outermost function first, with the number of times each was seen.
    pub stacks: Vec<(Vec<String>, u64)>,
}

/// Collects stacks while a guest runs.
pub(crate) struct Sampler {
    profiler: GuestProfiler,
    stacks: HashMap<Vec<String>, u64>,
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler")
            .field("stacks", &self.stacks.len())
            .finish_non_exhaustive()
    }
}

impl Sampler {
    pub(crate) fn new(program: &Program, every: Duration) -> wasmtime::Result<Self> {
        let engine = program.engine.wasmtime();
        let profiler = match &program.code {
            Code::Component(component) => {
                GuestProfiler::new_component(engine, "guest", every, component.clone(), [])?
            }
            Code::Module(module) => {
                let name = module.name().unwrap_or("guest").to_owned();
                GuestProfiler::new(engine, "guest", every, [(name, module.clone())])?
            }
        };
        Ok(Self {
            profiler,
            stacks: HashMap::new(),
        })
    }

    /// Makes the store take its stack at every epoch, and starts the ticker.
    pub(crate) fn attach(engine: &Engine, store: &mut Store<Cell>, every: Duration) -> Ticker {
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            // Taken out for the time of the sample, which needs the rest of the store.
            if let Some(mut sampler) = context.data_mut().sampler.take() {
                sampler.sample(&context);
                context.data_mut().sampler = Some(sampler);
            }
            match context.data().stop.reason() {
                Some(_) => Ok(UpdateDeadline::Interrupt),
                None => Ok(UpdateDeadline::Continue(1)),
            }
        });
        Ticker::start(engine.clone(), every)
    }

    fn sample(&mut self, store: impl AsContext) {
        self.profiler.sample(&store, Duration::ZERO);
        let trace = WasmBacktrace::force_capture(&store);
        let stack: Vec<String> = trace.frames().iter().rev().map(function_name).collect();
        if stack.is_empty() {
            return;
        }
        if self.stacks.len() >= STACKS_MAX && !self.stacks.contains_key(&stack) {
            *self.stacks.entry(vec!["(other stacks)".to_owned()]).or_default() += 1;
        } else {
            *self.stacks.entry(stack).or_default() += 1;
        }
    }

    pub(crate) fn finish(self) -> Sampled {
        let mut firefox = Vec::new();
        let written = self.profiler.finish(&mut firefox);
        let mut stacks: Vec<_> = self.stacks.into_iter().collect();
        stacks.sort();
        Sampled {
            firefox: written.map(|()| firefox).map_err(|error| error.to_string()),
            stacks,
        }
    }
}

/// A thread that ends the epochs of an engine at a steady pace until it is dropped.
#[derive(Debug)]
pub struct Ticker {
    stopped: Arc<AtomicBool>,
}

impl Ticker {
    /// Starts the thread.
    pub fn start(engine: Engine, every: Duration) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = stopped.clone();
        std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                std::thread::sleep(every);
                engine.advance_epoch();
            }
        });
        Self { stopped }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
