//! The interfaces of Spin for SQLite: `fermyon:spin/sqlite@2.0.0`, and `spin:sqlite/sqlite@3.0.0` and `3.1.0`, the last of
//! which has asynchronous functions beside the others.

use wasmtime::AsContextMut as _;
use wasmtime::component::{
    Accessor, ComponentType, FutureReader, Lift, LinkerInstance, Lower, Resource, StreamReader,
};
use weft_runtime::Cell;
use weft_stores::sql::sqlite::Session;
use weft_stores::sql::{self};

use super::{Guest, Open, connection_resource, granted, push, rows, session};
use crate::sql::view::Refused;

/// The variant `value`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
enum Value {
    #[component(name = "integer")]
    Integer(i64),
    #[component(name = "real")]
    Real(f64),
    #[component(name = "text")]
    Text(String),
    #[component(name = "blob")]
    Blob(Vec<u8>),
    #[component(name = "null")]
    Null,
}

/// The record `row-result`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(record)]
struct RowResult {
    values: Vec<Value>,
}

/// The record `query-result`.
#[derive(Debug, ComponentType, Lower)]
#[component(record)]
struct QueryResult {
    columns: Vec<String>,
    rows: Vec<RowResult>,
}

/// The variant `error`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-database")]
    NoSuchDatabase,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "invalid-connection")]
    InvalidConnection,
    #[component(name = "database-full")]
    DatabaseFull,
    #[component(name = "io")]
    Io(String),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Denied(_) => Self::AccessDenied,
            Refused::Full(_) => Self::DatabaseFull,
            other => Self::Io(other.into_text()),
        }
    }
}

impl From<sql::Value> for Value {
    fn from(value: sql::Value) -> Self {
        match value {
            sql::Value::Null => Self::Null,
            sql::Value::Boolean(value) => Self::Integer(value.into()),
            sql::Value::Integer(value) => Self::Integer(value),
            sql::Value::Real(value) => Self::Real(value),
            sql::Value::Text(text) => Self::Text(text),
            sql::Value::Bytes(bytes) => Self::Blob(bytes),
        }
    }
}

impl From<Value> for sql::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(value) => Self::Integer(value),
            Value::Real(value) => Self::Real(value),
            Value::Text(text) => Self::Text(text),
            Value::Blob(bytes) => Self::Bytes(bytes),
        }
    }
}

fn row(values: Vec<sql::Value>) -> RowResult {
    RowResult {
        values: values.into_iter().map(Value::from).collect(),
    }
}

fn names(columns: Vec<sql::Column>) -> Vec<String> {
    columns.into_iter().map(|column| column.name).collect()
}

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, Error>,)>;

fn answer<T>(answered: Result<T, Refused>) -> Answered<T> {
    Ok((answered.map_err(Error::from),))
}

pub(super) fn version_2(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    connection_resource::<Session>(instance, principal)?;
    instance.func_wrap_async(
        "[static]connection.open",
        move |mut store: Guest<'_>, (name,): (String,)| {
            Box::new(async move {
                let view = match granted(&mut store, principal, &name)? {
                    Ok(view) => view,
                    Err(refused) => return answer(Err(refused)),
                };
                match view.connect_sqlite().await {
                    Ok(session) => answer(Ok(push(&mut store, principal, view, session)?)),
                    Err(refused) => answer(Err(refused)),
                }
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]connection.execute",
        move |mut store: Guest<'_>,
              (handle, statement, parameters): (Resource<Open<Session>>, String, Vec<Value>)| {
            Box::new(async move {
                let (view, session) = session(&mut store, principal, &handle)?;
                if let Err(refused) = view.allow() {
                    return answer(Err(refused));
                }
                let parameters = parameters.into_iter().map(sql::Value::from).collect();
                let gathered = session.gather(statement, parameters).await;
                let result = gathered.map(|gathered| QueryResult {
                    columns: names(gathered.columns),
                    rows: gathered.rows.into_iter().map(row).collect(),
                });
                answer(result.map_err(|error| view.refused(error)))
            })
        },
    )
}

pub(super) fn version_3(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    version_2(instance, principal)?;
    instance.func_wrap(
        "[method]connection.last-insert-rowid",
        move |mut store: Guest<'_>, (handle,): (Resource<Open<Session>>,)| {
            Ok((session(&mut store, principal, &handle)?.1.last_insert_rowid(),))
        },
    )?;
    instance.func_wrap(
        "[method]connection.changes",
        move |mut store: Guest<'_>, (handle,): (Resource<Open<Session>>,)| {
            Ok((session(&mut store, principal, &handle)?.1.changes(),))
        },
    )
}

type Rows = (
    Vec<String>,
    StreamReader<RowResult>,
    FutureReader<Result<(), Error>>,
);

pub(super) fn asynchronous(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "[static]connection.open-async",
        move |accessor: &Accessor<Cell>, (name,): (String,)| {
            Box::pin(async move {
                let granted =
                    accessor.with(|mut access| granted(&mut access.as_context_mut(), principal, &name));
                let view = match granted? {
                    Ok(view) => view,
                    Err(refused) => return answer(Err(refused)),
                };
                match view.connect_sqlite().await {
                    Ok(session) => accessor.with(|mut access| {
                        answer(Ok(push(&mut access.as_context_mut(), principal, view, session)?))
                    }),
                    Err(refused) => answer(Err(refused)),
                }
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]connection.execute-async",
        move |accessor: &Accessor<Cell>,
              (handle, statement, parameters): (Resource<Open<Session>>, String, Vec<Value>)| {
            Box::pin(async move { execute(accessor, principal, handle, statement, parameters).await })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]connection.last-insert-rowid-async",
        move |accessor: &Accessor<Cell>, (handle,): (Resource<Open<Session>>,)| {
            let found = accessor.with(|mut access| session(&mut access.as_context_mut(), principal, &handle));
            let found = found.map(|(_, session)| (session.last_insert_rowid(),));
            Box::pin(std::future::ready(found))
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]connection.changes-async",
        move |accessor: &Accessor<Cell>, (handle,): (Resource<Open<Session>>,)| {
            let found = accessor.with(|mut access| session(&mut access.as_context_mut(), principal, &handle));
            Box::pin(std::future::ready(found.map(|(_, session)| (session.changes(),))))
        },
    )
}

async fn execute(
    accessor: &Accessor<Cell>,
    principal: usize,
    handle: Resource<Open<Session>>,
    statement: String,
    parameters: Vec<Value>,
) -> Answered<Rows> {
    let (view, session) =
        accessor.with(|mut access| session(&mut access.as_context_mut(), principal, &handle))?;
    let weight = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => size_of::<Value>(),
    };
    let bytes = statement.len() + parameters.iter().map(weight).sum::<usize>();
    let held = match view.begin(bytes) {
        Ok(held) => held,
        Err(refused) => return answer(Err(refused)),
    };
    let parameters = parameters.into_iter().map(sql::Value::from).collect();
    let begun = session.stream(statement, parameters).await;
    drop(held);
    let (columns, stream) = match begun {
        Ok(begun) => begun,
        Err(error) => return answer(Err(view.refused(error))),
    };
    let handed = accessor.with(|mut access| rows::hand_out(access.as_context_mut(), stream, row, view))?;
    answer(handed.map(|(rows, end)| (names(columns), rows, end)))
}
