//! A program that has been started.

use std::io::{self, Read, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Outcome;
use crate::Scratch;

/// A program that has been started; it is killed when this value goes.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    pieces: Receiver<Piece>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    described: String,
    timeout: Duration,
    deadline: Instant,
    // Holds its private folders until it has ended.
    _home: Arc<Scratch>,
}

/// Something read from one of its outputs.
enum Piece {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
}

impl Running {
    /// The same, with both ends of its data in the hands of the caller: nobody else reads what it writes.
    pub(super) fn with_pipes(
        mut child: Child,
        described: String,
        timeout: Duration,
        home: Arc<Scratch>,
    ) -> (Self, ChildStdin, ChildStdout) {
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            panic!("{described} has no pipes");
        };
        (Self::of(child, described, timeout, home), stdin, stdout)
    }

    pub(super) fn of(mut child: Child, described: String, timeout: Duration, home: Arc<Scratch>) -> Self {
        let (sender, pieces) = mpsc::channel();
        let stdin = child.stdin.take();
        if let Some(stdout) = child.stdout.take() {
            let sender = sender.clone();
            thread::spawn(move || pass_on(stdout, |bytes| sender.send(Piece::Stdout(bytes)).is_ok()));
        }
        if let Some(stderr) = child.stderr.take() {
            thread::spawn(move || pass_on(stderr, |bytes| sender.send(Piece::Stderr(bytes)).is_ok()));
        }
        let deadline = Instant::now() + timeout;
        let (stdout, stderr) = (Vec::new(), Vec::new());
        Self {
            child,
            stdin,
            pieces,
            stdout,
            stderr,
            described,
            timeout,
            deadline,
            _home: home,
        }
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The largest amount of memory, in bytes, that it has had in use so far.
    ///
    /// # Panics
    ///
    /// Where the system does not say, as when it has ended.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = fs_err::read_to_string(path).unwrap_or_else(|error| panic!("{error}"));
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kilobytes.unwrap_or_else(|| panic!("no peak of memory in:\n{status}")) * 1024
    }

    /// Writes to its standard input, which stays open.
    ///
    /// # Panics
    ///
    /// Where it no longer reads.
    pub fn write_stdin(&mut self, bytes: &[u8]) {
        let stdin = self
            .stdin
            .as_mut()
            .unwrap_or_else(|| panic!("standard input is already closed"));
        let written = stdin.write_all(bytes).and_then(|()| stdin.flush());
        written.unwrap_or_else(|error| panic!("cannot write to {}: {error}", self.described));
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits until its standard output contains a text.
    ///
    /// # Panics
    ///
    /// Where it ends, or its time does, before that.
    pub fn wait_for_stdout(&mut self, text: &str) {
        self.wait_for(text, |running| &running.stdout);
    }

    /// Waits until its standard error contains a text.
    ///
    /// # Panics
    ///
    /// Where it ends, or its time does, before that.
    pub fn wait_for_stderr(&mut self, text: &str) {
        self.wait_for(text, |running| &running.stderr);
    }

    /// What it has written to standard error so far, as far as that was waited for.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Sends the signal that asks a server to read its settings again.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Sends the signal of Ctrl-C.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends the signal that asks a program to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends its standard input and waits for its end.
    ///
    /// # Panics
    ///
    /// Where it does not end in time.
    pub fn finish(self) -> Outcome {
        self.finish_with(Vec::new())
    }

    /// The same, with some more input from a thread of its own, so that neither side waits for the other.
    pub(super) fn finish_with(mut self, input: Vec<u8>) -> Outcome {
        if let Some(mut stdin) = self.stdin.take() {
            // A program may well end without reading what it was given.
            thread::spawn(move || stdin.write_all(&input));
        }
        self.ended()
    }

    /// Waits for its end, with its standard input as it is: a guest that reads it goes on waiting.
    ///
    /// # Panics
    ///
    /// Where it does not end in time.
    pub fn ended(mut self) -> Outcome {
        loop {
            match self.receive() {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.give_up(),
            }
        }
        let status = self.wait();
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        Outcome::new(status, stdout, stderr, self.described.clone())
    }

    /// Both outputs are closed, so the end is near: look for it often.
    fn wait(&mut self) -> ExitStatus {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return status,
                Ok(None) if Instant::now() >= self.deadline => self.give_up(),
                Ok(None) => thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("cannot wait for {}: {error}", self.described),
            }
        }
    }

    fn wait_for(&mut self, text: &str, output: impl Fn(&Self) -> &Vec<u8>) {
        while !String::from_utf8_lossy(output(self)).contains(text) {
            match self.receive() {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => self.give_up(),
                Err(RecvTimeoutError::Disconnected) => panic!("no {text:?} from {}", self.transcript()),
            }
        }
    }

    /// Takes the next piece of either output.
    fn receive(&mut self) -> Result<(), RecvTimeoutError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.pieces.recv_timeout(left)? {
            Piece::Stdout(bytes) => self.stdout.extend(bytes),
            Piece::Stderr(bytes) => self.stderr.extend(bytes),
        }
        Ok(())
    }

    fn give_up(&self) -> ! {
        panic!(
            "a program did not end within {:?}: {}",
            self.timeout,
            self.transcript()
        )
    }

    fn transcript(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!(
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.described,
            text(&self.stdout),
            text(&self.stderr)
        )
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.unwrap_or_else(|| panic!("{} has no process number", self.described));
        kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.described));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has already ended both say so, and nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads an output to its end, or until nobody listens.
fn pass_on(mut output: impl Read, mut send: impl FnMut(Vec<u8>) -> bool) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match output.read(&mut piece) {
            Ok(0) => return,
            Ok(length) if send(piece.get(..length).unwrap_or_default().to_vec()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}
