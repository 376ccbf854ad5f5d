//! Objects in a container: named bytes of any length, whatever stands behind them.
//!
//! [`Store`] is the border: one store is one container. [`memory`] keeps objects for as long as the process lives,
//! [`files`] in a folder of its own, [`s3`] in a bucket of a server. What is to be written is gathered in a [`Spool`] first, so an object is there as
//! a whole or not at all. The conformance suite in `tests/it` runs against every backend.
//!
//! Adding a backend: implement [`Store`], and name it in `tests/it/blob/backends.rs`.

pub mod files;
pub mod memory;
pub mod s3;
mod spool;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

pub use spool::Spool;

/// What a store comes to say: later, on whichever thread asked.
pub type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The longest name of an object, in bytes.
pub const NAME_BYTES_MAX: usize = 900;
/// Names that one call of [`Store::list`] returns at most.
pub const LIST_MAX: usize = 1000;
/// Bytes that one call of [`Object::read`] returns at most.
pub const READ_BYTES_MAX: usize = 1 << 20;

/// A container of objects, shared by everybody who was handed the store.
///
/// What is acknowledged is there for every later call, and survives what the backend says. Dropping an answer before
/// it came leaves open whether the change is made; an object is never made by half.
///
/// # Errors
///
/// Every method: the backend cannot be reached, does not answer in time, or found damage. Names are checked before
/// anything else: [`Error::NameLength`]. Objects are there only while the container is: [`Error::NoContainer`].
pub trait Store: fmt::Debug + Send + Sync {
    /// The container; none after it was deleted and before it is created again.
    ///
    /// One that nobody has ever deleted is there from the first time that the store is opened.
    fn container(&self) -> Answer<'_, Option<Container>>;

    /// Makes the container; the one that is there if it is empty.
    ///
    /// # Errors
    /// It is there and has objects ([`Error::NotEmpty`]), or only its owner makes it ([`Error::Fixed`]).
    fn create(&self) -> Answer<'_, Container>;

    /// Removes the container with all objects. Done already if it is not there.
    ///
    /// # Errors
    /// Only its owner removes it ([`Error::Fixed`]).
    fn delete(&self) -> Answer<'_, ()>;

    /// What is known of an object without reading it.
    fn info<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Info>>;

    /// An object for reading. It stays what it was when it was opened, or later reads fail.
    fn open<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Box<dyn Object>>>;

    /// The same for somebody who will read these bytes first: a store that asks a server may have them come along.
    fn open_to_read<'a>(&'a self, name: &'a str, _first: Range<u64>) -> Answer<'a, Option<Box<dyn Object>>> {
        self.open(name)
    }

    /// Makes or replaces an object.
    fn write<'a>(&'a self, name: &'a str, content: Spool) -> Answer<'a, ()>;

    /// Removes objects, if they are there.
    fn remove<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()>;

    /// Removes every object whose name begins with a prefix.
    fn clear<'a>(&'a self, prefix: &'a str) -> Answer<'a, ()>;

    /// Makes or replaces an object of this container with what another has; false where that is not there.
    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, bool>;

    /// Some of the names that begin with a prefix: the first of them, or those after the page that gave the cursor.
    ///
    /// An object that is there from the first page to the last is on one of them; one that comes or goes meanwhile may
    /// be.
    ///
    /// # Errors
    /// The cursor is none of this store.
    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page>;

    /// The bytes that all names that begin with a prefix have together with their objects.
    ///
    /// What is there all the while is counted once; what comes, goes or changes meanwhile may be counted or not.
    ///
    /// # Limits
    /// It takes the longer, the more objects there are. A server is asked piece by piece, and each piece may take the
    /// backend's timeout.
    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64>;

    /// Whether the backend is there and whole.
    fn check(&self) -> Answer<'_, ()>;
}

/// An object that was opened.
pub trait Object: fmt::Debug + Send + Sync {
    /// What it is.
    fn info(&self) -> &Info;

    /// Bytes from an offset on: at most as many as asked for and [`READ_BYTES_MAX`], and none only at the end.
    ///
    /// # Errors
    /// It is damaged, or is no longer what it was.
    fn read(&self, offset: u64, bytes_max: usize) -> Answer<'_, Bytes>;
}

/// What is known of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container {
    /// When it was made; none where the backend does not say.
    pub created: Option<SystemTime>,
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its bytes.
    pub bytes: u64,
    /// When it was written.
    pub created: SystemTime,
}

/// Some of the names in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The names.
    pub names: Vec<String>,
    /// Where the next page begins; none after the last one.
    pub cursor: Option<String>,
}

impl Page {
    /// The page of a backend that has its names in order: a full one may have more behind its last name.
    pub(crate) fn in_order(names: Vec<String>, limit: usize) -> Self {
        let is_full = names.len() >= limit.clamp(1, LIST_MAX);
        let cursor = names.last().filter(|_| is_full).cloned();
        Self { names, cursor }
    }
}

/// What went wrong with a call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A name that no backend takes.
    #[error("a name of {found} bytes, where 1 to {NAME_BYTES_MAX} are allowed")]
    NameLength {
        /// Its bytes.
        found: usize,
    },
    /// A name that this backend cannot keep as it is.
    #[error("{backend} cannot have an object of the name `{name}`")]
    Name {
        /// Which backend.
        backend: &'static str,
        /// The name.
        name: String,
    },
    /// There is no container.
    #[error("the container is not there")]
    NoContainer,
    /// The container is there already, and has objects.
    #[error("the container is there already and is not empty")]
    NotEmpty,
    /// The container is not made or removed by those who use it.
    #[error("this container is made and removed by its owner only")]
    Fixed,
    /// A cursor that no page gave.
    #[error("`{cursor}` is not a cursor of this store")]
    Cursor {
        /// What was given.
        cursor: String,
    },
    /// The store has reached the size that it may have.
    #[error("the store is full: {bytes_max} bytes are allowed")]
    Full {
        /// The bound.
        bytes_max: u64,
    },
    /// What was to be written could not be gathered on this machine.
    #[error("what is written cannot be kept meanwhile")]
    Spool {
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// An object is no longer what it was when it was opened.
    #[error("the object was replaced or removed while it was read")]
    Replaced,
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
        waited: std::time::Duration,
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

/// Refuses names that are empty or too long.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    match name.len() {
        1..=NAME_BYTES_MAX => Ok(()),
        found => Err(Error::NameLength { found }),
    }
}

/// Refuses cursors that no page with this prefix gave, where the cursor is the last name of a page.
pub(crate) fn check_cursor(prefix: &str, cursor: Option<&str>) -> Result<(), Error> {
    match cursor {
        Some(cursor) if !cursor.starts_with(prefix) || check_name(cursor).is_err() => Err(Error::Cursor {
            cursor: cursor.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// An answer that is known already.
pub(crate) fn ready<'a, T: Send + 'a>(answer: Result<T, Error>) -> Answer<'a, T> {
    Box::pin(std::future::ready(answer))
}
