//! Objects in memory: gone with the process. For tests, for trying things out, and the meaning of [`Store`] in code.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    Answer, Container, Error, Info, LIST_MAX, Object, Page, READ_BYTES_MAX, Spool, Store, check_cursor,
    check_name, ready,
};

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    bytes_max: u64,
    /// None while there is no container.
    objects: Mutex<Option<Objects>>,
}

#[derive(Debug)]
struct Objects {
    container: Container,
    by_name: BTreeMap<String, Kept>,
    bytes: u64,
}

/// An object that was read or written: it stays what it is whatever becomes of its name.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) info: Info,
    pub(super) content: Bytes,
}

impl Memory {
    /// An empty container whose names and contents may have so many bytes together.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            objects: Mutex::new(Some(Objects::new())),
        }
    }

    /// Does something with the objects, if there is a container.
    fn with<T>(&self, work: impl FnOnce(&mut Objects) -> Result<T, Error>) -> Result<T, Error> {
        work(self.objects.lock().as_mut().ok_or(Error::NoContainer)?)
    }

    fn find(&self, name: &str) -> Result<Option<Kept>, Error> {
        check_name(name)?;
        self.with(|objects| Ok(objects.by_name.get(name).cloned()))
    }

    fn create_now(&self) -> Result<Container, Error> {
        let mut objects = self.objects.lock();
        let objects = objects.get_or_insert_with(Objects::new);
        if !objects.by_name.is_empty() {
            return Err(Error::NotEmpty);
        }
        Ok(objects.container)
    }

    fn copy_now(&self, from: &str, to: &str) -> Result<bool, Error> {
        check_name(from).and_then(|()| check_name(to))?;
        self.with(|objects| match objects.by_name.get(from) {
            Some(kept) => objects
                .put(to, kept.content.clone(), self.bytes_max)
                .map(|()| true),
            None => Ok(false),
        })
    }
}

impl Objects {
    fn new() -> Self {
        let created = Some(SystemTime::now());
        Self {
            container: Container { created },
            by_name: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Refuses what there is no room for, and says how many bytes there will be.
    fn after(&self, name: &str, bytes: u64, bytes_max: u64) -> Result<u64, Error> {
        let before = self
            .by_name
            .get(name)
            .map_or(0, |kept| size(name, kept.info.bytes));
        let after = (self.bytes - before).saturating_add(size(name, bytes));
        if after > bytes_max && after > self.bytes {
            return Err(Error::Full { bytes_max });
        }
        Ok(after)
    }

    fn put(&mut self, name: &str, content: Bytes, bytes_max: u64) -> Result<(), Error> {
        let bytes = content.len() as u64;
        self.bytes = self.after(name, bytes, bytes_max)?;
        let created = SystemTime::now();
        let info = Info { bytes, created };
        self.by_name.insert(name.to_owned(), Kept { info, content });
        Ok(())
    }

    fn remove(&mut self, name: &str) {
        if let Some(kept) = self.by_name.remove(name) {
            self.bytes -= size(name, kept.info.bytes);
        }
    }

    /// The objects whose names begin with a prefix, from the one after another on.
    fn below<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a String, &'a Kept)> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let objects = self.by_name.range::<str, _>((from, Bound::Unbounded));
        objects.take_while(move |(name, _)| name.starts_with(prefix))
    }

    fn names(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let names = self.below(prefix, after).map(|(name, _)| name);
        names.take(limit).cloned().collect()
    }

    /// The bytes of some of them, and the last of these names; none where no more come.
    fn piece(&self, prefix: &str, after: Option<&str>) -> (u64, Option<String>) {
        let (mut bytes, mut last) = (0, None);
        for (name, kept) in self.below(prefix, after).take(LIST_MAX) {
            bytes += size(name, kept.info.bytes);
            last = Some(name);
        }
        (bytes, last.cloned())
    }
}

fn size(name: &str, bytes: u64) -> u64 {
    (name.len() as u64).saturating_add(bytes)
}

/// What was gathered, which may lie on a disk.
async fn gathered(content: Spool) -> Result<Bytes, Error> {
    let content = match content.into_memory() {
        // No more is kept than is counted.
        Ok(bytes) => return Ok(Vec::from(bytes).into_boxed_slice().into()),
        Err(content) => content,
    };
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::with_capacity(usize::try_from(content.bytes()).unwrap_or_default());
        content.into_reader()?.read_to_end(&mut bytes)?;
        Ok(Bytes::from(bytes))
    });
    let read = read.await.map_err(std::io::Error::other);
    read.flatten().map_err(|source| Error::Spool {
        source: Arc::new(source),
    })
}

impl Store for Memory {
    fn container(&self) -> Answer<'_, Option<Container>> {
        ready(Ok(self.objects.lock().as_ref().map(|objects| objects.container)))
    }

    fn create(&self) -> Answer<'_, Container> {
        ready(self.create_now())
    }

    fn delete(&self) -> Answer<'_, ()> {
        *self.objects.lock() = None;
        ready(Ok(()))
    }

    fn info<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Info>> {
        ready(self.find(name).map(|found| found.map(|kept| kept.info)))
    }

    fn open<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Box<dyn Object>>> {
        let found = self.find(name);
        ready(found.map(|found| found.map(|kept| Box::new(kept) as Box<dyn Object>)))
    }

    fn write<'a>(&'a self, name: &'a str, content: Spool) -> Answer<'a, ()> {
        Box::pin(async move {
            check_name(name)?;
            // Before it is in memory: what has no room in the store has none beside it either.
            self.with(|objects| objects.after(name, content.bytes(), self.bytes_max).map(drop))?;
            let content = gathered(content).await?;
            self.with(|objects| objects.put(name, content, self.bytes_max))
        })
    }

    fn remove<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()> {
        let valid = names.iter().try_for_each(|name| check_name(name));
        ready(valid.and_then(|()| {
            self.with(|objects| {
                names.iter().for_each(|name| objects.remove(name));
                Ok(())
            })
        }))
    }

    fn clear<'a>(&'a self, prefix: &'a str) -> Answer<'a, ()> {
        ready(self.with(|objects| {
            for name in objects.names(prefix, None, usize::MAX) {
                objects.remove(&name);
            }
            Ok(())
        }))
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, bool> {
        ready(self.copy_now(from, to))
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        let limit = limit.clamp(1, LIST_MAX);
        let valid = check_cursor(prefix, cursor);
        ready(valid.and_then(|()| {
            self.with(|objects| Ok(Page::in_order(objects.names(prefix, cursor, limit), limit)))
        }))
    }

    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            let (mut bytes, mut last) = (0, None);
            loop {
                // Piece by piece, so that nobody waits for all of it.
                let piece = self.with(|objects| Ok(objects.piece(prefix, last.as_deref())))?;
                bytes += piece.0;
                last = piece.1;
                if last.is_none() {
                    return Ok(bytes);
                }
                tokio::task::yield_now().await;
            }
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }
}

impl Object for Kept {
    fn info(&self) -> &Info {
        &self.info
    }

    fn read(&self, offset: u64, bytes_max: usize) -> Answer<'_, Bytes> {
        let length = self.content.len();
        let from = usize::try_from(offset).unwrap_or(length).min(length);
        let until = from.saturating_add(bytes_max.min(READ_BYTES_MAX)).min(length);
        ready(Ok(self.content.slice(from..until)))
    }
}
