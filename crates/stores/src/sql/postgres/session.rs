//! What a component holds: a connection, and the transaction that it has begun there.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit};
use tokio::time::Instant;
use tokio_postgres::error::{ErrorPosition, SqlState};
use tokio_postgres::{Row, RowStream, Statement};

use super::link::Link;
use super::value::Value;
use super::{Shared, Side};
use crate::keyvalue::postgres::cause;
use crate::sql::{
    self, Answer, BYTES_AT_ONCE, Column, Connection, Error, RESULT_BYTES_MAX, ROWS_AT_ONCE, Rows, Said,
    check_statement,
};

/// How long the server may take to undo what a component leaves behind.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection with the rights of its side. Clones are the same connection.
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    side: u64,
    live: Arc<Mutex<Live>>,
    /// None only while it is dropped.
    room: Option<OwnedSemaphorePermit>,
}

/// What one statement at a time works with: the connection, while it works.
struct Live {
    link: Option<Link>,
    shared: Arc<Shared>,
    is_read_only: bool,
}

/// All rows of a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered {
    /// What each row has.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
}

/// Rows of a statement that is under way. Dropped before the last one, it ends the connection.
pub struct Stream {
    under_way: Option<UnderWay>,
    columns: Vec<Column>,
}

/// A statement whose rows are being read.
struct UnderWay {
    live: Guarded,
    rows: Pin<Box<RowStream>>,
    deadline: Instant,
}

/// The connection for one statement. Dropped while the statement is under way, it is given up: nobody knows what the
/// server would answer to the next one.
struct Guarded {
    live: OwnedMutexGuard<Live>,
    is_under_way: bool,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.is_under_way
            && let Some(link) = self.live.link.take()
        {
            link.cancel(&self.live.shared.tls);
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Inner")
            .field("backend", &self.shared.backend)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Stream")
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) async fn connect(shared: Arc<Shared>, side: u64, is_read_only: bool) -> Result<Self, Error> {
        let timeout = shared.options.timeout;
        let room = shared.pool.room(timeout).await?;
        let link = match shared.pool.take(side) {
            Some(link) => link,
            None => match tokio::time::timeout(timeout, Link::open(&shared)).await {
                Ok(Ok(link)) => link,
                Ok(Err(error)) => return Err(unreachable(&shared, error)),
                Err(_) => return Err(Error::Timeout { waited: timeout }),
            },
        };
        let live = Live {
            link: Some(link),
            shared: Arc::clone(&shared),
            is_read_only,
        };
        Ok(Self(Arc::new(Inner {
            shared,
            side,
            live: Arc::new(Mutex::new(live)),
            room: Some(room),
        })))
    }

    /// Runs a statement, and gathers its rows.
    ///
    /// # Errors
    /// See [`Error`]; the rows take more than [`RESULT_BYTES_MAX`].
    pub async fn gather(&self, statement: String, parameters: Vec<Value>) -> Result<Gathered, Error> {
        let mut stream = self.stream(statement, parameters).await?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = stream.next().await? {
            for row in batch {
                bytes += row.iter().map(Value::weight).sum::<usize>();
                if bytes > RESULT_BYTES_MAX {
                    return Err(Error::TooLarge {
                        what: "a result",
                        bytes_max: RESULT_BYTES_MAX,
                    });
                }
                rows.push(row);
            }
        }
        Ok(Gathered {
            columns: std::mem::take(&mut stream.columns),
            rows,
        })
    }

    /// Runs a statement to its end, and says how many rows it has touched.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn execute(&self, statement: String, parameters: Vec<Value>) -> Result<u64, Error> {
        check_statement(&statement)?;
        let deadline = self.deadline();
        let live = self.lock(deadline).await?;
        run(live, &statement, &parameters, deadline).await.0
    }

    /// Runs a statement, and hands its rows out as they come.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn stream(&self, statement: String, parameters: Vec<Value>) -> Result<Stream, Error> {
        check_statement(&statement)?;
        let deadline = self.deadline();
        let live = self.lock(deadline).await?;
        let begun = begin(live, &statement, &parameters, deadline).await;
        let (prepared, under_way) = begun.map_err(|(error, _)| error)?;
        let column = |column: &tokio_postgres::Column| Column {
            name: column.name().to_owned(),
            kind: Some(column.type_().name().to_owned()),
        };
        Ok(Stream {
            columns: prepared.columns().iter().map(column).collect(),
            under_way: Some(under_way),
        })
    }

    /// Runs statements in one transaction: all of them, or none. Nothing else comes between over this connection.
    ///
    /// # Errors
    /// See [`Error`]; one of them would end the transaction.
    pub async fn batch(&self, statements: Vec<(String, Vec<Value>)>) -> Result<Vec<u64>, Error> {
        for (statement, _) in &statements {
            check_statement(statement)?;
            if ends_transaction(statement) {
                return Err(Error::Denied {
                    what: "a batch is one transaction, and is not ended by a statement in it".to_owned(),
                });
            }
        }
        let mut counts = Vec::with_capacity(statements.len());
        let live = self.lock(self.deadline()).await?;
        let (begun, mut live) = run(live, "BEGIN", &[], self.deadline()).await;
        begun?;
        for (statement, parameters) in statements {
            let (ended, same) = run(live, &statement, &parameters, self.deadline()).await;
            live = same;
            match ended {
                Ok(count) => counts.push(count),
                Err(error) => {
                    // Where that does not work, the connection is gone, and the transaction with it.
                    drop(run(live, "ROLLBACK", &[], self.deadline()).await);
                    return Err(error);
                }
            }
        }
        run(live, "COMMIT", &[], self.deadline()).await.0?;
        Ok(counts)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.0.shared.options.timeout
    }

    async fn lock(&self, deadline: Instant) -> Result<Guarded, Error> {
        let live = Arc::clone(&self.0.live).lock_owned();
        let Ok(live) = tokio::time::timeout_at(deadline, live).await else {
            return Err(Error::Locked {
                what: "another statement of this connection is under way".to_owned(),
            });
        };
        Ok(Guarded {
            live,
            is_under_way: false,
        })
    }
}

/// Begins a statement. Where it does not begin, the connection is handed back in whichever state it is.
async fn begin(
    mut live: Guarded,
    statement: &str,
    parameters: &[Value],
    deadline: Instant,
) -> Result<(Statement, UnderWay), (Error, Guarded)> {
    live.is_under_way = true;
    let begun = tokio::time::timeout_at(deadline, live.begin(statement, parameters)).await;
    let error = match begun {
        Ok(Ok((prepared, rows))) => {
            let under_way = UnderWay {
                live,
                rows: Box::pin(rows),
                deadline,
            };
            return Ok((prepared, under_way));
        }
        Ok(Err(Failed::Told(error))) => match live.end(deadline).await {
            Ok(()) => error,
            Err(lost) => lost,
        },
        Ok(Err(Failed::Server(error))) => live.failed(error).await,
        Err(_) => live.timeout(),
    };
    Err((error, live))
}

/// Runs a statement to its end, and hands the connection back.
async fn run(
    live: Guarded,
    statement: &str,
    parameters: &[Value],
    deadline: Instant,
) -> (Result<u64, Error>, Guarded) {
    let UnderWay {
        mut live, mut rows, ..
    } = match begin(live, statement, parameters, deadline).await {
        Ok((_, under_way)) => under_way,
        Err((error, live)) => return (Err(error), live),
    };
    loop {
        let ended = match tokio::time::timeout_at(deadline, rows.next()).await {
            Ok(Some(Ok(_))) => continue,
            Ok(Some(Err(error))) => Err(live.failed(error).await),
            Ok(None) => {
                let count = rows.rows_affected().unwrap_or(0);
                live.end(deadline).await.map(|()| count)
            }
            Err(_) => Err(live.timeout()),
        };
        return (ended, live);
    }
}

/// Whether a statement ends the transaction that it stands in. What would do so from within a function is refused by
/// the server.
fn ends_transaction(statement: &str) -> bool {
    let text = statement.trim_start().to_ascii_lowercase();
    let word: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
    // Comments in front would hide the word.
    let is_hidden = text.starts_with("--") || text.starts_with("/*") || text.starts_with(';');
    is_hidden || matches!(word.as_str(), "commit" | "end" | "rollback" | "abort" | "prepare")
}

/// Why a statement did not begin.
enum Failed {
    Told(Error),
    Server(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl Guarded {
    async fn begin(&mut self, text: &str, parameters: &[Value]) -> Result<(Statement, RowStream), Failed> {
        let Live {
            link,
            shared,
            is_read_only,
        } = &mut *self.live;
        let Some(link) = link.as_mut().filter(|link| !link.client.is_closed()) else {
            return Err(Failed::Told(lost(shared)));
        };
        if *is_read_only {
            link.client.batch_execute("BEGIN READ ONLY").await?;
        }
        let statement = link.prepare(text).await?;
        let expected = statement.params().len();
        if expected != parameters.len() {
            return Err(Failed::Told(Error::Parameters {
                expected,
                found: parameters.len(),
            }));
        }
        let rows = link.client.query_raw(&statement, parameters).await;
        match rows {
            Ok(rows) => Ok((statement, rows)),
            // Tables have changed since it was read, or the component has thrown it away.
            Err(error) if is_stale(&error) => {
                link.forget(text);
                let statement = link.prepare(text).await?;
                let rows = link.client.query_raw(&statement, parameters).await?;
                Ok((statement, rows))
            }
            Err(error) => {
                link.forget(text);
                Err(error.into())
            }
        }
    }

    fn timeout(&self) -> Error {
        Error::Timeout {
            waited: self.live.shared.options.timeout,
        }
    }

    /// The statement has come to its end.
    async fn end(&mut self, deadline: Instant) -> Result<(), Error> {
        if self.live.is_read_only
            && let Some(link) = &self.live.link
        {
            let ended = tokio::time::timeout_at(deadline, link.client.batch_execute("ROLLBACK")).await;
            if !matches!(ended, Ok(Ok(()))) {
                return Err(lost(&self.live.shared));
            }
        }
        self.is_under_way = false;
        Ok(())
    }

    /// The server has ended it, in a way that leaves the connection as it is.
    async fn failed(&mut self, error: tokio_postgres::Error) -> Error {
        let told = tell(&self.live.shared, error);
        let is_answer = matches!(
            told,
            Error::Statement(_) | Error::Denied { .. } | Error::Locked { .. } | Error::Parameter { .. }
        );
        if is_answer {
            let soon = Instant::now() + RESET_TIMEOUT;
            if let Err(error) = self.end(soon).await {
                return error;
            }
        }
        told
    }
}

/// Whether a statement has to be read by the server once more.
fn is_stale(error: &tokio_postgres::Error) -> bool {
    let is_changed = error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED)
        && error
            .as_db_error()
            .is_some_and(|error| error.message().starts_with("cached plan must not change"));
    is_changed || error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME)
}

impl Stream {
    /// What each row has.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The next rows; none after the last.
    ///
    /// # Errors
    /// See [`Error`]. There are no rows behind one.
    pub async fn next(&mut self) -> Result<Option<Vec<Vec<Value>>>, Error> {
        let Some(mut under_way) = self.under_way.take() else {
            return Ok(None);
        };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
            let next = tokio::time::timeout_at(under_way.deadline, under_way.rows.next()).await;
            match next {
                Ok(Some(Ok(row))) => {
                    let row = read(&row)?;
                    bytes += row.iter().map(Value::weight).sum::<usize>();
                    batch.push(row);
                }
                Ok(Some(Err(error))) => return Err(under_way.live.failed(error).await),
                Ok(None) => {
                    under_way.live.end(under_way.deadline).await?;
                    return Ok((!batch.is_empty()).then_some(batch));
                }
                Err(_) => return Err(under_way.live.timeout()),
            }
        }
        self.under_way = Some(under_way);
        Ok(Some(batch))
    }
}

fn read(row: &Row) -> Result<Vec<Value>, Error> {
    let value = |(index, column): (usize, &tokio_postgres::Column)| {
        row.try_get::<_, Value>(index).map_err(|error| Error::Value {
            column: column.name().to_owned(),
            what: std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
        })
    };
    row.columns().iter().enumerate().map(value).collect()
}

/// What the client or the server said, in the words of all databases.
fn tell(shared: &Shared, error: tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        return match std::error::Error::source(&error) {
            Some(source) if error.to_string().starts_with("error serializing parameter") => {
                Error::Parameter {
                    number: 0,
                    what: source.to_string(),
                }
            }
            _ => unreachable(shared, error),
        };
    };
    let code = said.code();
    let message = said.message().to_owned();
    if *code == SqlState::QUERY_CANCELED {
        return Error::Timeout {
            waited: shared.options.timeout,
        };
    }
    if *code == SqlState::INSUFFICIENT_PRIVILEGE || *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return Error::Denied { what: message };
    }
    if [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
    ]
    .contains(code)
    {
        return Error::Locked { what: message };
    }
    // Class 57 beyond cancelling: the server goes away.
    if code.code().starts_with("57P") || code.code().starts_with("08") {
        return unreachable(shared, error);
    }
    let more = [
        ("hint", said.hint().map(str::to_owned)),
        ("position", said.position().map(place)),
        ("where", said.where_().map(str::to_owned)),
        ("schema", said.schema().map(str::to_owned)),
        ("table", said.table().map(str::to_owned)),
        ("column", said.column().map(str::to_owned)),
        ("datatype", said.datatype().map(str::to_owned)),
        ("constraint", said.constraint().map(str::to_owned)),
    ];
    Error::Statement(Box::new(Said {
        message,
        code: Some(code.code().to_owned()),
        severity: Some(said.severity().to_owned()),
        detail: said.detail().map(str::to_owned),
        more: more
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?)))
            .collect(),
        is_constraint: code.code().starts_with("23"),
    }))
}

fn place(position: &ErrorPosition) -> String {
    match position {
        ErrorPosition::Original(place) | ErrorPosition::Internal { position: place, .. } => place.to_string(),
    }
}

fn unreachable(shared: &Shared, error: tokio_postgres::Error) -> Error {
    Error::Backend {
        backend: Arc::clone(&shared.backend),
        source: cause(error),
    }
}

/// The connection is gone, and whatever was begun over it.
fn lost(shared: &Shared) -> Error {
    Error::Backend {
        backend: Arc::clone(&shared.backend),
        source: Arc::new(std::io::Error::other("the connection was lost")),
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody else can have it: whoever works with it holds the lock.
        let Ok(mut live) = Arc::clone(&self.live).try_lock_owned() else {
            return;
        };
        let (Some(link), Ok(runtime)) = (live.link.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        if runtime.id() != link.runtime || link.client.is_closed() {
            return;
        }
        let (shared, side, room) = (Arc::clone(&self.shared), self.side, self.room.take());
        runtime.spawn(async move {
            if matches!(tokio::time::timeout(RESET_TIMEOUT, link.reset()).await, Ok(true)) {
                shared.pool.put(side, link);
            }
            drop(room);
        });
    }
}

impl Rows for Stream {
    fn next(&mut self) -> Answer<'_, Option<Vec<Vec<sql::Value>>>> {
        Box::pin(async move {
            let Some(batch) = Stream::next(self).await? else {
                return Ok(None);
            };
            let value = |(value, column): (Value, &Column)| {
                value.common().ok_or_else(|| Error::Value {
                    column: column.name.clone(),
                    what: format!(
                        "`{}` has no form here: cast it, such as to text",
                        column.kind.as_deref().unwrap_or("this type")
                    ),
                })
            };
            let row = |row: Vec<Value>| row.into_iter().zip(&self.columns).map(value).collect();
            batch.into_iter().map(row).collect::<Result<_, _>>().map(Some)
        })
    }
}

fn own(parameters: Vec<sql::Value>) -> Vec<Value> {
    parameters.into_iter().map(Value::from).collect()
}

impl Connection for Session {
    fn query(
        &self,
        statement: String,
        parameters: Vec<sql::Value>,
    ) -> Answer<'_, (Vec<Column>, Box<dyn Rows>)> {
        Box::pin(async move {
            let stream = self.stream(statement, own(parameters)).await?;
            Ok((stream.columns.clone(), Box::new(stream) as Box<dyn Rows>))
        })
    }

    fn execute(&self, statement: String, parameters: Vec<sql::Value>) -> Answer<'_, u64> {
        Box::pin(Session::execute(self, statement, own(parameters)))
    }

    fn batch(&self, statements: Vec<(String, Vec<sql::Value>)>) -> Answer<'_, Vec<u64>> {
        let statements = statements
            .into_iter()
            .map(|(statement, parameters)| (statement, own(parameters)));
        Box::pin(Session::batch(self, statements.collect()))
    }
}

impl Side {
    /// Whether it may change anything.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }
}
