//! `wasi:keyvalue@0.2.0-draft`: cursors are numbers, and there is no swap.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource};
use weft_runtime::Cell;

use super::{Bucket, answer, bucket, store_without_list, view};
use crate::keyvalue::view::{TOO_FAR, no_cursor};
use crate::refusal::Refusal;

#[derive(Debug, ComponentType, Lower)]
#[component(record)]
struct KeyResponse {
    keys: Vec<String>,
    cursor: Option<u64>,
}

pub(super) fn store(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    store_without_list(instance, principal)?;
    instance.func_wrap_async(
        "[method]bucket.list-keys",
        move |mut store: StoreContextMut<'_, Cell>, (handle, cursor): (Resource<Bucket>, Option<u64>)| {
            Box::new(async move {
                let opened = bucket(&mut store, principal, &handle)?;
                let known = cursor.map(|number| opened.cursors.find(number));
                let from = match known {
                    Some(None) => {
                        return answer(Err(no_cursor()));
                    }
                    Some(from) => from,
                    None => None,
                };
                let view = std::sync::Arc::clone(&opened.view);
                let page = match view.list("", from.as_deref()).await {
                    Ok(page) => page,
                    Err(refusal) => return answer(Err(refusal)),
                };
                let opened = bucket(&mut store, principal, &handle)?;
                let cursor = page.cursor.map(|cursor| opened.cursors.give(cursor));
                answer(Ok(KeyResponse {
                    keys: page.keys,
                    cursor,
                }))
            })
        },
    )
}

pub(super) fn atomics(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "increment",
        move |mut store: StoreContextMut<'_, Cell>, (handle, key, delta): (Resource<Bucket>, String, u64)| {
            Box::new(async move {
                let view = view(&mut store, principal, &handle)?;
                let sum = match i64::try_from(delta) {
                    Ok(delta) => view.increment(&key, delta).await,
                    Err(_) => Err(Refusal::failed(TOO_FAR)),
                };
                let natural = |sum: i64| {
                    u64::try_from(sum)
                        .map_err(|_| Refusal::failed(format!("the sum {sum} is less than zero")))
                };
                answer(sum.and_then(natural))
            })
        },
    )
}
