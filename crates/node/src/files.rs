//! Writing files whole or not at all.

use std::io::{self, Write as _};
use std::path::Path;

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
