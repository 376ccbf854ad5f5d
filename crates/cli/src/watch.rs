//! The watch over this process: a thread that ends it when time or memory is up, or a signal asks for it.
//!
//! A process that runs one guest needs no checks inside the guest's loops: this thread asks the run to stop,
//! and when the guest does not look up within a moment, it ends the process. Compilation is watched in the
//! same way, since the engine promises nothing about its time and memory.
#![allow(clippy::exit, reason = "ending the process is what the watch is for")]

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use weft_app::Limits;
use weft_app::quantity::{show_bytes, show_duration};
use weft_runtime::{Engine, LimitHit, Stop, StopReason};

use crate::exit_code::Code;
use crate::launch::report_limit;
use crate::output::Output;
use crate::report::Report;
use crate::serving::Wish;

/// How long a run may take to end by itself once it was asked to.
const GRACE: Duration = Duration::from_millis(50);
/// The same for a run whose profile or core dump is still to be written.
const GRACE_OBSERVED: Duration = Duration::from_secs(10);
/// How often memory is looked at while compiling.
const COMPILE_STEP: Duration = Duration::from_millis(10);
/// Compilations shorter than this show no progress.
const PROGRESS_AFTER: Duration = Duration::from_millis(400);

/// What compiling may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompileBounds {
    pub(crate) time_max: Duration,
    pub(crate) memory_bytes_max: u64,
}

impl Default for CompileBounds {
    fn default() -> Self {
        Self {
            time_max: Duration::from_secs(5 * 60),
            memory_bytes_max: 2 << 30,
        }
    }
}

/// The watch. Dropping it ends the thread's interest, not the thread.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    phase: parking_lot::Mutex<Phase>,
    wake: UnixStream,
    stop: Stop,
    output: Output,
}

#[derive(Debug, Clone)]
enum Phase {
    Idle,
    Compiling {
        name: String,
        size: u64,
        started: Instant,
        bounds: CompileBounds,
    },
    Running(Running),
    /// Signals are for the server: it is asked to end once, and ended the second time.
    Serving(std::sync::mpsc::Sender<Wish>),
    /// The run was asked to end; at this moment the process ends with this report.
    Ending {
        at: Instant,
        reason: StopReason,
    },
}

#[derive(Debug, Clone)]
struct Running {
    engine: Engine,
    started: Instant,
    cpu_started: Duration,
    limits: Limits,
    observed: bool,
}

/// Ends a phase when dropped: what was before goes on.
#[derive(Debug)]
pub(crate) struct PhaseGuard<'a> {
    watch: &'a Watch,
    before: Phase,
}

impl Drop for PhaseGuard<'_> {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut self.before, Phase::Idle);
        self.watch.enter(before);
    }
}

impl Watch {
    /// Starts the watch over a run that `stop` ends.
    pub(crate) fn start(stop: Stop, output: Output) -> Result<Self, Report> {
        let failed = |error: std::io::Error| Report::failed("cannot watch over the run").caused_by(error);
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        wake.set_nonblocking(true).map_err(failed)?;
        woken.set_nonblocking(true).map_err(failed)?;
        let signals = Signals::listen().map_err(failed)?;
        let shared = Arc::new(Shared {
            phase: parking_lot::Mutex::new(Phase::Idle),
            wake,
            stop,
            output,
        });
        let watched = shared.clone();
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || watched.watch(&woken, &signals))
            .map_err(failed)?;
        Ok(Self { shared })
    }

    /// Bounds a compilation, and shows that it goes on.
    pub(crate) fn compiling(&self, name: &str, size: u64, bounds: CompileBounds) -> PhaseGuard<'_> {
        let before = self.enter(Phase::Compiling {
            name: name.to_owned(),
            size,
            started: Instant::now(),
            bounds,
        });
        PhaseGuard { watch: self, before }
    }

    /// Bounds a run in time. `observed`: something is written when it ends, which takes a moment.
    pub(crate) fn running(&self, engine: &Engine, limits: &Limits, observed: bool) -> PhaseGuard<'_> {
        let before = self.enter(Phase::Running(Running {
            engine: engine.clone(),
            started: Instant::now(),
            cpu_started: cpu_time(),
            limits: limits.clone(),
            observed,
        }));
        PhaseGuard { watch: self, before }
    }

    /// From here on a signal asks the server to end, and only a second one ends the process.
    pub(crate) fn serving(&self, wishes: std::sync::mpsc::Sender<Wish>) {
        self.enter(Phase::Serving(wishes));
    }

    /// Enters a phase, and gives the one before.
    fn enter(&self, phase: Phase) -> Phase {
        let mut current = self.shared.phase.lock();
        if matches!(*current, Phase::Compiling { .. }) {
            self.shared.output.clear_progress();
        }
        let before = std::mem::replace(&mut *current, phase);
        drop(current);
        // A full pipe means that the thread is about to look anyway.
        let _ = rustix::io::write(&self.shared.wake, &[0]);
        before
    }
}

/// SIGINT and SIGTERM, each as a byte in a pipe of its own.
#[derive(Debug)]
struct Signals {
    interrupt: UnixStream,
    terminate: UnixStream,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: Self::one(signal_hook::consts::SIGINT)?,
            terminate: Self::one(signal_hook::consts::SIGTERM)?,
        })
    }

    fn one(signal: i32) -> std::io::Result<UnixStream> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal, write)?;
        Ok(read)
    }
}

impl Shared {
    fn watch(&self, woken: &UnixStream, signals: &Signals) {
        let mut spinner = 0;
        loop {
            let wait = self.step(spinner);
            spinner += 1;
            let mut sources = [
                PollFd::new(woken, PollFlags::IN),
                PollFd::new(&signals.interrupt, PollFlags::IN),
                PollFd::new(&signals.terminate, PollFlags::IN),
            ];
            let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
            // An interrupted or failed wait only means looking once more.
            let _ = rustix::event::poll(&mut sources, timeout.as_ref());
            let [_, interrupt, terminate] = sources.map(|source| source.revents().contains(PollFlags::IN));
            drain(woken);
            if interrupt && drain(&signals.interrupt) {
                self.signalled(signal_hook::consts::SIGINT);
            }
            if terminate && drain(&signals.terminate) {
                self.signalled(signal_hook::consts::SIGTERM);
            }
        }
    }

    /// Looks at what goes on, and says when to look again at the latest.
    fn step(&self, spinner: usize) -> Option<Duration> {
        let mut phase = self.phase.lock();
        match &*phase {
            Phase::Idle | Phase::Serving(_) => None,
            Phase::Compiling {
                name,
                size,
                started,
                bounds,
            } => {
                self.check_compilation(name, *started, *bounds);
                if started.elapsed() > PROGRESS_AFTER && spinner.is_multiple_of(8) {
                    self.output.progress(name, *size, started.elapsed(), spinner / 8);
                }
                Some(COMPILE_STEP)
            }
            Phase::Running(running) => match running.time_left() {
                Ok(left) => left,
                Err(hit) => {
                    let reason = StopReason::Limit(hit);
                    *phase = self.end(running, reason);
                    Some(GRACE)
                }
            },
            Phase::Ending { at, reason } => {
                let left = at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    self.end_process(reason);
                }
                Some(left)
            }
        }
    }

    fn check_compilation(&self, name: &str, started: Instant, bounds: CompileBounds) {
        let memory = resident_bytes();
        let report = if started.elapsed() > bounds.time_max {
            let took = show_duration(bounds.time_max);
            Report::failed(format!("compiling `{name}` takes longer than the {took} allowed"))
                .hint("allow more with `--compile-time TIME`")
        } else if memory > bounds.memory_bytes_max {
            let max = show_bytes(bounds.memory_bytes_max);
            Report::failed(format!(
                "compiling `{name}` takes more memory than the {max} allowed"
            ))
            .hint("allow more with `--compile-memory SIZE`")
        } else {
            return;
        };
        self.output.clear_progress();
        self.output.report(&report);
        std::process::exit(report.code.0.into());
    }

    fn signalled(&self, signal: i32) {
        let reason = StopReason::Signal(signal);
        let mut phase = self.phase.lock();
        *phase = match &*phase {
            Phase::Running(running) => self.end(running, reason),
            Phase::Serving(wishes) => {
                // A server that is gone needs no asking.
                let _ = wishes.send(Wish::End);
                Phase::Idle
            }
            // Nothing is being run, or the user asks for the second time.
            Phase::Idle | Phase::Compiling { .. } | Phase::Ending { .. } => self.end_process(&reason),
        };
    }

    /// Asks the run to end.
    fn end(&self, running: &Running, reason: StopReason) -> Phase {
        self.stop.request(reason.clone());
        running.engine.advance_epoch();
        let grace = if running.observed { GRACE_OBSERVED } else { GRACE };
        Phase::Ending {
            at: Instant::now() + grace,
            reason,
        }
    }

    fn end_process(&self, reason: &StopReason) -> ! {
        self.output.clear_progress();
        let code = match reason {
            StopReason::Signal(signal) => Code::of_signal(*signal),
            StopReason::Limit(hit) => {
                let report = report_limit(hit);
                self.output.report(&report);
                report.code
            }
        };
        std::process::exit(code.0.into());
    }
}

impl Running {
    /// Time until the first limit can be reached, or the limit that is.
    fn time_left(&self) -> Result<Option<Duration>, LimitHit> {
        let mut next: Option<Duration> = None;
        if let Some(max) = self.limits.wall_time_max {
            let left = max.saturating_sub(self.started.elapsed());
            if left.is_zero() {
                return Err(LimitHit::WallTime(max));
            }
            next = Some(left);
        }
        if let Some(max) = self.limits.cpu_time_max {
            let left = max.saturating_sub(cpu_time().saturating_sub(self.cpu_started));
            if left.is_zero() {
                return Err(LimitHit::CpuTime(max));
            }
            // The guest computes on one thread: it cannot use processor time faster than the clock runs.
            // Others may, so look a little early; but never so often that looking costs anything.
            let soon = (left / 2).max(Duration::from_millis(1));
            next = Some(next.map_or(soon, |next| next.min(soon)));
        }
        Ok(next)
    }
}

/// Takes what is in the pipe; whether there was anything.
fn drain(mut pipe: &UnixStream) -> bool {
    use std::io::Read as _;
    let mut bytes = [0; 64];
    let mut any = false;
    while matches!(pipe.read(&mut bytes), Ok(read) if read > 0) {
        any = true;
    }
    any
}

/// Processor time of this process, all threads.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Memory of this process that is really there.
fn resident_bytes() -> u64 {
    let Ok(text) = fs_err::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
