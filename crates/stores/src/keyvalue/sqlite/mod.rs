//! The embedded store: a folder with one SQLite database in WAL mode, made for many that write at once.
//!
//! One thread writes (`writer`), gathering whatever waits into one transaction; a few read (`readers`); values that
//! were used last are answered without asking either (`cache`). `rows` puts a checksum on every row and on their
//! whole, `tail` knows what was acknowledged, `open` compares them. `watch` tells who asks of what has changed.
//!
//! What always holds: an acknowledged write survives the process, and the machine where the store is
//! [`Durability::Sync`]; damage ends the use of the store with an error that says where it
//! is, and nothing is made anew in its place. Several processes may use one folder.

mod cache;
mod open;
mod readers;
mod rows;
mod state;
mod tail;
mod watch;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use cache::{Cache, Found};
use readers::Readers;
use state::State;
use watch::Watcher;
use writer::{Job, Writer};

use super::watching::Pending;
use super::{
    Answer, Change, Durability, Entry, Error, LIST_MAX, Page, Store, Swap, Version, Watching, check_changes,
    check_key, check_value, ready,
};

/// How a store is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What acknowledged writes survive. Default `sync`.
    pub durability: Durability,
    /// Bytes that keys and values may have together. Default 1 GiB.
    pub bytes_max: u64,
    /// Bytes of memory for values that were used last. Default 16 MiB.
    pub cache_bytes_max: usize,
    /// Stores up to this size are looked through before they are used, larger ones meanwhile. Default 64 MiB.
    pub verify_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Sync,
            bytes_max: 1 << 30,
            cache_bytes_max: 16 << 20,
            verify_bytes_max: 64 << 20,
        }
    }
}

/// A store in a folder.
///
/// # Authority
///
/// Reads and writes that folder, and makes it where it is not there.
///
/// # Limits
///
/// Up to five threads and as many connections. 1024 writes and 256 reads wait at most; who comes later waits outside.
#[derive(Debug)]
pub struct Sqlite {
    state: Arc<State>,
    readers: Readers,
    writer: Writer,
    folder: PathBuf,
}

/// What a store comes to as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// How many entries there are.
    pub entries: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// The number of the last write.
    pub revision: u64,
}

impl Sqlite {
    /// Opens the store in a folder, or makes one. Waits for the disk: not for a thread that serves.
    ///
    /// # Errors
    ///
    /// The store is damaged, which is never repaired by forgetting something; or the folder cannot be used.
    pub fn open(folder: &Path, options: &Options) -> Result<Self, Error> {
        let opened = open::open(folder, options)?;
        let place: Arc<str> = folder.display().to_string().into();
        let cache = Cache::new(options.cache_bytes_max);
        let state = Arc::new(State::new(Arc::clone(&place), opened.meta.identity, cache));
        let io = |error| state::failed(&place, error);
        let file = folder.join(open::FILE);
        let readers = Readers::start(file.clone(), &state).map_err(io)?;
        let writer = Writer::start(
            opened.connection,
            opened.tail,
            Arc::clone(&state),
            options.bytes_max,
        );
        if opened.is_large {
            verify_meanwhile(file, Arc::clone(&state)).map_err(io)?;
        }
        Ok(Self {
            state,
            readers,
            writer: writer.map_err(io)?,
            folder: folder.to_owned(),
        })
    }

    /// Looks through everything that is kept.
    ///
    /// # Errors
    /// The first damage that is found.
    pub async fn verify(&self) -> Result<Totals, Error> {
        self.state.check()?;
        self.readers
            .ask(&self.state, |connection, _| {
                let meta = rows::scan(connection, &mut |_, _| true)?;
                Ok(Totals {
                    entries: meta.entries,
                    bytes: meta.bytes,
                    revision: meta.revision,
                })
            })
            .await
    }

    /// Hands every entry of one moment to `visit`, in the order of the keys, until it says no.
    ///
    /// # Errors
    /// Damage; what was visited before it is right.
    pub async fn visit(
        &self,
        mut visit: impl FnMut(&str, &[u8]) -> bool + Send + 'static,
    ) -> Result<(), Error> {
        self.state.check()?;
        self.readers
            .ask(&self.state, move |connection, _| {
                rows::scan(connection, &mut visit).map(drop)
            })
            .await
    }

    /// Adds up what entries count for whose keys begin with a prefix: by their lengths, and by those values that have just
    /// so many bytes, as no others are read.
    pub(crate) async fn sum(
        &self,
        prefix: String,
        value_bytes: u64,
        weight: rows::Weight,
    ) -> Result<u64, Error> {
        self.state.check()?;
        self.readers
            .ask(&self.state, move |connection, state| {
                rows::sum(connection, &state.identity, &prefix, value_bytes, weight)
            })
            .await
    }

    /// Copies the store as it is at one moment into a new folder, while it is in use.
    ///
    /// # Errors
    /// There is something of that name, the disk refuses, or the store is damaged: a copy of damage is no backup.
    pub async fn back_up(&self, to: &Path) -> Result<Totals, Error> {
        self.verify().await?;
        let (folder, to) = (self.folder.clone(), to.to_owned());
        self.readers
            .ask(&self.state, move |_, _| Ok(open::copy(&folder, &to)))
            .await?
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    async fn begin_to_watch(&self, prefix: &str) -> Result<Watching, Error> {
        self.state.check()?;
        let pending = Pending::new(prefix);
        let watcher = Watcher::new(&pending);
        // First: what is written while it is looked at what there is would be missed.
        self.state.watchers.add(&watcher);
        watcher.look_through(&self.readers, &self.state, |_| {}).await?;
        let jobs = self.writer.jobs(&self.state)?.downgrade();
        let source = watcher.attend(self.readers.clone(), Arc::clone(&self.state), jobs);
        Ok(Watching::with_source(pending, source))
    }

    async fn ask_reader(&self, key: &str) -> Result<Option<Entry>, Error> {
        let cache = &self.state.cache;
        if !cache.is_fresh() {
            self.writer.look(cache.ask());
        }
        let ticket = match cache.find(key) {
            Found::Known(entry) => return Ok(entry),
            Found::Unknown(ticket) => ticket,
        };
        let key = key.to_owned();
        let found = self.readers.ask(&self.state, move |connection, state| {
            let found = rows::value(connection, &state.identity, key.as_bytes())?;
            let found = found.map(|(head, value)| (Bytes::from(value), head.revision));
            state.cache.keep(ticket, &key, found.clone());
            Ok(found.map(entry))
        });
        found.await
    }
}

fn entry((value, revision): (Bytes, u64)) -> Entry {
    Entry {
        value,
        version: Version::Revision(revision),
    }
}

/// Looks through a large store beside its use; what is wrong ends the use.
fn verify_meanwhile(file: PathBuf, state: Arc<State>) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("weft-store-verify".to_owned());
    thread
        .spawn(move || {
            let looked = open::connect(&file, open::Use::Reading)
                .and_then(|connection| rows::scan(&connection, &mut |_, _| true));
            if let Err(trouble) = looked {
                state.trouble(trouble);
            }
        })
        .map(drop)
}

impl Store for Sqlite {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Entry>> {
        if let Err(error) = check_key(key).and_then(|()| self.state.check()) {
            return ready(Err(error));
        }
        match self.state.cache.find(key) {
            Found::Known(entry) => ready(Ok(entry)),
            Found::Unknown(_) => Box::pin(self.ask_reader(key)),
        }
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Entry>>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| check_key(key))?;
            self.state.check()?;
            let keys = keys.to_vec();
            let found = self.readers.ask(&self.state, move |connection, state| {
                let moment = connection.unchecked_transaction()?;
                let value = |key: &String| {
                    let found = rows::value(&moment, &state.identity, key.as_bytes())?;
                    Ok(found.map(|(head, value)| entry((value.into(), head.revision))))
                };
                keys.iter().map(value).collect()
            });
            found.await
        })
    }

    fn write(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(async move {
            check_changes(&changes)?;
            if changes.is_empty() {
                return self.state.check();
            }
            self.writer
                .ask(&self.state, |done| Job::Write(changes, done))
                .await
        })
    }

    fn swap<'a>(&'a self, key: &'a str, expected: Version, value: Bytes) -> Answer<'a, Swap> {
        Box::pin(async move {
            check_key(key)?;
            check_value(&value)?;
            let job = |done| Job::Swap(key.to_owned(), expected, value, done);
            self.writer.ask(&self.state, job).await
        })
    }

    fn increment<'a>(&'a self, key: &'a str, delta: i64) -> Answer<'a, i64> {
        Box::pin(async move {
            check_key(key)?;
            let job = |done| Job::Increment(key.to_owned(), delta, done);
            self.writer.ask(&self.state, job).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        Box::pin(async move {
            self.state.check()?;
            let (prefix, after) = (prefix.to_owned(), cursor.map(str::to_owned));
            let limit = limit.clamp(1, LIST_MAX);
            let found = self.readers.ask(&self.state, move |connection, state| {
                rows::revisions(connection, &state.identity, &prefix, after.as_deref(), limit)
            });
            let keys = found.await?.into_iter().map(|(key, _)| key);
            Ok(Page::in_order(keys.collect(), limit))
        })
    }

    fn watch<'a>(&'a self, prefix: &'a str) -> Answer<'a, Watching> {
        Box::pin(self.begin_to_watch(prefix))
    }

    fn lengths<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<u64>>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| check_key(key))?;
            self.state.check()?;
            let keys = keys.to_vec();
            let found = self.readers.ask(&self.state, move |connection, state| {
                let moment = connection.unchecked_transaction()?;
                let length = |key: &String| {
                    let head = rows::head(&moment, &state.identity, key.as_bytes())?;
                    Ok(head.map(|head| head.length))
                };
                keys.iter().map(length).collect()
            });
            found.await
        })
    }

    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            self.state.check()?;
            let prefix = prefix.to_owned();
            self.readers
                .ask(&self.state, move |connection, _| rows::usage(connection, &prefix))
                .await
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.state.check()?;
            let read = |connection: &rusqlite::Connection, _: &State| rows::Meta::read(connection).map(drop);
            self.readers.ask(&self.state, read).await
        })
    }
}
