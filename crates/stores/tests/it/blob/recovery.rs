//! A server of S3 that goes away, keeps silent or is one of others: errors in time, and nothing to do when it is back.

use std::time::{Duration, Instant};

use weft_stores::blob::s3::{Options, S3};
use weft_stores::blob::{Error, Store};
use weft_testing::Scratch;

use super::content::{content, names, read, read_all, spool, write};
use super::server::{Reached as _, Server};

const TIMEOUT: Duration = Duration::from_millis(400);

fn impatient(server: &Server) -> S3 {
    let options = Options {
        timeout: TIMEOUT,
        ..server.options()
    };
    S3::new(options).unwrap()
}

#[tokio::test]
async fn a_server_that_was_lost_is_used_again_when_it_is_back() {
    let mut server = Server::start();
    let store = impatient(&server);
    write(&store, "a", b"before").await;
    let opened = store.open("a").await.unwrap().unwrap();
    server.stop();
    for _ in 0..3 {
        for call in 0..4 {
            let begun = Instant::now();
            let lost = match call {
                0 => store.info("a").await.map(drop),
                1 => store.write("a", spool(b"x")).await,
                2 => opened.read(0, 10).await.map(drop),
                _ => store.check().await,
            };
            let is_told = matches!(lost, Err(Error::Backend { .. } | Error::Timeout { .. }));
            assert!(is_told, "{lost:?}");
            assert!(begun.elapsed() < TIMEOUT * 2, "{:?}", begun.elapsed());
        }
    }
    server.start_again();
    assert_eq!(read_all(opened.as_ref()).await.unwrap(), b"before");
    write(&store, "a", b"after").await;
    assert_eq!(read(&store, "a").await, Some(b"after".to_vec()));
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_no_more_than_the_timeout() {
    let server = Server::start();
    let store = impatient(&server);
    write(&store, "a", b"x").await;
    server.freeze();
    let begun = Instant::now();
    let many = (0..20).map(|_| store.info("a"));
    for answer in futures::future::join_all(many).await {
        assert!(matches!(answer, Err(Error::Timeout { .. })), "{answer:?}");
    }
    assert!(begun.elapsed() < TIMEOUT * 3, "{:?}", begun.elapsed());
    let begun = Instant::now();
    let refused = store.write("large", spool(&content(1, 9 << 20))).await;
    assert!(matches!(refused, Err(Error::Timeout { .. })), "{refused:?}");
    assert!(begun.elapsed() < TIMEOUT * 3, "{:?}", begun.elapsed());
    server.thaw();
    assert_eq!(read(&store, "a").await, Some(b"x".to_vec()));
    assert_eq!(names(&store, "", 10).await, ["a"]);
}

#[tokio::test]
async fn nothing_listens_where_there_is_no_server() {
    let store = S3::new(Options::new("http://127.0.0.1:1", "bucket")).unwrap();
    let error = store.info("a").await.unwrap_err();
    assert!(matches!(error, Error::Backend { .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn who_may_not_is_refused_and_the_secret_stays_one() {
    let server = Server::start();
    let mut options = server.options();
    if let Some(credentials) = &mut options.credentials {
        "not the hunter2".clone_into(&mut credentials.secret_access_key);
    }
    let store = S3::new(options.clone()).unwrap();
    let mut errors = vec![store.check().await.unwrap_err()];
    errors.push(store.write("a", spool(b"x")).await.unwrap_err());
    errors.push(store.info("a").await.unwrap_err());
    options.credentials = None;
    errors.push(S3::new(options).unwrap().check().await.unwrap_err());
    for error in errors {
        assert!(matches!(error, Error::Backend { .. }), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told() {
    let server = Server::start();
    let mut options = server.options();
    "other".clone_into(&mut options.bucket);
    let store = S3::new(options).unwrap();
    for refused in [store.check().await, store.write("a", spool(b"x")).await] {
        assert!(matches!(refused, Err(Error::Backend { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn an_object_that_is_replaced_ends_its_reading() {
    let server = Server::start();
    let store = S3::new(server.options()).unwrap();
    write(&store, "a", &content(1, 100_000)).await;
    let opened = store.open("a").await.unwrap().unwrap();
    assert!(opened.read(0, 10).await.is_ok());
    write(&store, "a", &content(2, 100_000)).await;
    assert!(matches!(opened.read(0, 10).await, Err(Error::Replaced)));
    store.remove(&["a".to_owned()]).await.unwrap();
    assert!(matches!(opened.read(0, 10).await, Err(Error::Replaced)));
}

#[tokio::test]
async fn what_is_read_from_where_it_was_said_comes_with_the_first_answer() {
    let server = Server::start();
    let store = S3::new(server.options()).unwrap();
    write(&store, "empty", b"").await;
    write(&store, "small", &content(1, 1000)).await;
    write(&store, "large", &content(2, 3 << 20)).await;
    let asked = async |name: &str, first: std::ops::Range<u64>, piece: usize| {
        let before = server.requests();
        let object = store.open_to_read(name, first.clone()).await.unwrap().unwrap();
        let (mut at, mut read) = (first.start, Vec::new());
        while at < first.end.min(object.info().bytes) {
            let piece = object.read(at, piece).await.unwrap();
            at += piece.len() as u64;
            read.extend(piece);
        }
        (server.requests() - before, read)
    };
    // Nothing can be asked for of an empty one, so it is looked at.
    assert_eq!(asked("empty", 0..u64::MAX, 10).await, (2, Vec::new()));
    assert_eq!(asked("small", 0..u64::MAX, 100).await, (1, content(1, 1000)));
    assert_eq!(asked("small", 10..20, 100).await.0, 1);
    let (requests, read) = asked("large", 0..u64::MAX, 64 << 10).await;
    assert!(read == content(2, 3 << 20));
    assert_eq!(requests, 3);
    let (requests, read) = asked("large", 1_000_000..1_200_000, usize::MAX).await;
    assert!(
        read == content(2, 3 << 20)[1_000_000..1_200_000],
        "{}",
        read.len()
    );
    assert_eq!(requests, 1);
    let before = server.requests();
    assert!(store.open_to_read("none", 0..10).await.unwrap().is_none());
    assert_eq!(server.requests() - before, 1);
    // It is the object that was opened, or none.
    let opened = store.open_to_read("large", 0..u64::MAX).await.unwrap().unwrap();
    assert_eq!(opened.read(0, 10).await.unwrap(), content(2, 3 << 20)[..10]);
    write(&store, "large", &content(3, 3 << 20)).await;
    assert_eq!(opened.read(10, 10).await.unwrap(), content(2, 3 << 20)[10..20]);
    assert!(matches!(opened.read(0, 10).await, Err(Error::Replaced)));
    assert!(matches!(opened.read(2 << 20, 10).await, Err(Error::Replaced)));
}

#[tokio::test]
async fn an_object_is_read_where_there_is_no_room_to_read_ahead() {
    let server = Server::start();
    let store = S3::new(server.options()).unwrap();
    write(&store, "a", &content(1, 2 << 20)).await;
    let mut opened = Vec::new();
    for _ in 0..70 {
        opened.push(store.open_to_read("a", 0..u64::MAX).await.unwrap().unwrap());
    }
    for object in opened {
        assert!(read_all(object.as_ref()).await.unwrap() == content(1, 2 << 20));
    }
}

#[tokio::test]
async fn stores_with_other_prefixes_do_not_meet() {
    let server = Server::start();
    let with = |prefix: &str| {
        let mut options = server.options();
        prefix.clone_into(&mut options.prefix);
        S3::new(options).unwrap()
    };
    let (one, other, whole) = (with("one/"), with("other/"), with(""));
    write(&one, "a", b"one").await;
    write(&other, "a", b"other").await;
    assert_eq!(read(&one, "a").await, Some(b"one".to_vec()));
    assert_eq!(names(&whole, "", 10).await, ["one/a", "other/a"]);
    one.clear("").await.unwrap();
    assert_eq!(names(&whole, "", 10).await, ["other/a"]);
    one.create().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_objects_go_up_in_parts() {
    let server = Server::start();
    let store = S3::new(server.options()).unwrap();
    for bytes in [8 << 20, (8 << 20) + 1, 25_000_000] {
        let whole = content(bytes, bytes);
        write(&store, "large", &whole).await;
        assert!(read(&store, "large").await.unwrap() == whole, "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_server_of_others_is_understood() {
    eprintln!(
        "SKIPPED with `s3s-fs`: names that begin with another and `/`, names above 150 bytes, several writers of one \
         object at once; it has each object in a file of its name. It looks at no `If-Match` where it reads, so what \
         was replaced is noticed by the tag of the answer."
    );
    let scratch = Scratch::new();
    let server = Server::of_others(&scratch.folder("server"));
    let store = S3::new(server.options()).unwrap();
    for (number, bytes) in [0, 10, 100_000, 9 << 20].into_iter().enumerate() {
        let name = format!("folder/ü {number}");
        let whole = content(number, bytes);
        write(&store, &name, &whole).await;
        assert!(read(&store, &name).await.unwrap() == whole, "{bytes} bytes");
    }
    let opened = store.open("folder/ü 2").await.unwrap().unwrap();
    assert!(store.copy("folder/ü 1", "folder/ü 2").await.unwrap());
    assert!(matches!(read_all(opened.as_ref()).await, Err(Error::Replaced)));
    assert!(!store.copy("nothing", "folder/ü 2").await.unwrap());
    assert_eq!(names(&store, "folder/", 3).await.len(), 4);
    store
        .remove(&["folder/ü 1".to_owned(), "nothing".to_owned()])
        .await
        .unwrap();
    assert_eq!(names(&store, "", 2).await.len(), 3);
    store.clear("").await.unwrap();
    assert_eq!(names(&store, "", 10).await, Vec::<String>::new());
    assert_eq!(store.info("folder/ü 2").await.unwrap(), None);
}
