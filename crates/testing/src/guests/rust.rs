//! Guests built by cargo.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::catalogue::Target;
use super::{announce, output, repository, sources};

/// Variables beginning with `CARGO_` that describe the machine rather than the build we are called from.
const KEPT: &[&str] = &[
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
];

/// Builds one package and copies what came out to `binary`.
pub(super) fn build(package: &str, target: Target, binary: &Path) -> Result<()> {
    ensure_target(target)?;
    let target_folder = output().join("build");
    let mut cargo = tool(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--release"]);
    cargo.args(["--package", package, "--target", target.triple()]);
    cargo.arg("--manifest-path").arg(sources().join("Cargo.toml"));
    cargo.arg("--target-dir").arg(&target_folder);
    finish(cargo)?;
    let built = target_folder
        .join(target.triple())
        .join("release")
        .join(format!("{package}.wasm"));
    fs_err::copy(built, binary)?;
    Ok(())
}

/// Installs the standard library for a target where it is missing.
fn ensure_target(target: Target) -> Result<()> {
    if has_target(target)? {
        return Ok(());
    }
    announce(&format!(
        "target {0} is missing: running `rustup target add {0}`",
        target.triple()
    ));
    let mut rustup = tool("rustup".into());
    rustup.args(["target", "add", target.triple()]);
    finish(rustup)?;
    if has_target(target)? {
        return Ok(());
    }
    bail!(
        "the compiler in use has no standard library for `{}`, even after `rustup target add`",
        target.triple()
    )
}

fn has_target(target: Target) -> Result<bool> {
    let mut rustc = tool(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", target.triple()]);
    let folder = PathBuf::from(finish(rustc)?.trim_end());
    let is_std = |name: &OsStr| name.to_string_lossy().starts_with("libstd-");
    // No folder at all is the ordinary way for a target to be missing.
    let Ok(entries) = fs_err::read_dir(folder) else {
        return Ok(false);
    };
    Ok(entries.flatten().any(|entry| is_std(&entry.file_name())))
}

/// A program that runs in the repository, so that its toolchain file counts, and that inherits nothing of the build
/// or the test run that we may be called from: flags and wrappers for the host's programs would spoil a guest.
fn tool(program: OsString) -> Command {
    let mut command = Command::new(program);
    command.current_dir(repository()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_") && !KEPT.iter().any(|kept| name.starts_with(kept)) {
            command.env_remove(name.as_ref());
        }
    }
    for name in ["MAKEFLAGS", "RUSTDOCFLAGS", "RUSTFLAGS"] {
        command.env_remove(name);
    }
    // Set but empty, these three also overrule a configuration file in somebody's home.
    for name in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
    ] {
        command.env(name, "");
    }
    command
}

/// Runs a program to its end and gives what it printed; an error carries what it complained about.
fn finish(mut command: Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
