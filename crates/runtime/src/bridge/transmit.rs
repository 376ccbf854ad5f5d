//! Streams and futures over a link: what the guest of one store writes goes into a [`Pipe`], and what the guest of the
//! other reads comes out of it.
//!
//! A handle that leaves a store is piped ([`outward`]); one that enters a store is made there anew ([`inward`]). Nothing
//! else of the two stores meets. A guest that writes waits while the pipe is full; one that reads waits while it is
//! empty; and when one end goes, the other hears of it at its next turn.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use wasmtime::component::{
    Destination, FutureConsumer, FutureProducer, FutureReader, Lift, Source, StreamConsumer, StreamProducer,
    StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut, Result, StoreContextMut};

use super::fate::{Fate, LinkFailed};
use super::pipe::{Content, End, Ending, Flow, Pipe, Readable};
use super::typed::{self, Element};
use super::wire::{Handle, Wire};
use crate::cell::Cell;

/// Bytes for which room is made where the host reads what the host writes.
const DIRECT_BYTES: usize = 16 << 10;
/// Values that are handed over at once.
const VALUES_AT_ONCE: usize = 64;

/// The readable end of a stream or a future, in a store.
pub(super) enum Reader {
    /// A stream of bytes.
    Bytes(StreamReader<u8>),
    /// A stream of any other type.
    Values(StreamReader<Element>),
    /// A stream of nothing.
    Units(StreamReader<()>),
    /// A future of a value.
    Value(FutureReader<Element>),
    /// A future of nothing.
    Signal(FutureReader<()>),
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// Who is named when the writer's cell fails, and whether its reader goes on.
#[derive(Debug)]
pub(super) struct Blame {
    /// The cell; none where a caller is the writer, of whom its callee knows nothing.
    pub(super) callee: Option<String>,
    pub(super) function: String,
    /// Whether a stream just ends then. A future has no other end than its value.
    pub(super) ends: bool,
}

impl Blame {
    pub(super) fn error(&self, fate: Fate) -> wasmtime::Error {
        match &self.callee {
            Some(callee) => wasmtime::Error::new(LinkFailed {
                callee: callee.clone(),
                function: self.function.clone(),
                fate,
            }),
            None => wasmtime::format_err!("what its caller handed over broke off: {fate}"),
        }
    }
}

/// Takes streams and futures out of a store: from here on they fill pipes while the store's guests run.
pub(super) fn outward(mut store: impl AsContextMut<Data = Cell>, wire: &mut Wire) -> Result<()> {
    let out = |handle| match handle {
        Handle::Reader(reader) => Ok(Handle::Pipe(reader.fill(store.as_context_mut())?)),
        handle => Ok(handle),
    };
    let handles = std::mem::take(&mut wire.handles);
    wire.handles = handles.into_iter().map(out).collect::<Result<_>>()?;
    Ok(())
}

/// Brings streams and futures into a store.
pub(super) fn inward(
    mut store: impl AsContextMut<Data = Cell>,
    wire: &mut Wire,
    blame: &Arc<Blame>,
) -> Result<()> {
    let into = |handle| match handle {
        Handle::Pipe(pipe) => Ok(Handle::Reader(Reader::of(&mut store, pipe, blame)?)),
        handle => Ok(handle),
    };
    let handles = std::mem::take(&mut wire.handles);
    wire.handles = handles.into_iter().map(into).collect::<Result<_>>()?;
    Ok(())
}

impl Reader {
    /// Fills a pipe with what it gives.
    fn fill(self, store: StoreContextMut<'_, Cell>) -> Result<Readable> {
        match self {
            Self::Bytes(reader) => fill_of_stream(reader, store),
            Self::Values(reader) => fill_of_stream(reader, store),
            Self::Units(reader) => fill_of_stream(reader, store),
            Self::Value(reader) => fill_of_future(reader, store),
            Self::Signal(reader) => fill_of_future(reader, store),
        }
    }

    /// Gives what a pipe holds.
    fn of(mut store: impl AsContextMut<Data = Cell>, pipe: Readable, blame: &Arc<Blame>) -> Result<Self> {
        let store = store.as_context_mut();
        let (flow, content) = (pipe.flow, pipe.content);
        let blame = blame.clone();
        Ok(match (flow, content) {
            (Flow::Stream, Content::Bytes) => {
                Self::Bytes(StreamReader::new(store, Outlet::new(pipe, blame))?)
            }
            (Flow::Stream, Content::Values) => {
                Self::Values(StreamReader::new(store, Outlet::new(pipe, blame))?)
            }
            (Flow::Stream, Content::Units) => {
                Self::Units(StreamReader::new(store, Outlet::new(pipe, blame))?)
            }
            (Flow::Future, Content::Units) => {
                Self::Signal(FutureReader::new(store, Outlet::new(pipe, blame))?)
            }
            (Flow::Future, _) => Self::Value(FutureReader::new(store, Outlet::new(pipe, blame))?),
        })
    }
}

fn fill_of_stream<T: Carried>(
    reader: StreamReader<T>,
    mut store: StoreContextMut<'_, Cell>,
) -> Result<Readable> {
    let (pipe, intake) = Intake::new(Flow::Stream, store.data_mut().ending());
    reader.pipe(store, intake)?;
    Ok(pipe)
}

fn fill_of_future<T: Lone>(
    reader: FutureReader<T>,
    mut store: StoreContextMut<'_, Cell>,
) -> Result<Readable> {
    let (pipe, intake) = Intake::new(Flow::Future, store.data_mut().ending());
    reader.pipe(store, intake)?;
    Ok(pipe)
}

/// What goes through a pipe, as the engine has it at both ends.
trait Carried: Lift + Sized + Send + Sync + 'static {
    const CONTENT: Content;

    /// Puts about so much of what a writer hands over into a pipe.
    fn take_in(
        pipe: &Pipe,
        source: Source<'_, Self>,
        store: StoreContextMut<'_, Cell>,
        room: usize,
    ) -> Result<()>;

    /// Hands what a pipe holds over to a reader.
    fn hand_over<'a>(
        pipe: &Pipe,
        destination: Destination<'a, Self, VecBuffer<Self>>,
        store: StoreContextMut<'a, Cell>,
    );
}

/// What is the value of a future.
trait Lone: Carried {
    /// The one that a pipe holds.
    fn one(pipe: &Pipe) -> Option<Self>;
}

impl Carried for u8 {
    const CONTENT: Content = Content::Bytes;

    fn take_in(
        pipe: &Pipe,
        source: Source<'_, Self>,
        store: StoreContextMut<'_, Cell>,
        room: usize,
    ) -> Result<()> {
        let mut source = source.as_direct(store);
        let offered = source.remaining();
        let taken = offered.get(..room).unwrap_or(offered);
        let count = taken.len();
        pipe.put_bytes(taken);
        source.mark_read(count);
        Ok(())
    }

    fn hand_over<'a>(
        pipe: &Pipe,
        destination: Destination<'a, Self, VecBuffer<Self>>,
        store: StoreContextMut<'a, Cell>,
    ) {
        let mut into = destination.as_direct(store, DIRECT_BYTES);
        let count = pipe.take_bytes(into.remaining());
        into.mark_written(count);
    }
}

impl Carried for Element {
    const CONTENT: Content = Content::Values;

    fn take_in(
        pipe: &Pipe,
        mut source: Source<'_, Self>,
        store: StoreContextMut<'_, Cell>,
        room: usize,
    ) -> Result<()> {
        pipe.put_values(typed::read_elements(&mut source, store, room)?);
        Ok(())
    }

    fn hand_over<'a>(
        pipe: &Pipe,
        mut destination: Destination<'a, Self, VecBuffer<Self>>,
        store: StoreContextMut<'a, Cell>,
    ) {
        let wanted = destination.remaining(store).unwrap_or(VALUES_AT_ONCE);
        destination.set_buffer(pipe.take_values(wanted).into());
    }
}

impl Lone for Element {
    fn one(pipe: &Pipe) -> Option<Self> {
        pipe.take_values(1).pop()
    }
}

impl Carried for () {
    const CONTENT: Content = Content::Units;

    fn take_in(
        pipe: &Pipe,
        mut source: Source<'_, Self>,
        store: StoreContextMut<'_, Cell>,
        _: usize,
    ) -> Result<()> {
        // A list of nothing takes no room, however long it is.
        let mut units: Vec<()> = Vec::new();
        source.read(store, &mut units)?;
        pipe.put_units(units.len());
        Ok(())
    }

    fn hand_over<'a>(
        pipe: &Pipe,
        mut destination: Destination<'a, Self, VecBuffer<Self>>,
        store: StoreContextMut<'a, Cell>,
    ) {
        let wanted = destination.remaining(store).unwrap_or(VALUES_AT_ONCE);
        destination.set_buffer(vec![(); pipe.take_units(wanted)].into());
    }
}

impl Lone for () {
    fn one(pipe: &Pipe) -> Option<Self> {
        (pipe.take_units(1) > 0).then_some(())
    }
}

/// The end of a pipe that a writer fills.
struct Intake<T> {
    pipe: Arc<Pipe>,
    ending: Ending,
    /// Whether the writer waits for room: one that does has not let go by itself when this is dropped.
    waits: bool,
    carried: PhantomData<fn() -> T>,
}

impl<T: Carried> Intake<T> {
    fn new(flow: Flow, ending: Ending) -> (Readable, Self) {
        let (pipe, readable) = Pipe::new(flow, T::CONTENT);
        let intake = Self {
            pipe,
            ending,
            waits: false,
            carried: PhantomData,
        };
        (readable, intake)
    }
}

impl<T> Drop for Intake<T> {
    fn drop(&mut self) {
        if self.waits && self.ending.get().is_none() {
            self.pipe.close(&Arc::new(Fate::Ended.into()));
        } else {
            self.pipe.close(&self.ending);
        }
    }
}

impl<T: Carried> StreamConsumer<Cell> for Intake<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, Cell>,
        source: Source<'_, T>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let room = self.pipe.room(cx);
        self.waits = room.is_pending() && !finish;
        Poll::Ready(Ok(match room {
            Poll::Ready(Some(room)) => {
                T::take_in(&self.pipe, source, store, room)?;
                StreamResult::Completed
            }
            Poll::Ready(None) => StreamResult::Dropped,
            Poll::Pending if finish => StreamResult::Cancelled,
            Poll::Pending => return Poll::Pending,
        }))
    }
}

impl<T: Lone> FutureConsumer<Cell> for Intake<T> {
    type Item = T;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, Cell>,
        source: Source<'_, T>,
        _: bool,
    ) -> Poll<Result<()>> {
        Poll::Ready(T::take_in(&self.pipe, source, store, 1))
    }
}

/// The end of a pipe that a reader empties.
struct Outlet<T> {
    pipe: Readable,
    blame: Arc<Blame>,
    carried: PhantomData<fn() -> T>,
}

impl<T> Outlet<T> {
    fn new(pipe: Readable, blame: Arc<Blame>) -> Self {
        Self {
            pipe,
            blame,
            carried: PhantomData,
        }
    }
}

impl<T: Carried> StreamProducer<Cell> for Outlet<T> {
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, Cell>,
        destination: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        Poll::Ready(match self.pipe.more(cx) {
            Poll::Ready(Ok(())) => {
                // A read of nothing asks whether there is something.
                if destination.remaining(&mut store) != Some(0) {
                    T::hand_over(&self.pipe, destination, store);
                }
                Ok(StreamResult::Completed)
            }
            Poll::Ready(Err(End::Failed(fate))) if !self.blame.ends => Err(self.blame.error(fate)),
            Poll::Ready(Err(_)) => Ok(StreamResult::Dropped),
            Poll::Pending if finish => Ok(StreamResult::Cancelled),
            Poll::Pending => return Poll::Pending,
        })
    }
}

impl<T: Lone> FutureProducer<Cell> for Outlet<T> {
    type Item = T;

    fn poll_produce(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'_, Cell>,
        finish: bool,
    ) -> Poll<Result<Option<T>>> {
        Poll::Ready(match self.pipe.more(cx) {
            Poll::Ready(Ok(())) => match T::one(&self.pipe) {
                Some(value) => Ok(Some(value)),
                None => Err(wasmtime::format_err!("a future holds no value")),
            },
            Poll::Ready(Err(End::Failed(fate))) => Err(self.blame.error(fate)),
            Poll::Ready(Err(End::Closed)) => {
                let why = "it let go of a future without a value".to_owned();
                Err(self.blame.error(Fate::Values(why)))
            }
            Poll::Pending if finish => Ok(None),
            Poll::Pending => return Poll::Pending,
        })
    }
}
