//! The interfaces of Spin for PostgreSQL: `fermyon:spin/postgres@2.0.0`, and `spin:postgres/postgres` in 3.0.0 and 4.0.0
//! to 4.2.0, the last of which has asynchronous functions beside the others.
//!
//! They differ in their values, of which each has more than the one before; `v2`, `v3` and `v4` have those, and
//! `asynchronous` what only the last one has. What they call an address is the name of a database that is granted, or
//! the address that it was declared with.

mod asynchronous;
mod v2;
mod v3;
mod v4;

use wasmtime::component::{ComponentNamedList, ComponentType, Lift, LinkerInstance, Lower, Resource};
use weft_runtime::Cell;
use weft_stores::sql::Column;
use weft_stores::sql::postgres::{Session, Value};

use super::{Guest, Open, connection_resource, granted, push, session};
use crate::sql::view::Refused;

pub(super) use asynchronous::{asynchronous, version_4, version_4_1};

/// What tells one version from another.
trait Version: 'static {
    type Error: From<Refused> + Lower + Send + Sync + 'static;
    type Parameter: Lift + Send + Sync + 'static;
    type RowSet: Lower + Send + Sync + 'static;

    /// The value of a parameter; in words where there is none.
    fn value(parameter: Self::Parameter) -> Result<Value, String>;

    fn row_set(columns: &[Column], rows: Vec<Vec<Value>>) -> Self::RowSet;
}

pub(super) fn version_2(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    functions::<v2::V2>(instance, principal)
}

pub(super) fn version_3(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    functions::<v3::V3>(instance, principal)
}

/// The values of parameters, or which of them is none.
fn values<V: Version>(parameters: Vec<V::Parameter>) -> Result<Vec<Value>, Refused> {
    let value = |(number, parameter)| {
        V::value(parameter).map_err(|what| Refused::Invalid(format!("parameter {number}: {what}")))
    };
    (1..).zip(parameters).map(value).collect()
}

/// What all versions have.
fn functions<V: Version>(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()>
where
    (Result<Resource<Open<Session>>, V::Error>,): ComponentNamedList + Lower,
    (Result<V::RowSet, V::Error>,): ComponentNamedList + Lower,
    (Result<u64, V::Error>,): ComponentNamedList + Lower,
    (Resource<Open<Session>>, String, Vec<V::Parameter>): ComponentNamedList + Lift,
    Vec<V::Parameter>: ComponentType,
{
    connection_resource::<Session>(instance, principal)?;
    instance.func_wrap_async(
        "[static]connection.open",
        move |mut store: Guest<'_>, (address,): (String,)| {
            Box::new(async move {
                let view = match granted(&mut store, principal, &address)? {
                    Ok(view) => view,
                    Err(refused) => return Ok((Err(V::Error::from(refused)),)),
                };
                Ok((match view.connect_postgres().await {
                    Ok(session) => Ok(push(&mut store, principal, view, session)?),
                    Err(refused) => Err(V::Error::from(refused)),
                },))
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]connection.query",
        move |mut store: Guest<'_>,
              (handle, statement, parameters): (Resource<Open<Session>>, String, Vec<V::Parameter>)| {
            Box::new(async move {
                let (view, session) = session(&mut store, principal, &handle)?;
                let ready = view.allow().and_then(|()| values::<V>(parameters));
                let parameters = match ready {
                    Ok(parameters) => parameters,
                    Err(refused) => return Ok((Err(V::Error::from(refused)),)),
                };
                Ok((match session.gather(statement, parameters).await {
                    Ok(gathered) => Ok(V::row_set(&gathered.columns, gathered.rows)),
                    Err(error) => Err(V::Error::from(view.refused(error))),
                },))
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]connection.execute",
        move |mut store: Guest<'_>,
              (handle, statement, parameters): (Resource<Open<Session>>, String, Vec<V::Parameter>)| {
            Box::new(async move {
                let (view, session) = session(&mut store, principal, &handle)?;
                let ready = view.allow().and_then(|()| values::<V>(parameters));
                let parameters = match ready {
                    Ok(parameters) => parameters,
                    Err(refused) => return Ok((Err(V::Error::from(refused)),)),
                };
                let count = session.execute(statement, parameters).await;
                Ok((count.map_err(|error| V::Error::from(view.refused(error))),))
            })
        },
    )
}
