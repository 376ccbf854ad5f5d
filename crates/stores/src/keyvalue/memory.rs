//! Entries in memory: gone with the process. For tests, for trying things out, and the meaning of [`Store`] in code.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use parking_lot::Mutex;

use super::watching::{Pending, Watchers};
use super::{
    Answer, Change, Entry, Error, LIST_MAX, Page, Store, Swap, Version, Watching, check_changes, check_key,
    check_value, count, ready,
};

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    bytes_max: u64,
    entries: Mutex<Entries>,
    watchers: Watchers<Pending>,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: BTreeMap<String, (Bytes, u64)>,
    revision: u64,
    bytes: u64,
}

impl Memory {
    /// An empty store whose keys and values may have so many bytes together.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            entries: Mutex::default(),
            watchers: Watchers::default(),
        }
    }

    fn get_now(&self, key: &str) -> Result<Option<Entry>, Error> {
        check_key(key)?;
        Ok(self.entries.lock().entry(key))
    }

    fn write_now(&self, changes: Vec<Change>) -> Result<(), Error> {
        check_changes(&changes)?;
        self.make(&mut self.entries.lock(), changes)
    }

    fn swap_now(&self, key: &str, expected: &Version, value: Bytes) -> Result<Swap, Error> {
        check_key(key)?;
        check_value(&value)?;
        let mut entries = self.entries.lock();
        if entries.version(key) != *expected {
            return Ok(Swap::Changed);
        }
        self.make(&mut entries, vec![Change::Set(key.to_owned(), value)])?;
        Ok(Swap::Done)
    }

    fn increment_now(&self, key: &str, delta: i64) -> Result<i64, Error> {
        check_key(key)?;
        let mut entries = self.entries.lock();
        let found = entries.by_key.get(key).map(|(value, _)| value.as_ref());
        let sum = count(key, found, delta)?;
        let change = Change::Set(key.to_owned(), sum.to_string().into());
        self.make(&mut entries, vec![change])?;
        Ok(sum)
    }

    /// Counts piece by piece, so that nobody waits for all of it.
    async fn count_below(&self, prefix: &str) -> u64 {
        let (mut bytes, mut last) = (0, None);
        loop {
            let piece = self.entries.lock().piece(prefix, last.as_deref());
            bytes += piece.0;
            last = piece.1;
            if last.is_none() {
                return bytes;
            }
            tokio::task::yield_now().await;
        }
    }

    fn make(&self, entries: &mut Entries, changes: Vec<Change>) -> Result<(), Error> {
        let bytes = entries.after(&changes).filter(|bytes| *bytes <= self.bytes_max);
        entries.bytes = bytes.ok_or(Error::Full {
            bytes_max: self.bytes_max,
        })?;
        entries.revision += 1;
        // Whoever hears of it waits for the lock before he sees anything.
        self.watchers.each(|watcher| {
            let seen = changes.iter().filter(|change| entries.is_seen(change));
            seen.for_each(|change| watcher.key(change.key()));
        });
        for change in changes {
            entries.apply(change);
        }
        Ok(())
    }
}

impl Entries {
    fn entry(&self, key: &str) -> Option<Entry> {
        self.by_key.get(key).map(|(value, revision)| Entry {
            value: value.clone(),
            version: Version::Revision(*revision),
        })
    }

    fn version(&self, key: &str) -> Version {
        match self.by_key.get(key) {
            Some((_, revision)) => Version::Revision(*revision),
            None => Version::Absent,
        }
    }

    /// Whether anybody can see that this change is made.
    fn is_seen(&self, change: &Change) -> bool {
        match change {
            Change::Set(..) => true,
            Change::Delete(key) => self.by_key.contains_key(key),
        }
    }

    /// The bytes of some entries that begin with a prefix, and the last of them; none where no more come.
    fn piece(&self, prefix: &str, after: Option<&str>) -> (u64, Option<String>) {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let entries = self.by_key.range::<str, _>((from, Bound::Unbounded));
        let below = entries.take_while(|(key, _)| key.starts_with(prefix));
        let (mut bytes, mut last) = (0, None);
        for (key, (value, _)) in below.take(LIST_MAX) {
            bytes += (key.len() + value.len()) as u64;
            last = Some(key);
        }
        (bytes, last.cloned())
    }

    /// The bytes that there would be after some changes.
    fn after(&self, changes: &[Change]) -> Option<u64> {
        let mut lengths: BTreeMap<&str, Option<usize>> = BTreeMap::new();
        for change in changes {
            let length = match change {
                Change::Set(key, value) => Some(key.len() + value.len()),
                Change::Delete(_) => None,
            };
            lengths.insert(change.key(), length);
        }
        let mut bytes = self.bytes;
        for (key, length) in lengths {
            let before = self
                .by_key
                .get(key)
                .map_or(0, |(value, _)| key.len() + value.len());
            bytes = bytes
                .checked_sub(before as u64)?
                .checked_add(length.unwrap_or(0) as u64)?;
        }
        Some(bytes)
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Set(key, value) => self.by_key.insert(key, (value, self.revision)),
            Change::Delete(key) => self.by_key.remove(&key),
        };
    }
}

impl Store for Memory {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Entry>> {
        ready(self.get_now(key))
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Entry>>> {
        if let Err(error) = keys.iter().try_for_each(|key| check_key(key)) {
            return ready(Err(error));
        }
        let entries = self.entries.lock();
        ready(Ok(keys.iter().map(|key| entries.entry(key)).collect()))
    }

    fn write(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        ready(self.write_now(changes))
    }

    fn swap<'a>(&'a self, key: &'a str, expected: Version, value: Bytes) -> Answer<'a, Swap> {
        ready(self.swap_now(key, &expected, value))
    }

    fn increment<'a>(&'a self, key: &'a str, delta: i64) -> Answer<'a, i64> {
        ready(self.increment_now(key, delta))
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        let entries = self.entries.lock();
        let from = match cursor {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let limit = limit.clamp(1, LIST_MAX);
        let keys = entries.by_key.range::<str, _>((from, Bound::Unbounded));
        let keys = keys
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .take(limit);
        ready(Ok(Page::in_order(keys.cloned().collect(), limit)))
    }

    fn watch<'a>(&'a self, prefix: &'a str) -> Answer<'a, Watching> {
        let pending = Pending::new(prefix);
        self.watchers.add(&pending);
        ready(Ok(Watching::new(pending)))
    }

    fn lengths<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<u64>>> {
        if let Err(error) = keys.iter().try_for_each(|key| check_key(key)) {
            return ready(Err(error));
        }
        let entries = self.entries.lock();
        let length = |key| entries.by_key.get(key).map(|(value, _)| value.len() as u64);
        ready(Ok(keys.iter().map(length).collect()))
    }

    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        if prefix.is_empty() {
            return ready(Ok(self.entries.lock().bytes));
        }
        Box::pin(async move { Ok(self.count_below(prefix).await) })
    }

    fn check(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }
}
