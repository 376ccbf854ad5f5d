//! The C compiler of the C guests, for tests that build what has C in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{Skip, skip};

/// The version of `ziglang` from PyPI, whose clang compiles C.
pub const ZIG_VERSION: &str = "0.17.0";

/// A C compiler for WebAssembly.
#[derive(Debug)]
pub struct CCompiler {
    /// The beginning of its command line, for a shell: `$command -o x.wasm x.c`.
    pub command: String,
    /// What it keeps from one run to the next, for `ZIG_GLOBAL_CACHE_DIR`.
    pub cache: PathBuf,
}

/// What the project keeps between checkouts: `weft` in `$XDG_CACHE_HOME` or `$HOME/.cache`.
///
/// # Errors
///
/// Where neither variable is set.
pub fn cache() -> Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => {
            PathBuf::from(std::env::var_os("HOME").context("neither `XDG_CACHE_HOME` nor `HOME` is set")?)
                .join(".cache")
        }
    };
    Ok(cache.join("weft"))
}

/// The folder of a package from PyPI, among the tool chains.
///
/// # Errors
///
/// Where there is no folder for tool chains.
pub fn python_folder(name: &str, version: &str) -> Result<PathBuf> {
    Ok(cache()?.join("toolchains").join(format!("{name}-{version}")))
}

/// The C compiler that `cargo xtask guests` installs for the C guests. Installs nothing.
///
/// # Errors
///
/// Where it is not there. The reason is also printed, so that nobody takes a skipped test for one that passed.
///
/// # Panics
///
/// Instead of an error, where `WEFT_ALL_GUESTS` is `1`.
pub fn c_compiler() -> Result<CCompiler, Skip> {
    let folder = python_folder("ziglang", ZIG_VERSION).unwrap_or_else(|error| panic!("{error:#}"));
    if !folder.join("weft-ready").is_file() {
        return Err(skip(
            "there is no C compiler for WebAssembly; `cargo xtask guests` installs one".to_owned(),
        ));
    }
    let quoted = |path: &Path| path.display().to_string().replace(' ', "\\ ");
    Ok(CCompiler {
        command: format!("{} -m ziglang cc", quoted(&folder.join("bin").join("python"))),
        cache: folder.with_file_name("zig-cache"),
    })
}
