//! Folders of the cache, held open: everything inside is reached through their handles, never by a long path.
//!
//! The threat is another user of the same machine: whoever can put a file into this cache can run native code as
//! us. So a folder that others may write is refused, and no symbolic link below the root is ever followed.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Error;

/// What the name of every file begins with that is still being written.
const TEMPORARY_PREFIX: &str = ".writing-";

/// How often another name is tried when a temporary file of that name exists already.
const TEMPORARY_NAMES_MAX: u32 = 32;

/// The folders of one cache.
#[derive(Debug)]
pub(super) struct Folders {
    /// Holds the lock file.
    pub(super) version: Folder,
    pub(super) index: Folder,
    pub(super) artifacts: Folder,
}

impl Folders {
    /// Opens the folders, or says that the cache does not exist yet.
    pub(super) fn open(root: &Path) -> Result<Option<Self>, Error> {
        let Some(root) = open_root(root)? else {
            return Ok(None);
        };
        let Some(version) = root.open_folder("v1")? else {
            return Ok(None);
        };
        let Some(index) = version.open_folder("index")? else {
            return Ok(None);
        };
        let Some(artifacts) = version.open_folder("artifacts")? else {
            return Ok(None);
        };
        Ok(Some(Self {
            version,
            index,
            artifacts,
        }))
    }

    /// Opens the folders, and makes those that are missing, for this user alone.
    pub(super) fn open_or_create(root: &Path) -> Result<Self, Error> {
        if let Some(folders) = Self::open(root)? {
            return Ok(folders);
        }
        create_root(root)?;
        let root = open_root(root)?.ok_or_else(|| vanished(root))?;
        let version = root.create_folder("v1")?;
        let index = version.create_folder("index")?;
        let artifacts = version.create_folder("artifacts")?;
        Ok(Self {
            version,
            index,
            artifacts,
        })
    }
}

fn create_root(root: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(root)
        .map_err(|source| Error::io("create the folder", root, source))
}

fn vanished(path: &Path) -> Error {
    Error::io("open the folder", path, io::Error::from(io::ErrorKind::NotFound))
}

/// Opens the root. It alone may be a symbolic link, so that a cache can live on another disk: one of our own or of
/// the administrator, never one that somebody else could have laid there.
fn open_root(path: &Path) -> Result<Option<Folder>, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(handle) => Folder::checked(File::from(handle), path.to_owned()).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR) => {
            check_link(path)?;
            // The link may change between the look and this call; the folder behind it is checked all the same.
            match rustix::fs::open(path, flags, Mode::empty()) {
                Ok(handle) => Folder::checked(File::from(handle), path.to_owned()).map(Some),
                Err(Errno::NOTDIR) => Err(Error::NotAFolder {
                    path: path.to_owned(),
                }),
                // A link into nothing is refused, not created through.
                Err(errno) => Err(Error::io("open the folder", path, errno.into())),
            }
        }
        Err(errno) => Err(Error::io("open the folder", path, errno.into())),
    }
}

fn check_link(path: &Path) -> Result<(), Error> {
    let about =
        std::fs::symlink_metadata(path).map_err(|source| Error::io("look at the folder", path, source))?;
    if !about.file_type().is_symlink() {
        return Err(Error::NotAFolder {
            path: path.to_owned(),
        });
    }
    let user = rustix::process::geteuid().as_raw();
    if trusted(about.uid(), user) {
        return Ok(());
    }
    Err(Error::LinkOfAnotherUser {
        path: path.to_owned(),
        owner: about.uid(),
        user,
    })
}

/// Ourselves, and the administrator, who can do anything to us anyway.
fn trusted(owner: u32, user: u32) -> bool {
    owner == user || owner == 0
}

/// Refuses a folder that somebody else owns or may write.
pub(super) fn check_folder(path: &Path, owner: u32, mode: u32, user: u32) -> Result<(), Error> {
    if !trusted(owner, user) {
        return Err(Error::FolderOfAnotherUser {
            path: path.to_owned(),
            owner,
            user,
        });
    }
    if mode & 0o022 != 0 {
        return Err(Error::WritableByOthers {
            path: path.to_owned(),
            mode: mode & 0o7777,
        });
    }
    Ok(())
}

/// One folder, open.
#[derive(Debug)]
pub(super) struct Folder {
    handle: File,
    path: PathBuf,
}

/// What a folder holds under one name.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) length: u64,
    pub(super) modified: SystemTime,
    pub(super) is_file: bool,
}

impl Item {
    /// How long ago it was written; nothing for a time in the future.
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.modified).unwrap_or_default()
    }

    /// Whether this is a file that some process was or is writing.
    pub(super) fn is_temporary(&self) -> bool {
        self.name.starts_with(TEMPORARY_PREFIX)
    }
}

impl Folder {
    fn checked(handle: File, path: PathBuf) -> Result<Self, Error> {
        let about = handle
            .metadata()
            .map_err(|source| Error::io("look at the folder", &path, source))?;
        check_folder(
            &path,
            about.uid(),
            about.mode(),
            rustix::process::geteuid().as_raw(),
        )?;
        Ok(Self { handle, path })
    }

    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn error(&self, action: &'static str, name: &str, source: io::Error) -> Error {
        Error::io(action, &self.path_of(name), source)
    }

    fn open_folder(&self, name: &str) -> Result<Option<Self>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => Self::checked(File::from(handle), self.path_of(name)).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(Error::NotAFolder {
                path: self.path_of(name),
            }),
            Err(errno) => Err(self.error("open the folder", name, errno.into())),
        }
    }

    fn create_folder(&self, name: &str) -> Result<Self, Error> {
        match rustix::fs::mkdirat(&self.handle, name, Mode::RWXU) {
            // Another process made it a moment ago.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(self.error("create the folder", name, errno.into())),
        }
        self.open_folder(name)?
            .ok_or_else(|| vanished(&self.path_of(name)))
    }

    /// Opens a file to read; a symbolic link fails with [`Errno::LOOP`], and a named pipe does not make us wait.
    pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        Ok(File::from(rustix::fs::openat(
            &self.handle,
            name,
            flags,
            Mode::empty(),
        )?))
    }

    /// Opens the file that processes lock, and makes it when it is missing.
    pub(super) fn open_lock(&self, name: &str) -> Result<File, Error> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|errno| self.error("open the lock", name, errno.into()))
    }

    /// Removes a file or a link, never what a link points to. Says whether there was one.
    pub(super) fn remove(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// What lies under `name` itself, if anything.
    pub(super) fn look_at(&self, name: &str) -> io::Result<Option<Item>> {
        let stat = match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
        Ok(Some(Item {
            name: name.to_owned(),
            length: u64::try_from(stat.st_size).unwrap_or(0),
            modified: UNIX_EPOCH + seconds + Duration::from_nanos(u64::from(stat.st_mtime_nsec as u32)),
            is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
        }))
    }

    /// Everything in the folder, at most `items_max` of it. What vanishes meanwhile is left out.
    pub(super) fn items(&self, items_max: usize) -> Result<Vec<Item>, Error> {
        let failed = |source: io::Error| Error::io("list the folder", &self.path, source);
        let mut items = Vec::new();
        for found in Dir::read_from(&self.handle).map_err(|errno| failed(errno.into()))? {
            let found = found.map_err(|errno| failed(errno.into()))?;
            // We write no name that is not text, so anything else is not ours to touch.
            let Ok(name) = found.file_name().to_str() else {
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            if items.len() == items_max {
                break;
            }
            items.extend(self.look_at(name).map_err(failed)?);
        }
        Ok(items)
    }

    /// Puts a file with this content under `name`, whole or not at all: what is opened under that name at any
    /// moment is either what was there before or all of `content`.
    pub(super) fn put(&self, name: &str, content: &[u8], durability: Durability) -> Result<(), Error> {
        let (temporary, file) = self.create_temporary()?;
        let written = write_all(file, content, durability)
            .map_err(|source| self.error("write", name, source))
            .and_then(|()| {
                rustix::fs::renameat(&self.handle, &temporary, &self.handle, name)
                    .map_err(|errno| self.error("put in place", name, errno.into()))
            });
        if written.is_err() {
            // The first error is the one worth telling; what stays here goes with the next cleaning.
            let _removed = self.remove(&temporary);
        }
        written
    }

    fn create_temporary(&self) -> Result<(String, File), Error> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut tries = 0;
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            // Process numbers come again, and two machines may share a home: the time tells those apart.
            let nanoseconds = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_nanos();
            let name = format!("{TEMPORARY_PREFIX}{}-{nanoseconds:x}-{count}", std::process::id());
            match rustix::fs::openat(&self.handle, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(handle) => return Ok((name, File::from(handle))),
                Err(Errno::EXIST) if tries < TEMPORARY_NAMES_MAX => tries += 1,
                Err(errno) => return Err(self.error("create", &name, errno.into())),
            }
        }
    }
}

/// What a file that was put in place must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The end of the process.
    Process,
    /// The end of the machine: the content reaches the disk before the name does.
    Machine,
}

fn write_all(mut file: File, content: &[u8], durability: Durability) -> io::Result<()> {
    file.write_all(content)?;
    match durability {
        Durability::Process => Ok(()),
        Durability::Machine => file.sync_data(),
    }
}
