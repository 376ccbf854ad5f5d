//! `wasi:keyvalue@0.2.0-draft2`: cursors are text, numbers have a sign, and values can be swapped.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType};
use weft_runtime::Cell;
use weft_stores::keyvalue::{Entry, Page, Swap, Version};

use super::{Bucket, Error, answer, service, store_without_list, view};
use crate::keyvalue::view::View;
use crate::refusal::Refusal;

#[derive(Debug, ComponentType, Lower)]
#[component(record)]
pub(super) struct KeyResponse {
    keys: Vec<String>,
    cursor: Option<String>,
}

impl From<Page> for KeyResponse {
    fn from(page: Page) -> Self {
        Self {
            keys: page.keys,
            cursor: page.cursor,
        }
    }
}

/// The resource `cas`: a key as it was read, to be set if it is still so.
struct Cas {
    view: Arc<View>,
    key: String,
    found: Option<Entry>,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum CasError {
    #[component(name = "store-error")]
    StoreError(Error),
    #[component(name = "cas-failed")]
    CasFailed(Resource<Cas>),
}

impl Cas {
    async fn read(view: Arc<View>, key: String) -> Result<Self, Refusal> {
        let found = view.begin_swap(&key).await?;
        Ok(Self { view, key, found })
    }

    fn version(&self) -> Version {
        match &self.found {
            Some(entry) => entry.version.clone(),
            None => Version::Absent,
        }
    }
}

pub(super) fn store(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    store_without_list(instance, principal)?;
    instance.func_wrap_async(
        "[method]bucket.list-keys",
        move |mut store: StoreContextMut<'_, Cell>, (handle, cursor): (Resource<Bucket>, Option<String>)| {
            Box::new(async move {
                let page = view(&mut store, principal, &handle)?
                    .list("", cursor.as_deref())
                    .await;
                answer(page.map(KeyResponse::from))
            })
        },
    )
}

pub(super) fn atomics(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.resource("cas", ResourceType::host::<Cas>(), move |mut store, handle| {
        let (_, table) = service(&mut store, principal)?;
        table.delete(Resource::<Cas>::new_own(handle))?;
        Ok(())
    })?;
    instance.func_wrap_async(
        "[static]cas.new",
        move |mut store: StoreContextMut<'_, Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                match Cas::read(view, key).await {
                    Ok(cas) => answer(Ok(push(&mut store, principal, cas)?)),
                    Err(refusal) => answer(Err(refusal)),
                }
            })
        },
    )?;
    instance.func_wrap(
        "[method]cas.current",
        move |mut store: StoreContextMut<'_, Cell>, (handle,): (Resource<Cas>,)| {
            let (_, table) = service(&mut store, principal)?;
            let cas = table.get(&handle)?;
            let value = cas.found.as_ref().map(|entry| entry.value.to_vec());
            answer(Ok(value))
        },
    )?;
    instance.func_wrap_async(
        "increment",
        move |mut store: StoreContextMut<'_, Cell>, (handle, key, delta): (Resource<Bucket>, String, i64)| {
            Box::new(
                async move { answer(view(&mut store, principal, &handle)?.increment(&key, delta).await) },
            )
        },
    )?;
    instance.func_wrap_async(
        "swap",
        move |mut store: StoreContextMut<'_, Cell>, (handle, value): (Resource<Cas>, Vec<u8>)| {
            Box::new(async move { Ok((swap(&mut store, principal, handle, value).await?,)) })
        },
    )
}

/// Sets the value, or hands out what is there now for another attempt.
async fn swap(
    store: &mut StoreContextMut<'_, Cell>,
    principal: usize,
    handle: Resource<Cas>,
    value: Vec<u8>,
) -> wasmtime::Result<Result<(), CasError>> {
    let (_, table) = service(store, principal)?;
    let cas = table.delete(handle)?;
    let failed = |refusal: Refusal| Ok(Err(CasError::StoreError(refusal.into())));
    match cas.view.swap(&cas.key, cas.version(), value).await {
        Ok(Swap::Done) => Ok(Ok(())),
        Ok(Swap::Changed) => match Cas::read(cas.view, cas.key).await {
            Ok(next) => Ok(Err(CasError::CasFailed(push(store, principal, next)?))),
            Err(refusal) => failed(refusal),
        },
        Err(refusal) => failed(refusal),
    }
}

fn push(
    store: &mut StoreContextMut<'_, Cell>,
    principal: usize,
    cas: Cas,
) -> wasmtime::Result<Resource<Cas>> {
    let (_, table) = service(store, principal)?;
    Ok(table.push(cas)?)
}
