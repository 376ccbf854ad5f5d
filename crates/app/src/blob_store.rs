//! Blob stores: where an app keeps objects, as it is declared.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Name;
use crate::store::Durability;

/// A blob store that an app declares, or a flag does: one container of objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobStore {
    /// Its name, which tells it from the other blob stores of the app.
    pub name: Name,
    /// Where its objects are.
    pub backend: BlobBackend,
}

/// Where the objects of a blob store are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BlobBackend {
    /// In the memory of the process: gone with it.
    Memory {
        /// Bytes that names and objects may have together.
        bytes_max: u64,
    },
    /// In files of a folder of this machine.
    Files {
        /// The folder; none for the one that Weft chooses by the names of the app and of the blob store.
        folder: Option<PathBuf>,
        /// What an acknowledged write survives.
        durability: Durability,
        /// Bytes that objects may have together.
        bytes_max: u64,
    },
    /// In a bucket of a server that speaks as S3 does.
    S3(S3),
}

/// A bucket of a server that speaks as S3 does, and how it is entered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3 {
    /// Where the server is, as `https://HOST[:PORT]`.
    pub endpoint: String,
    /// The bucket, which somebody has made.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// With what requests are signed; none for a bucket that is open to everybody.
    pub key: Option<S3Key>,
    /// What stands before every name in the bucket; none for the names of the app and of the blob store.
    pub prefix: Option<String>,
    /// How long one call may take.
    pub timeout: Duration,
}

/// What requests to S3 are signed with.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct S3Key {
    /// The public part.
    pub id: String,
    /// The other one.
    pub secret: String,
}

impl fmt::Debug for S3Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(secret)")
    }
}

impl BlobBackend {
    /// Bytes of objects on disk where nothing else is said: 10 GiB.
    pub const BYTES_MAX: u64 = 10 << 30;
    /// Bytes of objects in memory where nothing else is said: 256 MiB.
    pub const MEMORY_BYTES_MAX: u64 = 256 << 20;
    /// How long one call to a server may take where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// A folder, and nothing lost with the power.
    #[must_use]
    pub fn files(folder: Option<PathBuf>) -> Self {
        Self::Files {
            folder,
            durability: Durability::Sync,
            bytes_max: Self::BYTES_MAX,
        }
    }

    /// The word for it in manifests.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Memory { .. } => "memory",
            Self::Files { .. } => "files",
            Self::S3(_) => "s3",
        }
    }
}

/// Where `--blobstore NAME=WHERE` puts objects: `memory`, or a folder.
impl FromStr for BlobBackend {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "memory" => Self::Memory {
                bytes_max: Self::MEMORY_BYTES_MAX,
            },
            folder => Self::files(Some(PathBuf::from(folder))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_memory_or_a_folder() {
        let read = |text: &str| text.parse::<BlobBackend>().unwrap();
        assert_eq!(read("memory").word(), "memory");
        assert_eq!(read("./data"), BlobBackend::files(Some("./data".into())));
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = S3Key {
            id: "me".to_owned(),
            secret: "hush".to_owned(),
        };
        assert_eq!(format!("{key:?}"), "(secret)");
    }
}
