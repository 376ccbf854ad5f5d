//! What `spin:postgres@4` has beside queries: builders of connections, and asynchronous functions.

use std::sync::Arc;

use wasmtime::AsContextMut as _;
use wasmtime::component::{Accessor, FutureReader, LinkerInstance, Resource, ResourceType, StreamReader};
use weft_runtime::Cell;
use weft_stores::sql::postgres::{Session, Value};

use super::super::{Guest, Open, granted, push, rows, service, session};
use super::v4::{DbColumn, DbValue, Error, ParameterValue, V4, column};
use super::{functions, values};
use crate::sql::view::{Refused, View};

/// The resource `connection-builder`: an address, and nothing else that a component may choose.
struct Builder {
    address: String,
}

type Answered<T> = wasmtime::Result<(Result<T, Error>,)>;

fn answer<T>(answered: Result<T, Refused>) -> Answered<T> {
    Ok((answered.map_err(Error::from),))
}

pub(in crate::sql::host) fn version_4(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    functions::<V4>(instance, principal)
}

pub(in crate::sql::host) fn version_4_1(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    version_4(instance, principal)?;
    instance.resource(
        "connection-builder",
        ResourceType::host::<Builder>(),
        move |mut store, handle| {
            let (_, table) = service(&mut store, principal)?;
            table.delete(Resource::<Builder>::new_own(handle))?;
            Ok(())
        },
    )?;
    instance.func_wrap(
        "[constructor]connection-builder",
        move |mut store: Guest<'_>, (address,): (String,)| {
            let (_, table) = service(&mut store, principal)?;
            Ok((table.push(Builder { address })?,))
        },
    )?;
    instance.func_wrap(
        "[method]connection-builder.set-ca-root",
        move |_: Guest<'_>, (_, _): (Resource<Builder>, String)| -> Answered<()> {
            // Whom the host trusts is not for a guest to say.
            let why = "which authorities a server may be vouched for by is for the manifest to say";
            Ok((Err(Error::Other(why.to_owned())),))
        },
    )?;
    instance.func_wrap_async(
        "[method]connection-builder.build",
        move |mut store: Guest<'_>, (handle,): (Resource<Builder>,)| {
            Box::new(async move {
                let view = match of_builder(&mut store, principal, &handle)? {
                    Ok(view) => view,
                    Err(refused) => return answer(Err(refused)),
                };
                match view.connect_postgres().await {
                    Ok(session) => answer(Ok(push(&mut store, principal, view, session)?)),
                    Err(refused) => answer(Err(refused)),
                }
            })
        },
    )
}

fn of_builder(
    store: &mut Guest<'_>,
    principal: usize,
    handle: &Resource<Builder>,
) -> wasmtime::Result<Result<Arc<View>, Refused>> {
    let address = service(store, principal)?.1.get(handle)?.address.clone();
    granted(store, principal, &address)
}

type Rows = (
    Vec<DbColumn>,
    StreamReader<Vec<DbValue>>,
    FutureReader<Result<(), Error>>,
);

pub(in crate::sql::host) fn asynchronous(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "[method]connection-builder.build-async",
        move |accessor: &Accessor<Cell>, (handle,): (Resource<Builder>,)| {
            Box::pin(async move {
                let granted = accessor
                    .with(|mut access| of_builder(&mut access.as_context_mut(), principal, &handle))?;
                connect(accessor, principal, granted).await
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[static]connection.open-async",
        move |accessor: &Accessor<Cell>, (address,): (String,)| {
            Box::pin(async move {
                let granted =
                    accessor.with(|mut access| granted(&mut access.as_context_mut(), principal, &address))?;
                connect(accessor, principal, granted).await
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]connection.query-async",
        move |accessor: &Accessor<Cell>,
              (handle, statement, parameters): (Resource<Open<Session>>, String, Vec<ParameterValue>)| {
            Box::pin(async move { query(accessor, principal, handle, statement, parameters).await })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]connection.execute-async",
        move |accessor: &Accessor<Cell>,
              (handle, statement, parameters): (Resource<Open<Session>>, String, Vec<ParameterValue>)| {
            Box::pin(async move {
                let (view, session) = accessor
                    .with(|mut access| session(&mut access.as_context_mut(), principal, &handle))?;
                let ready = values::<V4>(parameters).and_then(|parameters| {
                    let held = view.begin(statement.len() + weight(&parameters))?;
                    Ok((parameters, held))
                });
                let (parameters, _held) = match ready {
                    Ok(ready) => ready,
                    Err(refused) => return answer(Err(refused)),
                };
                let count = session.execute(statement, parameters).await;
                answer(count.map_err(|error| view.refused(error)))
            })
        },
    )
}

/// What values take, about.
fn weight(parameters: &[Value]) -> usize {
    parameters.iter().map(Value::weight).sum()
}

async fn connect(
    accessor: &Accessor<Cell>,
    principal: usize,
    granted: Result<Arc<View>, Refused>,
) -> Answered<Resource<Open<Session>>> {
    let view = match granted {
        Ok(view) => view,
        Err(refused) => return answer(Err(refused)),
    };
    match view.connect_postgres().await {
        Ok(session) => accessor
            .with(|mut access| answer(Ok(push(&mut access.as_context_mut(), principal, view, session)?))),
        Err(refused) => answer(Err(refused)),
    }
}

async fn query(
    accessor: &Accessor<Cell>,
    principal: usize,
    handle: Resource<Open<Session>>,
    statement: String,
    parameters: Vec<ParameterValue>,
) -> Answered<Rows> {
    let (view, session) =
        accessor.with(|mut access| session(&mut access.as_context_mut(), principal, &handle))?;
    let ready = values::<V4>(parameters).and_then(|parameters| {
        let held = view.begin(statement.len() + weight(&parameters))?;
        Ok((parameters, held))
    });
    let (parameters, held) = match ready {
        Ok(ready) => ready,
        Err(refused) => return answer(Err(refused)),
    };
    let begun = session.stream(statement, parameters).await;
    drop(held);
    let stream = match begun {
        Ok(stream) => stream,
        Err(error) => return answer(Err(view.refused(error))),
    };
    let columns = stream.columns().iter().map(column).collect();
    let row = |row: Vec<Value>| row.into_iter().map(DbValue::from).collect();
    let handed = accessor.with(|mut access| rows::hand_out(access.as_context_mut(), stream, row, view))?;
    answer(handed.map(|(rows, end)| (columns, rows, end)))
}
