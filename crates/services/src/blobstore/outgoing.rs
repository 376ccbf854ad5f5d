//! Objects that a guest is writing: gathered aside until the guest says that they are whole.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult as Consumed};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use weft_runtime::Cell;
use weft_stores::blob::Spool;

use super::view::View;
use crate::refusal::{Cause, Refusal};

/// Bytes that a guest may hand over before they are kept.
const PERMIT_BYTES: usize = 256 << 10;

/// Values that a component may be writing at one time, over all its instances: each may have some memory.
const VALUES_MAX: u32 = 256;

/// What a component may be gathering, over all its objects and instances.
#[derive(Debug)]
pub(super) struct Gathering {
    object_bytes_max: u64,
    bytes_max: u64,
    bytes: AtomicU64,
    values: AtomicU32,
}

impl Gathering {
    pub(super) fn new(object_bytes_max: u64, bytes_max: u64) -> Self {
        Self {
            object_bytes_max,
            bytes_max,
            bytes: AtomicU64::new(0),
            values: AtomicU32::new(0),
        }
    }

    /// Takes room for bytes of an object that has `before` of them.
    fn take(&self, before: u64, more: u64) -> Result<(), Refusal> {
        if before == 0 && self.values.load(Ordering::Relaxed) > VALUES_MAX {
            return Err(too_much(format!(
                "more than {VALUES_MAX} values are being written"
            )));
        }
        let max = self.object_bytes_max;
        if before.saturating_add(more) > max {
            let why = format!("an object of more bytes than the {max} that are allowed");
            return Err(too_much(why));
        }
        let taken = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(more).filter(|all| *all <= self.bytes_max)
            });
        taken.map(drop).map_err(|_| {
            let max = self.bytes_max;
            too_much(format!(
                "objects of more than {max} bytes together are being written"
            ))
        })
    }

    fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.values.fetch_sub(1, Ordering::Relaxed);
    }
}

fn too_much(why: impl Into<String>) -> Refusal {
    Refusal::of(Cause::Quota, why)
}

/// The resource `outgoing-value`.
pub(super) struct Outgoing {
    body: Body,
    has_stream: bool,
    /// Where it goes once it is whole.
    target: Option<(Arc<View>, String)>,
}

impl Outgoing {
    pub(super) fn new(gathering: &Arc<Gathering>) -> Self {
        Self {
            body: Body::new(gathering),
            has_stream: false,
            target: None,
        }
    }

    /// Its stream, once.
    pub(super) fn stream(&mut self) -> Option<Body> {
        let is_first = !std::mem::replace(&mut self.has_stream, true);
        is_first.then(|| self.body.clone())
    }

    /// Where it goes; said once.
    pub(super) fn aim(&mut self, view: Arc<View>, name: String) -> Result<(), Refusal> {
        if self.target.is_some() {
            return Err(Refusal::failed("this value is written to an object already"));
        }
        self.target = Some((view, name));
        Ok(())
    }

    /// Stores it, if somebody said where.
    pub(super) async fn finish(self) -> Result<(), Refusal> {
        let content = self.body.whole().await?;
        match self.target {
            Some((view, name)) => view.write(&name, content).await,
            None => Ok(()),
        }
    }
}

/// What was gathered of one object. Clones are the same.
#[derive(Clone)]
pub(super) struct Body(Arc<Mutex<Gathered>>);

struct Gathered {
    state: State,
    /// Room that was taken for it.
    taken: u64,
    gathering: Arc<Gathering>,
}

enum State {
    Idle(Spool),
    /// A thread that may wait for the disk adds to it.
    Writing(JoinHandle<(Spool, io::Result<()>)>),
    Failed(Refusal),
    Done,
}

impl Gathered {
    /// Waits for what is being added.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let State::Writing(writing) = &mut self.state else {
            return Poll::Ready(());
        };
        let written = std::task::ready!(Pin::new(writing).poll(context));
        self.state = match written {
            Ok((spool, Ok(()))) => State::Idle(spool),
            Ok((_, Err(error))) => {
                tracing::warn!(%error, "what a component writes cannot be kept meanwhile");
                State::Failed(too_much("there is no room for what is written"))
            }
            Err(_) => State::Failed(Refusal::failed("what was written is lost")),
        };
        Poll::Ready(())
    }

    fn add(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        let before = match &self.state {
            State::Idle(spool) => spool.bytes(),
            State::Writing(_) => return Err(Refusal::failed("more was written than there was room for")),
            State::Failed(why) => return Err(why.clone()),
            State::Done => return Err(finished()),
        };
        let more = bytes.len() as u64;
        if let Err(why) = self.gathering.take(before, more) {
            self.state = State::Failed(why.clone());
            return Err(why);
        }
        self.taken += more;
        if let State::Idle(mut spool) = std::mem::replace(&mut self.state, State::Done) {
            self.state = if spool.has_memory_for(bytes.len()) {
                spool
                    .push(&bytes)
                    .map_err(|error| Refusal::failed(error.to_string()))?;
                State::Idle(spool)
            } else {
                State::Writing(tokio::task::spawn_blocking(move || {
                    let pushed = spool.push(&bytes);
                    (spool, pushed)
                }))
            };
        }
        Ok(())
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.gathering.give_back(self.taken);
    }
}

impl Body {
    /// Nothing yet.
    pub(super) fn new(gathering: &Arc<Gathering>) -> Self {
        gathering.values.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Mutex::new(Gathered {
            state: State::Idle(Spool::new()),
            taken: 0,
            gathering: Arc::clone(gathering),
        })))
    }

    async fn settled(&self) {
        std::future::poll_fn(|context| self.0.lock().poll(context)).await;
    }

    /// Everything, once nothing is being added any more.
    pub(super) async fn whole(&self) -> Result<Spool, Refusal> {
        self.settled().await;
        let mut gathered = self.0.lock();
        match std::mem::replace(&mut gathered.state, State::Done) {
            State::Idle(spool) => Ok(spool),
            State::Failed(why) => Err(why),
            State::Writing(_) | State::Done => Err(finished()),
        }
    }

    /// What fills it from a stream of the component model, and what comes to know that nothing more comes.
    pub(super) fn upload(&self) -> (Upload, oneshot::Receiver<()>) {
        let (ended, end) = oneshot::channel();
        let upload = Upload {
            body: self.clone(),
            ended: Some(ended),
        };
        (upload, end)
    }
}

fn finished() -> Refusal {
    Refusal::failed("the value is finished")
}

/// A stream of the component model on its way into a body. The writer waits while what it wrote is kept.
pub(super) struct Upload {
    body: Body,
    /// Dropped when the stream has ended, or when no more of it is taken.
    ended: Option<oneshot::Sender<()>>,
}

impl Upload {
    /// Whether somebody still wants it.
    fn is_wanted(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| !ended.is_closed())
    }
}

impl StreamConsumer<Cell> for Upload {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'_, Cell>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<Consumed>> {
        if !self.is_wanted() {
            return Poll::Ready(Ok(Consumed::Dropped));
        }
        let body = self.body.clone();
        let mut gathered = body.0.lock();
        match gathered.poll(context) {
            Poll::Ready(()) => {}
            Poll::Pending if finish => return Poll::Ready(Ok(Consumed::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut source = source.as_direct(store);
        let offered = source.remaining();
        let piece = offered.get(..PERMIT_BYTES).unwrap_or(offered);
        if piece.is_empty() {
            return Poll::Ready(Ok(Consumed::Completed));
        }
        let piece = Bytes::copy_from_slice(piece);
        source.mark_read(piece.len());
        Poll::Ready(Ok(match gathered.add(piece) {
            Ok(()) => Consumed::Completed,
            Err(_) => {
                self.ended = None;
                Consumed::Dropped
            }
        }))
    }
}

fn failed(refusal: Refusal) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::msg(refusal.into_text()))
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Body {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.0.lock().add(bytes).map_err(failed)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    // What the trait has for it boxes a future for each look at the room, and most guests write 4 KiB at a time.
    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.settled().await;
        self.check_write()?;
        self.write(bytes)?;
        self.settled().await;
        match self.check_write() {
            Ok(_) | Err(StreamError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match &self.0.lock().state {
            State::Idle(_) => Ok(PERMIT_BYTES),
            State::Writing(_) => Ok(0),
            State::Failed(why) => Err(failed(why.clone())),
            State::Done => Err(StreamError::Closed),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Body {
    async fn ready(&mut self) {
        self.settled().await;
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Outgoing")
            .field("target", &self.target.as_ref().map(|(_, name)| name))
            .finish_non_exhaustive()
    }
}
