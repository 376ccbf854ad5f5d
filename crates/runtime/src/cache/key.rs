//! What an artifact is found by: the component's digest, the engine that compiled it, and the profile.

use std::fmt;

use blake3::Hasher;

use super::index::{PROFILE_BYTES_MAX, one_line};

/// Keeps our key hashes apart from every other use of blake3, and one format version from the next.
const KEY_CONTEXT: &str = "weft artifact cache, key of format 1";

/// A blake3 digest of some content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }

    /// What a hasher that has seen all content came to.
    pub(super) fn finish(hasher: &Hasher) -> Self {
        Self(*hasher.finalize().as_bytes())
    }

    /// Reads exactly what [`fmt::Display`] writes: 64 lower-case hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digest = Self(*blake3::Hash::from_hex(text).ok()?.as_bytes());
        (digest.to_string() == text).then_some(digest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

/// Which artifact is wanted: this component, compiled by this engine, with this profile.
///
/// Two keys are equal exactly when an artifact of the one may run in place of the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    component: Digest,
    engine: u64,
    profile: String,
    digest: Digest,
}

impl Key {
    /// The key of the component with digest `component`, compiled by the engine whose compatibility hash is
    /// `engine`, under the settings that are called `profile`.
    ///
    /// # Limits
    ///
    /// A profile name of more than 128 bytes, or one with control characters, is replaced by its digest, so that it
    /// still tells profiles apart and fits on a line of the index.
    #[must_use]
    pub fn new(component: Digest, engine: u64, profile: &str) -> Self {
        let profile = match one_line(profile, PROFILE_BYTES_MAX) {
            line if line == profile => line,
            _ => format!("blake3:{}", Digest::of(profile.as_bytes())),
        };
        let mut hasher = Hasher::new_derive_key(KEY_CONTEXT);
        hasher.update(&component.0);
        hasher.update(&engine.to_le_bytes());
        // The only part of variable length comes last, so no two keys share their bytes.
        hasher.update(profile.as_bytes());
        let digest = Digest::finish(&hasher);
        Self {
            component,
            engine,
            profile,
            digest,
        }
    }

    /// The digest of the component that was compiled.
    #[must_use]
    pub fn component(&self) -> Digest {
        self.component
    }

    /// The compatibility hash of the engine that compiled it.
    #[must_use]
    pub fn engine(&self) -> u64 {
        self.engine
    }

    /// The name of the settings it was compiled under.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The name of this key's file in the index.
    pub(super) fn file_name(&self) -> String {
        self.digest.to_string()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digest.fmt(formatter)
    }
}
