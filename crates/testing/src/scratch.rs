//! Folders that end with the test.

use std::path::{Path, PathBuf};

/// A fresh folder, removed with everything in it when this value goes.
///
/// # Authority
///
/// Lies in the system's folder for temporary files. Every method takes paths from the scratch folder on.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// Makes the folder.
    ///
    /// # Panics
    ///
    /// Like all methods: with the reason, where the file system refuses.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("weft-test-").tempdir();
        Self {
            folder: folder.unwrap_or_else(|error| panic!("cannot make a scratch folder: {error}")),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a folder, and those above it, and says where it is.
    pub fn folder(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.path().join(name);
        fs_err::create_dir_all(&path).unwrap_or_else(|error| panic!("{error}"));
        path
    }

    /// Writes a file, makes the folders above it, and says where it is.
    pub fn file(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        let folder = path.parent().unwrap_or(self.path());
        let written = fs_err::create_dir_all(folder).and_then(|()| fs_err::write(&path, contents));
        written.unwrap_or_else(|error| panic!("{error}"));
        path
    }

    /// The text of a file.
    #[must_use]
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        fs_err::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
