//! Whether a built guest belongs to the sources as they are now: a digest beside each binary.
//!
//! A reader needs no lock, because a stamp is removed before its binary changes and written after:
//! a stamp that fits stands beside a whole binary that fits.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err::{File, OpenOptions};
use sha2::{Digest as _, Sha256};

use super::State;

/// Changed when the way of building changes without any source changing.
const RECIPE_VERSION: &str = "1";

/// Folders and files that building leaves among the sources.
const NOT_SOURCES: &[&str] = &["target", "node_modules", "__pycache__"];

/// A digest over a recipe and the names and contents of all files below the inputs.
pub(super) fn digest(recipe: &str, root: &Path, inputs: &[String]) -> Result<String> {
    let mut hasher = Sha256::new();
    // Lengths first, so that no two different lists of parts look alike.
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(RECIPE_VERSION.as_bytes());
    part(recipe.as_bytes());
    for input in inputs {
        let path = root.join(input);
        for file in files(&path)? {
            part(
                file.strip_prefix(root)
                    .unwrap_or(&file)
                    .to_string_lossy()
                    .as_bytes(),
            );
            part(&fs_err::read(&file)?);
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// All source files at or below a path, sorted.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !fs_err::symlink_metadata(path)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut entries = Vec::new();
    for entry in fs_err::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if !NOT_SOURCES.iter().any(|skipped| name == *skipped) && !name.to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort();
    let below: Result<Vec<Vec<PathBuf>>> = entries.iter().map(|entry| files(entry)).collect();
    Ok(below?.into_iter().flatten().collect())
}

/// What lies at a path, compared with the digest of the sources.
pub(super) fn state(binary: &Path, digest: &str) -> Result<State> {
    if !binary.is_file() {
        return Ok(State::Missing);
    }
    match fs_err::read_to_string(stamp_of(binary)) {
        Ok(stamp) if stamp.trim_end() == digest => Ok(State::Current),
        Ok(_) => Ok(State::Stale),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::Stale),
        Err(error) => Err(error.into()),
    }
}

/// Puts a finished binary in its place and its stamp beside it.
pub(super) fn install(unfinished: &Path, binary: &Path, digest: &str) -> Result<()> {
    let stamp = stamp_of(binary);
    match fs_err::remove_file(&stamp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs_err::rename(unfinished, binary)?,
    }
    // By rename as well: a reader must not meet half a stamp.
    fs_err::write(unfinished, digest)?;
    fs_err::rename(unfinished, stamp)?;
    Ok(())
}

fn stamp_of(binary: &Path) -> PathBuf {
    binary.with_extension("wasm.stamp")
}

/// Waits until no other process builds guests; the lock ends with the file.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)?;
    file.file()
        .lock()
        .with_context(|| format!("cannot lock `{}`", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::{State, digest, install, state};
    use crate::Scratch;

    #[test]
    fn the_digest_follows_contents_and_names_and_ignores_what_building_leaves() {
        let scratch = Scratch::new();
        let now = || digest("recipe", scratch.path(), &["guest".to_string()]).unwrap();
        scratch.file("guest/a.rs", "one");
        let first = now();
        scratch.file("guest/node_modules/x.js", "left behind");
        scratch.file("guest/a.rs", "one");
        assert_eq!(now(), first);
        scratch.file("guest/a.rs", "two");
        let second = now();
        assert_ne!(second, first);
        scratch.file("guest/deeper/b.rs", "");
        assert_ne!(now(), second);
    }

    #[test]
    fn a_binary_is_current_only_beside_the_stamp_of_its_sources() {
        let scratch = Scratch::new();
        let binary = scratch.path().join("guest.p1.wasm");
        assert_eq!(state(&binary, "a").unwrap(), State::Missing);
        install(&scratch.file("unfinished", "binary"), &binary, "a").unwrap();
        assert_eq!(state(&binary, "a").unwrap(), State::Current);
        assert_eq!(state(&binary, "b").unwrap(), State::Stale);
        install(&scratch.file("unfinished", "other"), &binary, "b").unwrap();
        assert_eq!(state(&binary, "b").unwrap(), State::Current);
        assert_eq!(fs_err::read(&binary).unwrap(), b"other");
    }
}
