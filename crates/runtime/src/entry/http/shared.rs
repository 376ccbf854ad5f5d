//! Instances of WASI 0.3 that answer several requests at the same time.
//!
//! Each is a task with a queue, on the thread of the request that it was made for, and takes requests of that thread
//! only. A request whose client or whose time is gone cannot be taken back from a guest: its instance gets no more
//! requests, and ends with the last of those that it has. So a guest that never answers costs those who share it their
//! time, and nobody else.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, ThreadId};

use futures::StreamExt as _;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use http::{Request, Response};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};
use weft_app::trigger::http::Reuse;

use super::body::GuestBody;
use super::failure::Failure;
use super::instances::Instance;
use super::p3;
use super::work::{Answer, Work};
use super::{Inner, Pressure};
use crate::cell::Cell;

/// A program that this is for.
type Program = Inner<ServicePre<Cell>>;

/// A request on its way to an instance.
struct Job {
    request: Request<WasiBody>,
    answer: Answer,
}

/// The instances that take requests.
#[derive(Default)]
pub(super) struct Shared(Mutex<Vec<Arc<Member>>>);

/// One instance, seen from those who use it.
struct Member {
    thread: ThreadId,
    jobs: mpsc::UnboundedSender<Job>,
    /// Requests that it works on.
    active: AtomicU32,
    /// Requests that it has had.
    taken: AtomicU32,
    is_open: AtomicBool,
    task: Mutex<Option<AbortHandle>>,
    /// Why it ended, if it failed.
    failure: Mutex<Option<Failure>>,
}

/// The right to one place of an instance.
pub(super) struct Ticket {
    member: Arc<Member>,
    is_answered: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_answered {
            self.member.is_open.store(false, Ordering::Release);
        }
        let left = self.member.active.fetch_sub(1, Ordering::AcqRel) - 1;
        if left == 0
            && !self.member.is_open.load(Ordering::Acquire)
            && let Some(task) = self.member.task.lock().take()
        {
            task.abort();
        }
    }
}

impl Shared {
    /// Answers one request with an instance that has a place, or with a new one.
    pub(super) async fn answer(
        &self,
        inner: &Arc<Program>,
        request: Request<WasiBody>,
    ) -> Result<Response<GuestBody>, Failure> {
        let mut ticket = self.place(inner);
        let (answer, answered) = oneshot::channel();
        // A queue that is closed belongs to an instance that has just failed; its failure is told below.
        let _ = ticket.member.jobs.send(Job { request, answer });
        match answered.await {
            Ok(response) => {
                ticket.is_answered = true;
                Ok(response?.map(|body| GuestBody::of_shared(body, ticket)))
            }
            Err(_) => {
                let failure = ticket.member.failure.lock().clone();
                Err(failure.unwrap_or(Failure::NoResponse))
            }
        }
    }

    fn place(&self, inner: &Arc<Program>) -> Ticket {
        let reuse = inner.serving.reuse;
        let here = thread::current().id();
        let mut members = self.0.lock();
        members.retain(|member| member.is_open.load(Ordering::Acquire) && !member.jobs.is_closed());
        let has_place = |member: &&Arc<Member>| {
            member.thread == here && member.active.load(Ordering::Acquire) < reuse.concurrent_max
        };
        let member = match members.iter().find(has_place) {
            Some(member) => member.clone(),
            None => {
                let member = start(inner, here);
                members.push(member.clone());
                member
            }
        };
        member.active.fetch_add(1, Ordering::AcqRel);
        if member.taken.fetch_add(1, Ordering::AcqRel) + 1 >= reuse.requests_max {
            // The task ends by itself when the queue is empty.
            members.retain(|other| !Arc::ptr_eq(other, &member));
        }
        Ticket {
            member,
            is_answered: false,
        }
    }
}

fn start(inner: &Arc<Program>, thread: ThreadId) -> Arc<Member> {
    let (jobs, queue) = mpsc::unbounded_channel();
    let member = Arc::new(Member {
        thread,
        jobs,
        active: AtomicU32::new(0),
        taken: AtomicU32::new(0),
        is_open: AtomicBool::new(true),
        task: Mutex::new(None),
        failure: Mutex::new(None),
    });
    let pressure = Pressure::default();
    let (program, told) = (inner.clone(), Arc::downgrade(&member));
    let seen = pressure.clone();
    let serving = async move {
        let ended = serve(program, queue, seen).await;
        if let (Err(failure), Some(member)) = (&ended, told.upgrade()) {
            member.is_open.store(false, Ordering::Release);
            *member.failure.lock() = Some(failure.clone());
        }
        ended
    };
    let mut work = Work::new(serving, pressure, inner.background.clone(), Arc::default());
    let task = tokio::spawn(async move { poll_fn(|cx| work.poll(cx)).await });
    *member.task.lock() = Some(task.abort_handle());
    member
}

/// Serves what comes until nobody can send any more, or nobody did for long.
async fn serve(
    inner: Arc<Program>,
    mut queue: mpsc::UnboundedReceiver<Job>,
    pressure: Pressure,
) -> Result<(), Failure> {
    let Instance {
        mut store,
        proxy: service,
        ..
    } = inner.new_instance(pressure).await?;
    let ended = store
        .run_concurrent(async |accessor| take_all(accessor, &service, &mut queue, inner.serving.reuse).await)
        .await
        .flatten();
    ended.map_err(|error| Failure::of(&error, store.data(), &inner.serving.limits))
}

async fn take_all(
    accessor: &Accessor<Cell>,
    service: &Service,
    queue: &mut mpsc::UnboundedReceiver<Job>,
    reuse: Reuse,
) -> wasmtime::Result<()> {
    let mut running = FuturesUnordered::new();
    let mut taken = 0_u32;
    loop {
        let may_take = taken < reuse.requests_max;
        if running.is_empty() && !may_take {
            break;
        }
        let next = async {
            if may_take {
                queue.recv().await
            } else {
                std::future::pending().await
            }
        };
        let job = if running.is_empty() {
            match tokio::time::timeout(reuse.idle_timeout, next).await {
                Ok(Some(job)) => job,
                Ok(None) | Err(_) => break,
            }
        } else {
            match select(pin!(next), running.next()).await {
                Either::Left((Some(job), _)) => job,
                Either::Left((None, _)) => break,
                Either::Right((Some(done), _)) => {
                    done?;
                    continue;
                }
                Either::Right((None, _)) => continue,
            }
        };
        taken += 1;
        running.push(p3::respond(accessor, service, job.request, job.answer));
    }
    queue.close();
    while let Some(done) = running.next().await {
        done?;
    }
    // The bodies are written by tasks of the guest that outlive the calls.
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
    Ok(())
}
