//! `weft:sql@0.1.0`, our own: for every database, asynchronous, with rows as a stream. Its text is `wit/sql.wit`.

use std::sync::Arc;

use wasmtime::AsContextMut as _;
use wasmtime::component::{
    Accessor, ComponentType, FutureReader, Lift, LinkerInstance, Lower, Resource, StreamReader,
};
use weft_runtime::Cell;
use weft_stores::sql::{self, Connection, Said};

use super::{Open, connection_resource, granted, push, rows, session};
use crate::sql::view::{Refused, View};

type Session = Arc<dyn Connection>;
/// What is run, and the values of its parameters.
type Statement = (String, Vec<Value>);

/// The variant `value`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
enum Value {
    #[component(name = "null")]
    Null,
    #[component(name = "boolean")]
    Boolean(bool),
    #[component(name = "integer")]
    Integer(i64),
    #[component(name = "real")]
    Real(f64),
    #[component(name = "text")]
    Text(String),
    #[component(name = "bytes")]
    Bytes(Vec<u8>),
}

/// The record `column`.
#[derive(Debug, ComponentType, Lower)]
#[component(record)]
struct Column {
    name: String,
    kind: Option<String>,
}

/// The record `refused`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(record)]
struct RefusedStatement {
    message: String,
    code: Option<String>,
    detail: Option<String>,
}

/// The variant `error`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
enum Error {
    #[component(name = "access-denied")]
    AccessDenied(String),
    #[component(name = "invalid")]
    Invalid(String),
    #[component(name = "constraint")]
    Constraint(RefusedStatement),
    #[component(name = "refused")]
    Refused(RefusedStatement),
    #[component(name = "conflict")]
    Conflict(String),
    #[component(name = "quota-exceeded")]
    QuotaExceeded(String),
    #[component(name = "timeout")]
    Timeout(String),
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "other")]
    Other(String),
}

impl From<Said> for RefusedStatement {
    fn from(said: Said) -> Self {
        Self {
            message: said.message,
            code: said.code,
            detail: said.detail,
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Denied(text) => Self::AccessDenied(text),
            Refused::Invalid(text) => Self::Invalid(text),
            Refused::Statement(said) if said.is_constraint => Self::Constraint((*said).into()),
            Refused::Statement(said) => Self::Refused((*said).into()),
            Refused::Conflict(text) => Self::Conflict(text),
            Refused::Full(text) | Refused::Quota(text) => Self::QuotaExceeded(text),
            Refused::Timeout(text) => Self::Timeout(text),
            Refused::Unavailable(text) => Self::Unavailable(text),
            Refused::Value(text) => Self::Other(text),
        }
    }
}

impl From<sql::Value> for Value {
    fn from(value: sql::Value) -> Self {
        match value {
            sql::Value::Null => Self::Null,
            sql::Value::Boolean(value) => Self::Boolean(value),
            sql::Value::Integer(value) => Self::Integer(value),
            sql::Value::Real(value) => Self::Real(value),
            sql::Value::Text(text) => Self::Text(text),
            sql::Value::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl From<Value> for sql::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Integer(value) => Self::Integer(value),
            Value::Real(value) => Self::Real(value),
            Value::Text(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

fn row(values: Vec<sql::Value>) -> Vec<Value> {
    values.into_iter().map(Value::from).collect()
}

/// What values take, about.
fn weight(parameters: &[Value]) -> usize {
    let weight = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => size_of::<Value>(),
    };
    parameters.iter().map(weight).sum()
}

fn own(parameters: Vec<Value>) -> Vec<sql::Value> {
    parameters.into_iter().map(sql::Value::from).collect()
}

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, Error>,)>;

fn answer<T>(answered: Result<T, Refused>) -> Answered<T> {
    Ok((answered.map_err(Error::from),))
}

pub(super) fn types(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    connection_resource::<Session>(instance, principal)
}

type Rows = (
    Vec<Column>,
    StreamReader<Vec<Value>>,
    FutureReader<Result<(), Error>>,
);

pub(super) fn functions(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "[static]connection.open",
        move |accessor: &Accessor<Cell>, (name,): (String,)| {
            Box::pin(async move {
                let granted =
                    accessor.with(|mut access| granted(&mut access.as_context_mut(), principal, &name));
                let view = match granted? {
                    Ok(view) => view,
                    Err(refused) => return answer(Err(refused)),
                };
                match view.connect().await {
                    Ok(session) => accessor.with(|mut access| {
                        answer(Ok(push(&mut access.as_context_mut(), principal, view, session)?))
                    }),
                    Err(refused) => answer(Err(refused)),
                }
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]connection.query",
        move |accessor: &Accessor<Cell>,
              (handle, statement, parameters): (Resource<Open<Session>>, String, Vec<Value>)| {
            Box::pin(async move { query(accessor, principal, handle, statement, parameters).await })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]connection.execute",
        move |accessor: &Accessor<Cell>,
              (handle, statement, parameters): (Resource<Open<Session>>, String, Vec<Value>)| {
            Box::pin(async move {
                let (view, session) = open(accessor, principal, &handle)?;
                let _held = match view.begin(statement.len() + weight(&parameters)) {
                    Ok(held) => held,
                    Err(refused) => return answer(Err(refused)),
                };
                let count = session.execute(statement, own(parameters)).await;
                answer(count.map_err(|error| view.refused(error)))
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]connection.batch",
        move |accessor: &Accessor<Cell>, (handle, statements): (Resource<Open<Session>>, Vec<Statement>)| {
            Box::pin(async move {
                let (view, session) = open(accessor, principal, &handle)?;
                let bytes = statements
                    .iter()
                    .map(|(statement, parameters)| statement.len() + weight(parameters));
                let _held = match view.begin(bytes.sum()) {
                    Ok(held) => held,
                    Err(refused) => return answer(Err(refused)),
                };
                let statements = statements
                    .into_iter()
                    .map(|(statement, parameters)| (statement, own(parameters)));
                let counts = session.batch(statements.collect()).await;
                answer(counts.map_err(|error| view.refused(error)))
            })
        },
    )
}

fn open(
    accessor: &Accessor<Cell>,
    principal: usize,
    handle: &Resource<Open<Session>>,
) -> wasmtime::Result<(Arc<View>, Session)> {
    accessor.with(|mut access| session(&mut access.as_context_mut(), principal, handle))
}

async fn query(
    accessor: &Accessor<Cell>,
    principal: usize,
    handle: Resource<Open<Session>>,
    statement: String,
    parameters: Vec<Value>,
) -> Answered<Rows> {
    let (view, session) = open(accessor, principal, &handle)?;
    let held = match view.begin(statement.len() + weight(&parameters)) {
        Ok(held) => held,
        Err(refused) => return answer(Err(refused)),
    };
    let begun = session.query(statement, own(parameters)).await;
    drop(held);
    let (columns, stream) = match begun {
        Ok(begun) => begun,
        Err(error) => return answer(Err(view.refused(error))),
    };
    let columns = columns.into_iter().map(|column| Column {
        name: column.name,
        kind: column.kind,
    });
    let columns = columns.collect();
    let handed = accessor.with(|mut access| rows::hand_out(access.as_context_mut(), stream, row, view))?;
    answer(handed.map(|(rows, end)| (columns, rows, end)))
}
