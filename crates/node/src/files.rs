//! Reading what stands in the folder of an app, and writing files whole or not at all.
//!
//! The folder may be a stranger's: what is called like a file may be a device without an end, or a pipe that
//! nobody writes to.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Reads at most `bytes_max` and one byte more, by which a caller sees that there is more.
///
/// # Errors
/// It cannot be read, or is no regular file: links are followed, devices, pipes and folders are refused.
pub(crate) fn read_regular(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // Looked at before it is opened: opening a pipe waits for a writer.
    if !fs_err::metadata(path)?.is_file() {
        let what = format!("`{}` is not a regular file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut bytes = Vec::new();
    fs_err::File::open(path)?
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes under a temporary name and renames: whoever looks sees the old file or the whole new one.
///
/// # Errors
/// The folder or the disk does not allow it; an old file is as it was.
///
/// # Authority
/// Writes that file, and a temporary one beside it. The umask decides who may read it, as for any file.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".weft-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
