//! Python, bundled with an interpreter by componentize-py.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::toolchain;

const COMPONENTIZE_PY_VERSION: &str = "0.25.1";

/// Makes a component of a module and the world `hello` beside it.
pub(super) fn componentize(source: &Path, binary: &Path) -> Result<()> {
    let bin = toolchain::python_package("componentize-py", COMPONENTIZE_PY_VERSION)?;
    let guests = source.parent().context("a source file has a folder")?;
    let module = source.file_stem().context("a source file has a name")?;
    let mut componentize = Command::new(bin.join("componentize-py"));
    componentize
        .current_dir(guests)
        .arg("--wit-path")
        .arg(guests.join("wit"))
        .args(["--world", "hello"]);
    componentize
        .args(["componentize", "--output"])
        .arg(binary)
        .arg(module);
    // It asks the interpreter of its own environment where packages are.
    componentize
        .env("PATH", toolchain::path_with(&bin)?)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    toolchain::run(componentize)
}
