//! A Redis server for a test: on a port of its own, with a folder of its own, gone when the value goes.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;

use crate::{Scratch, program};

/// A running server.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    child: Child,
    port: u16,
    with_tls: bool,
    folder: Scratch,
}

impl Redis {
    /// Starts one. None, and a loud word, where there is no `redis-server`.
    ///
    /// # Panics
    ///
    /// Like all methods: with the reason, where the server does not do what it should.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(None)
    }

    /// Starts one that speaks TLS only, with this certificate and its key in PEM.
    #[must_use]
    pub fn start_with_tls(certificate: &str, key: &str) -> Option<Self> {
        Self::start_with(Some((certificate, key)))
    }

    fn start_with(tls: Option<(&str, &str)>) -> Option<Self> {
        let Some(program) = program::find("redis-server", []) else {
            program::say_skipped("redis-server", "apt-get install redis-server");
            return None;
        };
        let port = program::free_port();
        let folder = Scratch::new();
        if let Some((certificate, key)) = tls {
            folder.file("cert.pem", certificate);
            folder.file("key.pem", key);
        }
        Some(Self {
            child: launch(&program, port, tls.is_some(), folder.path()),
            program,
            port,
            with_tls: tls.is_some(),
            folder,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        let scheme = if self.with_tls { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Kills it, as a machine would be lost.
    pub fn stop(&mut self) {
        let stopped = self.child.kill().and_then(|()| self.child.wait());
        stopped.unwrap_or_else(|error| panic!("cannot stop `redis-server`: {error}"));
    }

    /// Starts it again on the same port, with nothing in it.
    pub fn start_again(&mut self) {
        self.child = launch(&self.program, self.port, self.with_tls, self.folder.path());
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

impl Drop for Redis {
    fn drop(&mut self) {
        // One that has ended already has nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(program: &Path, port: u16, with_tls: bool, folder: &Path) -> Child {
    let port_text = port.to_string();
    let mut command = Command::new(program);
    if with_tls {
        command.args([
            "--port",
            "0",
            "--tls-port",
            &port_text,
            "--tls-auth-clients",
            "no",
        ]);
        command.arg("--tls-cert-file").arg(folder.join("cert.pem"));
        command.arg("--tls-key-file").arg(folder.join("key.pem"));
        command.arg("--tls-ca-cert-file").arg(folder.join("cert.pem"));
    } else {
        command.args(["--port", &port_text]);
    }
    let mut child = command
        .args(["--bind", "127.0.0.1"])
        // Whoever watches it could hear nothing otherwise.
        .args(["--notify-keyspace-events", "KA"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start `redis-server`: {error}"));
    program::wait_until_ready(&mut child, None, |_| {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    child
}
