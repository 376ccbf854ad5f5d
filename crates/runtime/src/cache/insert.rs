//! Keeping an artifact: content first, index second, bound third.

use std::path::PathBuf;
use std::time::SystemTime;

use super::folder::{Durability, Folders};
use super::index::Index;
use super::key::{Digest, Key};
use super::{Cache, Error, Meta, Report, artifact_name};

/// What an insertion did.
#[derive(Debug)]
pub struct Inserted {
    /// Where the artifact lies now.
    pub path: PathBuf,
    /// What had to make room for it.
    pub evicted: Report,
}

impl Cache {
    /// Keeps `artifact` under `key`, and evicts the least recently used entries when the cache grows over its bound.
    ///
    /// Any number of processes may insert the same key at once: the last one wins, whole. The content reaches the
    /// disk before it gets its name, so this may take some milliseconds: call it where nobody waits, for example
    /// while the guest runs.
    ///
    /// # Errors
    ///
    /// The artifact is larger than the cache, the folder is not safe to use, or the file system fails (disk full,
    /// read-only, no permission, no home). Nothing half-written stays under a name that a look-up reads. The
    /// artifact in the caller's hands is as good as before: warn and go on.
    pub fn insert(&self, key: &Key, meta: &Meta, artifact: &[u8]) -> Result<Inserted, Error> {
        let length = artifact.len() as u64;
        if length > self.artifact_bytes_max {
            return Err(Error::TooLarge {
                length,
                length_max: self.artifact_bytes_max,
            });
        }
        let folders = Folders::open_or_create(&self.root)?;
        let digest = Digest::of(artifact);
        let name = artifact_name(digest);
        folders.artifacts.put(&name, artifact, Durability::Machine)?;
        let index = Index {
            key: key.clone(),
            artifact: digest,
            length,
            meta: meta.clone(),
            created: SystemTime::now(),
        };
        // A crash may lose this file or leave it empty; its checksum makes either a miss.
        folders
            .index
            .put(&key.file_name(), index.render().as_bytes(), Durability::Process)?;
        let evicted = self.make_room(&folders, key)?;
        Ok(Inserted {
            path: folders.artifacts.path_of(&name),
            evicted,
        })
    }
}
