//! Several users of one folder at once, as several runs of one app are.

use std::time::{Duration, Instant};

use bytes::Bytes;
use weft_stores::keyvalue::sqlite::{Options, Sqlite};
use weft_stores::keyvalue::{Change, Durability, Store};
use weft_testing::Scratch;

fn options() -> Options {
    Options {
        durability: Durability::Fast,
        ..Options::default()
    }
}

#[tokio::test]
async fn what_another_has_written_is_seen_within_a_moment() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let (one, other) = (
        Sqlite::open(&folder, &options()).unwrap(),
        Sqlite::open(&folder, &options()).unwrap(),
    );
    for round in 0..5 {
        let value = Bytes::from(format!("round {round}"));
        assert!(one.get("a").await.is_ok());
        other
            .write(vec![Change::Set("a".into(), value.clone())])
            .await
            .unwrap();
        let begun = Instant::now();
        while one.get("a").await.unwrap().map(|entry| entry.value) != Some(value.clone()) {
            assert!(begun.elapsed() < Duration::from_secs(2), "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counting_in_one_folder_from_two_sides_loses_nothing() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let sides = [0, 1].map(|_| {
        let store = Sqlite::open(&folder, &options()).unwrap();
        tokio::spawn(async move {
            for _ in 0..200 {
                store.increment("n", 1).await.unwrap();
            }
            store
        })
    });
    for side in sides {
        drop(side.await.unwrap());
    }
    let store = Sqlite::open(&folder, &options()).unwrap();
    assert_eq!(store.increment("n", 0).await.unwrap(), 400);
    store.verify().await.unwrap();
}

#[test]
fn a_store_that_many_make_at_once_is_made_once() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("a/b/store");
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let folder = folder.clone();
            std::thread::spawn(move || Sqlite::open(&folder, &options()).map(drop))
        })
        .collect();
    for opened in opening {
        opened.join().unwrap().unwrap();
    }
    let parent = fs_err::read_dir(folder.parent().unwrap()).unwrap();
    assert_eq!(parent.count(), 1, "something was left behind");
}
