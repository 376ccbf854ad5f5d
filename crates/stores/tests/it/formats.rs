//! What a later version of Weft has made is told as that: it is not damaged, and it is left as it is.

use std::path::Path;

use rusqlite::Connection;
use weft_stores::blob::files::{Files, Options as FilesOptions};
use weft_stores::blob::{self, Store as _};
use weft_stores::keyvalue::sqlite::{Options, Sqlite};
use weft_stores::keyvalue::{Change, Error, Store as _};
use weft_stores::queue;
use weft_stores::queue::kept::{Kept, MESSAGES};
use weft_testing::Scratch;

/// Says that a database is of this format.
fn set_format(folder: &Path, format: i64) {
    let connection = Connection::open(folder.join("data.db")).unwrap();
    connection.pragma_update(None, "user_version", format).unwrap();
}

fn check_words(error: &impl std::error::Error) {
    let told = error.to_string();
    assert!(
        told.ends_with("has format 2, and this version of Weft knows formats up to 1"),
        "{told}"
    );
}

#[tokio::test]
async fn a_store_of_a_later_version_is_refused_as_such_and_left_as_it_is() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = Sqlite::open(&folder, &Options::default()).unwrap();
    store
        .write(vec![Change::Set("a".into(), "1".into())])
        .await
        .unwrap();
    drop(store);
    set_format(&folder, 2);
    let before = fs_err::read(folder.join("data.db")).unwrap();
    let large = Options {
        verify_bytes_max: 0,
        ..Options::default()
    };
    for options in [Options::default(), large] {
        let error = Sqlite::open(&folder, &options).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Newer {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{error:?}"
        );
        check_words(&error);
    }
    // A later version may keep the note of what was acknowledged in another way, or not at all.
    let tail = fs_err::read(folder.join("tail")).unwrap();
    fs_err::write(folder.join("tail"), "something else").unwrap();
    check_words(&Sqlite::open(&folder, &Options::default()).unwrap_err());
    fs_err::remove_file(folder.join("tail")).unwrap();
    check_words(&Sqlite::open(&folder, &Options::default()).unwrap_err());
    assert_eq!(fs_err::read(folder.join("data.db")).unwrap(), before);
    assert!(!folder.join("tail").exists());
    fs_err::write(folder.join("tail"), tail).unwrap();
    set_format(&folder, 1);
    let store = Sqlite::open(&folder, &Options::default()).unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap().value, "1");
}

#[tokio::test]
async fn a_store_that_becomes_one_of_a_later_version_is_not_used_any_further() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = Sqlite::open(&folder, &Options::default()).unwrap();
    store
        .write(vec![Change::Set("a".into(), "1".into())])
        .await
        .unwrap();
    set_format(&folder, 2);
    check_words(&store.verify().await.unwrap_err());
    for refused in [
        store.get("a").await.map(drop),
        store.write(vec![Change::Delete("a".into())]).await,
    ] {
        assert!(matches!(refused, Err(Error::Newer { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_format_that_never_was_is_damage() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    drop(Sqlite::open(&folder, &Options::default()).unwrap());
    for format in [0, -1] {
        set_format(&folder, format);
        let error = Sqlite::open(&folder, &Options::default()).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn so_are_a_blob_store_and_a_queue() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("blobs");
    let store = Files::open(&folder, &FilesOptions::default()).unwrap();
    store.write("a", blob::Spool::new()).await.unwrap();
    drop(store);
    set_format(&folder.join("index"), 2);
    let error = Files::open(&folder, &FilesOptions::default()).unwrap_err();
    assert!(
        matches!(
            error,
            blob::Error::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error:?}"
    );
    check_words(&error);
    set_format(&folder.join("index"), 1);
    let store = Files::open(&folder, &FilesOptions::default()).unwrap();
    assert!(store.info("a").await.unwrap().is_some());

    let folder = scratch.path().join("queue");
    drop(Kept::open(&folder, &Options::default()).unwrap());
    set_format(&folder.join(MESSAGES), 2);
    let error = Kept::open(&folder, &Options::default()).unwrap_err();
    assert!(
        matches!(error, queue::Error::Store(Error::Newer { .. })),
        "{error:?}"
    );
    check_words(&error);
}
