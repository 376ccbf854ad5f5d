//! Every backend, ready for a test.

use std::any::Any;
use std::sync::Arc;

use weft_stores::keyvalue::memory::Memory;
use weft_stores::keyvalue::postgres::{self, Postgres};
use weft_stores::keyvalue::redis::{self, Redis};
use weft_stores::keyvalue::sqlite::{self, Sqlite};
use weft_stores::keyvalue::{Durability, Store};
use weft_testing::Scratch;
use weft_testing::postgres::Postgres as PostgresServer;
use weft_testing::redis::Redis as RedisServer;

/// A store, and what has to live as long as it does.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    /// It keeps no more than so many bytes.
    pub(crate) bytes_max: Option<u64>,
    _below: Box<dyn Any>,
}

pub(crate) const BYTES_MAX: u64 = 64 << 20;

/// An empty store of every kind that can be had here.
pub(crate) fn every() -> Vec<Backend> {
    let mut backends = vec![memory(), sqlite(Durability::Fast), sqlite(Durability::Sync)];
    backends.extend(redis());
    backends.extend(postgres());
    backends
}

fn memory() -> Backend {
    Backend {
        name: "memory",
        store: Arc::new(Memory::new(BYTES_MAX)),
        bytes_max: Some(BYTES_MAX),
        _below: Box::new(()),
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
        _below: Box::new(scratch),
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
        _below: Box::new(server),
    })
}

fn postgres() -> Option<Backend> {
    let server = PostgresServer::start()?;
    let options = postgres::Options {
        table: "weft \"test\"".to_owned(),
        ..postgres::Options::default()
    };
    Some(Backend {
        name: "postgres",
        store: Arc::new(Postgres::new(&server.address(), options).unwrap()),
        bytes_max: None,
        _below: Box::new(server),
    })
}
