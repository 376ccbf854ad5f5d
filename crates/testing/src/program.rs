//! Programs of this machine that a test runs beside it: where they are, and when they are ready.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Looks for a program on the path, and then in other folders.
pub(crate) fn find(program: &str, elsewhere: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(elsewhere).collect();
    folders
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Says that there is no such program, and what would bring it.
#[expect(
    clippy::print_stderr,
    reason = "a test that is left out should not be overlooked"
)]
pub(crate) fn say_skipped(program: &str, install: &str) {
    eprintln!("SKIPPED: there is no `{program}`; `{install}` has one");
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("no port to be had: {error}"))
        .port()
}

/// Waits until a program is ready. What it has written to `log` is told where it ends or takes too long.
pub(crate) fn wait_until_ready(child: &mut Child, log: Option<&Path>, is_ready: impl Fn(&Child) -> bool) {
    let begun = Instant::now();
    while !is_ready(child) {
        let ended = child.try_wait().ok().flatten();
        if ended.is_some() || begun.elapsed() > READY_WITHIN {
            // One that has ended already has nothing left to end.
            let _ = child.kill();
            let said = log
                .and_then(|log| fs_err::read_to_string(log).ok())
                .unwrap_or_default();
            panic!("a server is not ready, {ended:?}: {said}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Stops a process where it stands, and waits until it does: a signal is on its way for a moment.
pub(crate) fn freeze(pid: Pid) {
    signal(pid, Signal::STOP);
    let begun = Instant::now();
    while !is_frozen(pid) {
        assert!(begun.elapsed() < READY_WITHIN, "a server does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets a process go on.
pub(crate) fn thaw(pid: Pid) {
    signal(pid, Signal::CONT);
}

/// Sends a signal. A process that has ended already needs none.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    match kill_process(pid, signal) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => panic!("cannot signal a server: {error}"),
    }
}

/// Whether no thread of a process runs. One that has ended does not.
fn is_frozen(pid: Pid) -> bool {
    let threads = fs_err::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
    threads.into_iter().flatten().flatten().all(|thread| {
        let state = fs_err::read_to_string(thread.path().join("stat"));
        // The state follows the name, which may have brackets of its own.
        state.map_or(true, |state| {
            state
                .rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with(['T', 'Z', 'X']))
        })
    })
}
