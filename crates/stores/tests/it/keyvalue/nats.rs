//! What only a bucket can meet: other clients of the server, and buckets that they made.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use bytes::Bytes;
use futures::StreamExt as _;
use weft_stores::keyvalue::nats::{Nats, Options};
use weft_stores::keyvalue::{Change, Error, Store, Swap, Version};
use weft_testing::nats::Nats as Server;

fn options(bucket: &str, prefix: &str) -> Options {
    Options {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        timeout: Duration::from_secs(5),
        ..Options::default()
    }
}

fn store(server: &Server, bucket: &str, prefix: &str) -> Nats {
    Nats::new(&server.address(), options(bucket, prefix)).unwrap()
}

async fn jetstream(server: &Server) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.address()).await.unwrap())
}

fn set(key: impl Into<String>, value: &str) -> Change {
    Change::Set(key.into(), Bytes::copy_from_slice(value.as_bytes()))
}

#[tokio::test]
async fn stores_in_different_buckets_or_with_different_prefixes_do_not_meet() {
    let Some(server) = Server::start() else { return };
    let places = [("one", ""), ("One", ""), ("two", "a."), ("two", "b.")];
    for (bucket, prefix) in places {
        let store = store(&server, bucket, prefix);
        assert_eq!(store.increment("n", 1).await.unwrap(), 1, "{bucket} {prefix}");
        assert_eq!(store.list("", None, 10).await.unwrap().keys, ["n"]);
    }
}

#[tokio::test]
async fn a_bucket_that_many_make_at_once_is_made_once() {
    let Some(server) = Server::start() else { return };
    let stores: Vec<_> = (0..8).map(|_| store(&server, "shared", "")).collect();
    let made = stores.iter().map(|store| store.increment("n", 1));
    let mut sums = futures::future::try_join_all(made).await.unwrap();
    sums.sort_unstable();
    assert_eq!(sums, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn a_bucket_that_was_deleted_is_made_anew() {
    let Some(server) = Server::start() else { return };
    let store = store(&server, "weft", "");
    store.write(vec![set("a", "x")]).await.unwrap();
    jetstream(&server).await.delete_stream("KV_weft").await.unwrap();
    let error = store.get("a").await.unwrap_err();
    assert!(matches!(error, Error::Backend { .. }), "{error:?}");
    assert!(store.get("a").await.unwrap().is_none());
    store.write(vec![set("a", "x")]).await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_makes_no_changes_together_says_so() {
    let Some(server) = Server::start() else { return };
    let config = Config {
        name: "KV_old".to_owned(),
        subjects: vec!["$KV.old.>".to_owned()],
        max_messages_per_subject: 1,
        allow_rollup: true,
        ..Config::default()
    };
    jetstream(&server).await.create_stream(config).await.unwrap();
    let store = store(&server, "old", "");
    store.write(vec![set("a", "1"), set("a", "2")]).await.unwrap();
    let refused = store.write(vec![set("a", "3"), set("b", "3")]).await;
    let Err(Error::NotTogether { found, changes_max }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((found, changes_max), (2, 1));
    assert_eq!(store.get("a").await.unwrap().unwrap().value, "2");
    assert!(store.get("b").await.unwrap().is_none());
    // Everything else goes on as ever, without messages that end by themselves too.
    store.write(vec![Change::Delete("a".into())]).await.unwrap();
    assert_eq!(
        store.swap("a", Version::Absent, "4".into()).await.unwrap(),
        Swap::Done
    );
}

#[tokio::test]
async fn more_changes_than_the_server_makes_together_are_refused() {
    let Some(server) = Server::start() else { return };
    let store = store(&server, "weft", "");
    let changes = |number: usize| (0..number).map(|number| set(format!("k{number}"), "x")).collect();
    store.write(changes(1000)).await.unwrap();
    let refused = store.write(changes(1001)).await;
    assert!(
        matches!(
            refused,
            Err(Error::NotTogether {
                found: 1001,
                changes_max: 1000
            })
        ),
        "{refused:?}"
    );
    assert!(store.get("k1000").await.unwrap().is_none());
}

#[tokio::test]
async fn a_bucket_with_a_history_is_refused() {
    let Some(server) = Server::start() else { return };
    let config = Config {
        name: "KV_history".to_owned(),
        subjects: vec!["$KV.history.>".to_owned()],
        max_messages_per_subject: 5,
        ..Config::default()
    };
    jetstream(&server).await.create_stream(config).await.unwrap();
    let error = store(&server, "history", "").get("a").await.unwrap_err();
    let Error::Backend { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        source.to_string().contains("`history` keeps 5 values"),
        "{source}"
    );
}

#[tokio::test]
async fn keys_of_others_are_seen_if_they_are_spelt_the_same_way() {
    let Some(server) = Server::start() else { return };
    let store = store(&server, "weft", "");
    store.write(vec![set("ours.one", "x")]).await.unwrap();
    let jetstream = jetstream(&server).await;
    for subject in ["$KV.weft.theirs.one", "$KV.weft.not=a=key"] {
        jetstream
            .publish(subject, "y".into())
            .await
            .unwrap()
            .await
            .unwrap();
    }
    assert_eq!(store.get("theirs.one").await.unwrap().unwrap().value, "y");
    assert_eq!(
        store.list("", None, 10).await.unwrap().keys,
        ["ours.one", "theirs.one"]
    );
    let theirs = jetstream.get_stream("KV_weft").await.unwrap();
    let ours = theirs
        .direct_get_last_for_subject("$KV.weft.ours.one")
        .await
        .unwrap();
    assert_eq!(ours.payload, "x");
}

#[tokio::test]
async fn a_list_leaves_nothing_behind() {
    let Some(server) = Server::start() else { return };
    let store = store(&server, "weft", "");
    store.write(vec![set("a", "x"), set("b", "x")]).await.unwrap();
    for limit in [1, 10] {
        store.list("", None, limit).await.unwrap();
    }
    let stream = jetstream(&server).await.get_stream("KV_weft").await.unwrap();
    assert_eq!(stream.consumer_names().count().await, 0);
}

#[tokio::test]
async fn whoever_insists_on_tls_does_not_do_without() {
    let Some(server) = Server::start() else { return };
    let store = Nats::new(
        &server.address().replace("nats://", "tls://"),
        options("weft", ""),
    )
    .unwrap();
    let error = store.check().await.unwrap_err();
    let Error::Backend { source, .. } = &error else {
        panic!("{error:?}")
    };
    // What the server says without TLS is none.
    assert!(source.to_string().contains("InvalidContentType"), "{source}");
}
