//! Every kind of database, behind the one border.

use std::sync::Arc;
use std::time::Duration;

use weft_app::grant::SqlAccess;
use weft_stores::sql::postgres::{self, Postgres};
use weft_stores::sql::sqlite::{self, Rights, Sqlite};
use weft_stores::sql::{Column, Connection, Error, Value};
use weft_testing::Scratch;

/// A database, and what has to live as long as it does.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    database: Database,
    _scratch: Option<Scratch>,
    _server: Option<weft_testing::postgres::Postgres>,
}

enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// What a statement may take in these tests.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(3);

/// An empty database of every kind.
pub(crate) fn every() -> Vec<Backend> {
    let mut every = vec![memory(), folder()];
    every.extend(server());
    every
}

pub(crate) fn options() -> sqlite::Options {
    sqlite::Options {
        timeout: TIMEOUT,
        ..sqlite::Options::default()
    }
}

fn memory() -> Backend {
    Backend {
        name: "memory",
        database: Database::Sqlite(Sqlite::in_memory(options()).unwrap()),
        _scratch: None,
        _server: None,
    }
}

fn folder() -> Backend {
    let scratch = Scratch::new();
    Backend {
        name: "folder",
        database: Database::Sqlite(Sqlite::open(&scratch.path().join("database"), options()).unwrap()),
        _scratch: Some(scratch),
        _server: None,
    }
}

fn server() -> Option<Backend> {
    let server = weft_testing::postgres::Postgres::start()?;
    let options = postgres::Options {
        timeout: TIMEOUT,
        ..postgres::Options::default()
    };
    Some(Backend {
        name: "postgres",
        database: Database::Postgres(Postgres::new(&server.address(), options).unwrap()),
        _scratch: None,
        _server: Some(server),
    })
}

impl Backend {
    /// A connection of a component that may do everything.
    pub(crate) async fn connect(&self) -> Arc<dyn Connection> {
        self.connect_with(SqlAccess::ALL).await
    }

    pub(crate) async fn connect_with(&self, access: SqlAccess) -> Arc<dyn Connection> {
        match &self.database {
            Database::Sqlite(database) => {
                let side = database.side(Rights::new(access, None));
                Arc::new(side.connect().await.unwrap())
            }
            Database::Postgres(database) => Arc::new(database.side(access).connect().await.unwrap()),
        }
    }

    /// The mark of a parameter.
    pub(crate) fn mark(&self, number: usize) -> String {
        match self.database {
            Database::Sqlite(_) => format!("?{number}"),
            Database::Postgres(_) => format!("${number}"),
        }
    }

    /// What bytes are called.
    pub(crate) fn bytes(&self) -> &'static str {
        match self.database {
            Database::Sqlite(_) => "blob",
            Database::Postgres(_) => "bytea",
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.database, Database::Sqlite(_))
    }
}

/// Runs what waits.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Runs a statement without parameters to its end.
pub(crate) async fn execute(connection: &dyn Connection, statement: &str) -> Result<u64, Error> {
    connection.execute(statement.to_owned(), Vec::new()).await
}

/// All rows of a statement.
pub(crate) async fn query(
    connection: &dyn Connection,
    statement: &str,
    parameters: Vec<Value>,
) -> Result<(Vec<Column>, Vec<Vec<Value>>), Error> {
    let (columns, mut rows) = connection.query(statement.to_owned(), parameters).await?;
    let mut all = Vec::new();
    while let Some(some) = rows.next().await? {
        all.extend(some);
    }
    Ok((columns, all))
}
