//! Servers that a test can take away, and stores on them.

use std::time::Duration;

use weft_stores::keyvalue::Store;
use weft_stores::keyvalue::nats::{self, Nats};
use weft_stores::keyvalue::postgres::{self, Postgres};
use weft_stores::keyvalue::redis::{self, Redis};
use weft_testing::nats::Nats as NatsServer;
use weft_testing::postgres::Postgres as PostgresServer;
use weft_testing::redis::Redis as RedisServer;

/// What can happen to a server.
pub(crate) trait Server {
    fn stop(&mut self);
    fn start_again(&mut self);
    fn freeze(&self);
    fn thaw(&self);
}

macro_rules! server {
    ($server:ty) => {
        impl Server for $server {
            fn stop(&mut self) {
                self.stop();
            }
            fn start_again(&mut self) {
                self.start_again();
            }
            fn freeze(&self) {
                self.freeze();
            }
            fn thaw(&self) {
                self.thaw();
            }
        }
    };
}

server!(NatsServer);
server!(PostgresServer);
server!(RedisServer);

/// A store on a server.
pub(crate) struct Served {
    pub(crate) name: &'static str,
    pub(crate) store: Box<dyn Store>,
    pub(crate) server: Box<dyn Server>,
    /// Whether the server still has the entries when it was lost and is back.
    pub(crate) is_kept: bool,
}

/// One on every server that can be had here.
pub(crate) fn every(timeout: Duration) -> Vec<Served> {
    let redis = RedisServer::start().map(|server| Served {
        name: "redis",
        store: redis(&server.address(), timeout),
        server: Box::new(server),
        is_kept: false,
    });
    let postgres = PostgresServer::start().map(|server| Served {
        name: "postgres",
        store: postgres(&server.address(), timeout),
        server: Box::new(server),
        is_kept: true,
    });
    let nats = NatsServer::start().map(|server| Served {
        name: "nats",
        store: nats(&server.address(), timeout),
        server: Box::new(server),
        is_kept: true,
    });
    [redis, postgres, nats].into_iter().flatten().collect()
}

/// One of every kind where nobody listens.
pub(crate) fn nowhere(timeout: Duration) -> Vec<Box<dyn Store>> {
    vec![
        redis("redis://127.0.0.1:1", timeout),
        postgres("postgres://weft:hunter2@127.0.0.1:1", timeout),
        nats("nats://weft:hunter2@127.0.0.1:1", timeout),
    ]
}

fn redis(address: &str, timeout: Duration) -> Box<dyn Store> {
    let options = redis::Options {
        timeout,
        ..redis::Options::default()
    };
    Box::new(Redis::new(address, options).unwrap())
}

fn postgres(address: &str, timeout: Duration) -> Box<dyn Store> {
    let options = postgres::Options {
        timeout,
        ..postgres::Options::default()
    };
    Box::new(Postgres::new(address, options).unwrap())
}

fn nats(address: &str, timeout: Duration) -> Box<dyn Store> {
    let options = nats::Options {
        timeout,
        ..nats::Options::default()
    };
    Box::new(Nats::new(address, options).unwrap())
}
