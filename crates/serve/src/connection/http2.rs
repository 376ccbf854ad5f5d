//! A connection of HTTP/2: a task for each stream, and the time limits of both.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::link::{Link, Phase};
use super::meter::Meter;
use super::{Peer, Stream};
use crate::handler::Handler;
use crate::request::answer;
use crate::worker::Worker;

/// How long a connection may take to end after it was told to.
const FAREWELL: Duration = Duration::from_secs(5);

/// Streams that a client has reset and that nobody looked at yet; more end the connection.
const RESETS_WAITING_MAX: usize = 32;

/// Streams that were reset because the client did something wrong; more end the connection.
const RESETS_FOR_CAUSE_MAX: usize = 128;

/// Bytes of responses that wait for a client, for each stream.
const SEND_BYTES_MAX: usize = 256 << 10;

/// What the streams of a connection share.
#[derive(Debug)]
struct Streams {
    open: Cell<usize>,
    /// When the last one ended.
    ended: Cell<Instant>,
    /// The one whose request was called last and whose task is not there yet.
    begun: RefCell<Option<Rc<Link>>>,
}

/// Serves a connection of HTTP/2 to its end.
pub(super) async fn serve<H: Handler>(worker: Rc<Worker<H>>, peer: Rc<Peer>, stream: Stream, read: Vec<u8>) {
    let streams = Rc::new(Streams {
        open: Cell::new(0),
        ended: Cell::new(Instant::now()),
        begun: RefCell::new(None),
    });
    let service = service_fn(|request| {
        let link = Rc::new(Link::new(Instant::now()));
        *streams.begun.borrow_mut() = Some(Rc::clone(&link));
        answer(Rc::clone(&worker), Rc::clone(&peer), link, request)
    });
    let executor = Tasks {
        worker: Rc::clone(&worker),
        streams: Rc::clone(&streams),
    };
    let mut http =
        pin!(builder(executor, &worker).serve_connection(TokioIo::new(Meter::new(stream, read)), service));
    let alarm = worker.timers.alarm();
    let mut farewell: Option<Instant> = None;
    poll_fn(|context| {
        loop {
            if http.as_mut().poll(context).is_ready() || worker.is_stopping.get() {
                return Poll::Ready(());
            }
            let now = Instant::now();
            let is_idle = streams.open.get() == 0;
            let due = match farewell {
                Some(until) if is_idle => until.max(streams.ended.get() + FAREWELL),
                // Requests in flight have their own time limits.
                Some(_) => now + FAREWELL,
                None if worker.draining.get().is_some() => now,
                None if is_idle => streams.ended.get() + worker.limits.idle_timeout,
                None => now + worker.limits.idle_timeout,
            };
            if now < due {
                alarm.set(Some(due), context);
                return Poll::Pending;
            }
            if farewell.is_some() {
                return Poll::Ready(());
            }
            http.as_mut().graceful_shutdown();
            farewell = Some(now + FAREWELL);
        }
    })
    .await;
}

fn builder<H: Handler>(executor: Tasks<H>, worker: &Worker<H>) -> http2::Builder<Tasks<H>> {
    let limits = &worker.limits;
    let mut builder = http2::Builder::new(executor);
    builder
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_WAITING_MAX)
        .max_local_error_reset_streams(RESETS_FOR_CAUSE_MAX)
        .max_send_buf_size(SEND_BYTES_MAX);
    builder
}

/// Starts the tasks of streams on the thread of their connection.
struct Tasks<H> {
    worker: Rc<Worker<H>>,
    streams: Rc<Streams>,
}

impl<H> Clone for Tasks<H> {
    fn clone(&self) -> Self {
        Self {
            worker: Rc::clone(&self.worker),
            streams: Rc::clone(&self.streams),
        }
    }
}

impl<H: Handler, F: Future + 'static> hyper::rt::Executor<F> for Tasks<H> {
    fn execute(&self, future: F) {
        let link = self.streams.begun.borrow_mut().take();
        let open = Open::new(&self.streams);
        let worker = Rc::clone(&self.worker);
        tokio::task::spawn_local(async move {
            let _open = open;
            match link {
                Some(link) => watch(&worker, &link, future).await,
                None => drop(future.await),
            }
        });
    }
}

/// Counts a stream while it lives.
struct Open(Rc<Streams>);

impl Open {
    fn new(streams: &Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        Self(Rc::clone(streams))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.ended.set(Instant::now());
    }
}

/// Lets a stream go on until it ends or its time is over: then it is dropped, which resets it.
async fn watch<H: Handler>(worker: &Worker<H>, link: &Link, future: impl Future) {
    let mut future = pin!(future);
    let alarm = worker.timers.alarm();
    poll_fn(|context| {
        if Pin::new(&mut future).poll(context).is_ready() || worker.is_stopping.get() {
            return Poll::Ready(());
        }
        let limits = &worker.limits;
        let now = Instant::now();
        let until = match link.phase.get() {
            // Whoever works on it sees to its time.
            Phase::Working => link
                .wanted
                .get()
                .map(|until| until.max(now + Duration::from_millis(10))),
            // The response has ended here; what the client has not taken yet is all that is left.
            Phase::Idle | Phase::Head => Some(link.since.get() + limits.body_timeout),
            Phase::Responding => {
                let until = link.moved() + limits.body_timeout;
                Some(until.min(link.since.get() + limits.total_timeout))
            }
        };
        if until.is_some_and(|until| now >= until) {
            return Poll::Ready(());
        }
        alarm.set(until, context);
        Poll::Pending
    })
    .await;
}
