//! What a killed process leaves behind goes when the store is opened again, and nothing else does.

use std::path::Path;

use weft_stores::blob::files::{Files, Options};
use weft_stores::keyvalue::sqlite::{self, Sqlite};
use weft_stores::keyvalue::{Change, Store as _};
use weft_testing::Scratch;

use super::content::{content, files, names, no_file_is_left, read, write};

fn open(folder: &Path) -> Files {
    Files::open(folder, &Options::default()).unwrap()
}

/// Makes a file such as a process leaves that was killed before the index named it.
fn abandon(folder: &Path) {
    let id = format!("{:032x}", fastrand::u128(..));
    let parent = folder.join("data").join(&id[..2]);
    fs_err::create_dir_all(&parent).unwrap();
    fs_err::write(parent.join(id), "half of an obj").unwrap();
}

#[tokio::test]
async fn files_that_nothing_names_go_when_the_store_is_opened() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = open(&folder);
    write(&store, "a", &content(1, 100_000)).await;
    drop(store);
    for _ in 0..20 {
        abandon(&folder);
    }
    let foreign = scratch.file("store/data/00/notes", "not ours");
    let store = open(&folder);
    for _ in 0..200 {
        if files(&folder).len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(files(&folder).len(), 2);
    assert!(foreign.exists());
    assert_eq!(read(&store, "a").await, Some(content(1, 100_000)));
}

#[tokio::test]
async fn nothing_is_collected_while_somebody_writes() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    drop(open(&folder));
    abandon(&folder);
    let lock = fs_err::File::open(folder.join("lock")).unwrap();
    lock.file().lock_shared().unwrap();
    let store = open(&folder);
    // Waits until all is counted, which is before anything is collected.
    write(&store, "a", b"x").await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    drop(store);
    assert_eq!(files(&folder).len(), 1);
    drop(lock);
    let store = open(&folder);
    no_file_is_left(&folder, &store).await;
}

#[tokio::test]
async fn objects_of_a_deleted_container_go_when_the_store_is_opened() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = open(&folder);
    write(&store, "late", &content(1, 100_000)).await;
    drop(store);
    // As if it had been written by somebody who had not noticed yet that the container was deleted.
    let index = Sqlite::open(&folder.join("index"), &sqlite::Options::default()).unwrap();
    let page = index.list("o/", None, 10).await.unwrap();
    let [key] = page.keys.try_into().unwrap();
    let value = index.get(&key).await.unwrap().unwrap().value;
    for life in ["0000000000000001", "ffffffffffffffff"] {
        let change = Change::Set(format!("o/{life}/late"), value.clone());
        index.write(vec![change]).await.unwrap();
    }
    index.write(vec![Change::Delete(key)]).await.unwrap();
    drop(index);
    let store = open(&folder);
    write(&store, "alive", &content(2, 100_000)).await;
    assert_eq!(names(&store, "", 10).await, ["alive"]);
    no_file_is_left(&folder, &store).await;
    // The index goes a moment after the files.
    let index = Sqlite::open(&folder.join("index"), &sqlite::Options::default()).unwrap();
    let begun = std::time::Instant::now();
    while index.list("o/", None, 10).await.unwrap().keys.len() > 1 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[test]
fn a_store_that_many_make_at_once_is_made_once() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("a/b/store");
    let opening: Vec<_> = (0..6)
        .map(|_| {
            let folder = folder.clone();
            std::thread::spawn(move || drop(open(&folder)))
        })
        .collect();
    for opened in opening {
        opened.join().unwrap();
    }
    let parent = fs_err::read_dir(folder.parent().unwrap()).unwrap();
    assert_eq!(parent.count(), 1, "something was left behind");
}
