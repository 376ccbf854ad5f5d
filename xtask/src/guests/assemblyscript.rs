//! AssemblyScript, by asc with the WASI shim.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::toolchain;

/// Compiles a program of one file to a command of preview 1.
pub(super) fn compile(source: &Path, binary: &Path) -> Result<()> {
    let guests = source.parent().context("a source file has a folder")?;
    let file = source.file_name().context("a source file has a name")?;
    let packages = toolchain::npm_packages("assemblyscript", guests)?;
    // The compiler looks for the shim from the source file on, so the source goes to the packages.
    fs_err::copy(source, packages.join(file))?;
    let mut asc = Command::new("node");
    asc.current_dir(&packages)
        .args(["node_modules/assemblyscript/bin/asc.js"])
        .arg(file);
    asc.args(["--config", "node_modules/@assemblyscript/wasi-shim/asconfig.json"]);
    asc.args(["--optimize", "--debug", "--outFile"]).arg(binary);
    toolchain::run(asc)
}
