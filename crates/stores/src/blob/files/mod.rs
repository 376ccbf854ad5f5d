//! The embedded store: a folder with an index of names and one file for each object that is not small.
//!
//! The `index` is a key-value store, which says what is there; objects of up to 16 KiB lie in it as well. All others
//! are files that never change once they are written (`data`), with a checksum after every block. `change` brings
//! the two together: a file is on the disk before the index names it, and goes after the index has forgotten it.
//! What a killed process left between the two is found by `collect`; `usage` counts, and `backup` copies all of it.
//!
//! What always holds: an acknowledged write survives the process, and the machine where the store is
//! [`Durability::Sync`]; a reader has the object that it opened, whatever becomes of its name; damage is reported,
//! and nothing is made anew in its place. Several processes may use one folder.

mod backup;
mod change;
mod collect;
mod data;
mod index;
mod open;
mod place;
mod usage;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::Semaphore;

use change::{Locks, Source};
use data::Data;
use index::{Index, Kept};
use place::Place;
use usage::Usage;

use super::memory;
use super::{Answer, Container, Error, Info, LIST_MAX, Object, Page, Spool, Store, check_cursor, check_name};
use crate::keyvalue::Durability;

/// Calls that read from the disk at once, and as many that write.
const CALLS_MAX: usize = 16;
/// How often a file that is gone is looked up again, if somebody else keeps replacing the object.
const ATTEMPTS_MAX: usize = 100;

/// How a store is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What acknowledged writes survive. Default `sync`.
    pub durability: Durability,
    /// Bytes that names and contents may have together. Default 10 GiB.
    pub bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Sync,
            bytes_max: 10 << 30,
        }
    }
}

/// A store in a folder.
///
/// With [`Durability::Fast`], an object that was written shortly before the machine lost power may be reported as
/// damaged afterwards, until it is written again or removed.
///
/// # Authority
///
/// Reads and writes that folder, and makes it where it is not there.
///
/// # Limits
///
/// 16 calls read from the disk at once and as many write, each on a thread for blocking work; who comes later waits
/// outside. The index has up to five threads of its own. Of what other processes write meanwhile, the bound on bytes
/// learns when it is reached or the store is opened again.
#[derive(Debug)]
pub struct Files {
    inner: Arc<Inner>,
    collecting: Option<JoinHandle<()>>,
}

/// What the calls of one store share.
#[derive(Debug)]
struct Inner {
    place: Place,
    index: Index,
    data: Data,
    usage: Usage,
    locks: Locks,
    reading: Arc<Semaphore>,
    writing: Arc<Semaphore>,
    is_closing: AtomicBool,
}

/// What a store comes to as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many objects there are.
    pub objects: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

impl Files {
    /// Opens the store in a folder, or makes one. Waits for the disk: not for a thread that serves.
    ///
    /// # Errors
    ///
    /// The store is damaged, which is never repaired by forgetting something; or the folder cannot be used.
    pub fn open(folder: &Path, options: &Options) -> Result<Self, Error> {
        let opened = open::open(folder, options.durability)?;
        let inner = Arc::new(Inner {
            place: opened.place,
            index: opened.index,
            data: opened.data,
            usage: Usage::new(options.bytes_max),
            locks: Locks::new(),
            reading: Arc::new(Semaphore::new(CALLS_MAX)),
            writing: Arc::new(Semaphore::new(CALLS_MAX)),
            is_closing: AtomicBool::new(false),
        });
        let collecting = collect::start(Arc::clone(&inner), opened.candidates);
        let collecting = Some(collecting.map_err(|error| inner.place.failed(error))?);
        Ok(Self { inner, collecting })
    }

    /// Reads everything that is kept.
    ///
    /// # Errors
    /// The first damage that is found.
    pub async fn verify(&self) -> Result<Totals, Error> {
        self.inner.index.verify().await?;
        let (mut totals, mut after) = (Totals::default(), None);
        loop {
            let page = match self.inner.index.names("", after.as_deref(), LIST_MAX).await {
                Err(Error::NoContainer) => return Ok(totals),
                page => page?,
            };
            after = page.last().cloned();
            if after.is_none() {
                return Ok(totals);
            }
            let found = self.read_on_thread(move |inner| inner.verify(&page)).await?;
            totals.objects += found.objects;
            totals.bytes += found.bytes;
        }
    }

    /// Copies the store as it is at one moment into a new folder, while it is in use.
    ///
    /// # Errors
    /// There is something of that name, the disk refuses, or the store is damaged: a copy of damage is no backup.
    ///
    /// # Limits
    /// Files of objects that go meanwhile stay on the disk until the store is opened again.
    pub async fn back_up(&self, to: &Path) -> Result<Totals, Error> {
        let to = to.to_owned();
        self.read_on_thread(move |inner| backup::copy(inner, &to)).await
    }

    /// Does something that may wait for the disk where nobody is kept waiting by it.
    ///
    /// What has begun goes on to its end even if nobody waits for it any more.
    async fn write_on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        on_thread(&self.inner, &self.inner.writing, work).await
    }

    async fn read_on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        on_thread(&self.inner, &self.inner.reading, work).await
    }

    async fn open_object(&self, name: &str) -> Result<Option<Box<dyn Object>>, Error> {
        check_name(name)?;
        let Some(kept) = self.inner.index.find(name).await?.kept else {
            return Ok(None);
        };
        let opened = if kept.is_small() {
            Some(Opened::Small(kept.into_small()))
        } else {
            let name = name.to_owned();
            self.read_on_thread(move |inner| inner.open_file(&name, kept))
                .await?
        };
        Ok(opened.map(|opened| -> Box<dyn Object> {
            match opened {
                Opened::Small(object) => Box::new(object),
                Opened::File(info, file) => Box::new(OpenFile {
                    info,
                    file: Arc::new(file),
                    inner: Arc::clone(&self.inner),
                }),
            }
        }))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.inner.is_closing.store(true, Ordering::Release);
        if let Some(thread) = self.collecting.take() {
            // It does not panic; and if it did, there is nothing left to do.
            drop(thread.join());
        }
    }
}

async fn on_thread<T: Send + 'static>(
    inner: &Arc<Inner>,
    calls: &Arc<Semaphore>,
    work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let permit = Arc::clone(calls).acquire_owned().await;
    let permit = permit.map_err(|error| inner.place.failed(error))?;
    let shared = Arc::clone(inner);
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&shared);
        drop(permit);
        done
    });
    done.await.map_err(|error| inner.place.failed(error))?
}

/// An object that was opened, before anybody can see it.
#[derive(Debug)]
enum Opened {
    Small(memory::Kept),
    File(Info, data::File),
}

impl Inner {
    /// Opens the file of an object that was just found, or what has replaced it since.
    fn open_file(&self, name: &str, mut kept: Kept) -> Result<Option<Opened>, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(id) = kept.file() else {
                return Ok(Some(Opened::Small(kept.into_small())));
            };
            if let Some(file) = self.data.open(id, kept.info.bytes)? {
                return Ok(Some(Opened::File(kept.info, file)));
            }
            // A file goes only after the index has forgotten it.
            match index::wait(self.index.find(name))?.kept {
                None => return Ok(None),
                Some(again) if again.file() == Some(id) => {
                    return Err(self.data.missing(id));
                }
                Some(again) => kept = again,
            }
        }
        Err(Error::Replaced)
    }

    /// Reads some objects to their ends; those that are gone meanwhile do not count.
    fn verify(&self, names: &[String]) -> Result<Totals, Error> {
        let mut totals = Totals::default();
        for name in names {
            let opened = match index::wait(self.index.find(name)) {
                Ok(found) => found.kept,
                Err(Error::NoContainer) => None,
                Err(error) => return Err(error),
            };
            let opened = opened.map(|kept| self.open_file(name, kept)).transpose()?;
            let bytes = match opened.flatten() {
                None => continue,
                Some(Opened::Small(kept)) => kept.info.bytes,
                Some(Opened::File(info, file)) => file.verify().map(|()| info.bytes)?,
            };
            totals.objects += 1;
            totals.bytes += bytes;
        }
        Ok(totals)
    }
}

/// An object in a file, which stays readable when its name has gone.
#[derive(Debug)]
struct OpenFile {
    info: Info,
    file: Arc<data::File>,
    inner: Arc<Inner>,
}

impl Object for OpenFile {
    fn info(&self) -> &Info {
        &self.info
    }

    fn read(&self, offset: u64, bytes_max: usize) -> Answer<'_, Bytes> {
        let file = Arc::clone(&self.file);
        let read = move |_: &Inner| file.read(offset, bytes_max);
        Box::pin(on_thread(&self.inner, &self.inner.reading, read))
    }
}

impl Store for Files {
    fn container(&self) -> Answer<'_, Option<Container>> {
        Box::pin(self.inner.index.container())
    }

    fn create(&self) -> Answer<'_, Container> {
        Box::pin(self.write_on_thread(Inner::create))
    }

    fn delete(&self) -> Answer<'_, ()> {
        Box::pin(self.write_on_thread(Inner::delete))
    }

    fn info<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Info>> {
        Box::pin(async move {
            check_name(name)?;
            let found = self.inner.index.find(name).await?;
            Ok(found.kept.map(|kept| kept.info))
        })
    }

    fn open<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Box<dyn Object>>> {
        Box::pin(self.open_object(name))
    }

    fn write<'a>(&'a self, name: &'a str, content: Spool) -> Answer<'a, ()> {
        Box::pin(async move {
            check_name(name)?;
            let name = name.to_owned();
            self.write_on_thread(move |inner| inner.put(&name, Source::spool(content)?))
                .await
        })
    }

    fn remove<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async move {
            names.iter().try_for_each(|name| check_name(name))?;
            let names = names.to_vec();
            self.write_on_thread(move |inner| inner.remove(names)).await
        })
    }

    fn clear<'a>(&'a self, prefix: &'a str) -> Answer<'a, ()> {
        let prefix = prefix.to_owned();
        Box::pin(self.write_on_thread(move |inner| inner.clear(&prefix)))
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            check_name(from).and_then(|()| check_name(to))?;
            let (from, to) = (from.to_owned(), to.to_owned());
            self.write_on_thread(move |inner| inner.copy(&from, &to)).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        Box::pin(async move {
            check_cursor(prefix, cursor)?;
            let limit = limit.clamp(1, LIST_MAX);
            let names = self.inner.index.names(prefix, cursor, limit).await?;
            Ok(Page::in_order(names, limit))
        })
    }

    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        Box::pin(self.inner.index.usage(prefix))
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.inner.index.check().await?;
            self.read_on_thread(|inner| inner.data.check()).await
        })
    }
}
