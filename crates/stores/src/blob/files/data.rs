//! Files of objects: written once, never changed, and checked block by block.
//!
//! A file is named by chance and has the content in blocks of 64 KiB, each followed by a checksum. The checksum also
//! covers the name of the file, the number of the block and the length of the whole, so that a block in another
//! place, a file of another name and one that was cut are all noticed, and a part can be read without the rest.

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::place::Place;
use crate::blob::{Error, READ_BYTES_MAX};
use crate::folder;
use crate::keyvalue::Durability;

/// The folder of the files, in the folder of the store.
pub(super) const FOLDER: &str = "data";
/// What writers hold, in the folder of the store.
pub(super) const LOCK: &str = "lock";

/// Bytes of content that have a checksum of their own.
pub(super) const BLOCK_BYTES: usize = 64 << 10;
const SUM_BYTES: usize = 32;

/// Names a file. No two have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id(pub(super) [u8; 16]);

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Id {
    fn parse(name: &str) -> Option<Self> {
        let id = Self(u128::from_str_radix(name, 16).ok()?.to_be_bytes());
        (id.to_string() == name).then_some(id)
    }
}

/// All files of a store.
#[derive(Debug)]
pub(super) struct Data {
    place: Place,
    folder: PathBuf,
    durability: Durability,
    /// Which folders of files are there and stay.
    is_ready: Vec<AtomicBool>,
}

/// A file that no index names yet. It goes with this value, unless it may be named by now.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) id: Id,
    path: PathBuf,
    pub(super) is_in_doubt: bool,
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.is_in_doubt {
            // If it cannot be removed, it is collected when the store is opened again.
            drop(fs_err::remove_file(&self.path));
        }
    }
}

/// Fills a block with the next bytes of a content.
pub(super) type Fill<'a> = dyn FnMut(&mut [u8]) -> Result<(), Error> + 'a;

impl Data {
    pub(super) fn new(place: &Place, durability: Durability) -> Self {
        Self {
            place: place.clone(),
            folder: place.folder.join(FOLDER),
            durability,
            is_ready: (0..=u8::MAX).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    fn path(&self, id: Id) -> PathBuf {
        let name = id.to_string();
        self.folder.join(name.get(..2).unwrap_or_default()).join(name)
    }

    /// Lets nobody collect files until the returned handle goes.
    pub(super) fn lock(&self) -> Result<fs_err::File, Error> {
        let lock = self.open_lock()?;
        lock.file()
            .lock_shared()
            .map_err(|error| self.place.failed(error))?;
        Ok(lock)
    }

    fn open_lock(&self) -> Result<fs_err::File, Error> {
        let lock = fs_err::File::open(self.place.folder.join(LOCK));
        lock.map_err(|error| self.place.failed(error))
    }

    /// The files that are there while nobody is writing; none where somebody is. Those that no index names then will
    /// never be named.
    pub(super) fn idle_files(&self) -> Result<Vec<Id>, Error> {
        let lock = self.open_lock()?;
        match lock.file().try_lock() {
            Ok(()) => self.files().map_err(|error| self.place.failed(error)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(Vec::new()),
            Err(std::fs::TryLockError::Error(error)) => Err(self.place.failed(error)),
        }
    }

    fn files(&self) -> std::io::Result<Vec<Id>> {
        let mut files = Vec::new();
        for folder in fs_err::read_dir(&self.folder)? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs_err::read_dir(folder.path())? {
                // What has another name is none of ours.
                files.extend(file?.file_name().to_str().and_then(Id::parse));
            }
        }
        Ok(files)
    }

    /// Writes a file of so many bytes and sees that it stays.
    pub(super) fn write(&self, bytes: u64, fill: &mut Fill<'_>) -> Result<Made, Error> {
        let id = Id(folder::random());
        let path = self.path(id);
        let parent = folder::parent(&path);
        self.make_ready(id, parent)?;
        let io = |error| self.place.failed(error);
        let mut file = fs_err::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| match error.kind() {
                // It was there when this store was opened.
                std::io::ErrorKind::NotFound => {
                    self.place.damaged(&format!("a folder in `{FOLDER}` is missing"))
                }
                _ => io(error),
            })?;
        let made = Made {
            id,
            path: path.clone(),
            is_in_doubt: false,
        };
        let mut block = Vec::with_capacity(BLOCK_BYTES + SUM_BYTES);
        for number in 0..blocks(bytes) {
            block.resize(block_bytes(bytes, number), 0);
            fill(&mut block)?;
            block.extend_from_slice(sum(id, number, bytes, &block).as_bytes());
            file.write_all(&block).map_err(io)?;
        }
        if self.durability == Durability::Sync {
            file.sync_all().and_then(|()| folder::sync(parent)).map_err(io)?;
        }
        Ok(made)
    }

    /// Makes the folder that a file is in, where it is not there.
    fn make_ready(&self, id: Id, folder: &Path) -> Result<(), Error> {
        let is_ready = self.is_ready.get(usize::from(id.0[0]));
        if is_ready.is_some_and(|is_ready| is_ready.load(Ordering::Acquire)) {
            return Ok(());
        }
        match fs_err::create_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.place.damaged(&format!("`{FOLDER}` is missing")));
            }
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(self.place.failed(error));
            }
            // Whoever else made it just now may not have synced it yet.
            _ => {}
        }
        if self.durability == Durability::Sync {
            folder::sync(&self.folder).map_err(|error| self.place.failed(error))?;
        }
        if let Some(is_ready) = is_ready {
            is_ready.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Opens a file of so many bytes, if it is there.
    pub(super) fn open(&self, id: Id, bytes: u64) -> Result<Option<File>, Error> {
        let path = self.path(id);
        let file = match fs_err::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.place.failed(error)),
        };
        let found = file.metadata().map_err(|error| self.place.failed(error))?.len();
        let file = File {
            place: self.place.clone(),
            id,
            bytes,
            file: file.into(),
        };
        let expected = bytes + blocks(bytes) * SUM_BYTES as u64;
        if found != expected {
            return Err(file.damaged(&format!("has {found} bytes, expected {expected}")));
        }
        Ok(Some(file))
    }

    /// The error for a file that the index names and that is not there.
    pub(super) fn missing(&self, id: Id) -> Error {
        let path = self.path(id);
        let name = path.strip_prefix(&self.place.folder).unwrap_or(&path);
        self.place.damaged(&format!("`{}` is missing", name.display()))
    }

    /// Removes a file that no index names any more; not while files are kept.
    pub(super) fn remove(&self, id: Id) {
        // What stays, for whatever reason, is collected when the store is opened again.
        let Ok(folder) = fs_err::File::open(&self.folder) else {
            return;
        };
        if folder.file().try_lock_shared().is_ok() {
            drop(fs_err::remove_file(self.path(id)));
        }
    }

    /// Has files stay that no index names any more, until the returned handle goes; in every process.
    pub(super) fn keep(&self) -> Result<fs_err::File, Error> {
        let folder = fs_err::File::open(&self.folder).map_err(|error| self.place.failed(error))?;
        folder.file().lock().map_err(|error| self.place.failed(error))?;
        Ok(folder)
    }

    /// Copies a file into another store and sees that it stays.
    pub(super) fn copy_to(&self, id: Id, other: &Self) -> Result<(), Error> {
        let path = other.path(id);
        let parent = folder::parent(&path);
        other.make_ready(id, parent)?;
        fs_err::copy(self.path(id), &path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => self.missing(id),
            _ => other.place.failed(error),
        })?;
        let synced = fs_err::File::open(&path).and_then(|file| file.sync_all());
        synced
            .and_then(|()| folder::sync(parent))
            .map_err(|error| other.place.failed(error))
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match fs_err::metadata(&self.folder) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(self.place.damaged(&format!("`{FOLDER}` is no folder"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(self.place.damaged(&format!("`{FOLDER}` is missing")))
            }
            Err(error) => Err(self.place.failed(error)),
        }
    }
}

/// A file that was opened.
#[derive(Debug)]
pub(super) struct File {
    place: Place,
    id: Id,
    bytes: u64,
    file: std::fs::File,
}

impl File {
    /// Bytes from an offset on, as [`Object::read`](crate::blob::Object::read) has them.
    pub(super) fn read(&self, offset: u64, bytes_max: usize) -> Result<Bytes, Error> {
        let until = offset
            .saturating_add(bytes_max.min(READ_BYTES_MAX) as u64)
            .min(self.bytes);
        if offset >= until {
            return Ok(Bytes::new());
        }
        let block_bytes = BLOCK_BYTES as u64;
        let (first, last) = (offset / block_bytes, (until - 1) / block_bytes);
        let mut content = BytesMut::with_capacity(place(until - first * block_bytes)? + SUM_BYTES);
        for number in first..=last {
            self.block(number, &mut content)?;
        }
        let content = content.freeze();
        let begin = first * block_bytes;
        Ok(content.slice(place(offset - begin)?..place(until - begin)?))
    }

    /// Adds a block to what was read before it.
    pub(super) fn block(&self, number: u64, content: &mut BytesMut) -> Result<(), Error> {
        let (start, length) = (content.len(), block_bytes(self.bytes, number));
        content.resize(start + length + SUM_BYTES, 0);
        let place = number * (BLOCK_BYTES + SUM_BYTES) as u64;
        let whole = content.get_mut(start..).unwrap_or_default();
        match self.file.read_exact_at(whole, place) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(self.damaged("was cut off"));
            }
            Err(error) => return Err(self.place.failed(error)),
        }
        let (data, found) = whole.split_at(length);
        if sum(self.id, number, self.bytes, data).as_bytes() != found {
            return Err(self.damaged(&format!("does not fit its checksum in block {number}")));
        }
        content.truncate(start + length);
        Ok(())
    }

    /// Reads all of it.
    pub(super) fn verify(&self) -> Result<(), Error> {
        let mut block = BytesMut::with_capacity(BLOCK_BYTES + SUM_BYTES);
        (0..blocks(self.bytes)).try_for_each(|number| {
            block.clear();
            self.block(number, &mut block)
        })
    }

    fn damaged(&self, what: &str) -> Error {
        self.place.damaged(&format!("file `{}` {what}", self.id))
    }
}

fn place(bytes: u64) -> Result<usize, Error> {
    // At most what one call reads and two blocks.
    usize::try_from(bytes).map_err(|_| Error::Replaced)
}

fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES as u64)
}

fn block_bytes(bytes: u64, number: u64) -> usize {
    let rest = bytes.saturating_sub(number * BLOCK_BYTES as u64);
    usize::try_from(rest).map_or(BLOCK_BYTES, |rest| rest.min(BLOCK_BYTES))
}

fn sum(id: Id, number: u64, bytes: u64, data: &[u8]) -> blake3::Hash {
    let mut key = [0; 32];
    let (name, rest) = key.split_at_mut(16);
    let (place, length) = rest.split_at_mut(8);
    name.copy_from_slice(&id.0);
    place.copy_from_slice(&number.to_le_bytes());
    length.copy_from_slice(&bytes.to_le_bytes());
    blake3::keyed_hash(&key, data)
}
