//! Instances that go on between calls: their functions run beside one another, and what they began goes on after a call
//! has returned, for as long as somebody may still read what they write.
//!
//! Such an instance belongs to a task, which runs its event loop and is told of calls. The task ends with the last of
//! those who may call, in the middle of whatever the instance does.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use wasmtime::component::{Accessor, Func, Instance};
use wasmtime::{AsContextMut as _, Result};

use super::call::{self, fate_of};
use super::cells::Callee;
use super::fate::Fate;
use super::invocation::{Handles, Live, of_wire};
use super::pipe::{Ending, Pipe};
use super::transmit::{self, Blame};
use super::typed::Parameters;
use super::wire::Wire;
use crate::cell::Cell;

/// How long an instance that may be used again has to come to rest.
const REST_MAX: Duration = Duration::from_millis(100);
/// Resources that wait for their end, above which no call begins before they have come to it.
const DROPS_MAX: usize = 256;

/// Somebody's hold on an instance that goes on by itself. The last one to let go ends it.
pub(super) struct Drive {
    jobs: mpsc::UnboundedSender<Job>,
    /// Closed when the instance is gone, with everything that it had.
    lives: watch::Receiver<()>,
    /// The last number that was given to a handle.
    pub(super) last_handle: Arc<AtomicU32>,
    ending: Ending,
    task: AbortHandle,
    rests: Arc<Notify>,
    is_kept: AtomicBool,
}

enum Job {
    Call(Call),
    /// Nobody has a handle of a resource any more.
    Drop(u32),
    /// Its caller is done, and another one may have it.
    Rest,
}

struct Call {
    function: usize,
    arguments: Wire,
    answer: oneshot::Sender<Result<Wire, Fate>>,
}

/// Why the event loop is left.
enum Next {
    Drop(Vec<u32>),
    Rest,
    End,
}

impl std::fmt::Debug for Drive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drive").finish_non_exhaustive()
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        if !*self.is_kept.get_mut() {
            self.task.abort();
        }
    }
}

impl Drive {
    /// Lets an instance go on by itself.
    pub(super) fn start(callee: Arc<Callee>, mut live: Live, last_handle: Arc<AtomicU32>) -> Arc<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (alive, lives) = watch::channel(());
        let rests = Arc::new(Notify::new());
        let ending = live.store.data_mut().ending();
        let driven = Driven {
            callee,
            last_handle: last_handle.clone(),
            rests: rests.clone(),
            jobs: queue,
            is_waited_for: false,
        };
        let task = tokio::spawn(async move {
            driven.go_on(live).await;
            drop(alive);
        });
        Arc::new(Self {
            jobs,
            lives,
            last_handle,
            ending,
            task: task.abort_handle(),
            rests,
            is_kept: AtomicBool::new(false),
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.jobs.is_closed() && self.ending.get().is_none()
    }

    /// Calls a function, beside whatever else the instance does.
    pub(super) async fn call(&self, function: usize, arguments: Wire) -> Result<Wire, Fate> {
        let (answer, answered) = oneshot::channel();
        let call = Call {
            function,
            arguments,
            answer,
        };
        if self.jobs.send(Job::Call(call)).is_ok()
            && let Ok(answer) = answered.await
        {
            return answer;
        }
        // It failed; its caller goes on when it is gone.
        self.gone().await;
        Err(self.ending.get().cloned().unwrap_or(Fate::Ended))
    }

    /// Waits until the instance is gone.
    pub(super) async fn gone(&self) {
        let mut lives = self.lives.clone();
        while lives.changed().await.is_ok() {}
    }

    /// Ends the instance, whatever it does.
    pub(super) fn end(&self, fate: Fate) {
        // Where it has an end already, that one counts.
        let _ = self.ending.set(fate);
        self.task.abort();
    }

    pub(super) fn drop_resource(&self, id: u32) {
        // An instance that is gone has no resources.
        let _ = self.jobs.send(Job::Drop(id));
    }

    /// Lets it wait for another caller, if it comes to rest.
    pub(super) fn rest(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
        let _ = self.jobs.send(Job::Rest);
        self.rests.notify_one();
    }
}

struct Driven {
    callee: Arc<Callee>,
    last_handle: Arc<AtomicU32>,
    rests: Arc<Notify>,
    jobs: mpsc::UnboundedReceiver<Job>,
    /// Whether somebody waits for the results of a call, and so hears of a failure.
    is_waited_for: bool,
}

/// What calls need of an instance beside its store.
struct Inside<'a> {
    callee: &'a Callee,
    instance: Instance,
    last_handle: &'a AtomicU32,
    blame: Arc<Blame>,
    shared: Mutex<Known<'a>>,
}

/// What all calls of an instance have in common. Locked between two waits only.
struct Known<'a> {
    functions: &'a mut [Option<Func>],
    handles: &'a mut Handles,
    calls: &'a mut u64,
    /// Calls that have not returned.
    running: usize,
    /// Streams and futures that go in or out.
    pipes: Vec<Weak<Pipe>>,
}

impl Driven {
    /// Runs the event loop to the end of the instance.
    async fn go_on(mut self, mut live: Live) {
        let rests = self.rests.clone();
        let comes_to_rest = async {
            rests.notified().await;
            tokio::time::sleep(REST_MAX).await;
        };
        let ended = tokio::select! {
            ended = self.turns(&mut live) => ended,
            () = comes_to_rest => Ok(Next::End),
        };
        match ended {
            Ok(Next::Rest) => self.callee.keep(live),
            Ok(_) => drop(live),
            Err(fate) => {
                // Set first: whoever reads what it wrote is to know that this is not all.
                live.store.data().end(fate.clone());
                drop(live);
                if !self.is_waited_for {
                    self.callee.failed(None, &fate);
                }
            }
        }
    }

    async fn turns(&mut self, live: &mut Live) -> Result<Next, Fate> {
        let mut pipes = Vec::new();
        loop {
            let Live {
                store,
                instance,
                functions,
                handles,
                calls,
                ..
            } = &mut *live;
            let inside = Inside {
                callee: &self.callee,
                instance: *instance,
                last_handle: &self.last_handle,
                blame: Arc::new(Blame {
                    callee: None,
                    function: String::new(),
                    ends: false,
                }),
                shared: Mutex::new(Known {
                    functions,
                    handles,
                    calls,
                    running: 0,
                    pipes: std::mem::take(&mut pipes),
                }),
            };
            let jobs = &mut self.jobs;
            let turn = store
                .run_concurrent(async |accessor| inside.serve(accessor, jobs).await)
                .await;
            let known = inside.shared.into_inner();
            pipes = known.pipes;
            self.is_waited_for = known.running > 0;
            let next =
                turn.map_err(|error| fate_of(&error, live.store.data(), &self.callee.plan.limits))??;
            match next {
                Next::Drop(ids) => {
                    for id in ids {
                        self.callee.end_resource_of(live, id).await?;
                    }
                }
                Next::Rest if pipes.iter().any(|pipe| pipe.strong_count() > 0) => return Ok(Next::End),
                next => return Ok(next),
            }
        }
    }
}

impl Inside<'_> {
    /// Makes calls until the event loop has to be left.
    async fn serve(
        &self,
        accessor: &Accessor<Cell>,
        jobs: &mut mpsc::UnboundedReceiver<Job>,
    ) -> Result<Next, Fate> {
        let mut calls = FuturesUnordered::new();
        let mut drops = Vec::new();
        loop {
            // A destructor needs the store for itself.
            if calls.is_empty() && !drops.is_empty() {
                return Ok(Next::Drop(drops));
            }
            tokio::select! {
                biased;
                Some(ended) = calls.next(), if !calls.is_empty() => ended?,
                job = jobs.recv(), if drops.len() < DROPS_MAX => match job {
                    Some(Job::Call(call)) => calls.push(self.call(accessor, call)),
                    Some(Job::Drop(id)) => drops.push(id),
                    Some(Job::Rest) if calls.is_empty() => return Ok(Next::Rest),
                    Some(Job::Rest) | None => return Ok(Next::End),
                },
            }
        }
    }

    /// Makes a call. An error is the end of the instance, and every call's answer.
    async fn call(&self, accessor: &Accessor<Cell>, call: Call) -> Result<(), Fate> {
        let Call {
            function,
            mut arguments,
            answer,
        } = call;
        let ended = match accessor.with(|mut store| self.prepare(&mut store, function, &mut arguments)) {
            Ok((function, results)) => self.called(accessor, function, results, arguments).await,
            Err(fate) => Err(fate),
        };
        match ended {
            Err(fate) if fate.ends_the_instance() => return Err(fate),
            ended => {
                self.shared.lock().running -= 1;
                // Whoever called may be gone.
                drop(answer.send(ended));
            }
        }
        Ok(())
    }

    fn prepare(
        &self,
        store: &mut wasmtime::component::Access<'_, Cell>,
        function: usize,
        arguments: &mut Wire,
    ) -> Result<(Func, usize), Fate> {
        let mut store = store.as_context_mut();
        let mut known = self.shared.lock();
        *known.calls += 1;
        known.running += 1;
        let found = self
            .callee
            .find(function, self.instance, known.functions, &mut store)?;
        known.handles.inward(arguments)?;
        known.note(arguments);
        transmit::inward(&mut store, arguments, &self.blame).map_err(of_wire)?;
        self.callee.begin(&mut store);
        Ok(found)
    }

    async fn called(
        &self,
        accessor: &Accessor<Cell>,
        function: Func,
        results: usize,
        arguments: Wire,
    ) -> Result<Wire, Fate> {
        let called = call::beside(accessor, function, results, Parameters(arguments)).await;
        accessor.with(|mut store| {
            let mut results =
                called.map_err(|error| fate_of(&error, store.data_mut(), &self.callee.plan.limits))?;
            let mut known = self.shared.lock();
            known.handles.outward(&mut results, self.last_handle)?;
            transmit::outward(&mut store, &mut results).map_err(of_wire)?;
            known.note(&results);
            Ok(results)
        })
    }
}

impl Known<'_> {
    /// Remembers what streams go along.
    fn note(&mut self, wire: &Wire) {
        const MANY: usize = 64;
        if self.pipes.len() >= MANY {
            self.pipes.retain(|pipe| pipe.strong_count() > 0);
        }
        self.pipes.extend(wire.pipes());
    }
}
