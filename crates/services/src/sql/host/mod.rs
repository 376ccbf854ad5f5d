//! The border to the guest: what all interfaces for databases share, and the list of them.
//!
//! A handle of a connection holds a session of a `View`, so what a guest may do with it was decided when it was opened.
//!
//! Adding an interface: a file like `spin_sqlite`, and its rows in [`INTERFACES`].

mod rows;
mod spin_postgres;
mod spin_sqlite;
mod weft;

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceType};
use wasmtime_wasi::ResourceTable;
use weft_runtime::{Cell, ServiceInterface};

use super::Sql;
use super::view::{Refused, View};

/// Every interface.
pub(super) const INTERFACES: &[ServiceInterface] = &[
    ServiceInterface::new("fermyon:spin/sqlite@2.0.0", spin_sqlite::version_2),
    ServiceInterface::new("spin:sqlite/sqlite@3.0.0", spin_sqlite::version_3),
    ServiceInterface::new("spin:sqlite/sqlite@3.1.0", spin_sqlite::version_3)
        .with_async(spin_sqlite::asynchronous),
    ServiceInterface::new("fermyon:spin/rdbms-types@2.0.0", nothing),
    ServiceInterface::new("fermyon:spin/postgres@2.0.0", spin_postgres::version_2),
    ServiceInterface::new("spin:postgres/postgres@3.0.0", spin_postgres::version_3),
    ServiceInterface::new("spin:postgres/postgres@4.0.0", spin_postgres::version_4),
    ServiceInterface::new("spin:postgres/postgres@4.1.0", spin_postgres::version_4_1),
    ServiceInterface::new("spin:postgres/postgres@4.2.0", spin_postgres::version_4_1)
        .with_async(spin_postgres::asynchronous),
    ServiceInterface::new("weft:sql/types@0.1.0", weft::types).with_async(weft::functions),
];

type Guest<'a> = StoreContextMut<'a, Cell>;

/// The resource `connection`, of a session `S`.
struct Open<S> {
    view: Arc<View>,
    session: S,
}

#[expect(clippy::unnecessary_wraps, reason = "as all that register an interface")]
fn nothing(_: &mut LinkerInstance<'_, Cell>, _: usize) -> wasmtime::Result<()> {
    Ok(())
}

fn service<'a>(
    store: &'a mut Guest<'_>,
    principal: usize,
) -> wasmtime::Result<(&'a Sql, &'a mut ResourceTable)> {
    let found = store.data_mut().service::<Sql>(principal);
    found.ok_or_else(|| wasmtime::format_err!("component {principal} has no databases"))
}

/// The database of a name, if the component may open it.
fn granted(
    store: &mut Guest<'_>,
    principal: usize,
    name: &str,
) -> wasmtime::Result<Result<Arc<View>, Refused>> {
    let found = service(store, principal)?.0.find(name);
    Ok(found.ok_or_else(|| Refused::Denied("the database is not granted".to_owned())))
}

fn push<S: Send + 'static>(
    store: &mut Guest<'_>,
    principal: usize,
    view: Arc<View>,
    session: S,
) -> wasmtime::Result<Resource<Open<S>>> {
    Ok(service(store, principal)?.1.push(Open { view, session })?)
}

fn session<S: Clone + Send + 'static>(
    store: &mut Guest<'_>,
    principal: usize,
    handle: &Resource<Open<S>>,
) -> wasmtime::Result<(Arc<View>, S)> {
    let open = service(store, principal)?.1.get(handle)?;
    Ok((Arc::clone(&open.view), open.session.clone()))
}

fn connection_resource<S: Send + 'static>(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    instance.resource(
        "connection",
        ResourceType::host::<Open<S>>(),
        move |mut store, handle| {
            let (_, table) = service(&mut store, principal)?;
            table.delete(Resource::<Open<S>>::new_own(handle))?;
            Ok(())
        },
    )
}
