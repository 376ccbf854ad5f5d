//! The built `weft`, or any program, run as a person would run it, and what came of it.
//!
//! A program gets only what the test gives it: none of the test's own environment but the way to find programs and
//! libraries, no settings of the person at the keyboard, and home, cache, data and configuration folders of its own.
//! The path comes from the caller, because only tests of the crate `weft` know `env!("CARGO_BIN_EXE_weft")`.

mod running;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use std::os::unix::process::ExitStatusExt as _;

pub use running::Running;

use crate::Scratch;

/// How long a program may take where a test says nothing else.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// The only variables that a program inherits.
const INHERITED: &[&str] = &[
    "PATH",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LLVM_PROFILE_FILE",
];

/// A program about to be run.
///
/// # Example
///
/// ```
/// use weft_testing::weft::Run;
///
/// let outcome = Run::new("cat").stdin("hello").run();
/// assert_eq!((outcome.stdout().as_str(), outcome.code), ("hello", Some(0)));
/// ```
#[derive(Debug)]
pub struct Run {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    folder: Option<PathBuf>,
    stdin: Vec<u8>,
    timeout: Duration,
    home: Arc<Scratch>,
}

impl Run {
    /// A run of a program without arguments, with nothing on its standard input.
    #[must_use]
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_path_buf(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            folder: None,
            stdin: Vec::new(),
            timeout: TIMEOUT,
            home: Arc::new(Scratch::new()),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_os_string());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_os_string()),
        );
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .insert(name.as_ref().to_os_string(), value.as_ref().to_os_string());
        self
    }

    /// Starts it in another folder than its home.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_path_buf());
        self
    }

    /// What it reads from standard input, which then ends.
    #[must_use]
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_vec();
        self
    }

    /// How long it may take before the test fails.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Shares the private folders of several runs, for what one leaves in the cache to another.
    #[must_use]
    pub fn home(mut self, home: &Arc<Scratch>) -> Self {
        self.home = Arc::clone(home);
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    ///
    /// Where it cannot be started, or does not end in time; what it wrote until then is in the message.
    pub fn run(mut self) -> Outcome {
        let stdin = std::mem::take(&mut self.stdin);
        self.start().finish_with(stdin)
    }

    /// Starts it and leaves its standard input open; anything given with [`Run::stdin`] is written first.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn start(self) -> Running {
        let (child, described) = self.spawn();
        let mut running = Running::of(child, described, self.timeout, self.home);
        if !self.stdin.is_empty() {
            running.write_stdin(&self.stdin);
        }
        running
    }

    /// Starts it and hands both ends of its data to the caller, who decides how fast they move.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn start_with_pipes(self) -> (Running, ChildStdin, ChildStdout) {
        let (child, described) = self.spawn();
        Running::with_pipes(child, described, self.timeout, self.home)
    }

    fn spawn(&self) -> (Child, String) {
        let home = self.home.path();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", home);
        for name in ["CACHE", "CONFIG", "DATA", "STATE"] {
            command.env(format!("XDG_{name}_HOME"), home.join(name.to_lowercase()));
        }
        command.envs(&self.environment);
        command.current_dir(self.folder.as_deref().unwrap_or(home));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let described = format!("{} {:?}", self.program.display(), self.arguments);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {described}: {error}"));
        (child, described)
    }
}

/// How a program ended and what it wrote.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit code, where it left by itself.
    pub code: Option<i32>,
    /// The number of the signal that ended it, where one did.
    pub signal: Option<i32>,
    /// What it wrote to standard output.
    pub stdout_bytes: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr_bytes: Vec<u8>,
    described: String,
}

impl Outcome {
    fn new(status: ExitStatus, stdout_bytes: Vec<u8>, stderr_bytes: Vec<u8>, described: String) -> Self {
        Self {
            code: status.code(),
            signal: status.signal(),
            stdout_bytes,
            stderr_bytes,
            described,
        }
    }

    /// Standard output as text.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout_bytes).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr_bytes).into_owned()
    }

    /// Checks the exit code and gives the outcome back for further questions.
    ///
    /// # Panics
    ///
    /// With everything the program wrote, where it ended otherwise.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{self}");
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} ended with code {:?}, signal {:?}",
            self.described, self.code, self.signal
        )?;
        write!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout(), self.stderr())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::Run;
    use crate::Scratch;

    #[test]
    fn a_program_gets_its_input_and_its_arguments_and_gives_its_code_and_both_outputs() {
        let script = "read word; echo \"$word $1\"; echo wrong >&2; exit 7";
        let outcome = Run::new("sh")
            .args(["-c", script, "sh", "there"])
            .stdin("hello\n")
            .run()
            .with_code(7);
        assert_eq!(
            (outcome.stdout().as_str(), outcome.stderr().as_str()),
            ("hello there\n", "wrong\n")
        );
        assert_eq!(outcome.signal, None);
    }

    #[test]
    fn nothing_of_the_tests_own_environment_reaches_a_program() {
        let outcome = Run::new("env").env("WEFT_GIVEN", "1").run().with_code(0);
        assert!(!outcome.stdout().contains("CARGO"), "{outcome}");
        assert!(outcome.stdout().contains("WEFT_GIVEN=1\n"), "{outcome}");
    }

    #[test]
    fn runs_may_share_their_private_folders() {
        let home = Arc::new(Scratch::new());
        let script = "mkdir -p \"$XDG_CACHE_HOME\" && echo kept > \"$XDG_CACHE_HOME/file\"";
        let first = Run::new("sh").args(["-c", script]).home(&home).run().with_code(0);
        let second = Run::new("sh")
            .args(["-c", "cat \"$XDG_CACHE_HOME/file\""])
            .home(&home)
            .run();
        assert_eq!(
            (first.stdout().as_str(), second.stdout().as_str()),
            ("", "kept\n")
        );
    }

    #[test]
    fn large_input_and_large_output_pass_at_the_same_time() {
        let bytes = vec![b'x'; 3 << 20];
        let outcome = Run::new("cat").stdin(&bytes).run().with_code(0);
        assert_eq!(outcome.stdout_bytes.len(), bytes.len());
    }

    #[test]
    fn a_program_that_reads_no_input_is_no_failure() {
        let outcome = Run::new("true").stdin(vec![b'x'; 3 << 20]).run();
        assert_eq!(outcome.code, Some(0));
    }

    #[test]
    fn a_started_program_can_be_talked_to_and_interrupted() {
        let mut running = Run::new("cat").start();
        running.write_stdin(b"first\n");
        running.wait_for_stdout("first\n");
        running.interrupt();
        let outcome = running.finish();
        assert_eq!((outcome.signal, outcome.stdout().as_str()), (Some(2), "first\n"));
    }

    #[test]
    #[should_panic(expected = "did not end within")]
    fn a_program_that_does_not_end_fails_the_test() {
        let _ = Run::new("sleep")
            .arg("60")
            .timeout(Duration::from_millis(50))
            .run();
    }
}
