//! Tables, and SQL for them.
//!
//! A database is opened once. [`sqlite`] and [`postgres`] hand out a side of it for each component, with the rights of
//! that component, and connections from there. What both have in common is [`Connection`]: statements with
//! parameters, and rows of [`Value`]s, which have fewer kinds than those of PostgreSQL. The conformance suite in
//! `tests/it` runs against each.
//!
//! A statement is one statement: several in one text are refused, since whatever stands behind the first would be
//! passed over. SQL comes from guests and is hostile: what it may touch is decided by the database itself while it
//! reads the statement, never by looking at the text.

pub mod postgres;
pub mod sqlite;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a database comes to say: later, on whichever thread asked.
pub type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The longest statement, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 1 << 20;
/// The largest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// Bytes of all rows together, where a result is gathered before it is handed out.
pub const RESULT_BYTES_MAX: usize = 16 << 20;
/// What a value takes beside its bytes.
const VALUE_BYTES: usize = 16;
/// Rows that are handed over at once, at most.
const ROWS_AT_ONCE: usize = 64;
/// Bytes of rows that are handed over at once, about.
const BYTES_AT_ONCE: usize = 64 << 10;

/// One connection, with what it has begun and not ended. Dropped, it rolls that back.
///
/// # Errors
///
/// Every method: see [`Error`].
pub trait Connection: fmt::Debug + Send + Sync {
    /// Runs a statement, and hands its rows out as they come.
    fn query(&self, statement: String, parameters: Vec<Value>) -> Answer<'_, (Vec<Column>, Box<dyn Rows>)>;

    /// Runs a statement to its end, and says how many rows it changed.
    fn execute(&self, statement: String, parameters: Vec<Value>) -> Answer<'_, u64>;

    /// Runs statements in one transaction: all of them, or none. Says how many rows each changed.
    fn batch(&self, statements: Vec<(String, Vec<Value>)>) -> Answer<'_, Vec<u64>>;
}

/// Rows on their way. Dropped, the statement ends.
pub trait Rows: Send {
    /// The next ones; none after the last.
    fn next(&mut self) -> Answer<'_, Option<Vec<Vec<Value>>>>;
}

/// A value that all databases have.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// A truth value. SQLite has none, and keeps it as 0 or 1.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text; also what has no kind of its own here, such as dates and decimal numbers, as the database writes it.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Value {
    /// About how much memory it takes.
    fn weight(&self) -> usize {
        VALUE_BYTES
            + match self {
                Self::Text(text) => text.len(),
                Self::Bytes(bytes) => bytes.len(),
                _ => 0,
            }
    }
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, in the words of the database, where it has one.
    pub kind: Option<String>,
}

/// What a database said of a statement that it did not run, or not to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// In words.
    pub message: String,
    /// By its code: SQLSTATE of PostgreSQL, the name of the result code of SQLite.
    pub code: Option<String>,
    /// How grave it is, where the database says so.
    pub severity: Option<String>,
    /// More about it.
    pub detail: Option<String>,
    /// Whatever else is said, by name.
    pub more: Vec<(String, String)>,
    /// What the tables demand of their rows does not hold.
    pub is_constraint: bool,
}

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It is not allowed.
    #[error("not allowed: {what}")]
    Denied {
        /// What, in the words of the database.
        what: String,
    },
    /// The database refused a statement.
    #[error("{}", .0.message)]
    Statement(Box<Said>),
    /// A text that is not one statement.
    #[error("one statement is expected, and found: {found}")]
    NotOne {
        /// What it is instead.
        found: &'static str,
    },
    /// Parameters that the statement does not have, or too few of them.
    #[error("the statement has {expected} parameters, and {found} values are given")]
    Parameters {
        /// How many there are in the statement.
        expected: usize,
        /// How many are given.
        found: usize,
    },
    /// A value that cannot be given for a parameter.
    #[error("parameter {number}: {what}")]
    Parameter {
        /// Which one, from 1 on.
        number: usize,
        /// What is wrong.
        what: String,
    },
    /// A value that cannot be handed out.
    #[error("column `{column}`: {what}")]
    Value {
        /// Where it is.
        column: String,
        /// What is wrong.
        what: String,
    },
    /// A statement or a result that is too large.
    #[error("{what} of more than {bytes_max} bytes")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// What is allowed.
        bytes_max: usize,
    },
    /// There is no room for more.
    #[error("the database is full: {bytes_max} bytes are allowed")]
    Full {
        /// What is allowed.
        bytes_max: u64,
    },
    /// Another transaction writes.
    #[error("another transaction is under way: {what}")]
    Locked {
        /// What the database says.
        what: String,
    },
    /// The transaction was rolled back because it did nothing for too long.
    #[error("the transaction was rolled back: nothing was done in it for too long")]
    RolledBack,
    /// All connections are in use.
    #[error("all {max} connections are in use")]
    Connections {
        /// How many there may be.
        max: usize,
    },
    /// It took too long.
    #[error("no answer within {} ms", waited.as_millis())]
    Timeout {
        /// How long it was waited for.
        waited: Duration,
    },
    /// What is kept is damaged.
    #[error("the database in `{place}` is damaged: {what}")]
    Damaged {
        /// Where.
        place: Arc<str>,
        /// In which way.
        what: Arc<str>,
    },
    /// What is behind it cannot be reached.
    #[error("{backend} cannot be used")]
    Backend {
        /// What it is.
        backend: Arc<str>,
        /// Why.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

/// Looks at a statement before anybody reads it.
fn check_statement(statement: &str) -> Result<(), Error> {
    if statement.len() > STATEMENT_BYTES_MAX {
        return Err(Error::TooLarge {
            what: "a statement",
            bytes_max: STATEMENT_BYTES_MAX,
        });
    }
    if statement.contains('\0') {
        return Err(Error::NotOne {
            found: "a zero byte in the text",
        });
    }
    Ok(())
}
