//! The border to the guest: what is the same in every package, and the list of all interfaces.
//!
//! A handle of a container holds a [`View`], so what a guest may do with it was decided when it was opened.

mod wasi;
mod wasmcloud;

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Resource, ResourceType};
use wasmtime_wasi::ResourceTable;
use weft_runtime::{Cell, ServiceInterface};

use super::Blobs;
use super::view::View;
use crate::refusal::Refusal;

/// Every interface.
pub(super) const INTERFACES: &[ServiceInterface] = &[
    ServiceInterface::new("wasi:blobstore/types@0.2.0-draft", wasi::types),
    ServiceInterface::new("wasi:blobstore/container@0.2.0-draft", wasi::container),
    ServiceInterface::new("wasi:blobstore/blobstore@0.2.0-draft", wasi::blobstore),
    ServiceInterface::new("wasmcloud:blobstore/types@0.1.0", nothing),
    ServiceInterface::new("wasmcloud:blobstore/container@0.1.0", container_resource)
        .with_async(wasmcloud::container),
    ServiceInterface::new("wasmcloud:blobstore/blobstore@0.1.0", nothing).with_async(wasmcloud::blobstore),
];

/// The resource `container`.
struct Container {
    view: Arc<View>,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
struct ObjectId {
    container: String,
    object: String,
}

type Guest<'a> = StoreContextMut<'a, Cell>;

/// For interfaces that have nothing but types or asynchronous functions.
#[expect(clippy::unnecessary_wraps, reason = "as all that register an interface")]
fn nothing(_: &mut LinkerInstance<'_, Cell>, _: usize) -> wasmtime::Result<()> {
    Ok(())
}

fn container_resource(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.resource(
        "container",
        ResourceType::host::<Container>(),
        move |mut store, handle| {
            table(&mut store, principal)?.delete(Resource::<Container>::new_own(handle))?;
            Ok(())
        },
    )
}

fn service<'a>(
    store: &'a mut Guest<'_>,
    principal: usize,
) -> wasmtime::Result<(&'a Blobs, &'a mut ResourceTable)> {
    let found = store.data_mut().service::<Blobs>(principal);
    found.ok_or_else(|| wasmtime::format_err!("component {principal} has no blob store service"))
}

fn table<'a>(store: &'a mut Guest<'_>, principal: usize) -> wasmtime::Result<&'a mut ResourceTable> {
    Ok(service(store, principal)?.1)
}

fn view(
    store: &mut Guest<'_>,
    principal: usize,
    handle: &Resource<Container>,
) -> wasmtime::Result<Arc<View>> {
    Ok(Arc::clone(&table(store, principal)?.get(handle)?.view))
}

/// The container of a name, if the component may open it.
fn granted(
    store: &mut Guest<'_>,
    principal: usize,
    name: &str,
) -> wasmtime::Result<Result<Arc<View>, Refusal>> {
    Ok(service(store, principal)?
        .0
        .container(name)
        .ok_or(Refusal::Denied))
}

type Views = Result<(Arc<View>, Arc<View>), Refusal>;

fn both(store: &mut Guest<'_>, principal: usize, from: &ObjectId, to: &ObjectId) -> wasmtime::Result<Views> {
    let view = granted(store, principal, &from.container)?;
    let other = granted(store, principal, &to.container)?;
    Ok(view.and_then(|view| Ok((view, other?))))
}
