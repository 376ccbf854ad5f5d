//! The interfaces of Spin: `fermyon:spin/key-value@2.0.0`, and `spin:key-value/key-value@3.0.0` with asynchronous
//! functions. What they call a store is a bucket here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::component::{
    Accessor, ComponentType, Destination, FutureReader, Lift, LinkerInstance, Lower, Resource,
    StreamProducer, StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_wasi::ResourceTableError;
use weft_runtime::Cell;
use weft_stores::keyvalue::Page;

use super::{Bucket, beside, bucket_resource, service, view};
use crate::calls::Stream;
use crate::keyvalue::view::View;
use crate::refusal::{Cause, Refusal};

/// Bytes of keys that a guest gets in one list. 3.0.0 has a stream for more.
const LISTED_BYTES_MAX: usize = 16 << 20;

/// The variant `error`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
enum Error {
    #[component(name = "store-table-full")]
    StoreTableFull,
    /// Never said: what is not granted is denied, whether it is there or not.
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied => Self::AccessDenied,
            Refusal::Failed(_, why) => Self::Other(why),
        }
    }
}

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, Error>,)>;

fn answer<T>(answered: Result<T, Refusal>) -> Answered<T> {
    Ok((answered.map_err(Error::from),))
}

fn open(store: &mut StoreContextMut<'_, Cell>, principal: usize, name: &str) -> Answered<Resource<Bucket>> {
    let (keyvalue, table) = service(store, principal)?;
    let Some(view) = keyvalue.open(name) else {
        return answer(Err(Refusal::Denied));
    };
    match table.push(Bucket::new(view)) {
        Ok(handle) => answer(Ok(handle)),
        Err(ResourceTableError::Full) => Ok((Err(Error::StoreTableFull),)),
        Err(error) => Err(error.into()),
    }
}

/// All of version 2.
pub(super) fn synchronous(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    types(instance, principal)?;
    instance.func_wrap(
        "[static]store.open",
        move |mut store: StoreContextMut<'_, Cell>, (name,): (String,)| open(&mut store, principal, &name),
    )?;
    instance.func_wrap_async(
        "[method]store.get",
        move |mut store: StoreContextMut<'_, Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let found = view(&mut store, principal, &handle)?.get(&key).await;
                answer(found.map(|entry| entry.map(|entry| Vec::from(entry.value))))
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]store.set",
        move |mut store: StoreContextMut<'_, Cell>,
              (handle, key, value): (Resource<Bucket>, String, Vec<u8>)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                answer(view.write(vec![(key, Some(value))]).await)
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]store.delete",
        move |mut store: StoreContextMut<'_, Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                answer(view.write(vec![(key, None)]).await)
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]store.exists",
        move |mut store: StoreContextMut<'_, Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::new(async move { answer(view(&mut store, principal, &handle)?.exists(&key).await) })
        },
    )?;
    instance.func_wrap_async(
        "[method]store.get-keys",
        move |mut store: StoreContextMut<'_, Cell>, (handle,): (Resource<Bucket>,)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                answer(all_keys(&view).await)
            })
        },
    )
}

async fn all_keys(view: &View) -> Result<Vec<String>, Refusal> {
    let (mut keys, mut bytes, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = view.list("", cursor.as_deref()).await?;
        let more = |key: &String| key.len() + size_of::<String>();
        bytes += page.keys.iter().map(more).sum::<usize>();
        if bytes > LISTED_BYTES_MAX {
            return Err(Refusal::of(Cause::Quota, "more keys than one list may have"));
        }
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(keys);
        }
    }
}

pub(super) fn types(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    bucket_resource(instance, "store", principal)
}

/// The functions of version 3.
pub(super) fn asynchronous(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "[static]store.open",
        move |accessor: &Accessor<Cell>, (name,): (String,)| {
            let opened = accessor.with(|mut access| open(&mut access.as_context_mut(), principal, &name));
            Box::pin(std::future::ready(opened))
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]store.get",
        move |accessor: &Accessor<Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::pin(async move {
                let found = beside(accessor, principal, &handle, key.len(), |view| async move {
                    view.get(&key).await
                });
                answer(
                    found
                        .await?
                        .map(|entry| entry.map(|entry| Vec::from(entry.value))),
                )
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]store.set",
        move |accessor: &Accessor<Cell>, (handle, key, value): (Resource<Bucket>, String, Vec<u8>)| {
            Box::pin(async move {
                let bytes = key.len() + value.len();
                let set = beside(accessor, principal, &handle, bytes, |view| async move {
                    view.write(vec![(key, Some(value))]).await
                });
                answer(set.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]store.delete",
        move |accessor: &Accessor<Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::pin(async move {
                let deleted = beside(accessor, principal, &handle, key.len(), |view| async move {
                    view.write(vec![(key, None)]).await
                });
                answer(deleted.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]store.exists",
        move |accessor: &Accessor<Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::pin(async move {
                let found = beside(accessor, principal, &handle, key.len(), |view| async move {
                    view.exists(&key).await
                });
                answer(found.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]store.get-keys",
        move |accessor: &Accessor<Cell>, (handle,): (Resource<Bucket>,)| {
            let keys = accessor.with(|mut access| {
                let view = view(&mut access.as_context_mut(), principal, &handle)?;
                let (keys, end) = Keys::of(view);
                let keys = StreamReader::new(&mut access, keys)?;
                // Whoever stops reading gets no error.
                let end = async move { Ok::<_, wasmtime::Error>(end.await.unwrap_or(Ok(()))) };
                Ok::<_, wasmtime::Error>(((keys, FutureReader::new(&mut access, end)?),))
            });
            Box::pin(std::future::ready(keys))
        },
    )
}

type Reading = Pin<Box<dyn Future<Output = Result<Page, Refusal>> + Send>>;
type End = Result<(), Error>;

/// The keys of a bucket, on their way to a guest: page by page, as it reads them.
struct Keys {
    next: Next,
    /// Where it is told how they end.
    end: Option<oneshot::Sender<End>>,
    view: Arc<View>,
    _open: Option<Stream>,
}

enum Next {
    Page(Reading),
    /// It ended so.
    End(End),
}

impl Keys {
    /// The keys, and what comes to know how they end.
    fn of(view: Arc<View>) -> (Self, oneshot::Receiver<End>) {
        let (end, told) = oneshot::channel();
        let open = view.calls().stream();
        let (next, open) = match open {
            Ok(open) => (Next::Page(read(&view, None)), Some(open)),
            Err(refusal) => (Next::End(Err(refusal.into())), None),
        };
        let keys = Self {
            next,
            end: Some(end),
            view,
            _open: open,
        };
        (keys, told)
    }
}

fn read(view: &Arc<View>, cursor: Option<String>) -> Reading {
    let view = Arc::clone(view);
    Box::pin(async move {
        let _turn = view.calls().begin(0).await?;
        view.list("", cursor.as_deref()).await
    })
}

impl StreamProducer<Cell> for Keys {
    type Item = String;
    type Buffer = VecBuffer<String>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, Cell>,
        mut destination: Destination<'a, String, VecBuffer<String>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of nothing asks whether there is something, which a later one finds out.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        loop {
            let reading = match &mut self.next {
                Next::Page(reading) => reading,
                Next::End(end) => {
                    let end = end.clone();
                    if let Some(told) = self.end.take() {
                        let _ = told.send(end);
                    }
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
            };
            let page = match reading.as_mut().poll(context) {
                Poll::Ready(page) => page,
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            };
            let keys = match page {
                Ok(page) => {
                    self.next = match page.cursor {
                        Some(cursor) => Next::Page(read(&self.view, Some(cursor))),
                        None => Next::End(Ok(())),
                    };
                    page.keys
                }
                Err(refusal) => {
                    self.next = Next::End(Err(refusal.into()));
                    Vec::new()
                }
            };
            // A page may be empty though others follow.
            if !keys.is_empty() {
                destination.set_buffer(keys.into());
                return Poll::Ready(Ok(StreamResult::Completed));
            }
        }
    }
}
