//! Servers that are spoken to over TLS: who vouches for them must be who was said to.

use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use weft_stores::keyvalue::nats::{self, Nats};
use weft_stores::keyvalue::postgres::{self, Postgres};
use weft_stores::keyvalue::redis::{self, Redis};
use weft_stores::keyvalue::{Change, Error, Heard, Store};
use weft_stores::queue::nats as queue;
use weft_stores::queue::{Message, Queue};
use weft_testing::authority::Authority;
use weft_testing::nats::Nats as NatsServer;
use weft_testing::postgres::Postgres as PostgresServer;
use weft_testing::redis::Redis as RedisServer;

const TIMEOUT: Duration = Duration::from_secs(10);

fn on_redis(address: &str, authorities: Option<PathBuf>) -> Box<dyn Store> {
    let options = redis::Options {
        timeout: TIMEOUT,
        authorities,
        ..redis::Options::default()
    };
    Box::new(Redis::new(address, options).unwrap())
}

fn on_nats(address: &str, authorities: Option<PathBuf>) -> Box<dyn Store> {
    let options = nats::Options {
        timeout: TIMEOUT,
        authorities,
        ..nats::Options::default()
    };
    Box::new(Nats::new(address, options).unwrap())
}

fn on_postgres(address: &str, authorities: Option<PathBuf>) -> Box<dyn Store> {
    let options = postgres::Options {
        timeout: TIMEOUT,
        authorities,
        ..postgres::Options::default()
    };
    Box::new(Postgres::new(address, options).unwrap())
}

/// That a store works.
async fn works(store: &dyn Store) {
    store
        .write(vec![Change::Set("a".to_owned(), "x".into())])
        .await
        .unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap().value, "x");
    let many = (0..50).map(|_| store.increment("n", 1));
    futures::future::try_join_all(many).await.unwrap();
    assert_eq!(store.get("n").await.unwrap().unwrap().value, "50");
    let watching = store.watch("w").await.unwrap();
    store
        .write(vec![Change::Set("w".to_owned(), "x".into())])
        .await
        .unwrap();
    assert_eq!(watching.next().await.unwrap(), Heard::Key("w".to_owned()));
}

/// That a server is not believed, for this reason.
async fn refuses(store: &dyn Store, why: &str) {
    for error in [
        store.get("a").await.unwrap_err(),
        store.watch("").await.unwrap_err(),
    ] {
        let Error::Backend { source, .. } = &error else {
            panic!("{error:?}")
        };
        let mut told = source.to_string();
        let mut cause = source.source();
        while let Some(error) = cause {
            told.push_str(&format!(": {error}"));
            cause = error.source();
        }
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn redis_is_spoken_to_over_tls_where_somebody_vouches_for_it() {
    let authority = Authority::for_server("127.0.0.1");
    let Some(mut server) = RedisServer::start_with_tls(&authority.certificate, &authority.key) else {
        return;
    };
    let store = on_redis(&server.address(), Some(authority.file()));
    works(&*store).await;
    server.stop();
    assert!(store.get("a").await.is_err());
    server.start_again();
    store.check().await.unwrap();
    // The public authorities, and others, know nothing of it.
    let other = Authority::for_server("127.0.0.1");
    refuses(&*on_redis(&server.address(), None), "UnknownIssuer").await;
    refuses(
        &*on_redis(&server.address(), Some(other.file())),
        "invalid peer certificate",
    )
    .await;
    // It is not the one that was asked for.
    let address = server.address().replace("127.0.0.1", "localhost");
    refuses(
        &*on_redis(&address, Some(authority.file())),
        "certificate not valid for name",
    )
    .await;
    // Whoever speaks without TLS is not answered.
    let address = server.address().replace("rediss://", "redis://");
    assert!(on_redis(&address, None).get("a").await.is_err());
}

#[tokio::test]
async fn redis_without_tls_is_not_spoken_to_where_tls_is_wanted() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let authority = Authority::for_server("127.0.0.1");
    let address = server.address().replace("redis://", "rediss://");
    let store = on_redis(&address, Some(authority.file()));
    assert!(store.get("a").await.is_err());
}

#[tokio::test]
async fn nats_is_spoken_to_over_tls_where_somebody_vouches_for_it() {
    let authority = Authority::for_server("127.0.0.1");
    let Some(server) = NatsServer::start_with_tls(&authority.certificate, &authority.key) else {
        return;
    };
    works(&*on_nats(&server.address(), Some(authority.file()))).await;
    let other = Authority::for_server("127.0.0.1");
    refuses(&*on_nats(&server.address(), None), "UnknownIssuer").await;
    refuses(
        &*on_nats(&server.address(), Some(other.file())),
        "invalid peer certificate",
    )
    .await;
    let queue = |authorities| {
        let options = queue::Options {
            timeout: TIMEOUT,
            authorities,
            ..queue::Options::default()
        };
        queue::Nats::new(&server.address(), options).unwrap()
    };
    let message = || Message::new("a".parse().unwrap(), "x");
    queue(Some(authority.file())).publish(message()).await.unwrap();
    assert!(queue(None).publish(message()).await.is_err());
}

#[tokio::test]
async fn postgres_is_spoken_to_over_tls_where_somebody_vouches_for_it() {
    let authority = Authority::for_server("127.0.0.1");
    let Some(server) = PostgresServer::start_with_tls(&authority.certificate, &authority.key) else {
        return;
    };
    let address = format!("{}?sslmode=require", server.address());
    works(&*on_postgres(&address, Some(authority.file()))).await;
    let other = Authority::for_server("127.0.0.1");
    for authorities in [None, Some(other.file())] {
        let refused = on_postgres(&address, authorities).get("a").await;
        assert!(matches!(refused, Err(Error::Backend { .. })), "{refused:?}");
    }
}
