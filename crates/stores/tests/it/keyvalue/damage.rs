//! Damage: every flipped bit is reported or makes no difference, and nothing that is missing is made anew.

use std::path::Path;

use bytes::Bytes;
use weft_stores::keyvalue::sqlite::{Options, Sqlite};
use weft_stores::keyvalue::{Change, Durability, Error, Store};
use weft_testing::Scratch;

const ENTRIES: usize = 40;

fn value(number: usize) -> Bytes {
    Bytes::from(format!("value {number} ").repeat(number))
}

fn options() -> Options {
    Options {
        durability: Durability::Fast,
        cache_bytes_max: 0,
        ..Options::default()
    }
}

async fn fill(store: &Sqlite) {
    for number in 0..ENTRIES {
        let change = Change::Set(format!("key-{number}"), value(number));
        store.write(vec![change]).await.unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // What readers share of the log is made anew by whoever opens a store that nobody has open.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs_err::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Opens a copy and reads everything: either it is all there, or something is said.
async fn is_reported_or_harmless(folder: &Path) -> bool {
    let store = match Sqlite::open(folder, &options()) {
        Ok(store) => store,
        // A bit of the number of the format may be the one that was flipped.
        Err(Error::Damaged { .. } | Error::Newer { .. }) => return true,
        Err(other) => panic!("{other:?}"),
    };
    let page = store.list("", None, 1000).await;
    let mut reported = false;
    match page {
        Ok(page) => {
            let mut expected: Vec<String> = (0..ENTRIES).map(|number| format!("key-{number}")).collect();
            expected.sort();
            assert_eq!(page.keys, expected);
        }
        Err(Error::Damaged { .. }) => reported = true,
        Err(other) => panic!("{other:?}"),
    }
    for number in 0..ENTRIES {
        match store.get(&format!("key-{number}")).await {
            Ok(entry) => assert_eq!(entry.expect("lost without a word").value, value(number)),
            Err(Error::Damaged { .. }) => reported = true,
            Err(other) => panic!("{other:?}"),
        }
    }
    reported
}

/// Flips one bit after the other, or as many of them as asked for, in a file of a store.
async fn flip_bits(original: &Path, file: &str) -> (usize, usize) {
    let scratch = Scratch::new();
    let length = fs_err::metadata(original.join(file)).unwrap().len();
    let flips: u64 = match std::env::var("WEFT_TEST_FLIPS") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => 150,
    };
    let bits = length * 8;
    let (mut reported, mut tried) = (0, 0);
    for flip in 0..flips.min(bits) {
        // Spread over the file, and elsewhere in each run.
        let bit = bits * flip / flips.min(bits) + fastrand::u64(..(bits / flips).max(1));
        let bit = bit.min(bits - 1);
        let folder = scratch.path().join(format!("copy-{flip}"));
        copy(original, &folder);
        let path = folder.join(file);
        let mut bytes = fs_err::read(&path).unwrap();
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        fs_err::write(&path, bytes).unwrap();
        eprintln!("bit {bit} of `{file}`");
        tried += 1;
        if is_reported_or_harmless(&folder).await {
            reported += 1;
        }
        fs_err::remove_dir_all(&folder).unwrap();
    }
    println!("{file}: {reported} of {tried} flipped bits reported, the others made no difference");
    (reported, tried)
}

#[tokio::test]
async fn a_flipped_bit_in_a_closed_store_is_never_served() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = Sqlite::open(&folder, &options()).unwrap();
    fill(&store).await;
    drop(store);
    assert!(!folder.join("data.db-wal").exists());
    let (reported, tried) = flip_bits(&folder, "data.db").await;
    assert!(reported * 5 > tried, "{reported} of {tried}");
    // It stands there twice.
    flip_bits(&folder, "tail").await;
}

#[tokio::test]
async fn a_flipped_bit_in_the_log_of_a_killed_process_is_never_served() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = Sqlite::open(&folder, &options()).unwrap();
    fill(&store).await;
    // What a kill leaves: the log as it is, not folded into the database.
    let killed = scratch.path().join("killed");
    copy(&folder, &killed);
    drop(store);
    assert!(fs_err::metadata(killed.join("data.db-wal")).unwrap().len() > 10_000);
    assert!(!is_reported_or_harmless(&killed).await);
    let killed_again = scratch.path().join("killed-again");
    let store = Sqlite::open(&killed, &options()).unwrap();
    store
        .write(vec![Change::Set("key-0".into(), value(0))])
        .await
        .unwrap();
    copy(&killed, &killed_again);
    drop(store);
    flip_bits(&killed_again, "data.db-wal").await;
    flip_bits(&killed_again, "data.db").await;
}

#[tokio::test]
async fn a_missing_file_is_reported_and_not_made_anew() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    fill(&Sqlite::open(&folder, &options()).unwrap()).await;
    for file in ["data.db", "tail"] {
        let without = scratch.path().join(format!("without-{file}"));
        copy(&folder, &without);
        fs_err::remove_file(without.join(file)).unwrap();
        for _ in 0..2 {
            let error = Sqlite::open(&without, &options()).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
            assert!(error.to_string().contains(file), "{error}");
        }
        assert!(!without.join(file).exists());
    }
}

#[tokio::test]
async fn an_older_copy_of_the_database_is_noticed() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    fill(&Sqlite::open(&folder, &options()).unwrap()).await;
    let old = fs_err::read(folder.join("data.db")).unwrap();
    let store = Sqlite::open(&folder, &options()).unwrap();
    store.increment("n", 1).await.unwrap();
    drop(store);
    fs_err::write(folder.join("data.db"), old).unwrap();
    let error = Sqlite::open(&folder, &options()).unwrap_err();
    assert!(error.to_string().contains("was acknowledged"), "{error}");
}

#[tokio::test]
async fn damage_in_a_large_store_ends_its_use_although_it_was_opened() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    fill(&Sqlite::open(&folder, &options()).unwrap()).await;
    let file = folder.join("data.db");
    let mut bytes = fs_err::read(&file).unwrap();
    let place = bytes.windows(8).position(|window| window == b"value 33").unwrap();
    bytes[place] ^= 1;
    fs_err::write(&file, bytes).unwrap();
    let large = Options {
        verify_bytes_max: 0,
        ..options()
    };
    let store = Sqlite::open(&folder, &large).unwrap();
    while store.check().await.is_ok() {
        tokio::task::yield_now().await;
    }
    for refused in [
        store.get("key-1").await.map(drop),
        store.increment("n", 1).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_backup_is_a_store_of_one_moment_and_overwrites_nothing() {
    let scratch = Scratch::new();
    let store = Sqlite::open(&scratch.path().join("store"), &options()).unwrap();
    fill(&store).await;
    let backup = scratch.path().join("backup");
    let totals = store.back_up(&backup).await.unwrap();
    assert_eq!(totals.entries, ENTRIES as u64);
    store.increment("n", 1).await.unwrap();
    assert!(store.back_up(&backup).await.is_err());
    assert!(!is_reported_or_harmless(&backup).await);
    assert_eq!(fs_err::read_dir(scratch.path()).unwrap().count(), 2);
}
