//! C, compiled by the clang and linked with the C library that come with zig.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use weft_testing::guests::ZIG_VERSION;

use super::toolchain;

/// What the compiler works towards.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    /// Small code that a debugger finds its way in: guests of tests.
    Size,
    /// Fast code: kernels of benches.
    Speed,
}

impl Aim {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Size => &["-Os", "-g"],
            Self::Speed => &["-O2"],
        }
    }
}

/// Compiles a program of one file to a command of preview 1.
pub(crate) fn compile(source: &Path, aim: Aim, binary: &Path) -> Result<()> {
    let python = toolchain::python_package("ziglang", ZIG_VERSION)?.join("python");
    let cache = toolchain::folder()?.join("zig-cache");
    let mut zig = Command::new(python);
    zig.args(["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-std=c17"]);
    zig.args(["-Wall", "-Wextra", "-Werror"]).args(aim.flags());
    zig.arg("-o").arg(binary).arg(source);
    zig.env("ZIG_GLOBAL_CACHE_DIR", &cache)
        .env("ZIG_LOCAL_CACHE_DIR", cache.join("local"));
    toolchain::run(zig)
}
