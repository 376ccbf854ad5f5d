//! `wasi:blobstore@0.2.0-draft`, whose errors are texts.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};
use weft_runtime::Cell;

use super::{Container, Guest, ObjectId, both, container_resource, granted, service, table, view};
use crate::blobstore::incoming::Incoming;
use crate::blobstore::outgoing::Outgoing;
use crate::blobstore::view::{View, no_object};
use crate::refusal::Refusal;

/// Names that a guest gets or skips in one call. It asks again for more.
const NAMES_MAX: u64 = 10_000;

/// The resource `stream-object-names`.
struct Names {
    view: Arc<View>,
    /// Names of the last page that the guest has not seen.
    waiting: std::vec::IntoIter<String>,
    next: Next,
}

/// Which page comes next.
enum Next {
    First,
    After(String),
    None,
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

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, String>,)>;

fn answer<T>(answered: Result<T, Refusal>) -> Answered<T> {
    Ok((answered.map_err(Refusal::into_text),))
}

/// Seconds since 1970; 0 where nobody knows.
fn timestamp(time: Option<SystemTime>) -> u64 {
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_secs())
}

pub(super) fn types(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    outgoing_value(instance, principal)?;
    incoming_value(instance, principal)
}

fn outgoing_value(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.resource(
        "outgoing-value",
        ResourceType::host::<Outgoing>(),
        move |mut store, handle| {
            table(&mut store, principal)?.delete(Resource::<Outgoing>::new_own(handle))?;
            Ok(())
        },
    )?;
    instance.func_wrap(
        "[static]outgoing-value.new-outgoing-value",
        move |mut store: Guest<'_>, (): ()| {
            let (blobs, table) = service(&mut store, principal)?;
            Ok((table.push(Outgoing::new(&blobs.gathering))?,))
        },
    )?;
    instance.func_wrap(
        "[method]outgoing-value.outgoing-value-write-body",
        move |mut store: Guest<'_>, (handle,): (Resource<Outgoing>,)| {
            let table = table(&mut store, principal)?;
            let Some(body) = table.get_mut(&handle)?.stream() else {
                return Ok((Err(()),));
            };
            let body: DynOutputStream = Box::new(body);
            // A child, so that nothing is written any more once the value is finished.
            Ok((Ok(table.push_child(body, &handle)?),))
        },
    )?;
    instance.func_wrap_async(
        "[static]outgoing-value.finish",
        move |mut store: Guest<'_>, (handle,): (Resource<Outgoing>,)| {
            Box::new(async move {
                let outgoing = table(&mut store, principal)?.delete(handle)?;
                answer(outgoing.finish().await)
            })
        },
    )
}

fn incoming_value(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.resource(
        "incoming-value",
        ResourceType::host::<Incoming>(),
        move |mut store, handle| {
            table(&mut store, principal)?.delete(Resource::<Incoming>::new_own(handle))?;
            Ok(())
        },
    )?;
    instance.func_wrap_async(
        "[static]incoming-value.incoming-value-consume-sync",
        move |mut store: Guest<'_>, (handle,): (Resource<Incoming>,)| {
            Box::new(async move {
                let incoming = table(&mut store, principal)?.delete(handle)?;
                answer(incoming.at_once().await)
            })
        },
    )?;
    instance.func_wrap(
        "[static]incoming-value.incoming-value-consume-async",
        move |mut store: Guest<'_>, (handle,): (Resource<Incoming>,)| {
            let table = table(&mut store, principal)?;
            let stream: DynInputStream = Box::new(table.delete(handle)?.stream());
            answer(Ok(table.push(stream)?))
        },
    )?;
    instance.func_wrap(
        "[method]incoming-value.size",
        move |mut store: Guest<'_>, (handle,): (Resource<Incoming>,)| {
            Ok((table(&mut store, principal)?.get(&handle)?.bytes(),))
        },
    )
}

pub(super) fn container(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    container_resource(instance, principal)?;
    instance.resource(
        "stream-object-names",
        ResourceType::host::<Names>(),
        move |mut store, handle| {
            table(&mut store, principal)?.delete(Resource::<Names>::new_own(handle))?;
            Ok(())
        },
    )?;
    about_containers(instance, principal)?;
    data(instance, principal)?;
    objects(instance, principal)?;
    names(instance, principal)
}

fn about_containers(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap(
        "[method]container.name",
        move |mut store: Guest<'_>, (handle,): (Resource<Container>,)| {
            let view = view(&mut store, principal, &handle)?;
            answer(Ok(view.name().to_owned()))
        },
    )?;
    instance.func_wrap_async(
        "[method]container.info",
        move |mut store: Guest<'_>, (handle,): (Resource<Container>,)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                answer(view.container().await.map(|found| ContainerMetadata {
                    name: view.name().to_owned(),
                    created_at: timestamp(found.created),
                }))
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]container.clear",
        move |mut store: Guest<'_>, (handle,): (Resource<Container>,)| {
            Box::new(async move { answer(view(&mut store, principal, &handle)?.clear().await) })
        },
    )?;
    instance.func_wrap_async(
        "[method]container.list-objects",
        move |mut store: Guest<'_>, (handle,): (Resource<Container>,)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                let mut names = Names {
                    view,
                    waiting: Vec::new().into_iter(),
                    next: Next::First,
                };
                // What cannot be listed is told now, and not when the first names are read.
                if let Err(refusal) = names.fill().await {
                    return answer(Err(refusal));
                }
                answer(Ok(table(&mut store, principal)?.push(names)?))
            })
        },
    )
}

fn data(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "[method]container.get-data",
        move |mut store: Guest<'_>, (handle, name, first, last): (Resource<Container>, String, u64, u64)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                let opened = view.open(&name, first..last.saturating_add(1)).await;
                let incoming = opened.and_then(|object| Incoming::new(view, object, first, last));
                match incoming {
                    Ok(incoming) => answer(Ok(table(&mut store, principal)?.push(incoming)?)),
                    Err(refusal) => answer(Err(refusal)),
                }
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]container.write-data",
        move |mut store: Guest<'_>,
              (handle, name, data): (Resource<Container>, String, Resource<Outgoing>)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                if let Err(refusal) = view.prepare(&name).await {
                    return answer(Err(refusal));
                }
                let outgoing = table(&mut store, principal)?.get_mut(&data)?;
                answer(outgoing.aim(view, name))
            })
        },
    )
}

fn objects(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "[method]container.delete-object",
        move |mut store: Guest<'_>, (handle, name): (Resource<Container>, String)| {
            Box::new(async move { answer(view(&mut store, principal, &handle)?.remove(&[name]).await) })
        },
    )?;
    instance.func_wrap_async(
        "[method]container.delete-objects",
        move |mut store: Guest<'_>, (handle, names): (Resource<Container>, Vec<String>)| {
            Box::new(async move { answer(view(&mut store, principal, &handle)?.remove(&names).await) })
        },
    )?;
    instance.func_wrap_async(
        "[method]container.has-object",
        move |mut store: Guest<'_>, (handle, name): (Resource<Container>, String)| {
            Box::new(async move {
                let found = view(&mut store, principal, &handle)?.info(&name).await;
                answer(found.map(|info| info.is_some()))
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]container.object-info",
        move |mut store: Guest<'_>, (handle, name): (Resource<Container>, String)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                let found = view.info(&name).await;
                let info = found.and_then(|info| info.ok_or_else(|| no_object(&name)));
                answer(info.map(|info| ObjectMetadata {
                    name,
                    container: view.name().to_owned(),
                    created_at: timestamp(Some(info.created)),
                    size: info.bytes,
                }))
            })
        },
    )
}

impl Names {
    /// Has a name waiting, unless there are no more.
    async fn fill(&mut self) -> Result<(), Refusal> {
        while self.waiting.as_slice().is_empty() {
            let cursor = match &self.next {
                Next::First => None,
                Next::After(cursor) => Some(cursor.as_str()),
                Next::None => return Ok(()),
            };
            let page = self.view.list(cursor).await?;
            self.waiting = page.names.into_iter();
            self.next = page.cursor.map_or(Next::None, Next::After);
        }
        Ok(())
    }

    /// The next names, at most as many, and whether they are the last.
    async fn read(&mut self, wanted: u64) -> Result<(Vec<String>, bool), Refusal> {
        let wanted = usize::try_from(wanted.min(NAMES_MAX)).unwrap_or(usize::MAX);
        let mut read = Vec::new();
        loop {
            self.fill().await?;
            let left = wanted - read.len();
            read.extend(self.waiting.by_ref().take(left));
            if read.len() == wanted || self.waiting.as_slice().is_empty() && matches!(self.next, Next::None) {
                self.fill().await?;
                return Ok((read, self.waiting.as_slice().is_empty()));
            }
        }
    }
}

fn names(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "[method]stream-object-names.read-stream-object-names",
        move |mut store: Guest<'_>, (handle, wanted): (Resource<Names>, u64)| {
            Box::new(async move {
                let names = table(&mut store, principal)?.get_mut(&handle)?;
                answer(names.read(wanted).await)
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]stream-object-names.skip-stream-object-names",
        move |mut store: Guest<'_>, (handle, wanted): (Resource<Names>, u64)| {
            Box::new(async move {
                let names = table(&mut store, principal)?.get_mut(&handle)?;
                let mut skipped = 0;
                loop {
                    match names.read(wanted - skipped).await {
                        Ok((read, is_last)) => {
                            skipped += read.len() as u64;
                            if is_last || skipped == wanted {
                                return answer(Ok((skipped, is_last)));
                            }
                        }
                        Err(refusal) => return answer(Err(refusal)),
                    }
                }
            })
        },
    )
}

pub(super) fn blobstore(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "create-container",
        move |mut store: Guest<'_>, (name,): (String,)| {
            Box::new(async move {
                let view = granted(&mut store, principal, &name)?;
                let created = match view {
                    Ok(view) => view.create().await.map(|()| view),
                    Err(refusal) => Err(refusal),
                };
                hand_out(&mut store, principal, created)
            })
        },
    )?;
    instance.func_wrap_async(
        "get-container",
        move |mut store: Guest<'_>, (name,): (String,)| {
            Box::new(async move {
                let found = match granted(&mut store, principal, &name)? {
                    Ok(view) => view.container().await.map(|_| view),
                    Err(refusal) => Err(refusal),
                };
                hand_out(&mut store, principal, found)
            })
        },
    )?;
    instance.func_wrap_async(
        "delete-container",
        move |mut store: Guest<'_>, (name,): (String,)| {
            Box::new(async move {
                answer(match granted(&mut store, principal, &name)? {
                    Ok(view) => view.delete_container().await,
                    Err(refusal) => Err(refusal),
                })
            })
        },
    )?;
    instance.func_wrap_async(
        "container-exists",
        move |mut store: Guest<'_>, (name,): (String,)| {
            Box::new(async move {
                answer(match granted(&mut store, principal, &name)? {
                    Ok(view) => view.look().await.map(|found| found.is_some()),
                    Err(refusal) => Err(refusal),
                })
            })
        },
    )?;
    between_containers(instance, principal)
}

fn hand_out(
    store: &mut Guest<'_>,
    principal: usize,
    view: Result<Arc<View>, Refusal>,
) -> Answered<Resource<Container>> {
    match view {
        Ok(view) => answer(Ok(table(store, principal)?.push(Container { view })?)),
        Err(refusal) => answer(Err(refusal)),
    }
}

fn between_containers(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "copy-object",
        move |mut store: Guest<'_>, (from, to): (ObjectId, ObjectId)| {
            Box::new(async move {
                let views = both(&mut store, principal, &from, &to)?;
                answer(match views {
                    Ok((view, other)) => view.copy(&from.object, &other, &to.object).await,
                    Err(refusal) => Err(refusal),
                })
            })
        },
    )?;
    instance.func_wrap_async(
        "move-object",
        move |mut store: Guest<'_>, (from, to): (ObjectId, ObjectId)| {
            Box::new(async move {
                let views = both(&mut store, principal, &from, &to)?;
                answer(match views {
                    Ok((view, other)) => view.move_to(&from.object, &other, &to.object).await,
                    Err(refusal) => Err(refusal),
                })
            })
        },
    )
}
