//! Statements, on a thread for blocking work: bound to their values, run to their end, their rows read.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::types::ValueRef;
use rusqlite::{ErrorCode, Statement};
use tokio::sync::{mpsc, oneshot};

use super::handle::Handle;
use super::session::{Gathered, State};
use super::{Options, Shared, sums};
use crate::sql::{
    BYTES_AT_ONCE, Column, Error, RESULT_BYTES_MAX, ROWS_AT_ONCE, Said, VALUE_BYTES_MAX, Value,
};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) statement: String,
    pub(super) parameters: Vec<Value>,
}

/// What came of it.
pub(super) struct Done<T> {
    pub(super) answer: T,
    /// Rows that were changed.
    pub(super) count: u64,
    /// The row that was added last, where rows were changed.
    pub(super) rowid: Option<i64>,
    /// What SQLite counts of the last statement that changed rows, where this one could have.
    pub(super) changes: Option<u64>,
}

/// Why it did not come to its end.
pub(super) enum Trouble {
    Sqlite(rusqlite::Error),
    Told(Error),
    /// It writes, and has not taken its turn.
    NeedsTurn,
}

/// The same, in the words of all databases.
pub(super) enum Step {
    Trouble(Error),
    NeedsTurn,
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Where the rows of a stream go.
pub(super) struct Sink {
    pub(super) columns: Option<oneshot::Sender<Vec<Column>>>,
    pub(super) rows: mpsc::Sender<Vec<Vec<Value>>>,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) deadline: Instant,
}

/// A result of SQLite in the words of all databases.
pub(super) fn told<T>(ended: Result<T, Trouble>, shared: &Shared) -> Result<T, Step> {
    ended.map_err(|trouble| match trouble {
        Trouble::Sqlite(error) => Step::Trouble(tell(error, &shared.place, &shared.options)),
        Trouble::Told(error) => Step::Trouble(error),
        Trouble::NeedsTurn => Step::NeedsTurn,
    })
}

/// Runs a statement, and gathers its rows.
pub(super) fn gather(state: &mut State, ask: &Ask, shared: &Shared) -> Result<Done<Gathered>, Trouble> {
    let mut done = with_statement(state, ask, shared, |statement, columns| {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        each_row(statement, &columns, |row, weight| {
            bytes += weight;
            if bytes > RESULT_BYTES_MAX {
                return Err(Trouble::Told(Error::TooLarge {
                    what: "a result",
                    bytes_max: RESULT_BYTES_MAX,
                }));
            }
            rows.push(row);
            Ok(true)
        })?;
        Ok(Gathered {
            columns,
            rows,
            changes: 0,
        })
    })?;
    done.answer.changes = done.count;
    Ok(done)
}

/// Runs a statement to its end, and says how many rows it changed.
pub(super) fn execute(state: &mut State, ask: &Ask, shared: &Shared) -> Result<Done<u64>, Trouble> {
    let done = with_statement(state, ask, shared, |statement, columns| {
        each_row(statement, &columns, |_, _| Ok(true))
    })?;
    Ok(Done {
        answer: done.count,
        count: done.count,
        rowid: done.rowid,
        changes: done.changes,
    })
}

/// Runs a statement, and hands its rows out as they come.
pub(super) fn stream(
    state: &mut State,
    ask: &Ask,
    shared: &Shared,
    sink: &mut Sink,
) -> Result<Done<()>, Step> {
    let done = with_statement(state, ask, shared, |statement, columns| {
        if !columns.is_empty() {
            // Whoever asked may have gone.
            drop(sink.columns.take().map(|begun| begun.send(columns.clone())));
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let is_read = each_row(statement, &columns, |row, weight| {
            batch.push(row);
            bytes += weight;
            if batch.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
                return Ok(true);
            }
            bytes = 0;
            sink.send(std::mem::take(&mut batch), shared)
        })?;
        if is_read && !batch.is_empty() {
            sink.send(batch, shared)?;
        }
        Ok(())
    });
    told(done, shared)
}

/// Runs statements in one transaction: all of them, or none.
pub(super) fn batch(state: &mut State, asks: &[Ask], shared: &Shared) -> Result<Done<Vec<u64>>, Trouble> {
    let State {
        handle, may_write, ..
    } = state;
    let handle = handle
        .as_mut()
        .ok_or_else(|| Trouble::Told(ended(&shared.place)))?;
    if may_write.is_none() {
        *may_write = Some(shared.turn.try_take().ok_or(Trouble::NeedsTurn)?);
    }
    let before = handle.connection.total_changes();
    handle.connection.execute_batch("BEGIN IMMEDIATE")?;
    handle.watch.close_transaction(true);
    let counts = asks.iter().map(|ask| count(handle, ask)).collect();
    handle.watch.close_transaction(false);
    let ended: Result<Vec<u64>, Trouble> = counts;
    let ended = ended.and_then(|counts| {
        handle.connection.execute_batch("COMMIT")?;
        Ok(counts)
    });
    match ended {
        Ok(counts) => {
            let is_changed = handle.connection.total_changes() != before;
            Ok(Done {
                answer: counts,
                count: 0,
                rowid: is_changed.then(|| handle.connection.last_insert_rowid()),
                changes: is_changed.then(|| handle.connection.changes()),
            })
        }
        Err(trouble) => {
            // Where that is not possible any more, the database has done it.
            if !handle.connection.is_autocommit() {
                handle.connection.execute_batch("ROLLBACK")?;
            }
            Err(trouble)
        }
    }
}

/// Runs one statement of a batch, and says how many rows it changed.
fn count(handle: &Handle, ask: &Ask) -> Result<u64, Trouble> {
    let before = handle.connection.total_changes();
    let mut statement = handle.prepare_anew(&ask.statement)?;
    bind(&mut statement, &ask.parameters)?;
    each_row(&mut statement, &[], |_, _| Ok(true))?;
    let is_changed = handle.connection.total_changes() != before;
    Ok(if is_changed {
        handle.connection.changes()
    } else {
        0
    })
}

/// Reads a statement, takes a turn for it where it writes, binds it to its values, and has something done with it.
fn with_statement<T>(
    state: &mut State,
    ask: &Ask,
    shared: &Shared,
    work: impl FnOnce(&mut Statement<'_>, Vec<Column>) -> Result<T, Trouble>,
) -> Result<Done<T>, Trouble> {
    let State {
        handle, may_write, ..
    } = state;
    let handle = handle
        .as_mut()
        .ok_or_else(|| Trouble::Told(ended(&shared.place)))?;
    let (before, rowid) = (
        handle.connection.total_changes(),
        handle.connection.last_insert_rowid(),
    );
    let mut statement = handle.prepare(&ask.statement)?;
    let is_reading = statement.readonly();
    if !is_reading && may_write.is_none() {
        *may_write = Some(shared.turn.try_take().ok_or(Trouble::NeedsTurn)?);
    }
    bind(&mut statement, &ask.parameters)?;
    let columns = columns(&statement);
    let answer = work(&mut statement, columns)?;
    drop(statement);
    let connection = &handle.connection;
    let is_changed = connection.total_changes() != before;
    let is_added = is_changed && (connection.last_insert_rowid() != rowid || adds(&ask.statement));
    Ok(Done {
        answer,
        count: if is_changed { connection.changes() } else { 0 },
        rowid: is_added.then(|| connection.last_insert_rowid()),
        changes: (!is_reading).then(|| connection.changes()),
    })
}

/// Whether a statement that changes rows adds some, or may: another connection's user may have added a row of the same
/// number before.
fn adds(statement: &str) -> bool {
    let word: String = statement
        .trim_start()
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    ["insert", "replace", "with"]
        .iter()
        .any(|adding| word.eq_ignore_ascii_case(adding))
}

fn columns(statement: &Statement<'_>) -> Vec<Column> {
    let column = |column: &rusqlite::Column<'_>| Column {
        name: column.name().to_owned(),
        kind: column.decl_type().map(str::to_owned),
    };
    statement.columns().map(|found| column(&found)).collect()
}

fn bind(statement: &mut Statement<'_>, parameters: &[Value]) -> Result<(), Trouble> {
    let expected = statement.parameter_count();
    if expected != parameters.len() {
        return Err(Trouble::Told(Error::Parameters {
            expected,
            found: parameters.len(),
        }));
    }
    for (number, value) in (1..).zip(parameters) {
        match value {
            Value::Null => statement.raw_bind_parameter(number, rusqlite::types::Null),
            Value::Boolean(value) => statement.raw_bind_parameter(number, value),
            Value::Integer(value) => statement.raw_bind_parameter(number, value),
            Value::Real(value) => statement.raw_bind_parameter(number, value),
            Value::Text(value) => statement.raw_bind_parameter(number, value),
            Value::Bytes(value) => statement.raw_bind_parameter(number, value),
        }?;
    }
    Ok(())
}

/// Hands out each row with its weight, until there is none or nobody wants one. Says whether all were read.
fn each_row(
    statement: &mut Statement<'_>,
    columns: &[Column],
    mut take: impl FnMut(Vec<Value>, usize) -> Result<bool, Trouble>,
) -> Result<bool, Trouble> {
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let (mut values, mut weight) = (Vec::with_capacity(columns.len()), 0);
        for (index, column) in columns.iter().enumerate() {
            let value = read(row.get_ref(index)?, column)?;
            weight += value.weight();
            values.push(value);
        }
        if !take(values, weight)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(value: ValueRef<'_>, column: &Column) -> Result<Value, Trouble> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => {
                return Err(Trouble::Told(Error::Value {
                    column: column.name.clone(),
                    what: "a text that is not UTF-8".to_owned(),
                }));
            }
        },
    })
}

impl Sink {
    /// Waits until there is room for it. Says whether somebody still wants rows.
    fn send(&self, rows: Vec<Vec<Value>>, shared: &Shared) -> Result<bool, Trouble> {
        let sent = tokio::time::timeout_at(self.deadline.into(), self.rows.send(rows));
        match self.runtime.block_on(sent) {
            Ok(sent) => Ok(sent.is_ok()),
            Err(_) => Err(Trouble::Told(Error::Timeout {
                waited: shared.options.timeout,
            })),
        }
    }
}

/// What SQLite said, in the words of all databases.
pub(super) fn tell(error: rusqlite::Error, place: &Arc<str>, options: &Options) -> Error {
    let code = error.sqlite_error_code();
    let is_misfit = error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_DATA);
    if is_misfit {
        return Error::Damaged {
            place: Arc::clone(place),
            what: sums::take_damage().unwrap_or_else(|| error.to_string()).into(),
        };
    }
    let (message, number) = match &error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            let said = message.clone().unwrap_or_else(|| failure.to_string());
            (said, Some(failure.extended_code))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (msg.clone(), Some(error.extended_code)),
        other => (other.to_string(), None),
    };
    match code {
        Some(ErrorCode::AuthorizationForStatementDenied) => Error::Denied { what: message },
        Some(ErrorCode::DiskFull) => Error::Full {
            bytes_max: options.bytes_max,
        },
        Some(ErrorCode::TooBig) => Error::TooLarge {
            what: "a value",
            bytes_max: VALUE_BYTES_MAX,
        },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Damaged {
            place: Arc::clone(place),
            what: message.into(),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked { what: message },
        Some(ErrorCode::OperationInterrupted) => Error::Timeout {
            waited: options.timeout,
        },
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::PermissionDenied
            | ErrorCode::NoLargeFileSupport
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory,
        ) => backend(place, error),
        _ => Error::Statement(Box::new(Said {
            message,
            code: number.map(|number| number.to_string()),
            is_constraint: code == Some(ErrorCode::ConstraintViolation),
            ..Said::default()
        })),
    }
}

/// The database cannot be used at all.
pub(super) fn backend(place: &Arc<str>, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Backend {
        backend: format!("the database in `{place}`").into(),
        source: Arc::new(error),
    }
}

/// The work that was to be done was not.
pub(super) fn ended(place: &Arc<str>) -> Error {
    backend(
        place,
        std::io::Error::other("a statement ended without an answer"),
    )
}
