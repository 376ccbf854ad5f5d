//! What the threads of one store share: where it is, what it remembers, who watches it, and whether it can still be trusted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rusqlite::ErrorCode;

use super::cache::Cache;
use super::rows::{FORMAT, Sum, Trouble};
use super::watch::Watcher;
use crate::keyvalue::Error;
use crate::keyvalue::watching::Watchers;

#[derive(Debug)]
pub(super) struct State {
    /// The folder, as it is told.
    pub(super) place: Arc<str>,
    pub(super) identity: Sum,
    pub(super) cache: Cache,
    pub(super) watchers: Watchers<Watcher>,
    is_broken: AtomicBool,
    broken: Mutex<Option<Error>>,
}

impl State {
    pub(super) fn new(place: Arc<str>, identity: Sum, cache: Cache) -> Self {
        Self {
            place,
            identity,
            cache,
            watchers: Watchers::default(),
            is_broken: AtomicBool::new(false),
            broken: Mutex::new(None),
        }
    }

    /// Refuses where damage was found before: nothing is served of a store that cannot be trusted.
    pub(super) fn check(&self) -> Result<(), Error> {
        if !self.is_broken.load(Ordering::Acquire) {
            return Ok(());
        }
        self.broken.lock().clone().map_or(Ok(()), Err)
    }

    /// What to tell of some trouble. Damage, a format that nobody here knows, and a disk that refused end the use of the store.
    pub(super) fn trouble(&self, trouble: Trouble) -> Error {
        let is_final = match &trouble {
            Trouble::Damage(_) | Trouble::Newer(_) => true,
            Trouble::Sqlite(error) => is_final(error),
        };
        let error = tell(&self.place, trouble);
        if is_final {
            self.broken.lock().get_or_insert_with(|| error.clone());
            self.is_broken.store(true, Ordering::Release);
        }
        error
    }
}

/// After these nobody knows what is on the disk.
fn is_final(error: &rusqlite::Error) -> bool {
    is_damage(error) || error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch
        ),
        // A table or a column that was made is not there.
        rusqlite::Error::SqlInputError { .. } => true,
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}

/// The error for some trouble with a store.
pub(super) fn tell(place: &Arc<str>, trouble: Trouble) -> Error {
    match trouble {
        Trouble::Damage(what) => damaged(place, &what),
        Trouble::Newer(found) => Error::Newer {
            place: Arc::clone(place),
            found,
            known: FORMAT,
        },
        Trouble::Sqlite(error) if is_damage(&error) => damaged(place, &error.to_string()),
        Trouble::Sqlite(error) => failed(place, error),
    }
}

pub(super) fn damaged(place: &Arc<str>, what: &str) -> Error {
    Error::Damaged {
        place: Arc::clone(place),
        what: what.into(),
    }
}

pub(super) fn failed(place: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Backend {
        backend: format!("the store in `{place}`").into(),
        source: Arc::new(source),
    }
}
