//! What is there: the index of names, in a key-value store that notices its own damage.
//!
//! One entry is the container, all others are objects. Every life of the container has a number, which is part of the
//! keys of its objects: a container is deleted by one entry, and what a slow writer adds to it afterwards belongs to
//! the life that is over. Such entries are swept away when the store is opened.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{BufMut as _, Bytes, BytesMut};
use parking_lot::Mutex;

use super::data::Id;
use super::place::Place;
use crate::blob::{Container, Error, Info, memory};
use crate::folder;
use crate::keyvalue::sqlite::{self, Sqlite};
use crate::keyvalue::{Change, Durability, Store as _, Swap, Version};

/// The folder of the index, in the folder of the store.
pub(super) const FOLDER: &str = "index";

/// The key of the container.
const CONTAINER: &str = "c";
/// What the keys of objects begin with.
const OBJECTS: &str = "o/";
/// `o/`, the life of the container in hexadecimal, and `/`.
const BEFORE_NAME: usize = 19;

/// What stands before the content of an object that is small: what it is, and when it was written.
const BEFORE_CONTENT: usize = 9;
/// Bytes of the entry of an object that is in a file.
const FILE_ENTRY_BYTES: u64 = 33;

const SMALL: u8 = 1;
const FILE: u8 = 2;
const LIVING: u8 = 3;
const DELETED: u8 = 4;

#[derive(Debug)]
pub(super) struct Index {
    store: Sqlite,
    place: Place,
    /// The life of the container that was seen last, so that it is most often looked up together with an object.
    life: AtomicU64,
}

/// An object as the index has it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) info: Info,
    pub(super) content: Content,
}

/// Where the bytes of an object are.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Small(Bytes),
    File(Id),
}

/// What there is of a name.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kept: Option<Kept>,
    key: String,
    version: Version,
}

/// The container as the index has it.
#[derive(Debug)]
pub(super) struct Marker {
    pub(super) alive: Option<(Life, Container)>,
    version: Version,
}

/// One life of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life(u64);

/// What all entries come to.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) bytes: u64,
    pub(super) files: HashSet<Id>,
}

/// Waits on a thread that may wait.
pub(super) fn wait<T>(answer: impl Future<Output = T>) -> T {
    futures::executor::block_on(answer)
}

impl Kept {
    pub(super) fn new(bytes: u64, content: Content) -> Self {
        let created = SystemTime::now();
        Self {
            info: Info { bytes, created },
            content,
        }
    }

    pub(super) fn is_small(&self) -> bool {
        matches!(self.content, Content::Small(_))
    }

    pub(super) fn file(&self) -> Option<Id> {
        match &self.content {
            Content::File(id) => Some(*id),
            Content::Small(_) => None,
        }
    }

    /// An object that can be read; one in a file has no bytes here.
    pub(super) fn into_small(self) -> memory::Kept {
        let content = match self.content {
            Content::Small(content) => content,
            Content::File(_) => Bytes::new(),
        };
        memory::Kept {
            info: self.info,
            content,
        }
    }

    fn to_value(&self) -> Bytes {
        let mut value = BytesMut::new();
        let kind = if self.is_small() { SMALL } else { FILE };
        value.put_u8(kind);
        value.put_u64_le(nanoseconds(self.info.created));
        match &self.content {
            Content::Small(content) => value.put_slice(content),
            Content::File(id) => {
                value.put_u64_le(self.info.bytes);
                value.put_slice(&id.0);
            }
        }
        value.freeze()
    }

    fn from_value(value: &Bytes) -> Option<Self> {
        let (kind, created) = (value.first()?, time(value.get(1..BEFORE_CONTENT)?)?);
        let rest = value.slice(BEFORE_CONTENT..);
        let (bytes, content) = match *kind {
            SMALL => (rest.len() as u64, Content::Small(rest)),
            FILE => {
                let bytes = u64::from_le_bytes(rest.get(..8)?.try_into().ok()?);
                let id = Id(rest.get(8..)?.try_into().ok()?);
                (bytes, Content::File(id))
            }
            _ => return None,
        };
        let info = Info { bytes, created };
        Some(Self { info, content })
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn time(bytes: &[u8]) -> Option<SystemTime> {
    let since = u64::from_le_bytes(bytes.try_into().ok()?);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(since))
}

impl Life {
    fn new() -> Self {
        let [a, b, c, d, e, f, g, h, ..] = folder::random();
        Self(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    fn key(self, name: &str) -> String {
        format!("{OBJECTS}{:016x}/{name}", self.0)
    }

    fn of_key(key: &str) -> Option<Self> {
        let life = key.strip_prefix(OBJECTS)?.get(..16)?;
        u64::from_str_radix(life, 16).ok().map(Self)
    }

    /// The entry of a container that begins to live, and what is known of it.
    fn begin(self) -> (Bytes, Container) {
        let created = SystemTime::now();
        let mut value = BytesMut::new();
        value.put_u8(LIVING);
        value.put_u64_le(nanoseconds(created));
        value.put_u64_le(self.0);
        let created = Some(created);
        (value.freeze(), Container { created })
    }
}

/// The entry of a container; none where it is none.
fn read_container(value: &Bytes) -> Option<Option<(Life, Container)>> {
    match (*value.first()?, value.len()) {
        (DELETED, 1) => Some(None),
        (LIVING, 17) => {
            let created = Some(time(value.get(1..9)?)?);
            let life = Life(u64::from_le_bytes(value.get(9..17)?.try_into().ok()?));
            Some(Some((life, Container { created })))
        }
        _ => None,
    }
}

fn options(durability: Durability) -> sqlite::Options {
    sqlite::Options {
        durability,
        // The store counts names and contents itself.
        bytes_max: u64::MAX,
        // Another process may replace an object and remove its file at any moment, so the newest entry is asked for.
        cache_bytes_max: 0,
        ..sqlite::Options::default()
    }
}

impl Index {
    /// Makes the index of a new store, with its container.
    pub(super) fn create(place: &Place, building: &std::path::Path) -> Result<(), Error> {
        let made = Sqlite::open(&building.join(FOLDER), &options(Durability::Sync));
        let made = made.and_then(|store| {
            let (value, _) = Life::new().begin();
            wait(store.write(vec![Change::Set(CONTAINER.to_owned(), value)]))
        });
        made.map_err(|error| place.of_index(error))
    }

    /// Opens the index of a store that is there.
    pub(super) fn open(place: &Place, durability: Durability) -> Result<Self, Error> {
        let store = Sqlite::open(&place.folder.join(FOLDER), &options(durability));
        let index = Self {
            store: store.map_err(|error| place.of_index(error))?,
            place: place.clone(),
            life: AtomicU64::new(0),
        };
        wait(index.marker())?;
        Ok(index)
    }

    /// Copies it as it is at one moment into a new folder.
    pub(super) async fn back_up(&self, to: &std::path::Path) -> Result<(), Error> {
        let copied = self.store.back_up(to).await;
        copied.map(drop).map_err(|error| self.place.of_index(error))
    }

    fn read_marker(&self, entry: Option<crate::keyvalue::Entry>) -> Result<Marker, Error> {
        let entry = entry.ok_or_else(|| self.place.damaged("its index has no entry of the container"))?;
        let alive = read_container(&entry.value)
            .ok_or_else(|| self.place.damaged("the entry of the container cannot be read"))?;
        if let Some((life, _)) = alive {
            self.life.store(life.0, Ordering::Relaxed);
        }
        let version = entry.version;
        Ok(Marker { alive, version })
    }

    fn life(&self) -> Life {
        Life(self.life.load(Ordering::Relaxed))
    }

    pub(super) async fn marker(&self) -> Result<Marker, Error> {
        let keys = [CONTAINER.to_owned()];
        let mut entries = self.get_many(&keys).await?;
        self.read_marker(entries.pop().flatten())
    }

    pub(super) async fn container(&self) -> Result<Option<Container>, Error> {
        Ok(self.marker().await?.alive.map(|(_, container)| container))
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<crate::keyvalue::Entry>>, Error> {
        let found = self.store.get_many(keys).await;
        found.map_err(|error| self.place.of_index(error))
    }

    /// What there is of a name in the container.
    pub(super) async fn find(&self, name: &str) -> Result<Found, Error> {
        loop {
            let life = self.life();
            let keys = [life.key(name), CONTAINER.to_owned()];
            let mut entries = self.get_many(&keys).await?;
            let (alive, _) = self
                .read_marker(entries.pop().flatten())?
                .alive
                .ok_or(Error::NoContainer)?;
            if alive == life {
                let [key, _] = keys;
                return self.found(key, entries.pop().flatten());
            }
        }
    }

    fn found(&self, key: String, entry: Option<crate::keyvalue::Entry>) -> Result<Found, Error> {
        let (kept, version) = match entry {
            None => (None, Version::Absent),
            Some(entry) => (Some(self.read(&entry.value)?), entry.version),
        };
        Ok(Found { kept, key, version })
    }

    fn read(&self, value: &Bytes) -> Result<Kept, Error> {
        Kept::from_value(value).ok_or_else(|| self.place.damaged("an entry of its index cannot be read"))
    }

    /// What there is of some names in one life of the container, whether it goes on or not.
    pub(super) async fn find_in(&self, life: Life, names: &[String]) -> Result<Vec<Option<Kept>>, Error> {
        let keys: Vec<String> = names.iter().map(|name| life.key(name)).collect();
        let entries = self.get_many(&keys).await?;
        let read =
            |entry: Option<crate::keyvalue::Entry>| entry.map(|entry| self.read(&entry.value)).transpose();
        entries.into_iter().map(read).collect()
    }

    /// Puts an object where nothing has changed since it was looked up.
    pub(super) async fn put(&self, found: &Found, kept: &Kept) -> Result<Swap, Error> {
        let swapped = self
            .store
            .swap(&found.key, found.version.clone(), kept.to_value());
        swapped.await.map_err(|error| self.place.of_index(error))
    }

    /// Removes all of some names or none.
    pub(super) async fn remove_in(&self, life: Life, names: &[String]) -> Result<(), Error> {
        let changes = names.iter().map(|name| Change::Delete(life.key(name))).collect();
        let written = self.store.write(changes).await;
        written.map_err(|error| self.place.of_index(error))
    }

    /// Begins a new life of the container, unless somebody else was faster.
    pub(super) async fn begin(&self, marker: &Marker) -> Result<Option<Container>, Error> {
        let (value, container) = Life::new().begin();
        let swapped = self.swap_marker(marker, value).await?;
        Ok((swapped == Swap::Done).then_some(container))
    }

    /// Ends the life of the container with everything in it, unless it is another one by now.
    pub(super) async fn end(&self, marker: &Marker) -> Result<Swap, Error> {
        self.swap_marker(marker, Bytes::from_static(&[DELETED])).await
    }

    async fn swap_marker(&self, marker: &Marker, value: Bytes) -> Result<Swap, Error> {
        let swapped = self.store.swap(CONTAINER, marker.version.clone(), value);
        swapped.await.map_err(|error| self.place.of_index(error))
    }

    /// Names in the container, in order.
    pub(super) async fn names(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        loop {
            let life = self.life();
            let names = self.names_in(life, prefix, after, limit).await?;
            // Asked for afterwards: the life that goes on now went on while its names were read.
            let (alive, _) = self.marker().await?.alive.ok_or(Error::NoContainer)?;
            if alive == life {
                return Ok(names);
            }
        }
    }

    pub(super) async fn names_in(
        &self,
        life: Life,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let after = after.map(|after| life.key(after));
        let page = self.store.list(&life.key(prefix), after.as_deref(), limit).await;
        let keys = page.map_err(|error| self.place.of_index(error))?.keys;
        let name = |key: String| key.get(BEFORE_NAME..).map(str::to_owned);
        Ok(keys.into_iter().filter_map(name).collect())
    }

    /// Bytes of the names in the container that begin so, and of their contents.
    pub(super) async fn usage(&self, prefix: &str) -> Result<u64, Error> {
        loop {
            let life = self.life();
            let summed = self.store.sum(life.key(prefix), FILE_ENTRY_BYTES, weight).await;
            let bytes = summed.map_err(|error| self.place.of_index(error))?;
            // As for names.
            let (alive, _) = self.marker().await?.alive.ok_or(Error::NoContainer)?;
            if alive == life {
                return Ok(bytes);
            }
        }
    }

    /// The first life of the container after another one that has entries.
    pub(super) async fn next_life(&self, after: Option<Life>) -> Result<Option<Life>, Error> {
        // Behind the last name that a life can have: `0` comes after `/`.
        let after = after.map(|life| format!("{OBJECTS}{:016x}0", life.0));
        let page = self.store.list(OBJECTS, after.as_deref(), 1).await;
        let page = page.map_err(|error| self.place.of_index(error))?;
        let Some(key) = page.keys.first() else {
            return Ok(None);
        };
        let unknown = || self.place.damaged("a key of its index cannot be read");
        Life::of_key(key).map(Some).ok_or_else(unknown)
    }

    /// Looks at all entries of one moment, until told to stop.
    pub(super) async fn scan(
        &self,
        is_stopped: impl Fn() -> bool + Send + 'static,
    ) -> Result<Option<Scan>, Error> {
        let shared = Arc::new(Mutex::new(Ok(Some(Scan::default()))));
        let (filled, place) = (Arc::clone(&shared), self.place.clone());
        let visited = self.store.visit(move |key, value| {
            let mut filled = filled.lock();
            if is_stopped() {
                *filled = Ok(None);
            } else if key.starts_with(OBJECTS)
                && let Ok(Some(scan)) = &mut *filled
                && scan.add(key, value).is_none()
            {
                *filled = Err(place.damaged("an entry of its index cannot be read"));
            }
            matches!(*filled, Ok(Some(_)))
        });
        visited.await.map_err(|error| self.place.of_index(error))?;
        let mut shared = shared.lock();
        std::mem::replace(&mut *shared, Ok(None))
    }

    pub(super) async fn verify(&self) -> Result<(), Error> {
        let verified = self.store.verify().await;
        verified.map(drop).map_err(|error| self.place.of_index(error))
    }

    pub(super) async fn check(&self) -> Result<(), Error> {
        let checked = self.store.check().await;
        checked.map_err(|error| self.place.of_index(error))
    }
}

/// Bytes of a name and its content, by the length of its entry; only where it may be one of a file, the entry is read.
fn weight(key: &[u8], length: u64, value: Option<&[u8]>) -> Option<u64> {
    let name = key.len().checked_sub(BEFORE_NAME)? as u64;
    let content = match value {
        Some(value) => Kept::from_value(&Bytes::copy_from_slice(value))?.info.bytes,
        None => length.checked_sub(BEFORE_CONTENT as u64)?,
    };
    Some(name.saturating_add(content))
}

impl Scan {
    fn add(&mut self, key: &str, value: &[u8]) -> Option<()> {
        let kept = Kept::from_value(&Bytes::copy_from_slice(value))?;
        self.bytes += key.len().checked_sub(BEFORE_NAME)? as u64 + kept.info.bytes;
        self.files.extend(kept.file());
        Some(())
    }
}
