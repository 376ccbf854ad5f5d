//! JavaScript, bundled with an engine by componentize-js.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::toolchain;

/// Makes a component of a source file and the world `hello` beside it.
pub(super) fn componentize(source: &Path, binary: &Path) -> Result<()> {
    let guests = source.parent().context("a source file has a folder")?;
    let packages = toolchain::npm_packages("javascript", guests)?;
    // Node looks for packages from the script on, so the script goes to the packages.
    fs_err::copy(guests.join("build.mjs"), packages.join("build.mjs"))?;
    let mut node = Command::new("node");
    node.current_dir(&packages).arg("build.mjs");
    node.arg(source).arg(guests.join("wit")).arg("hello").arg(binary);
    toolchain::run(node)
}
