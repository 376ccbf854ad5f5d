//! Bytes on their way into a store: in memory while they are few, then in a file without a name.

use std::fmt;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};

use tempfile::SpooledTempFile;

/// Bytes up to which a spool stays in memory.
const MEMORY_BYTES: usize = 256 << 10;

/// The content of an object to be, gathered before it is written.
///
/// # Limits
///
/// 256 KiB of memory; the rest lies in a file of the system's temporary folder, which goes with the spool. How much
/// that may be is for whoever fills it.
pub struct Spool {
    file: SpooledTempFile,
    bytes: u64,
}

impl Spool {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            file: SpooledTempFile::new(MEMORY_BYTES),
            bytes: 0,
        }
    }

    /// Adds bytes. May wait for the disk.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Whether so many more bytes stay in memory, so that adding them waits for nothing.
    #[must_use]
    pub fn has_memory_for(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes as u64) <= MEMORY_BYTES as u64
    }

    /// How many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was added, from the beginning. Reading may wait for the disk.
    ///
    /// # Errors
    /// The disk fails.
    pub fn into_reader(mut self) -> io::Result<impl Read + Send + 'static> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(self.file)
    }
}

impl Default for Spool {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Spool")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
