//! A connection of SQLite with the rights of a component and the bounds of what is hostile.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Batch, CachedStatement, Connection, Statement};

use super::Shared;
use super::open::STATEMENTS;
use super::rights::{self, Rights};
use super::statement::{Trouble, tell};
use crate::sql::{Error, STATEMENT_BYTES_MAX, VALUE_BYTES_MAX};

/// Steps of SQLite between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 2000;

pub(super) struct Handle {
    pub(super) connection: Connection,
    pub(super) watch: Arc<Watch>,
    /// Texts that were found to be one statement.
    singles: HashSet<Box<str>>,
}

/// What a connection looks at while it works.
pub(super) struct Watch {
    begun: Instant,
    /// When its time is over, as microseconds since it was made.
    deadline: AtomicU64,
    /// Whoever asked has gone.
    is_unwanted: AtomicBool,
    /// It has something that other users would find: temporary tables, settings.
    is_marked: AtomicBool,
    /// A transaction that the host has begun, and that is not to be ended by a statement in it.
    is_closed: AtomicBool,
}

impl Watch {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            deadline: AtomicU64::new(u64::MAX),
            is_unwanted: AtomicBool::new(false),
            is_marked: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Lets it work until then.
    pub(super) fn until(&self, deadline: Instant) {
        let micros = deadline.saturating_duration_since(self.begun).as_micros();
        self.deadline
            .store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.is_unwanted.store(false, Ordering::Relaxed);
    }

    /// Nobody waits for what it does.
    pub(super) fn give_up(&self) {
        self.is_unwanted.store(true, Ordering::Relaxed);
    }

    pub(super) fn close_transaction(&self, is_closed: bool) {
        self.is_closed.store(is_closed, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        micros >= self.deadline.load(Ordering::Relaxed) || self.is_unwanted.load(Ordering::Relaxed)
    }
}

impl Handle {
    /// A new connection.
    pub(super) fn open(shared: &Shared, rights: &Arc<Rights>) -> Result<Self, Error> {
        Self::connect(shared, rights).map_err(|error| tell(error, &shared.place, &shared.options))
    }

    fn connect(shared: &Shared, rights: &Arc<Rights>) -> rusqlite::Result<Self> {
        let mut connection = shared.target.connect(shared.options.bytes_max)?;
        bound(&connection)?;
        let watch = Arc::new(Watch::new());
        let looking = Arc::clone(&watch);
        connection.progress_handler(STEPS, Some(move || looking.is_over()))?;
        let (rights, looking) = (Arc::clone(rights), Arc::clone(&watch));
        connection.authorizer(Some(move |asked: rusqlite::hooks::AuthContext<'_>| {
            if rights::marks(&asked) {
                looking.is_marked.store(true, Ordering::Relaxed);
            }
            let ends = matches!(asked.action, AuthAction::Transaction { .. });
            if ends && looking.is_closed.load(Ordering::Relaxed) {
                return Authorization::Deny;
            }
            rights.decide(&asked)
        }))?;
        Ok(Self {
            connection,
            watch,
            singles: HashSet::new(),
        })
    }

    /// Whether the next user would find nothing of this one.
    pub(super) fn is_clean(&self) -> bool {
        !self.watch.is_marked.load(Ordering::Relaxed) && self.connection.is_autocommit()
    }

    /// Reads a text that is one statement.
    pub(super) fn prepare(&mut self, text: &str) -> Result<CachedStatement<'_>, Trouble> {
        if !self.singles.contains(text) {
            single(&self.connection, text)?;
            if self.singles.len() >= STATEMENTS {
                self.singles.clear();
            }
            self.singles.insert(text.into());
        }
        Ok(self.connection.prepare_cached(text)?)
    }

    /// The same, with everything decided anew.
    pub(super) fn prepare_anew(&self, text: &str) -> Result<Statement<'_>, Trouble> {
        single(&self.connection, text)
    }
}

/// The only statement in a text.
fn single<'c>(connection: &'c Connection, text: &str) -> Result<Statement<'c>, Trouble> {
    let not_one = |found| Err(Trouble::Told(Error::NotOne { found }));
    let mut statements = Batch::new(connection, text);
    let Some(first) = statements.next()? else {
        return not_one("none");
    };
    match statements.next() {
        Ok(None) => Ok(first),
        Ok(Some(_)) | Err(_) => not_one("more behind it"),
    }
}

/// What keeps a statement from taking more than its time and its room.
fn bound(connection: &Connection) -> rusqlite::Result<()> {
    let length = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, length(VALUE_BYTES_MAX)),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, length(STATEMENT_BYTES_MAX)),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 500),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 5000),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100),
    ] {
        connection.set_limit(limit, value)?;
    }
    for (setting, value) in [
        // The tables in which SQLite keeps its own are not written to, whatever a statement says.
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    ] {
        connection.set_db_config(setting, value)?;
    }
    Ok(())
}
