//! Every backend, ready for a test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use weft_stores::keyvalue::memory::Memory;
use weft_stores::keyvalue::redis::{self, Redis};
use weft_stores::keyvalue::sqlite::{self, Sqlite};
use weft_stores::keyvalue::{Durability, Store};
use weft_testing::Scratch;

/// A store, and what has to live as long as it does.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    /// It keeps no more than so many bytes.
    pub(crate) bytes_max: Option<u64>,
    _scratch: Option<Scratch>,
    _server: Option<RedisServer>,
}

pub(crate) const BYTES_MAX: u64 = 64 << 20;

/// An empty store of every kind that can be had here.
pub(crate) fn every() -> Vec<Backend> {
    let mut backends = vec![memory(), sqlite(Durability::Fast), sqlite(Durability::Sync)];
    backends.extend(redis());
    backends
}

fn memory() -> Backend {
    Backend {
        name: "memory",
        store: Arc::new(Memory::new(BYTES_MAX)),
        bytes_max: Some(BYTES_MAX),
        _scratch: None,
        _server: None,
    }
}

fn sqlite(durability: Durability) -> Backend {
    let scratch = Scratch::new();
    let options = sqlite::Options {
        durability,
        bytes_max: BYTES_MAX,
        // So small that entries are read from the file as well.
        cache_bytes_max: 16 << 10,
        ..sqlite::Options::default()
    };
    Backend {
        name: match durability {
            Durability::Sync => "sqlite, sync",
            Durability::Fast => "sqlite, fast",
        },
        store: Arc::new(Sqlite::open(&scratch.path().join("store"), &options).unwrap()),
        bytes_max: Some(BYTES_MAX),
        _scratch: Some(scratch),
        _server: None,
    }
}

fn redis() -> Option<Backend> {
    let server = RedisServer::start()?;
    let options = redis::Options {
        prefix: "weft-test[*]:".to_owned(),
        ..redis::Options::default()
    };
    Some(Backend {
        name: "redis",
        store: Arc::new(Redis::new(&server.address(), options).unwrap()),
        bytes_max: None,
        _scratch: None,
        _server: Some(server),
    })
}

/// A server of our own, gone with the value.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    folder: Scratch,
}

impl RedisServer {
    /// None, and a loud word, where there is no `redis-server`.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = find("redis-server") else {
            eprintln!("SKIPPED: no `redis-server` found; `apt-get install redis-server` has one");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = Scratch::new();
        let child = launch(&program, port, folder.path());
        Some(Self { child, port, folder })
    }

    pub(crate) fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it, as a machine would be lost.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it where it stands: connections stay, and nobody answers.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Starts it again on the same port.
    pub(crate) fn start_again(&mut self) {
        self.child = launch(&find("redis-server").unwrap(), self.port, self.folder.path());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(program: &Path, port: u16, folder: &Path) -> Child {
    let child = Command::new(program)
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .arg("--dir")
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "`redis-server` does not listen"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
