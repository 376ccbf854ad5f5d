//! The border to the guest: what is the same in every draft of `wasi:keyvalue`, and the list of all of them.
//!
//! A handle of a bucket holds a [`View`], so what a guest may do with it was decided when it was opened.
//!
//! Adding a draft: a file like [`draft2`], and its rows in [`INTERFACES`].

mod draft;
mod draft2;

use std::collections::VecDeque;
use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType};
use weft_runtime::{Cell, ServiceInterface};

use super::KeyValue;
use super::view::View;
use crate::refusal::Refusal;

/// Every interface in every draft.
pub(super) const INTERFACES: &[ServiceInterface] = &[
    ServiceInterface {
        name: "wasi:keyvalue/store@0.2.0-draft",
        register: draft::store,
    },
    ServiceInterface {
        name: "wasi:keyvalue/atomics@0.2.0-draft",
        register: draft::atomics,
    },
    ServiceInterface {
        name: "wasi:keyvalue/batch@0.2.0-draft",
        register: batch,
    },
    ServiceInterface {
        name: "wasi:keyvalue/store@0.2.0-draft2",
        register: draft2::store,
    },
    ServiceInterface {
        name: "wasi:keyvalue/atomics@0.2.0-draft2",
        register: draft2::atomics,
    },
    ServiceInterface {
        name: "wasi:keyvalue/batch@0.2.0-draft2",
        register: batch,
    },
];

/// Pages of one bucket that a guest may still go on from, where cursors are numbers.
const CURSORS_MAX: usize = 64;

/// The resource `bucket`.
struct Bucket {
    view: Arc<View>,
    cursors: Cursors,
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

/// The variant `error`.
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
            Refusal::Failed(why) => Self::Other(why),
        }
    }
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

/// What the interface `store` has in every draft: all but the listing.
fn store_without_list(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.resource(
        "bucket",
        ResourceType::host::<Bucket>(),
        move |mut store, handle| {
            let (_, table) = service(&mut store, principal)?;
            table.delete(Resource::<Bucket>::new_own(handle))?;
            Ok(())
        },
    )?;
    instance.func_wrap(
        "open",
        move |mut store: StoreContextMut<'_, Cell>, (name,): (String,)| {
            let (keyvalue, table) = service(&mut store, principal)?;
            let Some(view) = keyvalue.open(&name) else {
                return answer(Err(Refusal::Denied));
            };
            let cursors = Cursors::default();
            answer(Ok(table.push(Bucket { view, cursors })?))
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

/// The interface `batch`, which is the same in all drafts.
fn batch(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "get-many",
        move |mut store: StoreContextMut<'_, Cell>, (handle, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move {
                let found = view(&mut store, principal, &handle)?.get_many(&keys).await;
                let pairs = |found: Vec<Option<weft_stores::keyvalue::Entry>>| {
                    let pair = |(key, entry): (String, Option<weft_stores::keyvalue::Entry>)| {
                        entry.map(|entry| (key, Vec::from(entry.value)))
                    };
                    keys.into_iter().zip(found).map(pair).collect::<Vec<_>>()
                };
                answer(found.map(pairs))
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
