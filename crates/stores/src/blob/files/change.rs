//! Everything that changes a store. It all runs on threads that may wait, and to its end once it has begun.
//!
//! The order is what keeps a store whole: a file is on the disk, the index names it, the write is acknowledged; or
//! the index forgets it, the file goes. From the moment when a file is made until it is named, a lock keeps others
//! from collecting it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};

use super::data::{self, Fill, Made};
use super::index::{Content, Kept, Life, wait};
use super::usage::Reserved;
use super::{Inner, Opened};
use crate::blob::{Container, Error, LIST_MAX, Spool};
use crate::keyvalue::Swap;

/// Objects up to this size lie in the index: one write to the disk instead of three, and shared with others.
pub(super) const SMALL_BYTES_MAX: u64 = 16 << 10;
const LOCKS: u64 = 256;

/// Names that are being changed, so that what is counted and which file goes is decided by one at a time.
#[derive(Debug)]
pub(super) struct Locks {
    hasher: RandomState,
    locks: Vec<Mutex<()>>,
}

impl Locks {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
        }
    }

    fn of<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<MutexGuard<'_, ()>> {
        let number = |name: &str| usize::try_from(self.hasher.hash_one(name) % LOCKS).unwrap_or_default();
        // Everybody takes them in this order.
        let numbers: BTreeSet<usize> = names.into_iter().map(number).collect();
        let locks = numbers.into_iter().filter_map(|number| self.locks.get(number));
        locks.map(Mutex::lock).collect()
    }

    fn all(&self) -> Vec<MutexGuard<'_, ()>> {
        self.locks.iter().map(Mutex::lock).collect()
    }
}

/// Where the content of an object comes from.
pub(super) enum Source {
    Small(Bytes),
    Large(u64, Box<Fill<'static>>),
}

impl Source {
    pub(super) fn spool(content: Spool) -> Result<Self, Error> {
        let spool = |source| Error::Spool {
            source: Arc::new(source),
        };
        let bytes = content.bytes();
        let mut reader = content.into_reader().map_err(spool)?;
        if bytes > SMALL_BYTES_MAX {
            let fill = move |block: &mut [u8]| reader.read_exact(block).map_err(spool);
            return Ok(Self::Large(bytes, Box::new(fill)));
        }
        let mut small = Vec::new();
        reader.read_to_end(&mut small).map_err(spool)?;
        Ok(Self::Small(small.into()))
    }

    fn file(file: data::File, bytes: u64) -> Self {
        let (mut number, mut read) = (0, BytesMut::new());
        let fill = move |block: &mut [u8]| {
            read.clear();
            file.block(number, &mut read)?;
            number += 1;
            // Both files have their blocks in the same places.
            block.copy_from_slice(&read);
            Ok(())
        };
        Self::Large(bytes, Box::new(fill))
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Small(content) => content.len() as u64,
            Self::Large(bytes, _) => *bytes,
        }
    }
}

fn size(name: &str, bytes: u64) -> u64 {
    (name.len() as u64).saturating_add(bytes)
}

fn size_of(name: &str, kept: Option<&Kept>) -> u64 {
    kept.map_or(0, |kept| size(name, kept.info.bytes))
}

impl Inner {
    /// Makes or replaces an object.
    pub(super) fn put(&self, name: &str, source: Source) -> Result<(), Error> {
        let found = wait(self.index.find(name))?;
        let bytes = source.bytes();
        let reserved = self.reserve(size(name, bytes), size_of(name, found.kept.as_ref()))?;
        match source {
            Source::Small(content) => {
                self.commit(name, &Kept::new(bytes, Content::Small(content)), None, reserved)
            }
            Source::Large(_, mut fill) => {
                let lock = self.data.lock()?;
                let made = self.data.write(bytes, &mut *fill)?;
                let kept = Kept::new(bytes, Content::File(made.id));
                let committed = self.commit(name, &kept, Some(made), reserved);
                drop(lock);
                committed
            }
        }
    }

    fn reserve(&self, bytes: u64, instead_of: u64) -> Result<Reserved<'_>, Error> {
        self.usage.wait()?;
        match self.usage.reserve(bytes, instead_of) {
            Err(Error::Full { .. }) if self.usage.may_be_counted_again() => {
                self.count_again()?;
                self.usage.reserve(bytes, instead_of)
            }
            reserved => reserved,
        }
    }

    /// Counts while nobody changes anything.
    fn count_again(&self) -> Result<(), Error> {
        let locked = self.locks.all();
        let begun = Instant::now();
        if let Some(scan) = wait(self.index.scan(|| false))? {
            self.usage.set(Ok(scan.bytes), begun.elapsed());
        }
        drop(locked);
        Ok(())
    }

    /// Has the index name an object, whatever it named before.
    fn commit(
        &self,
        name: &str,
        kept: &Kept,
        mut made: Option<Made>,
        reserved: Reserved<'_>,
    ) -> Result<(), Error> {
        let mut doubt = |is_in_doubt| made.iter_mut().for_each(|made| made.is_in_doubt = is_in_doubt);
        let locked = self.locks.of([name]);
        let before = loop {
            let found = wait(self.index.find(name))?;
            // Where no answer comes, nobody knows.
            doubt(true);
            match wait(self.index.put(&found, kept))? {
                Swap::Done => break found.kept,
                // Another process was faster.
                Swap::Changed => doubt(false),
            }
        };
        self.usage
            .change(size(name, kept.info.bytes), size_of(name, before.as_ref()));
        drop(reserved);
        drop(locked);
        if let Some(id) = before.and_then(|before| before.file()) {
            self.data.remove(id);
        }
        Ok(())
    }

    pub(super) fn copy(&self, from: &str, to: &str) -> Result<bool, Error> {
        let Some(kept) = wait(self.index.find(from))?.kept else {
            return Ok(false);
        };
        let source = match self.open_file(from, kept)? {
            None => return Ok(false),
            Some(Opened::Small(kept)) => Source::Small(kept.content),
            Some(Opened::File(info, file)) => Source::file(file, info.bytes),
        };
        self.put(to, source).map(|()| true)
    }

    pub(super) fn remove(&self, mut names: Vec<String>) -> Result<(), Error> {
        let marker = wait(self.index.marker())?;
        let (life, _) = marker.alive.ok_or(Error::NoContainer)?;
        names.sort();
        names.dedup();
        names
            .chunks(LIST_MAX)
            .try_for_each(|names| self.remove_in(life, names))
    }

    pub(super) fn clear(&self, prefix: &str) -> Result<(), Error> {
        let marker = wait(self.index.marker())?;
        let (life, _) = marker.alive.ok_or(Error::NoContainer)?;
        self.clear_in(life, prefix)
    }

    fn clear_in(&self, life: Life, prefix: &str) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let names = wait(self.index.names_in(life, prefix, after.as_deref(), LIST_MAX))?;
            self.remove_in(life, &names)?;
            after = names.last().cloned();
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes some names, together, and then what they named.
    fn remove_in(&self, life: Life, names: &[String]) -> Result<(), Error> {
        self.usage.wait()?;
        let locked = self.locks.of(names.iter().map(String::as_str));
        let found = wait(self.index.find_in(life, names))?;
        wait(self.index.remove_in(life, names))?;
        let sizes = names
            .iter()
            .zip(&found)
            .map(|(name, kept)| size_of(name, kept.as_ref()));
        self.usage.change(0, sizes.sum());
        drop(locked);
        let files = found.iter().flatten().filter_map(Kept::file);
        files.for_each(|id| self.data.remove(id));
        Ok(())
    }

    pub(super) fn create(&self) -> Result<Container, Error> {
        loop {
            let marker = wait(self.index.marker())?;
            match marker.alive {
                Some((life, container)) => {
                    let is_empty = wait(self.index.names_in(life, "", None, 1))?.is_empty();
                    return if is_empty {
                        Ok(container)
                    } else {
                        Err(Error::NotEmpty)
                    };
                }
                None => {
                    if let Some(container) = wait(self.index.begin(&marker))? {
                        return Ok(container);
                    }
                }
            }
        }
    }

    /// Ends the container, and then removes what was in it.
    pub(super) fn delete(&self) -> Result<(), Error> {
        loop {
            let marker = wait(self.index.marker())?;
            let Some((life, _)) = marker.alive else {
                return Ok(());
            };
            if wait(self.index.end(&marker))? == Swap::Done {
                return self.clear_in(life, "");
            }
        }
    }

    /// Removes what is left of containers that were deleted, until the store is closed.
    pub(super) fn sweep(&self) -> Result<(), Error> {
        let mut last = None;
        while let Some(life) = wait(self.index.next_life(last))? {
            // The one that lives is asked for after the one that was found: none that is over comes back.
            let alive = wait(self.index.marker())?.alive;
            let is_over = alive.is_none_or(|(alive, _)| alive != life);
            while is_over && !self.is_closing.load(Ordering::Acquire) {
                let names = wait(self.index.names_in(life, "", None, LIST_MAX))?;
                if names.is_empty() {
                    break;
                }
                self.remove_in(life, &names)?;
            }
            last = Some(life);
        }
        Ok(())
    }
}
