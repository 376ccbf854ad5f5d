//! Time that guests take from the thread they share, and the threads for those that take too much of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, Thread};

use parking_lot::Mutex;

use crate::engine::Engine;
use crate::interruption::TICK;

/// Ticks that nobody needs, after which the clock stops. It takes a system call to start it, which a request now and
/// then can bear.
const IDLE_TICKS: u32 = 50;
/// How much less the processor does for guests in the background while others have work, as `nice` counts it: beyond
/// what the process itself was started with.
const NICENESS: i32 = 10;

/// Threads on which guests go on that have computed for long, and the clock that finds them.
#[derive(Clone)]
pub struct Background(Arc<Threads>);

struct Threads {
    runtime: Option<tokio::runtime::Runtime>,
    handle: tokio::runtime::Handle,
    ended: Arc<AtomicBool>,
    engines: Arc<Mutex<Vec<Engine>>>,
    clock: Thread,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Background {
    /// Starts the threads, and the clock for guests of these engines.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(threads: usize, engines: Vec<Engine>) -> io::Result<Self> {
        // Counted from what the process was started with: a number of its own would put these threads before those that
        // serve where that one is higher.
        let niceness = rustix::process::getpriority_process(None)? + NICENESS;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("weft-background")
            .on_thread_start(move || {
                // Only a matter of speed for others: where it is not allowed, the scheduler shares evenly.
                let _ = rustix::process::setpriority_process(None, niceness);
            })
            .enable_all()
            .build()?;
        let ended = Arc::new(AtomicBool::new(false));
        let engines = Arc::new(Mutex::new(engines));
        let clock = thread::Builder::new().name("weft-ticks".into()).spawn({
            let (ended, engines) = (ended.clone(), engines.clone());
            move || tick(&ended, &engines)
        })?;
        Ok(Self(Arc::new(Threads {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            ended,
            engines,
            clock: clock.thread().clone(),
        })))
    }

    /// Counts time for guests of one more engine, from now on. One that is known already is not counted twice.
    pub fn attend(&self, engine: &Engine) {
        let mut engines = self.0.engines.lock();
        if !engines.iter().any(|known| known.is_same(engine)) {
            engines.push(engine.clone());
            // It may stand still for the others, and does not know this one.
            self.0.clock.unpark();
        }
    }

    pub(super) fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        self.0.handle.spawn(future)
    }
}

/// Counts ticks for these engines, until it is told to end.
fn tick(ended: &AtomicBool, engines: &Mutex<Vec<Engine>>) {
    let mut idle = 0;
    while !ended.load(Ordering::Relaxed) {
        thread::sleep(TICK);
        engines.lock().iter().for_each(Engine::advance_epoch);
        idle = if were_needed(&engines.lock()) { 0 } else { idle + 1 };
        if idle == IDLE_TICKS {
            rest(ended, engines);
            idle = 0;
        }
    }
}

fn were_needed(engines: &[Engine]) -> bool {
    // Each is asked, since each remembers whether it was.
    let needed = engines.iter().filter(|engine| engine.ticks().were_needed());
    needed.count() > 0
}

/// Sleeps until somebody needs ticks, or there is another engine, or an end. It may return early, which does no harm.
fn rest(ended: &AtomicBool, engines: &Mutex<Vec<Engine>>) {
    let known = engines.lock().clone();
    known.iter().for_each(|engine| engine.ticks().rest());
    if !were_needed(&known) && !ended.load(Ordering::Relaxed) {
        thread::park();
    }
    known.iter().for_each(|engine| engine.ticks().go_on());
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.clock.unpark();
        // Whoever drops it may be on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// How often one guest was found computing when a tick ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pressure(Arc<AtomicU32>);

impl Pressure {
    /// Notes one tick.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
