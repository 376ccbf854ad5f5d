//! Guests written in the text format.

use std::path::Path;

use anyhow::Result;

/// Turns a text into the binary it stands for.
pub(super) fn assemble(source: &Path, binary: &Path) -> Result<()> {
    fs_err::write(binary, wat::parse_file(source)?)?;
    Ok(())
}
