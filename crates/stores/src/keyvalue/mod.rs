//! Keys with values: what a bucket is, whatever stands behind it.
//!
//! [`Store`] is the border. [`memory`] keeps entries for as long as the process lives, [`sqlite`] in a folder of its
//! own, [`nats`], [`postgres`] and [`redis`] on a server. The conformance suite in `tests/it` runs against each of them.
//!
//! Adding a backend: implement [`Store`], and name it in `tests/it/keyvalue/backends.rs`.

pub mod memory;
pub mod nats;
pub mod postgres;
pub mod redis;
pub mod sqlite;
mod tally;
mod watching;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use watching::{Heard, PENDING_MAX, Watching};

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// The longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// Keys that one call of [`Store::list`] returns at most.
pub const LIST_MAX: usize = 1000;
/// Changes that one call of [`Store::write`] makes at most.
pub const CHANGES_MAX: usize = 10_000;

/// What a store comes to say: later, on whichever thread asked.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Keys with values, shared by everybody who was handed the store.
///
/// What is acknowledged is there for every later call, and stays as the store's [`Durability`] says. Dropping an
/// answer before it came leaves open whether the change is made; it is never made by half.
///
/// # Errors
///
/// Every method: the backend cannot be reached, does not answer in time, or found damage. What a key or value must
/// be is checked before anything is sent: [`Error::KeyLength`], [`Error::ValueLength`].
pub trait Store: fmt::Debug + Send + Sync {
    /// The value of a key.
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Entry>>;

    /// The values of several keys, in their order. Backends that can, read all at one moment.
    fn get_many<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Entry>>>;

    /// Makes all of these changes or none of them.
    ///
    /// # Errors
    /// [`Error::NotTogether`], where the backend cannot make so many as one.
    fn write(&self, changes: Vec<Change>) -> Answer<'_, ()>;

    /// Sets a value if the key still is as it was when `expected` was read.
    fn swap<'a>(&'a self, key: &'a str, expected: Version, value: Bytes) -> Answer<'a, Swap>;

    /// Adds to a number written in decimal, which is 0 where there is none, and returns the sum.
    ///
    /// # Errors
    /// The value is no such number, or the sum does not fit.
    fn increment<'a>(&'a self, key: &'a str, delta: i64) -> Answer<'a, i64>;

    /// Some of the keys that begin with a prefix: the first of them, or those after the page that gave the cursor.
    ///
    /// A key that is there from the first page to the last is on one of them; one that comes or goes meanwhile may
    /// be. Backends differ in order, and may name a key twice.
    ///
    /// # Errors
    /// The cursor is none of this store.
    ///
    /// # Limits
    /// About `limit` keys, and never more than [`LIST_MAX`] and what the backend adds to fill a page.
    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page>;

    /// Begins to tell which keys that begin with a prefix are set and removed from now on, by whomever.
    ///
    /// Several changes of one key may be told as one, and one may be told twice. What a server that cannot be reached
    /// is not heard to say is told as [`Heard::Unknown`], unless the server keeps it.
    ///
    /// # Errors
    /// [`Error::Unwatchable`], where the backend or a setting of it does not allow it.
    fn watch<'a>(&'a self, prefix: &'a str) -> Answer<'a, Watching>;

    /// The bytes of the values of several keys, in their order. Backends that can, tell them without reading the values.
    fn lengths<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<u64>>>;

    /// The bytes that all keys that begin with a prefix have together with their values.
    ///
    /// What is there all the while is counted once; what comes, goes or changes meanwhile may be counted or not.
    ///
    /// # Limits
    /// It takes the longer, the more entries there are. A server is asked piece by piece, and each piece may take the
    /// backend's timeout.
    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64>;

    /// Whether the backend is there and whole.
    fn check(&self) -> Answer<'_, ()>;
}

/// A value and what it takes to replace exactly it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Bytes,
    /// Which write it came from.
    pub version: Version,
}

/// Which state of a key was read. Only the store that made it can say what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The key was absent.
    Absent,
    /// The number of the write.
    Revision(u64),
    /// The value itself, for backends that number nothing: such a swap does not notice that a value went and came back.
    Value(Bytes),
}

/// Some of the keys of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The keys.
    pub keys: Vec<String>,
    /// Where the next page begins; none after the last one.
    pub cursor: Option<String>,
}

impl Page {
    /// The page of a backend that has its keys in order: a full one may have more behind its last key.
    pub(crate) fn in_order(keys: Vec<String>, limit: usize) -> Self {
        let is_full = keys.len() >= limit.clamp(1, LIST_MAX);
        let cursor = keys.last().filter(|_| is_full).cloned();
        Self { keys, cursor }
    }
}

/// One change of [`Store::write`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets a value, whatever was there.
    Set(String, Bytes),
    /// Removes a key, if it is there.
    Delete(String),
}

impl Change {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Set(key, _) | Self::Delete(key) => key,
        }
    }
}

/// What a swap came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// The value was set.
    Done,
    /// The key is not what it was any more, and stays as it is.
    Changed,
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The machine losing power: what is acknowledged has reached the disk.
    #[default]
    Sync,
    /// The process being killed: what is acknowledged has reached the operating system.
    Fast,
}

/// What went wrong with a call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A key that no backend takes.
    #[error("a key of {found} bytes, where 1 to {KEY_BYTES_MAX} are allowed")]
    KeyLength {
        /// Its bytes.
        found: usize,
    },
    /// A value that no backend takes.
    #[error("a value of {found} bytes, where {VALUE_BYTES_MAX} are allowed")]
    ValueLength {
        /// Its bytes.
        found: usize,
    },
    /// More changes at once than are allowed.
    #[error("{found} changes at once, where {CHANGES_MAX} are allowed")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// A value that other backends take, and this one does not.
    #[error("a value of {found} bytes, where the server of the store allows {bytes_max}")]
    TooLarge {
        /// Its bytes.
        found: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Changes that the backend could make one after the other, but not together. None of them is made.
    #[error("{found} changes at once, where the server of the store makes {changes_max} together")]
    NotTogether {
        /// How many.
        found: usize,
        /// The bound.
        changes_max: usize,
    },
    /// Something to be counted up that is no number.
    #[error("the value of `{key}` is not a whole number in decimal")]
    NotANumber {
        /// The key.
        key: String,
    },
    /// A sum that 64 bits do not hold.
    #[error("the value of `{key}` cannot be counted any further")]
    Overflow {
        /// The key.
        key: String,
    },
    /// A cursor that no page gave.
    #[error("`{cursor}` is not a cursor of this store")]
    Cursor {
        /// What was given.
        cursor: String,
    },
    /// Nobody can be told of its changes.
    #[error("the store cannot be watched: {why}")]
    Unwatchable {
        /// Why, and what may help.
        why: Arc<str>,
    },
    /// The store has reached the size that it may have.
    #[error("the store is full: {bytes_max} bytes are allowed")]
    Full {
        /// The bound.
        bytes_max: u64,
    },
    /// What was kept is not what comes back.
    #[error("the store in `{place}` is damaged: {what}")]
    Damaged {
        /// Where it is.
        place: Arc<str>,
        /// What is wrong.
        what: Arc<str>,
    },
    /// What is kept was made by a later version of Weft, in a way that this one does not know. Nothing is wrong with it.
    #[error(
        "the store in `{place}` has format {found}, and this version of Weft knows formats up to {known}"
    )]
    Newer {
        /// Where it is.
        place: Arc<str>,
        /// Its format.
        found: i64,
        /// The latest format that is known here.
        known: i64,
    },
    /// The backend does not answer.
    #[error("no answer from {backend} within {} ms", waited.as_millis())]
    Timeout {
        /// Which backend, without secrets.
        backend: Arc<str>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The backend cannot do it.
    #[error("{backend} failed")]
    Backend {
        /// Which backend, without secrets.
        backend: Arc<str>,
        /// Why.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

/// Refuses keys that are empty or too long.
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    match key.len() {
        1..=KEY_BYTES_MAX => Ok(()),
        found => Err(Error::KeyLength { found }),
    }
}

/// Refuses values that are too long.
pub(crate) fn check_value(value: &[u8]) -> Result<(), Error> {
    match value.len() {
        0..=VALUE_BYTES_MAX => Ok(()),
        found => Err(Error::ValueLength { found }),
    }
}

/// Refuses changes of which one cannot be made.
pub(crate) fn check_changes(changes: &[Change]) -> Result<(), Error> {
    if changes.len() > CHANGES_MAX {
        return Err(Error::TooMany { found: changes.len() });
    }
    changes.iter().try_for_each(|change| {
        check_key(change.key())?;
        match change {
            Change::Set(_, value) => check_value(value),
            Change::Delete(_) => Ok(()),
        }
    })
}

/// What comes after every key that begins so, in the order of bytes.
pub(crate) fn behind(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        // No byte of a text is the largest one.
        Some(last) => *last += 1,
        None => end.push(u8::MAX),
    }
    end
}

/// Reads a number as [`Store::increment`] writes it.
pub(crate) fn count(key: &str, value: Option<&[u8]>, delta: i64) -> Result<i64, Error> {
    let found = match value {
        None => 0,
        // Only what Redis takes too: no sign but a minus, no zeros in front.
        Some(digits) => std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| {
                digits
                    .parse()
                    .ok()
                    .filter(|number: &i64| number.to_string() == digits)
            })
            .ok_or_else(|| Error::NotANumber { key: key.to_owned() })?,
    };
    i64::checked_add(found, delta).ok_or_else(|| Error::Overflow { key: key.to_owned() })
}

/// An answer that is known already.
pub(crate) fn ready<'a, T: Send + 'a>(answer: Result<T, Error>) -> Answer<'a, T> {
    Box::pin(std::future::ready(answer))
}
