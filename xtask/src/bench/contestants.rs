//! The two programs that are compared: where they are, and how to get them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use tempfile::TempDir;
use weft_testing::guests::{announce, repository};

use super::command::Line;
use crate::guests::toolchain;

const WASMTIME_VERSION: &str = "48.0.8";

/// Which binaries to compare.
#[derive(Debug, Args)]
pub(super) struct Programs {
    #[command(flatten)]
    pub(super) weft: WeftProgram,

    /// The `wasmtime` to measure against; without it, one is installed into the cache folder.
    #[arg(long, value_name = "PATH")]
    wasmtime: Option<PathBuf>,
}

/// Which `weft` to measure.
#[derive(Debug, Args)]
pub(super) struct WeftProgram {
    /// The `weft` to measure; without it, one is built for release.
    #[arg(long, value_name = "PATH")]
    weft: Option<PathBuf>,
}

/// Both programs, and a scratch folder that takes the place of their home.
#[derive(Debug)]
pub(super) struct Contestants {
    weft: PathBuf,
    /// Empty where nothing is compared with the peer.
    wasmtime: PathBuf,
    scratch: TempDir,
}

impl WeftProgram {
    /// Finds `weft` alone, for what is compared with itself.
    pub(super) fn find(&self) -> Result<Contestants> {
        let contestants = Contestants {
            weft: self.path()?,
            wasmtime: PathBuf::new(),
            scratch: tempfile::tempdir()?,
        };
        println!("{}\n", contestants.weft().arg("--version").output()?.trim());
        Ok(contestants)
    }

    fn path(&self) -> Result<PathBuf> {
        match &self.weft {
            Some(weft) => Ok(fs_err::canonicalize(weft)?),
            None => build_weft(),
        }
    }
}

impl Programs {
    /// Finds both, and checks that each is what it should be.
    pub(super) fn find(&self) -> Result<Contestants> {
        let weft = self.weft.path()?;
        let wasmtime = match &self.wasmtime {
            Some(wasmtime) => fs_err::canonicalize(wasmtime)?,
            None => install_wasmtime()?,
        };
        let contestants = Contestants {
            weft,
            wasmtime,
            scratch: tempfile::tempdir()?,
        };
        let version = contestants.wasmtime().arg("--version").output()?;
        if version.split_whitespace().nth(1) != Some(WASMTIME_VERSION) {
            bail!(
                "the peer is `{}`, and should be `wasmtime {WASMTIME_VERSION}`",
                version.trim()
            );
        }
        println!(
            "{} beside {}\n",
            contestants.weft().arg("--version").output()?.trim(),
            version.trim()
        );
        Ok(contestants)
    }
}

impl Contestants {
    /// A command line of `weft`.
    pub(super) fn weft(&self) -> Line {
        Line::new(&self.weft, self.scratch.path())
    }

    /// A command line of `wasmtime`.
    pub(super) fn wasmtime(&self) -> Line {
        Line::new(&self.wasmtime, self.scratch.path())
    }

    /// Where `weft` is.
    pub(super) fn weft_path(&self) -> &Path {
        &self.weft
    }

    /// Where `wasmtime` is.
    pub(super) fn wasmtime_path(&self) -> &Path {
        &self.wasmtime
    }

    /// The folder that takes the place of their home.
    pub(super) fn home(&self) -> &Path {
        self.scratch.path()
    }

    /// Where a file of the bench's own may lie; it goes with this value.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}

/// Where a program of this checkout is that was built for release.
pub(super) fn release(name: &str) -> Result<PathBuf> {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => repository().join(target),
        None => repository().join("target"),
    };
    Ok(fs_err::canonicalize(target.join("release").join(name))?)
}

/// Builds `weft` from this checkout, and this very program, of which the benches run a part as a process of its own.
/// The whole workspace is selected: another selection would compile the engine
/// with other features, and so once more.
fn build_weft() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args([
            "build",
            "--release",
            "--workspace",
            "--bin",
            "weft",
            "--bin",
            "xtask",
        ])
        .current_dir(repository());
    run(build)?;
    release("weft")
}

/// Installs `wasmtime` as its own people build it, with its own locked dependencies; once per version.
fn install_wasmtime() -> Result<PathBuf> {
    let root = toolchain::cache()?
        .join("peers")
        .join(format!("wasmtime-{WASMTIME_VERSION}"));
    let _lock = toolchain::lock(&root)?;
    let program = root.join("bin").join("wasmtime");
    if program.is_file() {
        return Ok(program);
    }
    announce(&format!(
        "installing wasmtime {WASMTIME_VERSION}, which takes many minutes, into {}",
        root.display()
    ));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut install = Command::new(cargo);
    install
        .args([
            "install",
            "wasmtime-cli",
            "--version",
            WASMTIME_VERSION,
            "--locked",
            "--root",
        ])
        .arg(root);
    // In the repository, cargo would build it with the settings of the repository.
    install.current_dir(Path::new("/")).env_remove("CARGO_TARGET_DIR");
    run(install)?;
    Ok(program)
}

/// Runs a step that takes long; what it says goes to the person.
fn run(mut command: Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
