//! Telling a component of a key that was set or removed.

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::Resource;
use weft_runtime::Cell;
use weft_runtime::entry::handler::HandlerProgram;
use weft_runtime::entry::http::Failure;

use super::KeyValue;
use super::host::Bucket;

/// The interfaces by which a component is told. Where it exports several, the first counts; all of them have the same functions.
const WATCHER: [&str; 3] = [
    "wasi:keyvalue/watcher@0.2.0-draft2",
    "wasi:keyvalue/watcher@0.2.0-draft",
    "wasmcloud:keyvalue/watcher@0.2.0",
];

/// Tells a new instance of a component what a key of one of its buckets has now, which is nothing where it was removed,
/// and waits until it has returned. `principal` is which of the components in it is told, `key` is the key as it knows it.
///
/// # Errors
/// It listens to no changes, has no such bucket, or ends before it has returned.
///
/// # Authority
/// It is handed the bucket of its own grant.
///
/// # Limits
/// Everything but time, which the caller bounds: dropping the future ends the guest.
pub async fn tell(
    program: &HandlerProgram,
    principal: usize,
    bucket: &str,
    key: &str,
    now: Option<Bytes>,
) -> Result<(), Failure> {
    let [first, ..] = WATCHER;
    // One that exports none of them is told that it has no such function.
    let interface = program.exported(&WATCHER).unwrap_or(first);
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    match now {
        Some(value) => {
            let parameters = move |store: StoreContextMut<'_, Cell>| {
                let bucket = handle(store, principal, &bucket)?;
                Ok((bucket, key, Vec::from(value)))
            };
            program.call(interface, "on-set", parameters).await
        }
        None => {
            let parameters = move |store: StoreContextMut<'_, Cell>| {
                let bucket = handle(store, principal, &bucket)?;
                Ok((bucket, key))
            };
            program.call(interface, "on-delete", parameters).await
        }
    }
}

/// A handle of a bucket, as opening it would have given one.
fn handle(
    mut store: StoreContextMut<'_, Cell>,
    principal: usize,
    name: &str,
) -> wasmtime::Result<Resource<Bucket>> {
    let found = store.data_mut().service::<KeyValue>(principal);
    let (view, table) = found
        .and_then(|(keyvalue, table)| Some((keyvalue.view(name)?, table)))
        .ok_or_else(|| wasmtime::format_err!("component {principal} has no bucket `{name}`"))?;
    Ok(table.push(Bucket::new(view))?)
}
