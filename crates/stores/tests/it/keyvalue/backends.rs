//! Every backend, ready for a test.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use weft_stores::keyvalue::memory::Memory;
use weft_stores::keyvalue::nats::{self, Nats};
use weft_stores::keyvalue::postgres::{self, Postgres};
use weft_stores::keyvalue::redis::{self, Redis};
use weft_stores::keyvalue::sqlite::{self, Sqlite};
use weft_stores::keyvalue::{Durability, Store, VALUE_BYTES_MAX};
use weft_testing::Scratch;
use weft_testing::nats::Nats as NatsServer;
use weft_testing::postgres::Postgres as PostgresServer;
use weft_testing::redis::Redis as RedisServer;

/// A store, and what has to live as long as it does.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    /// It keeps no more than so many bytes.
    pub(crate) bytes_max: Option<u64>,
    /// It takes no larger values.
    pub(crate) value_bytes_max: usize,
    _below: Box<dyn Any>,
}

pub(crate) const BYTES_MAX: u64 = 64 << 20;

/// How long servers may take that write to a disk, which the machine may have much else to do with.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An empty store of every kind that can be had here.
pub(crate) fn every() -> Vec<Backend> {
    let mut backends = vec![memory(), sqlite(Durability::Fast), sqlite(Durability::Sync)];
    backends.extend(redis());
    backends.extend(postgres());
    backends.extend(nats());
    backends
}

fn memory() -> Backend {
    Backend {
        name: "memory",
        store: Arc::new(Memory::new(BYTES_MAX)),
        bytes_max: Some(BYTES_MAX),
        value_bytes_max: VALUE_BYTES_MAX,
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
        value_bytes_max: VALUE_BYTES_MAX,
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
        value_bytes_max: VALUE_BYTES_MAX,
        _below: Box::new(server),
    })
}

fn postgres() -> Option<Backend> {
    let server = PostgresServer::start()?;
    let options = postgres::Options {
        table: "weft \"test\"".to_owned(),
        timeout: TIMEOUT,
        ..postgres::Options::default()
    };
    Some(Backend {
        name: "postgres",
        store: Arc::new(Postgres::new(&server.address(), options).unwrap()),
        bytes_max: None,
        value_bytes_max: VALUE_BYTES_MAX,
        _below: Box::new(server),
    })
}

fn nats() -> Option<Backend> {
    let server = NatsServer::start()?;
    let options = nats::Options {
        prefix: "weft-test*.>:".to_owned(),
        timeout: TIMEOUT,
        ..nats::Options::default()
    };
    Some(Backend {
        name: "nats",
        store: Arc::new(Nats::new(&server.address(), options).unwrap()),
        bytes_max: None,
        // What a server takes by itself, less the headers of a message.
        value_bytes_max: (1 << 20) - 256,
        _below: Box::new(server),
    })
}
