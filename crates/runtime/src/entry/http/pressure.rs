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
///
/// Threads that have nothing to do end, and what they kept of memory for the next guest goes with them.
#[derive(Clone)]
pub struct Background(Arc<Threads>);

struct Threads {
    pool: Arc<Pool>,
    ended: Arc<AtomicBool>,
    engines: Arc<Mutex<Vec<Engine>>>,
    clock: Thread,
}

/// The threads, while there is something for them to do.
struct Pool {
    threads: usize,
    niceness: i32,
    runtime: Mutex<Option<tokio::runtime::Runtime>>,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Pool {
    /// Goes on with a guest on one of the threads, or where the system gives none, on the caller's own.
    fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let mut runtime = self.runtime.lock();
        if runtime.is_none() {
            match self.start() {
                Ok(started) => *runtime = Some(started),
                Err(error) => tracing::warn!(%error, "there are no threads for guests that compute for long"),
            }
        }
        match &*runtime {
            Some(runtime) => runtime.spawn(future),
            None => tokio::spawn(future),
        }
    }

    fn start(&self) -> io::Result<tokio::runtime::Runtime> {
        let niceness = self.niceness;
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads)
            .thread_name("weft-background")
            .on_thread_start(move || {
                // Only a matter of speed for others: where it is not allowed, the scheduler shares evenly.
                let _ = rustix::process::setpriority_process(None, niceness);
            })
            .enable_all()
            .build()
    }

    /// Lets the threads end where no guest is on them.
    fn rest(&self) {
        let mut runtime = self.runtime.lock();
        let is_idle = |runtime: &tokio::runtime::Runtime| runtime.metrics().num_alive_tasks() == 0;
        if runtime.as_ref().is_some_and(is_idle) {
            end(runtime.take());
        }
    }
}

/// Ends threads, without waiting for them: whoever does so may be on one that must not.
fn end(runtime: Option<tokio::runtime::Runtime>) {
    if let Some(runtime) = runtime {
        runtime.shutdown_background();
    }
}

impl Background {
    /// Starts the clock for guests of these engines. The threads start when there is something for them to do.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(threads: usize, engines: Vec<Engine>) -> io::Result<Self> {
        let pool = Arc::new(Pool {
            threads: threads.max(1),
            // Counted from what the process was started with: a number of its own would put these threads before those
            // that serve where that one is higher.
            niceness: rustix::process::getpriority_process(None)? + NICENESS,
            runtime: Mutex::default(),
        });
        let ended = Arc::new(AtomicBool::new(false));
        let engines = Arc::new(Mutex::new(engines));
        let clock = thread::Builder::new().name("weft-ticks".into()).spawn({
            let (ended, engines, pool) = (ended.clone(), engines.clone(), Arc::clone(&pool));
            move || tick(&ended, &engines, &pool)
        })?;
        Ok(Self(Arc::new(Threads {
            pool,
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
        self.0.pool.spawn(future)
    }
}

/// Counts ticks for these engines, until it is told to end.
fn tick(ended: &AtomicBool, engines: &Mutex<Vec<Engine>>, pool: &Pool) {
    let mut idle = 0;
    while !ended.load(Ordering::Relaxed) {
        thread::sleep(TICK);
        engines.lock().iter().for_each(Engine::advance_epoch);
        idle = if were_needed(&engines.lock()) { 0 } else { idle + 1 };
        if idle == IDLE_TICKS {
            pool.rest();
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
        end(self.pool.runtime.lock().take());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_end_when_there_is_nothing_to_do_and_start_again() {
        let pool = Pool {
            threads: 2,
            niceness: 0,
            runtime: Mutex::default(),
        };
        let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for _ in 0..3 {
            let (go_on, told) = tokio::sync::oneshot::channel::<()>();
            let work = pool.spawn(async move { told.await.is_ok() });
            pool.rest();
            assert!(pool.runtime.lock().is_some(), "it waits, and is not cut off");
            go_on.send(()).unwrap();
            assert!(waiting.block_on(work).unwrap());
            let begun = std::time::Instant::now();
            while pool.runtime.lock().is_some() {
                pool.rest();
                assert!(begun.elapsed() < std::time::Duration::from_secs(10));
            }
        }
    }
}
