//! Tables on a PostgreSQL server.
//!
//! A component has connections of its own: what it prepares, sets or locks there is never met by another one, and is
//! undone before the connection is used again. What its role may do is the server's to say; a side that may only read
//! has each statement run in a transaction that is read-only. `value` has the kinds of values, `link` is a connection,
//! `pool` keeps those that nobody uses, and `session` is what a component holds.

mod link;
mod pool;
mod session;
mod text;
mod value;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;
use weft_app::grant::SqlAccess;

use self::pool::Pool;
use super::Error;
use crate::keyvalue::postgres::name;
use crate::tls::{self, TlsError};

pub use self::session::{Gathered, Session, Stream};
pub use self::value::{Bound, Date, DateTime, Interval, Range, Time, Value};

/// How a server is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long a statement may take, connecting and the reading of its rows included. Default 5 s.
    pub timeout: Duration,
    /// Connections to the server at most, of all sides together. Default 16.
    pub connections_max: usize,
    /// A file with the certificates of those who vouch for the server, in place of the public authorities.
    pub authorities: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            connections_max: 16,
            authorities: None,
        }
    }
}

/// A database on a server.
///
/// # Authority
///
/// Connects to the servers in the address that it was made with, and to nothing else. Reads the file of the authorities
/// when it is made.
///
/// # Limits
///
/// Those of [`Options`] and of this module's parent. A row is in memory as a whole before it is looked at, and the
/// server sends values of up to 1 GiB.
#[derive(Clone)]
pub struct Postgres {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    tls: MakeRustlsConnect,
    /// The address without name and password, for messages.
    backend: Arc<str>,
    options: Options,
    pool: Pool,
}

/// What no database can be made of.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// An address that is none.
    #[error(
        "not the address of a PostgreSQL server, expected `postgres://[NAME[:PASSWORD]@]HOST[:PORT][/DATABASE]`"
    )]
    Address,
    /// A setting in the address that there is not.
    #[error("a setting in the address of a PostgreSQL server cannot be used")]
    Setting(#[source] tokio_postgres::Error),
    /// TLS cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl fmt::Debug for Postgres {
    /// The address may hold a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Postgres")
            .field("backend", &self.shared.backend)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// The database at `postgres://[NAME[:PASSWORD]@]HOST[:PORT][/DATABASE][?sslmode=MODE]`. Nothing is connected to
    /// yet.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(address: &str, options: Options) -> Result<Self, Unusable> {
        if !weft_app::database::is_postgres(address) {
            return Err(Unusable::Address);
        }
        let mut config: Config = address.parse().map_err(Unusable::Setting)?;
        let backend = name(&config).ok_or(Unusable::Address)?;
        // Part of how a connection begins, so that it is what a reset goes back to.
        let timeout = format!("-c statement_timeout={}", options.timeout.as_millis().max(1));
        let own = config.get_options().map(|own| format!("{own} {timeout}"));
        config.options(own.unwrap_or(timeout));
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                tls: MakeRustlsConnect::new(tls::client(options.authorities.as_deref())?),
                backend: backend.into(),
                pool: Pool::new(options.connections_max),
                options,
            }),
        })
    }

    /// The side of one component.
    #[must_use]
    pub fn side(&self, access: SqlAccess) -> Side {
        Side {
            shared: Arc::clone(&self.shared),
            number: self.shared.pool.side(),
            is_read_only: !access.write,
        }
    }

    /// Whether the server answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Result<(), Error> {
        let session = self.side(SqlAccess::READ_ONLY).connect().await?;
        session.execute("SELECT 1".to_owned(), Vec::new()).await.map(drop)
    }
}

/// What one component has of a database.
#[derive(Clone)]
pub struct Side {
    shared: Arc<Shared>,
    number: u64,
    is_read_only: bool,
}

impl fmt::Debug for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Side")
            .field("backend", &self.shared.backend)
            .field("is_read_only", &self.is_read_only)
            .finish_non_exhaustive()
    }
}

impl Side {
    /// A connection with nothing begun.
    ///
    /// # Errors
    /// All connections are in use, or the server does not answer in time.
    pub async fn connect(&self) -> Result<Session, Error> {
        Session::connect(Arc::clone(&self.shared), self.number, self.is_read_only).await
    }
}
