//! A PostgreSQL server for a test: on a port of its own, with a folder of its own, gone when the value goes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, geteuid};

use crate::{Scratch, program};

/// The server refuses to run as root. Nobody is the one who is on every machine.
const NOBODY: u32 = 65534;

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    child: Child,
    port: u16,
    folder: Scratch,
    _template: Arc<Scratch>,
}

impl Postgres {
    /// Starts one. None, and a loud word, where there is no `postgres`.
    ///
    /// # Panics
    ///
    /// Like all methods: with the reason, where the server does not do what it should.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(None)
    }

    /// Starts one that has TLS, with this certificate and its key in PEM.
    #[must_use]
    pub fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        Self::start_with(Some((certificate, key)))
    }

    fn start_with(tls: Option<(&str, &str)>) -> Option<Self> {
        let Some(programs) = programs() else {
            program::say_skipped("postgres", "apt-get install postgresql");
            return None;
        };
        let template = template(&programs);
        let folder = own_folder();
        run(Command::new("cp")
            .arg("--archive")
            .args([template.path().join("data"), folder.path().join("data")]));
        if let Some((certificate, key)) = tls {
            own_file(&folder, "cert.pem", certificate);
            own_file(&folder, "key.pem", key);
        }
        let port = program::free_port();
        Some(Self {
            child: launch(&programs, port, folder.path()),
            programs,
            port,
            folder,
            _template: template,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("postgres://weft@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it at once, as if it had crashed.
    pub fn stop(&mut self) {
        // A harder end would leave something of it in the memory of the system.
        program::signal(Pid::from_child(&self.child), Signal::QUIT);
        let stopped = self.child.wait();
        stopped.unwrap_or_else(|error| panic!("cannot stop `postgres`: {error}"));
    }

    /// Starts it again on the same port, with what it had.
    pub fn start_again(&mut self) {
        self.child = launch(&self.programs, self.port, self.folder.path());
    }

    /// Stops it where it stands: connections stay, and nobody answers.
    pub fn freeze(&self) {
        program::freeze(Pid::from_child(&self.child));
        self.parts().into_iter().for_each(program::freeze);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.parts().into_iter().for_each(program::thaw);
        program::thaw(Pid::from_child(&self.child));
    }

    /// The processes that it consists of: one for each connection, and some more.
    fn parts(&self) -> Vec<Pid> {
        let pid = self.child.id();
        let parts = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let parts = parts.unwrap_or_else(|error| panic!("{error}"));
        parts
            .split_whitespace()
            .filter_map(|part| Pid::from_raw(part.parse().ok()?))
            .collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.thaw();
            self.stop();
        }
    }
}

/// Where the programs are: Debian keeps those of every version in a folder of its own.
fn programs() -> Option<PathBuf> {
    let versions = fs_err::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> = versions.flatten().map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    let server = program::find("postgres", folders)?;
    // `initdb` looks for the other programs beside itself.
    let server = fs_err::canonicalize(server).ok()?;
    server.parent().map(Path::to_owned)
}

/// A folder that the server may use, whoever runs it.
fn own_folder() -> Scratch {
    let folder = Scratch::new();
    if geteuid().is_root() {
        fs_err::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    folder
}

/// A file that nobody but the server may read: it wants no other.
fn own_file(folder: &Scratch, name: &str, text: &str) {
    let path = folder.file(name, text);
    let owner = geteuid().is_root().then_some(NOBODY);
    let owned = fs_err::os::unix::fs::chown(&path, owner, owner)
        .and_then(|()| fs_err::set_permissions(&path, Permissions::from_mode(0o600)));
    owned.unwrap_or_else(|error| panic!("{error}"));
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // A folder that whoever runs it may be in.
    command.current_dir("/");
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// A folder with an empty database, made once for all servers that run at the same time.
fn template(programs: &Path) -> Arc<Scratch> {
    static TEMPLATE: Mutex<Weak<Scratch>> = Mutex::new(Weak::new());
    let mut kept = TEMPLATE.lock();
    if let Some(template) = kept.upgrade() {
        return template;
    }
    let template = Arc::new(own_folder());
    run(command(&programs.join("initdb"))
        .args(["--username", "weft", "--auth", "trust", "--no-sync"])
        .args(["--locale", "C", "--encoding", "UTF8", "--pgdata"])
        .arg(template.path().join("data")));
    *kept = Arc::downgrade(&template);
    template
}

fn run(command: &mut Command) {
    let done = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(
        done.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

fn launch(programs: &Path, port: u16, folder: &Path) -> Child {
    let (data, log) = (folder.join("data"), folder.join("log"));
    let output = fs_err::File::create(&log).unwrap_or_else(|error| panic!("{error}"));
    let mut command = command(&programs.join("postgres"));
    if folder.join("key.pem").exists() {
        let setting = |name: &str, file: &str| format!("{name}={}", folder.join(file).display());
        command.args(["-c", "ssl=on", "-c", &setting("ssl_cert_file", "cert.pem")]);
        command.args(["-c", &setting("ssl_key_file", "key.pem")]);
    }
    let mut child = command
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
        .args(["-c", "unix_socket_directories=", "-c", "shared_buffers=16MB"])
        // It has to survive its own end only, and not that of the machine.
        .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
        .stdout(Stdio::null())
        .stderr(output.into_file())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start `postgres`: {error}"));
    program::wait_until_ready(&mut child, Some(&log), |child| is_ready(&data, child.id()));
    child
}

/// Whether the file in which the server says how it is says that it is ready.
fn is_ready(data: &Path, pid: u32) -> bool {
    let Ok(state) = fs_err::read_to_string(data.join("postmaster.pid")) else {
        return false;
    };
    let mut lines = state.lines().map(str::trim);
    lines.next() == Some(&pid.to_string()) && lines.next_back() == Some("ready")
}
