//! `wasmcloud:blobstore@0.1.0`: asynchronous functions, objects as streams, and errors with names.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use wasmtime::component::{
    Accessor, ComponentType, Destination, LinkerInstance, Lower, Resource, StreamProducer, StreamReader,
    StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut as _, StoreContextMut};
use weft_runtime::Cell;
use weft_stores::blob::Page;

use super::{Container, ObjectId, Views, both, granted, service, table, view};
use crate::blobstore::incoming::Incoming;
use crate::blobstore::outgoing::Body;
use crate::blobstore::view::{View, no_object};
use crate::calls::Stream;
use crate::refusal::{Cause, Refusal};

/// The variant `error`.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-container")]
    NoSuchContainer,
    #[component(name = "container-already-exists")]
    ContainerAlreadyExists,
    #[component(name = "no-such-object")]
    NoSuchObject,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "store-unavailable")]
    StoreUnavailable,
    #[component(name = "quota-exceeded")]
    QuotaExceeded,
    #[component(name = "other")]
    Other(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (cause, why) = match refusal {
            Refusal::Denied => return Self::AccessDenied,
            Refusal::Failed(cause, why) => (cause, why),
        };
        match cause {
            Cause::NoContainer => Self::NoSuchContainer,
            Cause::ContainerExists => Self::ContainerAlreadyExists,
            Cause::NoObject => Self::NoSuchObject,
            Cause::Quota => Self::QuotaExceeded,
            Cause::Timeout => Self::Timeout,
            Cause::Unavailable => Self::StoreUnavailable,
            Cause::Invalid | Cause::Unmet | Cause::Other => Self::Other(why),
        }
    }
}

#[derive(Debug, ComponentType, Lower)]
#[component(record)]
struct ContainerMetadata {
    name: String,
    #[component(name = "created-at")]
    created_at: u64,
}

#[derive(Debug, ComponentType, Lower)]
#[component(record)]
struct ObjectMetadata {
    name: String,
    container: String,
    #[component(name = "created-at")]
    created_at: u64,
    size: u64,
}

/// Nanoseconds since 1970; 0 where nobody knows.
fn timestamp(time: Option<SystemTime>) -> u64 {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, Error>,)>;

fn answer<T>(answered: Result<T, Refusal>) -> Answered<T> {
    Ok((answered.map_err(Error::from),))
}

/// The container of a handle.
fn of(
    accessor: &Accessor<Cell>,
    principal: usize,
    handle: &Resource<Container>,
) -> wasmtime::Result<Arc<View>> {
    accessor.with(|mut access| view(&mut access.as_context_mut(), principal, handle))
}

/// Works on a container when it is the call's turn. `bytes` are those that the guest has handed over.
async fn in_turn<T, W: Future<Output = Result<T, Refusal>>>(
    view: Arc<View>,
    bytes: usize,
    work: impl FnOnce(Arc<View>) -> W,
) -> Result<T, Refusal> {
    let _turn = view.calls().begin(bytes).await?;
    work(view).await
}

pub(super) fn container(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    about_containers(instance, principal)?;
    data(instance, principal)?;
    objects(instance, principal)
}

fn about_containers(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "[method]container.name",
        move |accessor: &Accessor<Cell>, (handle,): (Resource<Container>,)| {
            let view = of(accessor, principal, &handle);
            let name = view.and_then(|view| answer(Ok(view.name().to_owned())));
            Box::pin(std::future::ready(name))
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]container.info",
        move |accessor: &Accessor<Cell>, (handle,): (Resource<Container>,)| {
            Box::pin(async move {
                let view = of(accessor, principal, &handle)?;
                let name = view.name().to_owned();
                let found = in_turn(view, 0, |view| async move { view.container().await });
                answer(found.await.map(|found| ContainerMetadata {
                    name,
                    created_at: timestamp(found.created),
                }))
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]container.clear",
        move |accessor: &Accessor<Cell>, (handle,): (Resource<Container>,)| {
            Box::pin(async move {
                let view = of(accessor, principal, &handle)?;
                answer(in_turn(view, 0, |view| async move { view.clear().await }).await)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]container.list-objects",
        move |accessor: &Accessor<Cell>, (handle,): (Resource<Container>,)| {
            Box::pin(async move {
                let view = of(accessor, principal, &handle)?;
                // What cannot be listed is told now: a stream has no error.
                match Names::begin(view).await {
                    Ok(names) => answer(Ok(accessor.with(|access| StreamReader::new(access, names))?)),
                    Err(refusal) => answer(Err(refusal)),
                }
            })
        },
    )
}

fn data(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "[method]container.get-data",
        move |accessor: &Accessor<Cell>,
              (handle, name, first, last): (Resource<Container>, String, u64, u64)| {
            Box::pin(async move {
                let view = of(accessor, principal, &handle)?;
                let found = in_turn(view, name.len(), |view| async move {
                    let open = view.calls().stream()?;
                    let object = view.open(&name, first..last.saturating_add(1)).await?;
                    Ok(Incoming::new(view, object, first, last)?.download(open))
                });
                match found.await {
                    Ok(object) => answer(Ok(accessor.with(|access| StreamReader::new(access, object))?)),
                    Err(refusal) => answer(Err(refusal)),
                }
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]container.write-data",
        move |accessor: &Accessor<Cell>,
              (handle, name, data): (Resource<Container>, String, StreamReader<u8>)| {
            Box::pin(async move { answer(write(accessor, principal, &handle, &name, data).await?) })
        },
    )
}

/// Stores what a stream has until its end. Dropped before, which is what a guest does that cancels the call or ends,
/// nothing is stored.
async fn write(
    accessor: &Accessor<Cell>,
    principal: usize,
    handle: &Resource<Container>,
    name: &str,
    data: StreamReader<u8>,
) -> wasmtime::Result<Result<(), Refusal>> {
    let (view, body, end) = accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let (blobs, table) = service(&mut store, principal)?;
        let view = Arc::clone(&table.get(handle)?.view);
        let body = Body::new(&blobs.gathering);
        let (upload, end) = body.upload();
        // Before anything is waited for: a stream that nobody reads would hold its writer for ever.
        data.pipe(&mut access, upload)?;
        Ok::<_, wasmtime::Error>((view, body, end))
    })?;
    let stored = async {
        let name_bytes = view.calls().hold(name.len())?;
        in_turn(
            Arc::clone(&view),
            0,
            |view| async move { view.prepare(name).await },
        )
        .await?;
        // It is dropped with the stream, and never sent.
        let _ = end.await;
        let content = body.whole().await?;
        in_turn(view, 0, |view| async move { view.write(name, content).await }).await?;
        drop(name_bytes);
        Ok(())
    };
    Ok(stored.await)
}

fn objects(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "[method]container.delete-object",
        move |accessor: &Accessor<Cell>, (handle, name): (Resource<Container>, String)| {
            Box::pin(async move {
                let view = of(accessor, principal, &handle)?;
                let removed = in_turn(view, name.len(), |view| async move { view.remove(&[name]).await });
                answer(removed.await)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]container.delete-objects",
        move |accessor: &Accessor<Cell>, (handle, names): (Resource<Container>, Vec<String>)| {
            Box::pin(async move {
                let view = of(accessor, principal, &handle)?;
                let bytes = names.iter().map(|name| name.len() + size_of::<String>()).sum();
                let removed = in_turn(view, bytes, |view| async move { view.remove(&names).await });
                answer(removed.await)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]container.has-object",
        move |accessor: &Accessor<Cell>, (handle, name): (Resource<Container>, String)| {
            Box::pin(async move {
                let view = of(accessor, principal, &handle)?;
                let found = in_turn(view, name.len(), |view| async move { view.info(&name).await });
                answer(found.await.map(|info| info.is_some()))
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]container.object-info",
        move |accessor: &Accessor<Cell>, (handle, name): (Resource<Container>, String)| {
            Box::pin(async move {
                let view = of(accessor, principal, &handle)?;
                let found = in_turn(view, name.len(), |view| async move {
                    let info = view.info(&name).await?.ok_or_else(|| no_object(&name))?;
                    Ok(ObjectMetadata {
                        name,
                        container: view.name().to_owned(),
                        created_at: timestamp(Some(info.created)),
                        size: info.bytes,
                    })
                });
                answer(found.await)
            })
        },
    )
}

pub(super) fn blobstore(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "create-container",
        move |accessor: &Accessor<Cell>, (name,): (String,)| {
            Box::pin(async move {
                let created = named(accessor, principal, &name, |view| async move {
                    view.create().await.map(|()| view)
                });
                hand_out(accessor, principal, created.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "get-container",
        move |accessor: &Accessor<Cell>, (name,): (String,)| {
            Box::pin(async move {
                let found = named(accessor, principal, &name, |view| async move {
                    view.container().await.map(|_| view)
                });
                hand_out(accessor, principal, found.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "delete-container",
        move |accessor: &Accessor<Cell>, (name,): (String,)| {
            Box::pin(async move {
                let deleted = named(accessor, principal, &name, |view| async move {
                    view.delete_container().await
                });
                answer(deleted.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "container-exists",
        move |accessor: &Accessor<Cell>, (name,): (String,)| {
            Box::pin(async move {
                let found = named(
                    accessor,
                    principal,
                    &name,
                    |view| async move { view.look().await },
                );
                answer(found.await?.map(|found| found.is_some()))
            })
        },
    )?;
    between_containers(instance, principal)
}

/// Works on the container of a name.
async fn named<T, W: Future<Output = Result<T, Refusal>>>(
    accessor: &Accessor<Cell>,
    principal: usize,
    name: &str,
    work: impl FnOnce(Arc<View>) -> W,
) -> wasmtime::Result<Result<T, Refusal>> {
    let view = accessor.with(|mut access| granted(&mut access.as_context_mut(), principal, name))?;
    Ok(match view {
        Ok(view) => in_turn(view, name.len(), work).await,
        Err(refusal) => Err(refusal),
    })
}

fn hand_out(
    accessor: &Accessor<Cell>,
    principal: usize,
    view: Result<Arc<View>, Refusal>,
) -> Answered<Resource<Container>> {
    let push = |view| {
        accessor.with(|mut access| {
            let mut store = access.as_context_mut();
            Ok::<_, wasmtime::Error>(table(&mut store, principal)?.push(Container { view })?)
        })
    };
    match view {
        Ok(view) => answer(Ok(push(view)?)),
        Err(refusal) => answer(Err(refusal)),
    }
}

fn between_containers(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "copy-object",
        move |accessor: &Accessor<Cell>, (from, to): (ObjectId, ObjectId)| {
            Box::pin(async move {
                let (view, other) = match both_of(accessor, principal, &from, &to)? {
                    Ok(views) => views,
                    Err(refusal) => return answer(Err(refusal)),
                };
                let bytes = from.object.len() + to.object.len();
                let copied = in_turn(view, bytes, |view| async move {
                    view.copy(&from.object, &other, &to.object).await
                });
                answer(copied.await)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "move-object",
        move |accessor: &Accessor<Cell>, (from, to): (ObjectId, ObjectId)| {
            Box::pin(async move {
                let (view, other) = match both_of(accessor, principal, &from, &to)? {
                    Ok(views) => views,
                    Err(refusal) => return answer(Err(refusal)),
                };
                let bytes = from.object.len() + to.object.len();
                let moved = in_turn(view, bytes, |view| async move {
                    view.move_to(&from.object, &other, &to.object).await
                });
                answer(moved.await)
            })
        },
    )
}

fn both_of(
    accessor: &Accessor<Cell>,
    principal: usize,
    from: &ObjectId,
    to: &ObjectId,
) -> wasmtime::Result<Views> {
    accessor.with(|mut access| both(&mut access.as_context_mut(), principal, from, to))
}

type Reading = Pin<Box<dyn Future<Output = Result<Page, Refusal>> + Send>>;

/// The names in a container, on their way to a guest: page by page, as it reads them.
struct Names {
    view: Arc<View>,
    /// Those that are there, and have not been handed over.
    waiting: Vec<String>,
    next: Option<Reading>,
    _open: Stream,
}

impl Names {
    async fn begin(view: Arc<View>) -> Result<Self, Refusal> {
        let open = view.calls().stream()?;
        let page = read(&view, None).await?;
        let mut names = Self {
            view,
            waiting: Vec::new(),
            next: None,
            _open: open,
        };
        names.take(page);
        Ok(names)
    }

    fn take(&mut self, page: Page) {
        self.waiting = page.names;
        self.next = page.cursor.map(|cursor| read(&self.view, Some(cursor)));
    }
}

fn read(view: &Arc<View>, cursor: Option<String>) -> Reading {
    let view = Arc::clone(view);
    Box::pin(async move {
        let _turn = view.calls().begin(0).await?;
        view.list(cursor.as_deref()).await
    })
}

impl StreamProducer<Cell> for Names {
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
            if !self.waiting.is_empty() {
                let names = std::mem::take(&mut self.waiting);
                destination.set_buffer(names.into());
                return Poll::Ready(Ok(StreamResult::Completed));
            }
            let Some(reading) = &mut self.next else {
                return Poll::Ready(Ok(StreamResult::Dropped));
            };
            match reading.as_mut().poll(context) {
                Poll::Ready(Ok(page)) => self.take(page),
                // A stream has no error, and some of the names must not be taken for all of them.
                Poll::Ready(Err(refusal)) => {
                    let why = refusal.into_text();
                    let error = wasmtime::format_err!("the names of objects cannot be read on: {why}");
                    return Poll::Ready(Err(error));
                }
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
