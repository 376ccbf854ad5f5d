//! Copies of a store that is in use: as it was at one moment, whole, and none of damage.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use weft_stores::blob::files::{Files, Options};
use weft_stores::blob::{Error, Store};
use weft_testing::Scratch;

use super::content::{content, files, no_file_is_left, read, write};

const BYTES: usize = 30_000;
const COPIES: usize = 8;

fn open(folder: &Path) -> Files {
    Files::open(folder, &Options::default()).unwrap()
}

/// Which of the contents that were written this is.
fn number(found: &[u8], up_to: usize) -> usize {
    let number = (0..=up_to).find(|number| content(*number, BYTES) == found);
    number.expect("a content that nobody wrote")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_the_store_at_one_moment_whatever_is_written_meanwhile() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = open(&folder);
    for name in ["first", "second"] {
        write(&store, name, &content(0, BYTES)).await;
    }
    write(&store, "small", b"still").await;
    let is_done = AtomicBool::new(false);
    let writing = async {
        let mut written = 0;
        while !is_done.load(Ordering::Relaxed) {
            written += 1;
            for name in ["first", "second"] {
                write(&store, name, &content(written, BYTES)).await;
            }
            let passing = format!("passing-{written}");
            write(&store, &passing, &content(written, BYTES)).await;
            store.remove(&[passing]).await.unwrap();
        }
        written
    };
    let copying = async {
        for copy in 0..COPIES {
            let to = scratch.path().join(format!("copy-{copy}"));
            let totals = store.back_up(&to).await.unwrap();
            assert!((3..=4).contains(&totals.objects), "{totals:?}");
        }
        is_done.store(true, Ordering::Relaxed);
    };
    let (written, ()) = futures::join!(writing, copying);
    assert!(written > 0);
    let mut before = 0;
    for copy in 0..COPIES {
        let folder = scratch.path().join(format!("copy-{copy}"));
        let copy = open(&folder);
        copy.verify().await.unwrap();
        assert_eq!(read(&copy, "small").await.as_deref(), Some(&b"still"[..]));
        let first = number(&read(&copy, "first").await.unwrap(), written);
        let second = number(&read(&copy, "second").await.unwrap(), written);
        // One is written after the other.
        assert!(second == first || second + 1 == first, "{first} {second}");
        assert!(second >= before, "older than the copy before");
        before = second;
        write(&copy, "more", &content(1, BYTES)).await;
        no_file_is_left(&folder, &copy).await;
    }
    drop(store);
    let store = open(&folder);
    no_file_is_left(&folder, &store).await;
}

#[tokio::test]
async fn damage_is_not_copied_and_nothing_is_left_of_the_copy() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = open(&folder);
    write(&store, "a", &content(1, BYTES)).await;
    let [file] = files(&folder).try_into().unwrap();
    let whole = fs_err::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[BYTES / 2] ^= 4;
    let to = scratch.path().join("copy");
    for damage in [Some(flipped), None] {
        match damage {
            Some(bytes) => fs_err::write(&file, bytes).unwrap(),
            None => fs_err::remove_file(&file).unwrap(),
        }
        let refused = store.back_up(&to).await.unwrap_err();
        assert!(matches!(refused, Error::Damaged { .. }), "{refused:?}");
        assert!(!refused.to_string().contains("copy"), "{refused}");
        assert_eq!(fs_err::read_dir(scratch.path()).unwrap().count(), 1);
    }
    fs_err::write(&file, whole).unwrap();
    assert_eq!(store.back_up(&to).await.unwrap().objects, 1);
}

#[tokio::test]
async fn a_copy_takes_the_place_of_nothing() {
    let scratch = Scratch::new();
    let store = open(&scratch.path().join("store"));
    let there = scratch.file("copy/notes", "not ours");
    let to = scratch.path().join("copy");
    let refused = store.back_up(&to).await.unwrap_err();
    assert!(matches!(refused, Error::Backend { .. }), "{refused:?}");
    assert_eq!(fs_err::read_to_string(there).unwrap(), "not ours");
    assert_eq!(fs_err::read_dir(scratch.path()).unwrap().count(), 2);
}
