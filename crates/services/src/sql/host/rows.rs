//! Rows on their way to a guest: some at a time, as it reads them, and at the end how it went.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::component::{
    Destination, FutureReader, Lift, Lower, StreamProducer, StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut, StoreContextMut};
use weft_runtime::Cell;
use weft_stores::sql::{Error, Rows, Value, postgres, sqlite};

use crate::calls::Stream;
use crate::sql::view::{Refused, View};

/// Some rows and what is left, or how it went wrong.
type Read<S> = (S, Result<Option<Vec<Vec<<S as Source>::Value>>>, Error>);
type Reading<S> = Pin<Box<dyn Future<Output = Read<S>> + Send>>;

/// Where rows come from.
pub(super) trait Source: Sized + Send + 'static {
    type Value: Send + 'static;

    /// The next rows; none after the last.
    fn read(self) -> Reading<Self>;
}

impl Source for sqlite::Stream {
    type Value = Value;

    fn read(mut self) -> Reading<Self> {
        Box::pin(async move {
            let read = self.next().await;
            (self, read)
        })
    }
}

impl Source for postgres::Stream {
    type Value = postgres::Value;

    fn read(mut self) -> Reading<Self> {
        Box::pin(async move {
            let read = postgres::Stream::next(&mut self).await;
            (self, read)
        })
    }
}

impl Source for Box<dyn Rows> {
    type Value = Value;

    fn read(mut self) -> Reading<Self> {
        Box::pin(async move {
            let read = self.next().await;
            (self, read)
        })
    }
}

/// A row as an interface has it.
type MakeRow<S, R> = fn(Vec<<S as Source>::Value>) -> R;

struct Producer<S: Source, R, E> {
    reading: Option<Reading<S>>,
    make: MakeRow<S, R>,
    view: Arc<View>,
    /// Where it is told how they end.
    end: Option<oneshot::Sender<Result<(), E>>>,
    _open: Stream,
}

/// A stream of rows, and a future of how they end.
type Handed<R, E> = (StreamReader<R>, FutureReader<Result<(), E>>);

/// Hands rows to a guest.
pub(super) fn hand_out<S: Source, R, E>(
    mut store: impl AsContextMut<Data = Cell>,
    source: S,
    make: MakeRow<S, R>,
    view: Arc<View>,
) -> wasmtime::Result<Result<Handed<R, E>, Refused>>
where
    R: Lower + Lift + Send + Sync + 'static,
    E: From<Refused> + Lower + Lift + Send + Sync + 'static,
{
    let open = match view.calls().stream() {
        Ok(open) => open,
        Err(refusal) => return Ok(Err(Refused::Quota(refusal.into_text()))),
    };
    let (end, told) = oneshot::channel::<Result<(), E>>();
    let rows = Producer {
        reading: Some(source.read()),
        make,
        view,
        end: Some(end),
        _open: open,
    };
    let rows = StreamReader::new(&mut store, rows)?;
    // Whoever stops reading gets no error.
    let end = async move { Ok::<_, wasmtime::Error>(told.await.unwrap_or(Ok(()))) };
    Ok(Ok((rows, FutureReader::new(&mut store, end)?)))
}

impl<S, R, E> StreamProducer<Cell> for Producer<S, R, E>
where
    S: Source,
    R: Lower + Lift + Send + Sync + 'static,
    E: From<Refused> + Send + 'static,
{
    type Item = R;
    type Buffer = VecBuffer<R>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, Cell>,
        mut destination: Destination<'a, R, VecBuffer<R>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of nothing asks whether there is something, which a later one finds out.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(Ok(StreamResult::Dropped));
        };
        let (source, read) = match reading.as_mut().poll(context) {
            Poll::Ready(read) => read,
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        };
        match read {
            Ok(Some(rows)) => {
                let rows: Vec<R> = rows.into_iter().map(self.make).collect();
                self.reading = Some(source.read());
                destination.set_buffer(rows.into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            ended => {
                self.reading = None;
                let ended = match ended {
                    Err(error) => Err(E::from(self.view.refused(error))),
                    Ok(_) => Ok(()),
                };
                if let Some(end) = self.end.take() {
                    // Nobody may wait for it.
                    let _ = end.send(ended);
                }
                Poll::Ready(Ok(StreamResult::Dropped))
            }
        }
    }
}
