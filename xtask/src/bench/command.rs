//! A command line that is run again and again, and what each run costs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use wait4::Wait4 as _;

/// What one run of a process cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// From before it was started until after it was gone, in milliseconds.
    pub(super) wall: f64,
    /// What the processors spent on it, the system's part included, in milliseconds.
    ///
    /// Both parts together, since Linux counts the sum exactly and only guesses how it divides.
    pub(super) processor: f64,
    /// The most memory it had at a time, in mebibytes. Never less than what this process has when it starts
    /// another: a process inherits the peak of the one it was made from.
    pub(super) peak: f64,
}

/// A program with its arguments, and the folder that takes the place of a home.
#[derive(Clone, Debug)]
pub(super) struct Line {
    program: PathBuf,
    arguments: Vec<OsString>,
    home: PathBuf,
}

impl Line {
    /// A program without arguments.
    pub(super) fn new(program: &Path, home: &Path) -> Self {
        Self {
            program: program.to_path_buf(),
            arguments: Vec::new(),
            home: home.to_path_buf(),
        }
    }

    /// Adds an argument.
    pub(super) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_os_string());
        self
    }

    /// Adds several arguments.
    pub(super) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_os_string()),
        );
        self
    }

    /// Runs it once and hands back what it printed.
    ///
    /// # Errors
    /// Where it cannot be started or does not end with 0; what it said is in the message.
    pub(super) fn output(&self) -> Result<String> {
        let output = self
            .command()
            .output()
            .with_context(|| format!("cannot start {self}"))?;
        if !output.status.success() {
            bail!(
                "{self} ended with {}:\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it once, its output thrown away, and measures.
    ///
    /// # Errors
    /// Where it cannot be started or does not end with 0.
    pub(super) fn measure(&self) -> Result<Cost> {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {self}"))?;
        let used = child.wait4().with_context(|| format!("cannot wait for {self}"))?;
        let wall = started.elapsed();
        if !used.status.success() {
            bail!("{self} ended with {}", used.status);
        }
        Ok(Cost {
            wall: wall.as_secs_f64() * 1e3,
            processor: (used.rusage.utime + used.rusage.stime).as_secs_f64() * 1e3,
            peak: used.rusage.maxrss as f64 / f64::from(1 << 20),
        })
    }

    /// Nothing of this process's environment reaches it: neither caches nor settings of the person's, and no
    /// `RUST_BACKTRACE`, which makes every error that is made on the way cost a backtrace.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().stdin(Stdio::null());
        command.env("HOME", &self.home).envs(standard_folders(&self.home));
        command
    }
}

/// The folders below a home in which programs keep their own things, by their variables.
pub(super) fn standard_folders(home: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    ["CACHE", "CONFIG", "DATA", "STATE"]
        .into_iter()
        .map(|name| (format!("XDG_{name}_HOME"), home.join(name.to_lowercase())))
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}", self.program.display())?;
        self.arguments
            .iter()
            .try_for_each(|argument| write!(f, " {}", argument.display()))?;
        f.write_str("`")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Line;

    fn shell(script: &str) -> Line {
        Line::new(Path::new("/bin/sh"), Path::new("/nonexistent")).args(["-c", script])
    }

    #[test]
    fn a_busy_process_costs_processor_time_and_a_sleeping_one_does_not() {
        let busy = shell("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
            .measure()
            .unwrap();
        assert!(
            busy.processor > 5.0 && busy.wall > 5.0 && busy.peak > 0.1,
            "{busy:?}"
        );
        let idle = shell("/bin/sleep 0.2").measure().unwrap();
        assert!(idle.wall >= 200.0 && idle.processor < 100.0, "{idle:?}");
    }

    #[test]
    fn a_failing_process_is_no_measurement() {
        assert!(shell("exit 3").measure().is_err());
        let error = shell("echo reason >&2; exit 3").output().unwrap_err();
        assert!(error.to_string().contains("reason"), "{error}");
    }

    #[test]
    fn a_process_sees_only_its_own_home() {
        let seen = shell("echo $HOME $XDG_CACHE_HOME $CARGO_MANIFEST_DIR")
            .output()
            .unwrap();
        assert_eq!(seen, "/nonexistent /nonexistent/cache\n");
    }
}
