//! Sealed artifacts: precompiled code in a file that a person keeps, with proof of where it was made.
//!
//! Precompiled code is native code. Running it means trusting whoever made it, so `weft compile` seals what
//! it writes with a key that only this user on this machine has, and `weft run` runs a sealed artifact only
//! when the seal fits. An artifact from elsewhere runs only when the user says so explicitly.
//!
//! Layout: the engine's artifact, then a trailer of fixed length: profile name (23 bytes, zero-padded), whether
//! functions were inlined and what interrupts guests (1), BLAKE3 of the WebAssembly it was made from (32), BLAKE3 of
//! everything before this field (32), keyed BLAKE3 of everything before this field (32), length of the artifact (8,
//! little-endian), magic and version (8). So what fits the seal is whole, and is read once.

use std::io;
use std::path::{Path, PathBuf};

use crate::engine::{Inlining, Profile};
use crate::interruption::Interruption;

const MAGIC: &[u8; 8] = b"WEFTART2";
const NAME_BYTES: usize = 23;
const HASH_BYTES: usize = blake3::OUT_LEN;
const TRAILER_BYTES: usize = NAME_BYTES + 1 + 3 * HASH_BYTES + 8 + MAGIC.len();

/// Why a sealed artifact is not run.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The content is not what was written.
    #[error("the artifact is damaged: its content does not match its hash")]
    Damaged,
    /// The artifact was made elsewhere, or by somebody else.
    #[error("the artifact was not made by this user on this machine")]
    Foreign,
    /// The trailer names a profile that this version does not know.
    #[error("the artifact was made for profile `{0}`, which this version of Weft does not have")]
    UnknownProfile(String),
    /// The key cannot be read or made.
    #[error("cannot use the sealing key `{}`", path.display())]
    Key {
        /// Where the key is kept.
        path: PathBuf,
        /// Why it cannot be used.
        #[source]
        source: io::Error,
    },
}

/// The key that seals artifacts.
#[derive(Clone)]
pub struct SealKey([u8; 32]);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

impl SealKey {
    /// Reads the key at `path`, or makes one there that only this user can read.
    ///
    /// # Authority
    /// Reads, and on first use writes, this one file and the folder it lies in.
    ///
    /// # Errors
    /// When the file cannot be read or made, has another length than 32 bytes, or can be read by others.
    pub fn open_or_create(path: &Path) -> Result<Self, SealError> {
        let error = |source| SealError::Key {
            path: path.to_owned(),
            source,
        };
        match Self::read(path) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
            read => return read.map_err(error),
        }
        create_key(path).map_err(error)?;
        // Another process may have been faster: what lies there now is the key.
        Self::read(path).map_err(error)
    }

    /// Reads the key at `path`.
    ///
    /// # Errors
    /// As [`SealKey::open_or_create`]; also when there is none.
    pub fn open(path: &Path) -> Result<Self, SealError> {
        Self::read(path).map_err(|source| SealError::Key {
            path: path.to_owned(),
            source,
        })
    }

    fn read(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs_err::metadata(path)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(io::Error::other(
                "others may read this file; remove it, and a new key is made",
            ));
        }
        let bytes = fs_err::read(path)?;
        let key = bytes
            .try_into()
            .map_err(|_| io::Error::other("the key is not 32 bytes long"))?;
        Ok(Self(key))
    }
}

/// Writes a fresh key under a temporary name and links it into place, so that a reader never sees half a
/// key and of two processes at once exactly one wins.
fn create_key(path: &Path) -> io::Result<()> {
    use std::io::{Read as _, Write as _};
    let folder = path
        .parent()
        .ok_or_else(|| io::Error::other("the key needs a folder"))?;
    fs_err::create_dir_all(folder)?;
    let mut key = [0; 32];
    fs_err::File::open("/dev/urandom")?.read_exact(&mut key)?;
    let mut file = tempfile::Builder::new()
        .prefix(".artifact-key")
        .tempfile_in(folder)?;
    file.write_all(&key)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

/// The engine that an artifact was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeFor {
    /// Its purpose.
    pub profile: Profile,
    /// Whether it inlines.
    pub inlining: Inlining,
    /// What makes its guests look up.
    pub interruption: Interruption,
}

/// Bits of the byte that holds an engine's choices besides its profile.
const INLINES: u8 = 1;
const COUNTED: u8 = 2;
const EPOCHS: u8 = 4;

fn options(made_for: MadeFor) -> u8 {
    let inlines = if made_for.inlining == Inlining::On {
        INLINES
    } else {
        0
    };
    let interruption = match made_for.interruption {
        Interruption::None => 0,
        Interruption::Counted => COUNTED,
        Interruption::Epochs => EPOCHS,
    };
    inlines | interruption
}

/// An artifact with its trailer read.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    /// The engine's artifact.
    pub artifact: &'a [u8],
    /// BLAKE3 of the WebAssembly that it was made from.
    pub source_digest: blake3::Hash,
    hashed: &'a [u8],
    plain: blake3::Hash,
    sealed: &'a [u8],
    keyed: blake3::Hash,
    profile_name: &'a [u8],
    options: u8,
}

/// Seals an artifact that was made from `source`: appends the trailer.
pub fn seal(artifact: Vec<u8>, made_for: MadeFor, source: &[u8], key: &SealKey) -> Vec<u8> {
    let length = artifact.len() as u64;
    let mut name = [0; NAME_BYTES];
    for (slot, byte) in name.iter_mut().zip(made_for.profile.name().bytes()) {
        *slot = byte;
    }
    let mut sealed = artifact;
    sealed.extend_from_slice(&name);
    sealed.push(options(made_for));
    sealed.extend_from_slice(blake3::hash(source).as_bytes());
    let plain = blake3::hash(&sealed);
    sealed.extend_from_slice(plain.as_bytes());
    let keyed = blake3::keyed_hash(&key.0, &sealed);
    sealed.extend_from_slice(keyed.as_bytes());
    sealed.extend_from_slice(&length.to_le_bytes());
    sealed.extend_from_slice(MAGIC);
    sealed
}

/// Reads the trailer; `None` when there is none, and so the bytes were not made by `weft compile`.
pub fn read(bytes: &[u8]) -> Option<Sealed<'_>> {
    let (body, trailer) = bytes.split_at_checked(bytes.len().checked_sub(TRAILER_BYTES)?)?;
    let (profile_name, rest) = trailer.split_at_checked(NAME_BYTES)?;
    let (&options, rest) = rest.split_first()?;
    let (source, rest) = rest.split_first_chunk::<HASH_BYTES>()?;
    let (plain, rest) = rest.split_first_chunk::<HASH_BYTES>()?;
    let (keyed, rest) = rest.split_first_chunk::<HASH_BYTES>()?;
    let (length, magic) = rest.split_first_chunk::<8>()?;
    if magic != MAGIC || u64::from_le_bytes(*length) != body.len() as u64 {
        return None;
    }
    let hashed_bytes = body.len() + NAME_BYTES + 1 + HASH_BYTES;
    Some(Sealed {
        artifact: body,
        source_digest: blake3::Hash::from_bytes(*source),
        hashed: bytes.get(..hashed_bytes)?,
        plain: blake3::Hash::from_bytes(*plain),
        sealed: bytes.get(..hashed_bytes + HASH_BYTES)?,
        keyed: blake3::Hash::from_bytes(*keyed),
        profile_name,
        options,
    })
}

impl Sealed<'_> {
    /// The engine that the artifact was made for.
    ///
    /// # Errors
    /// When this version of Weft has no profile of that name.
    pub fn made_for(&self) -> Result<MadeFor, SealError> {
        let name = String::from_utf8_lossy(self.profile_name);
        let name = name.trim_end_matches('\0');
        let profile = Profile::from_name(name)
            .ok_or_else(|| SealError::UnknownProfile(name.escape_default().to_string()))?;
        Ok(MadeFor {
            profile,
            inlining: if self.options & INLINES != 0 {
                Inlining::On
            } else {
                Inlining::Off
            },
            interruption: match self.options & !INLINES {
                COUNTED => Interruption::Counted,
                EPOCHS => Interruption::Epochs,
                _ => Interruption::None,
            },
        })
    }

    /// Checks that the content is whole.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_whole(&self) -> Result<(), SealError> {
        // `Hash` compares in constant time.
        if blake3::hash(self.hashed) == self.plain {
            Ok(())
        } else {
            Err(SealError::Damaged)
        }
    }

    /// Checks that the content is whole and was sealed with `key`.
    ///
    /// # Errors
    /// When it is damaged, or the seal was made with another key.
    pub fn check_seal(&self, key: &SealKey) -> Result<(), SealError> {
        // What fits the seal is whole; what does not may be either.
        if blake3::keyed_hash(&key.0, self.sealed) == self.keyed {
            return Ok(());
        }
        self.check_whole()?;
        Err(SealError::Foreign)
    }
}
