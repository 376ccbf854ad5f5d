//! The cache of precompiled artifacts: compile a component once, run it many times.
//!
//! An artifact is native code, so the one promise that matters is: **what [`Cache::lookup`] hands out is, byte for
//! byte, what [`Cache::insert`] was given for the same [`Key`]**. Files are written under another name and renamed,
//! named after their content, and hashed whole on every read; whatever does not fit is removed and counts as a miss.
//! Nothing here waits for another process except cleaning, and a look-up changes nothing but, once an hour, the time
//! of its index file.
//!
//! The content stays opaque: this module knows files, the loader knows engines. `docs/artifact-cache.md` shows the
//! layout on disk.

mod clean;
mod folder;
mod index;
mod insert;
mod key;
mod lookup;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

pub use clean::{Entry, Listing, Report, Which};
pub use index::Meta;
pub use insert::Inserted;
pub use key::{Digest, Key};
pub use lookup::{Damage, Hit, Lookup, Reason};

/// A cache of precompiled artifacts in one folder.
///
/// Values are cheap and hold nothing open; any number of threads and processes may use the same folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    artifact_bytes_max: u64,
}

impl Cache {
    /// The cache in `root`, which keeps at most `artifact_bytes_max` bytes of artifacts.
    ///
    /// Touches nothing yet: folders are made by the first [`Cache::insert`].
    ///
    /// # Errors
    ///
    /// [`Error::RootNotAbsolute`]: a relative folder would be another cache after every change of directory.
    ///
    /// # Authority
    ///
    /// Everything this value does stays below `root`. Whoever may write there can run native code as this user, so
    /// a root that others own or may write is refused by the first look-up or insertion.
    pub fn open(root: impl Into<PathBuf>, artifact_bytes_max: u64) -> Result<Self, Error> {
        let root = root.into();
        if !root.is_absolute() {
            return Err(Error::RootNotAbsolute { path: root });
        }
        Ok(Self {
            root,
            artifact_bytes_max,
        })
    }

    /// The folder of the cache.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The most bytes of artifacts it keeps.
    #[must_use]
    pub fn artifact_bytes_max(&self) -> u64 {
        self.artifact_bytes_max
    }
}

/// The name of an artifact's file: its own digest.
fn artifact_name(digest: Digest) -> String {
    format!("{digest}.cwasm")
}

/// Why the cache could not be used. A program can always go on without it: compile, run, and warn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache would depend on the current directory.
    #[error("cache folder `{}` is not an absolute path", path.display())]
    RootNotAbsolute {
        /// The folder that was asked for.
        path: PathBuf,
    },
    /// Somebody else decides where the link leads.
    #[error(
        "cache folder `{}` is a symbolic link of user {owner}, expected one of user {user} or root",
        path.display()
    )]
    LinkOfAnotherUser {
        /// The link.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Somebody else could put native code there.
    #[error("cache folder `{}` belongs to user {owner}, expected user {user} or root", path.display())]
    FolderOfAnotherUser {
        /// The folder.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Somebody else could put native code there.
    #[error(
        "cache folder `{}` can be written by other users (mode {mode:o}), expected `chmod go-w` on it",
        path.display()
    )]
    WritableByOthers {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file or a symbolic link lies where a folder of the cache belongs.
    #[error("cache folder `{}` is not a folder", path.display())]
    NotAFolder {
        /// What was found.
        path: PathBuf,
    },
    /// The artifact alone is more than the cache may keep.
    #[error("the artifact is {length} bytes, more than the {length_max} the cache may keep")]
    TooLarge {
        /// The length of the artifact in bytes.
        length: u64,
        /// The bound of the cache in bytes.
        length_max: u64,
    },
    /// Another process held the lock for too long.
    #[error("another process has been cleaning cache folder `{}` for more than {seconds} s", path.display())]
    Busy {
        /// The cache's folder.
        path: PathBuf,
        /// How long we waited.
        seconds: u64,
    },
    /// The file system said no.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
