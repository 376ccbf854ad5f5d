//! Adding up what comes page by page, where one entry may stand on several pages.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// The bytes of entries, each counted once.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The hashes of their keys: 8 bytes for each, whatever a key has.
    seen: HashSet<u64>,
    hasher: RandomState,
    pub(super) bytes: u64,
}

impl Tally {
    /// Counts an entry, unless it was counted before.
    pub(super) fn add(&mut self, key: &str, value_bytes: u64) {
        if self.seen.insert(self.hasher.hash_one(key)) {
            let bytes = (key.len() as u64).saturating_add(value_bytes);
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }
}
