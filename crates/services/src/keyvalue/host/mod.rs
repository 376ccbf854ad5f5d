//! The border to the guest: what is the same in every draft of `wasi:keyvalue`, and the list of all interfaces.
//!
//! A handle of a bucket holds a [`View`], so what a guest may do with it was decided when it was opened.
//!
//! Adding a draft: a file like [`draft2`], and its rows in [`INTERFACES`].

mod draft;
mod draft2;
mod spin;
mod wasmcloud;

use std::collections::VecDeque;
use std::sync::Arc;

use wasmtime::component::{Accessor, ComponentType, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime::{AsContextMut as _, StoreContextMut};
use weft_runtime::{Cell, ServiceInterface};
use weft_stores::keyvalue::Entry;

use super::KeyValue;
use super::view::View;
use crate::refusal::Refusal;

/// Every interface in every draft.
pub(super) const INTERFACES: &[ServiceInterface] = &[
    ServiceInterface::new("wasi:keyvalue/store@0.2.0-draft", draft::store),
    ServiceInterface::new("wasi:keyvalue/atomics@0.2.0-draft", draft::atomics),
    ServiceInterface::new("wasi:keyvalue/batch@0.2.0-draft", batch),
    ServiceInterface::new("wasi:keyvalue/store@0.2.0-draft2", draft2::store),
    ServiceInterface::new("wasi:keyvalue/atomics@0.2.0-draft2", draft2::atomics),
    ServiceInterface::new("wasi:keyvalue/batch@0.2.0-draft2", batch),
    ServiceInterface::new("wasmcloud:keyvalue/types@0.2.0", wasmcloud::types)
        .with_async(wasmcloud::bucket_functions),
    ServiceInterface::new("wasmcloud:keyvalue/store@0.2.0", nothing).with_async(wasmcloud::store),
    ServiceInterface::new("wasmcloud:keyvalue/atomics@0.2.0", nothing).with_async(wasmcloud::atomics),
    ServiceInterface::new("wasmcloud:keyvalue/cas@0.2.0", nothing).with_async(wasmcloud::cas),
    ServiceInterface::new("wasmcloud:keyvalue/batch@0.2.0", nothing).with_async(wasmcloud::batch),
    ServiceInterface::new("fermyon:spin/key-value@2.0.0", spin::synchronous),
    ServiceInterface::new("spin:key-value/key-value@3.0.0", spin::types).with_async(spin::asynchronous),
];

/// Pages of one bucket that a guest may still go on from, where cursors are numbers.
const CURSORS_MAX: usize = 64;

/// The resource `bucket`.
pub(super) struct Bucket {
    view: Arc<View>,
    cursors: Cursors,
}

impl Bucket {
    pub(super) fn new(view: Arc<View>) -> Self {
        Self {
            view,
            cursors: Cursors::default(),
        }
    }
}

/// Cursors of stores, for drafts in which they are numbers.
#[derive(Default)]
struct Cursors {
    given: VecDeque<(u64, String)>,
    last: u64,
}

impl Cursors {
    fn give(&mut self, cursor: String) -> u64 {
        self.last += 1;
        self.given.push_back((self.last, cursor));
        if self.given.len() > CURSORS_MAX {
            self.given.pop_front();
        }
        self.last
    }

    fn find(&self, number: u64) -> Option<String> {
        let given = self.given.iter().find(|(given, _)| *given == number);
        given.map(|(_, cursor)| cursor.clone())
    }
}

/// The variant `error` of the drafts.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    #[expect(
        dead_code,
        reason = "what is not granted is denied, whether it is there or not"
    )]
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

/// For interfaces that are nothing but asynchronous functions.
#[expect(clippy::unnecessary_wraps, reason = "as all that register an interface")]
fn nothing(_: &mut LinkerInstance<'_, Cell>, _: usize) -> wasmtime::Result<()> {
    Ok(())
}

/// Works on a bucket beside whatever else its component has under way. `bytes` are those that the guest has handed over.
async fn beside<T, W: Future<Output = Result<T, Refusal>>>(
    accessor: &Accessor<Cell>,
    principal: usize,
    handle: &Resource<Bucket>,
    bytes: usize,
    work: impl FnOnce(Arc<View>) -> W,
) -> wasmtime::Result<Result<T, Refusal>> {
    let view = accessor.with(|mut access| view(&mut access.as_context_mut(), principal, handle))?;
    let turn = match view.calls().begin(bytes).await {
        Ok(turn) => turn,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let answered = work(view).await;
    drop(turn);
    Ok(answered)
}

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, Error>,)>;

fn answer<T>(answered: Result<T, Refusal>) -> Answered<T> {
    Ok((answered.map_err(Error::from),))
}

fn bucket<'a>(
    store: &'a mut StoreContextMut<'_, Cell>,
    principal: usize,
    handle: &Resource<Bucket>,
) -> wasmtime::Result<&'a mut Bucket> {
    let (_, table) = service(store, principal)?;
    Ok(table.get_mut(handle)?)
}

fn view(
    store: &mut StoreContextMut<'_, Cell>,
    principal: usize,
    handle: &Resource<Bucket>,
) -> wasmtime::Result<Arc<View>> {
    Ok(Arc::clone(&bucket(store, principal, handle)?.view))
}

fn service<'a>(
    store: &'a mut StoreContextMut<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<(&'a KeyValue, &'a mut wasmtime_wasi::ResourceTable)> {
    let found = store.data_mut().service::<KeyValue>(principal);
    found.ok_or_else(|| wasmtime::format_err!("component {principal} has no key-value service"))
}

/// The resource of buckets, under the name that an interface gives it.
fn bucket_resource(
    instance: &mut LinkerInstance<'_, Cell>,
    name: &str,
    principal: usize,
) -> wasmtime::Result<()> {
    instance.resource(name, ResourceType::host::<Bucket>(), move |mut store, handle| {
        let (_, table) = service(&mut store, principal)?;
        table.delete(Resource::<Bucket>::new_own(handle))?;
        Ok(())
    })
}

/// What the interface `store` has in every draft: all but the listing.
fn store_without_list(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    bucket_resource(instance, "bucket", principal)?;
    instance.func_wrap(
        "open",
        move |mut store: StoreContextMut<'_, Cell>, (name,): (String,)| {
            let (keyvalue, table) = service(&mut store, principal)?;
            let Some(view) = keyvalue.open(&name) else {
                return answer(Err(Refusal::Denied));
            };
            answer(Ok(table.push(Bucket::new(view))?))
        },
    )?;
    instance.func_wrap_async(
        "[method]bucket.get",
        move |mut store: StoreContextMut<'_, Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let found = view(&mut store, principal, &handle)?.get(&key).await;
                answer(found.map(|entry| entry.map(|entry| Vec::from(entry.value))))
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]bucket.set",
        move |mut store: StoreContextMut<'_, Cell>,
              (handle, key, value): (Resource<Bucket>, String, Vec<u8>)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                answer(view.write(vec![(key, Some(value))]).await)
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]bucket.delete",
        move |mut store: StoreContextMut<'_, Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                answer(view.write(vec![(key, None)]).await)
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]bucket.exists",
        move |mut store: StoreContextMut<'_, Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::new(async move { answer(view(&mut store, principal, &handle)?.exists(&key).await) })
        },
    )
}

/// What `get-many` found, as it has it.
fn pairs(keys: Vec<String>, found: Vec<Option<Entry>>) -> Vec<Option<(String, Vec<u8>)>> {
    let pair = |(key, entry): (String, Option<Entry>)| entry.map(|entry| (key, Vec::from(entry.value)));
    keys.into_iter().zip(found).map(pair).collect()
}

/// The interface `batch`, which is the same in all drafts.
fn batch(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "get-many",
        move |mut store: StoreContextMut<'_, Cell>, (handle, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move {
                let found = view(&mut store, principal, &handle)?.get_many(&keys).await;
                answer(found.map(|found| pairs(keys, found)))
            })
        },
    )?;
    instance.func_wrap_async(
        "set-many",
        move |mut store: StoreContextMut<'_, Cell>,
              (handle, entries): (Resource<Bucket>, Vec<(String, Vec<u8>)>)| {
            Box::new(async move {
                let changes = entries.into_iter().map(|(key, value)| (key, Some(value)));
                answer(
                    view(&mut store, principal, &handle)?
                        .write(changes.collect())
                        .await,
                )
            })
        },
    )?;
    instance.func_wrap_async(
        "delete-many",
        move |mut store: StoreContextMut<'_, Cell>, (handle, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move {
                let changes = keys.into_iter().map(|key| (key, None));
                answer(
                    view(&mut store, principal, &handle)?
                        .write(changes.collect())
                        .await,
                )
            })
        },
    )
}
