//! Folders of stores, which appear whole or not at all: made under another name, synced, and renamed.

use std::io;
use std::path::{Path, PathBuf};

/// The folder that a path is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A name beside a folder that nobody else uses.
pub(crate) fn beside(folder: &Path, what: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let [a, b, c, d, ..] = random();
    let number = u32::from_le_bytes([a, b, c, d]);
    folder.with_file_name(format!(".{name}.{what}-{}-{number:08x}", std::process::id()))
}

/// Gives a finished folder its name, unless another process was faster; `marker` is something in every such folder.
pub(crate) fn publish(building: &Path, folder: &Path, marker: &str) -> io::Result<()> {
    sync(building)?;
    match fs_err::rename(building, folder) {
        Ok(()) => {}
        Err(_) if folder.join(marker).exists() => fs_err::remove_dir_all(building)?,
        Err(error) => return Err(error),
    }
    sync(parent(folder))
}

/// Has the names in a folder reach the disk.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    fs_err::File::open(folder)?.sync_all()
}

/// Something that nobody else has.
pub(crate) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    let random = fs_err::File::open("/dev/urandom")
        .and_then(|mut random| io::Read::read_exact(&mut random, &mut bytes));
    if random.is_err() {
        // Time and process tell things apart well enough where there is no randomness.
        let instead = format!("{:?} {}", std::time::SystemTime::now(), std::process::id());
        bytes.copy_from_slice(blake3::hash(instead.as_bytes()).as_bytes().split_at(16).0);
    }
    bytes
}
