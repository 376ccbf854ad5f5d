//! A server that goes away: an error within the timeout, and nothing to do when it comes back.

use std::time::{Duration, Instant};

use weft_stores::keyvalue::redis::{Options, Redis};
use weft_stores::keyvalue::{Change, Error, Store};

use weft_testing::redis::Redis as RedisServer;

const TIMEOUT: Duration = Duration::from_millis(300);

fn set(key: &str) -> Vec<Change> {
    vec![Change::Set(key.to_owned(), "x".into())]
}

fn store(server: &RedisServer) -> Redis {
    let options = Options {
        timeout: TIMEOUT,
        ..Options::default()
    };
    Redis::new(&server.address(), options).unwrap()
}

#[tokio::test]
async fn a_server_that_was_lost_is_used_again_when_it_is_back() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    let store = store(&server);
    store.write(set("a")).await.unwrap();
    server.stop();
    for _ in 0..3 {
        let begun = Instant::now();
        let error = store.get("a").await.unwrap_err();
        assert!(
            matches!(error, Error::Backend { .. } | Error::Timeout { .. }),
            "{error:?}"
        );
        assert!(begun.elapsed() < TIMEOUT * 2);
        assert!(store.check().await.is_err());
    }
    server.start_again();
    assert!(store.get("a").await.unwrap().is_none());
    store.write(set("a")).await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_no_more_than_the_timeout() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server);
    store.write(set("a")).await.unwrap();
    server.freeze();
    let begun = Instant::now();
    let many = (0..20).map(|_| store.get("a"));
    for answer in futures::future::join_all(many).await {
        assert!(matches!(answer, Err(Error::Timeout { .. })), "{answer:?}");
    }
    assert!(begun.elapsed() < TIMEOUT * 3, "{:?}", begun.elapsed());
    server.thaw();
    assert!(store.get("a").await.unwrap().is_some());
}

#[tokio::test]
async fn nothing_listens_where_there_is_no_server() {
    let store = Redis::new("redis://127.0.0.1:1", Options::default()).unwrap();
    let error = store.get("a").await.unwrap_err();
    assert!(matches!(error, Error::Backend { .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}
