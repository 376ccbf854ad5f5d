//! Finding an artifact: open the index file, open the artifact, hash all of it, hand it out.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use blake3::Hasher;
use rustix::io::Errno;

use super::folder::{Folder, Folders};
use super::index::{INDEX_BYTES_MAX, Index, Malformed};
use super::key::{Digest, Key};
use super::{Cache, Error, Meta, artifact_name};

/// Artifacts up to this length are read whole and handed out as bytes too: loading them from there saves opening the
/// file again, and the memory is no more than the buffer that a larger one needs for hashing.
const SMALL_ARTIFACT_BYTES: u64 = 16 * 1024;

/// How much of a larger artifact is read at once for hashing: enough for the wide paths of the hash, and it stays
/// within the processor's own cache.
const CHUNK_BYTES: usize = 64 * 1024;

/// A use is written down only when the last one on record is older, so that a hit writes nothing.
const LAST_USE_STEP: Duration = Duration::from_secs(60 * 60);

/// An artifact, read to the end and found to be what was inserted for its key.
#[derive(Debug)]
pub struct Hit {
    file: File,
    path: PathBuf,
    length: u64,
    bytes: Option<Vec<u8>>,
    meta: Meta,
}

impl Hit {
    /// The artifact, open at its end: the very file that was hashed, even if its name is gone by now.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where the artifact lies.
    ///
    /// Its name is the digest of its content, and only this user may write there, so opening it again gives the same
    /// content, or nothing when the entry was evicted meanwhile: that is a miss too.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The content that was hashed, where it is short (at most 16 KiB): nothing has to be opened again.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// What was kept about it.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }
}

/// What a look-up found.
#[derive(Debug)]
pub enum Lookup {
    /// The artifact can be run.
    Hit(Box<Hit>),
    /// Nothing is kept under this key.
    Absent,
    /// Something was kept that does not fit; it is a miss, and worth a word to a person who asked for details.
    Damaged(Damage),
}

impl Lookup {
    /// The hit, where it is one.
    #[must_use]
    pub fn hit(self) -> Option<Hit> {
        match self {
            Self::Hit(hit) => Some(*hit),
            Self::Absent | Self::Damaged(_) => None,
        }
    }
}

/// An entry that was not handed out.
#[derive(Debug)]
pub struct Damage {
    /// The file that does not fit.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: Reason,
    /// Whether the entry could be removed; a cache that cannot be written keeps it.
    pub removal: io::Result<()>,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cached `{}` {}", self.path.display(), self.reason)?;
        match &self.removal {
            Ok(()) => formatter.write_str("; the entry was removed"),
            Err(error) => write!(formatter, "; the entry could not be removed: {error}"),
        }
    }
}

/// What was wrong with a file of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A symbolic link, folder, pipe or device where a file belongs.
    NotAFile,
    /// The index file was cut or changed.
    IndexChecksum,
    /// The index file is of another format, or too long for ours.
    IndexLines,
    /// The index file is a sound one, for another key.
    IndexOfAnotherKey,
    /// The index file names an artifact that is not there.
    ArtifactMissing,
    /// The artifact is longer or shorter than what was inserted.
    ArtifactLength {
        /// Bytes that are there.
        found: u64,
        /// Bytes that were inserted.
        expected: u64,
    },
    /// The artifact has the right length and another content.
    ArtifactContent {
        /// The digest of what is there.
        found: Digest,
        /// The digest of what was inserted.
        expected: Digest,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFile => formatter.write_str("is not a plain file"),
            Self::IndexChecksum => formatter.write_str("does not have the digest in its last line"),
            Self::IndexLines => formatter.write_str("is not an index file of format 1"),
            Self::IndexOfAnotherKey => formatter.write_str("is the index file of another artifact"),
            Self::ArtifactMissing => formatter.write_str("is missing"),
            Self::ArtifactLength { found, expected } => {
                write!(formatter, "is {found} bytes, expected {expected}")
            }
            Self::ArtifactContent { found, expected } => {
                write!(
                    formatter,
                    "has digest `blake3:{found}`, expected `blake3:{expected}`"
                )
            }
        }
    }
}

/// How reading an entry can end short of a hit.
enum Refusal {
    Absent,
    Index(Reason),
    Artifact { name: String, reason: Reason },
    Failed(Error),
}

impl Cache {
    /// The artifact of `key`, if a sound one is kept.
    ///
    /// The whole content is hashed before it is handed out. An entry that does not fit is removed and reported as
    /// [`Lookup::Damaged`]. Works on a cache that can only be read.
    ///
    /// # Errors
    ///
    /// The folder is not safe to use, or the file system fails. Treat it as a miss, with a warning.
    pub fn lookup(&self, key: &Key) -> Result<Lookup, Error> {
        let Some(folders) = Folders::open(&self.root)? else {
            return Ok(Lookup::Absent);
        };
        let index_name = key.file_name();
        match read_entry(&folders, key, &index_name) {
            Ok(hit) => Ok(Lookup::Hit(Box::new(hit))),
            Err(Refusal::Absent) => Ok(Lookup::Absent),
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::Index(reason)) => Ok(Lookup::Damaged(Damage {
                path: folders.index.path_of(&index_name),
                reason,
                removal: folders.index.remove(&index_name).map(drop),
            })),
            Err(Refusal::Artifact { name, reason }) => Ok(Lookup::Damaged(Damage {
                path: folders.artifacts.path_of(&name),
                reason,
                removal: folders
                    .index
                    .remove(&index_name)
                    .and_then(|_| folders.artifacts.remove(&name))
                    .map(drop),
            })),
        }
    }
}

fn read_entry(folders: &Folders, key: &Key, index_name: &str) -> Result<Hit, Refusal> {
    let (index_file, index) = read_index(&folders.index, index_name)?;
    if index.key != *key {
        return Err(Refusal::Index(Reason::IndexOfAnotherKey));
    }
    let hit = read_artifact(&folders.artifacts, index)?;
    note_use(&index_file);
    Ok(hit)
}

fn read_index(folder: &Folder, name: &str) -> Result<(File, Index), Refusal> {
    let failed = |source| Refusal::Failed(folder.error("read", name, source));
    let mut file = match folder.open_file(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refusal::Absent),
        Err(error) if is_no_plain_file(&error) => return Err(Refusal::Index(Reason::NotAFile)),
        Err(error) => return Err(failed(error)),
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(Refusal::Index(Reason::NotAFile));
    }
    if about.len() > INDEX_BYTES_MAX {
        return Err(Refusal::Index(Reason::IndexLines));
    }
    let mut bytes = Vec::with_capacity(INDEX_BYTES_MAX as usize);
    (&mut file)
        .take(INDEX_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let index = Index::parse(&bytes).map_err(|malformed| Refusal::Index(malformed.into()))?;
    Ok((file, index))
}

/// The index file `name`, for listing: `None` where it is not a sound one or is gone.
pub(super) fn read_index_quietly(folder: &Folder, name: &str) -> Result<Option<Index>, Error> {
    match read_index(folder, name) {
        Ok((_, index)) if index.key.file_name() == name => Ok(Some(index)),
        Ok(_) | Err(Refusal::Absent | Refusal::Index(_) | Refusal::Artifact { .. }) => Ok(None),
        Err(Refusal::Failed(error)) => Err(error),
    }
}

fn read_artifact(folder: &Folder, index: Index) -> Result<Hit, Refusal> {
    let name = artifact_name(index.artifact);
    let failed = |source| Refusal::Failed(folder.error("read", &name, source));
    let refused = |reason| Refusal::Artifact {
        name: name.clone(),
        reason,
    };
    let mut file = match folder.open_file(&name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(refused(Reason::ArtifactMissing));
        }
        Err(error) if is_no_plain_file(&error) => return Err(refused(Reason::NotAFile)),
        Err(error) => return Err(failed(error)),
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(refused(Reason::NotAFile));
    }
    let expected = index.length;
    if about.len() != expected {
        return Err(refused(Reason::ArtifactLength {
            found: about.len(),
            expected,
        }));
    }
    let content = hash_content(&mut file, expected).map_err(failed)?;
    if content.length != expected {
        return Err(refused(Reason::ArtifactLength {
            found: content.length,
            expected,
        }));
    }
    if content.digest != index.artifact {
        return Err(refused(Reason::ArtifactContent {
            found: content.digest,
            expected: index.artifact,
        }));
    }
    let path = folder.path_of(&name);
    Ok(Hit {
        file,
        path,
        length: expected,
        bytes: content.bytes,
        meta: index.meta,
    })
}

struct Content {
    length: u64,
    digest: Digest,
    bytes: Option<Vec<u8>>,
}

/// Reads and hashes at most one byte more than `expected`, in bounded memory.
fn hash_content(file: &mut File, expected: u64) -> io::Result<Content> {
    let mut rest = file.take(expected.saturating_add(1));
    if expected <= SMALL_ARTIFACT_BYTES {
        // One byte more than the content, so that its end is seen without growing.
        let mut bytes = Vec::with_capacity(expected as usize + 1);
        rest.read_to_end(&mut bytes)?;
        return Ok(Content {
            length: bytes.len() as u64,
            digest: Digest::of(&bytes),
            bytes: Some(bytes),
        });
    }
    let mut hasher = Hasher::new();
    let mut length = 0;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = match rest.read(&mut chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else {
            break;
        };
        hasher.update(read);
        length += read.len() as u64;
    }
    Ok(Content {
        length,
        digest: Digest::finish(&hasher),
        bytes: None,
    })
}

/// Whether opening failed because a link, a socket or the like lies there. FreeBSD says `EMLINK` for a link.
fn is_no_plain_file(error: &io::Error) -> bool {
    [Errno::LOOP, Errno::MLINK, Errno::NXIO]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Writes down that the entry was used now, unless that is on record already.
fn note_use(index_file: &File) {
    let now = SystemTime::now();
    let recent = index_file
        .metadata()
        .and_then(|about| about.modified())
        .is_ok_and(|used| now.duration_since(used).is_ok_and(|age| age < LAST_USE_STEP));
    if !recent {
        // A cache on a read-only disk cannot note it and needs no note: nothing is evicted there either.
        let _noted = index_file.set_modified(now);
    }
}

impl From<Malformed> for Reason {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Checksum => Self::IndexChecksum,
            Malformed::Lines => Self::IndexLines,
        }
    }
}
