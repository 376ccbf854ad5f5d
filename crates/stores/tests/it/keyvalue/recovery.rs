//! A server that goes away: an error within the timeout, and nothing to do when it comes back.

use std::time::{Duration, Instant};

use weft_stores::keyvalue::{Change, Error};

use super::servers::{self, Served};

const TIMEOUT: Duration = Duration::from_millis(500);

fn set(key: &str) -> Vec<Change> {
    vec![Change::Set(key.to_owned(), "x".into())]
}

#[tokio::test]
async fn a_server_that_was_lost_is_used_again_when_it_is_back() {
    for Served {
        name,
        store,
        mut server,
        is_kept,
    } in servers::every(TIMEOUT)
    {
        eprintln!("with {name}");
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
        assert_eq!(store.get("a").await.unwrap().is_some(), is_kept);
        store.write(set("a")).await.unwrap();
        store.check().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_was_lost_while_nobody_looked_is_not_missed() {
    for mut served in servers::every(TIMEOUT) {
        eprintln!("with {}", served.name);
        served.store.write(set("a")).await.unwrap();
        served.server.stop();
        served.server.start_again();
        // What has happened to the connection is known by now, or the first call learns of it.
        if served.store.check().await.is_err() {
            served.store.check().await.unwrap();
        }
        assert_eq!(served.store.get("a").await.unwrap().is_some(), served.is_kept);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_no_more_than_the_timeout() {
    for Served {
        name, store, server, ..
    } in servers::every(TIMEOUT)
    {
        eprintln!("with {name}");
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
}

#[tokio::test]
async fn nothing_listens_where_there_is_no_server() {
    for store in servers::nowhere(Duration::from_secs(1)) {
        let error = store.get("a").await.unwrap_err();
        assert!(matches!(error, Error::Backend { .. }), "{error:?}");
        assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
        assert!(!format!("{error:?} {store:?}").contains("hunter2"), "{error:?}");
    }
}
