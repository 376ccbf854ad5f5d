//! Damage: whatever becomes of a file, nothing but what was written is ever read, and nothing missing is made anew.

use std::path::Path;

use weft_stores::blob::files::{Files, Options, Totals};
use weft_stores::blob::{Error, Store};
use weft_stores::keyvalue::Durability;
use weft_testing::Scratch;

use super::content::{content, files, names, read, try_read, write};
use crate::faults;

/// Small ones, and files of one block and of several.
const SIZES: [usize; 10] = [
    0, 10, 5000, 15_000, 16_000, 20_000, 65_536, 65_537, 200_000, 400_000,
];

fn options() -> Options {
    Options {
        durability: Durability::Fast,
        ..Options::default()
    }
}

async fn filled(folder: &Path) -> Files {
    let store = Files::open(folder, &options()).unwrap();
    for bytes in SIZES {
        write(&store, &format!("object-{bytes}"), &content(bytes, bytes)).await;
    }
    assert_eq!(files(folder).len(), 5);
    store
}

fn is_damage<T>(found: &Result<T, Error>) -> bool {
    matches!(found, Err(Error::Damaged { .. }))
}

/// Reads everything: it is what was written, or damage is reported. Says how many objects were damaged.
async fn damaged_objects(store: &dyn Store) -> usize {
    let mut damaged = 0;
    for bytes in SIZES {
        match try_read(store, &format!("object-{bytes}")).await {
            Ok(found) => assert!(found.expect("lost without a word") == content(bytes, bytes)),
            Err(Error::Damaged { .. }) => damaged += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    damaged
}

#[tokio::test]
async fn a_flipped_bit_in_a_file_is_always_reported() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = filled(&folder).await;
    let totals = Totals {
        objects: SIZES.len() as u64,
        bytes: SIZES.iter().sum::<usize>() as u64,
    };
    assert_eq!(store.verify().await.unwrap(), totals);
    let flips = faults::number("WEFT_TEST_FLIPS", 30);
    for file in files(&folder) {
        let whole = fs_err::read(&file).unwrap();
        let bits = whole.len() * 8;
        for flip in 0..flips.min(bits) {
            let bit = bits * flip / flips + fastrand::usize(..(bits / flips).max(1));
            eprintln!("bit {bit} of {}", file.display());
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs_err::write(&file, bytes).unwrap();
            assert_eq!(damaged_objects(&store).await, 1);
        }
        assert!(is_damage(&store.verify().await));
        fs_err::write(&file, whole).unwrap();
        assert_eq!(damaged_objects(&store).await, 0);
    }
}

#[tokio::test]
async fn only_the_part_that_is_damaged_is_refused() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = Files::open(&folder, &options()).unwrap();
    let whole = content(1, 400_000);
    write(&store, "a", &whole).await;
    let [file] = files(&folder).try_into().unwrap();
    let mut bytes = fs_err::read(&file).unwrap();
    bytes[150_000] ^= 4;
    fs_err::write(&file, bytes).unwrap();
    let object = store.open("a").await.unwrap().unwrap();
    for block in 0..6 {
        let part = object.read(block * 65_536 + 5, 10).await;
        assert_eq!(is_damage(&part), block == 2, "block {block}: {part:?}");
    }
    assert!(is_damage(&store.copy("a", "b").await), "damage is not copied");
    assert_eq!(names(&store, "", 10).await, ["a"]);
    // What is written again is whole again.
    write(&store, "a", &whole).await;
    assert_eq!(read(&store, "a").await, Some(whole));
    store.verify().await.unwrap();
}

#[tokio::test]
async fn files_that_were_cut_or_lengthened_or_exchanged_or_removed_are_reported() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = filled(&folder).await;
    for bytes in [65_536, 65_537] {
        // One as long as another.
        write(&store, &format!("twin-{bytes}"), &content(1, bytes)).await;
    }
    for file in files(&folder) {
        let whole = fs_err::read(&file).unwrap();
        for length in [0, 1, 31, 32, whole.len() / 2, whole.len() - 32, whole.len() - 1] {
            fs_err::write(&file, &whole[..length]).unwrap();
            assert!(
                is_damage(&store.verify().await),
                "cut to {length} of {}",
                whole.len()
            );
        }
        fs_err::write(&file, [whole.as_slice(), b"x"].concat()).unwrap();
        assert!(is_damage(&store.verify().await), "lengthened");
        for other in files(&folder).into_iter().filter(|other| *other != file) {
            fs_err::copy(&other, &file).unwrap();
            assert!(is_damage(&store.verify().await), "another in its place");
        }
        if whole.len() > 3 * (65_536 + 32) {
            let (mut blocks, block) = (whole.clone(), 65_536 + 32);
            blocks[..2 * block].rotate_left(block);
            fs_err::write(&file, blocks).unwrap();
            assert!(is_damage(&store.verify().await), "blocks exchanged");
        }
        fs_err::remove_file(&file).unwrap();
        let damage = store.verify().await.unwrap_err().to_string();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(damage.contains(name) && damage.contains("missing"), "{damage}");
        fs_err::write(&file, whole).unwrap();
        store.verify().await.unwrap();
    }
}

#[tokio::test]
async fn an_object_whose_file_is_gone_can_be_removed_and_written_again() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = filled(&folder).await;
    for file in files(&folder) {
        fs_err::remove_file(file).unwrap();
    }
    assert_eq!(damaged_objects(&store).await, 5);
    store.remove(&["object-20000".to_owned()]).await.unwrap();
    assert_eq!(read(&store, "object-20000").await, None);
    write(&store, "object-20000", &content(20_000, 20_000)).await;
    assert_eq!(damaged_objects(&store).await, 4);
}

/// Waits until nobody has the index open any more: a store is closed aside, and its log goes with it.
fn wait_until_closed(folder: &Path) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while folder.join("index/data.db-wal").exists() {
        assert!(std::time::Instant::now() < until, "the store is not closed");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            // What is left out is made anew by whoever opens an index that nobody has open.
            fs_err::copy(entry.path(), to).unwrap();
        }
    }
}

/// Opens a copy and reads everything: either it is all there, or something is said.
async fn is_reported(folder: &Path) -> bool {
    let store = match Files::open(folder, &options()) {
        Ok(store) => store,
        // A bit of the number of the format may be the one that was flipped.
        Err(Error::Damaged { .. } | Error::Newer { .. }) => return true,
        Err(other) => panic!("{other:?}"),
    };
    let files_before = files(folder).len();
    let listed = store.list("", None, 100).await;
    match &listed {
        Ok(page) => assert_eq!(page.names.len(), SIZES.len()),
        Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{error:?}"),
    }
    let reported = damaged_objects(&store).await > 0 || listed.is_err();
    drop(store);
    assert_eq!(
        files(folder).len(),
        files_before,
        "a file was collected by a damaged index"
    );
    reported
}

#[tokio::test]
async fn a_flipped_bit_in_the_index_is_never_served() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    drop(filled(&folder).await);
    wait_until_closed(&folder);
    let flips = faults::number("WEFT_TEST_FLIPS", 50);
    for file in ["index/data.db", "index/tail"] {
        let bits = fs_err::read(folder.join(file)).unwrap().len() * 8;
        let mut reported = 0;
        for flip in 0..flips.min(bits) {
            let bit = bits * flip / flips + fastrand::usize(..(bits / flips).max(1));
            let damaged = scratch.path().join(format!("damaged-{flip}"));
            copy(&folder, &damaged);
            let mut bytes = fs_err::read(damaged.join(file)).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs_err::write(damaged.join(file), bytes).unwrap();
            eprintln!("bit {bit} of {file}");
            reported += usize::from(is_reported(&damaged).await);
            fs_err::remove_dir_all(damaged).unwrap();
        }
        println!("{file}: {reported} of {flips} flipped bits reported, the others made no difference");
        // The tail stands there twice.
        assert!(reported * 10 > flips || file == "index/tail", "{reported}");
    }
}

#[tokio::test]
async fn what_is_missing_is_reported_and_not_made_anew() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    drop(filled(&folder).await);
    wait_until_closed(&folder);
    for part in ["index", "data", "lock", "index/data.db", "index/tail"] {
        let without = scratch.path().join("without").join(part);
        copy(&folder, &without);
        let path = without.join(part);
        if path.is_dir() {
            fs_err::remove_dir_all(&path).unwrap();
        } else {
            fs_err::remove_file(&path).unwrap();
        }
        for _ in 0..2 {
            let error = Files::open(&without, &options()).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(!path.exists());
    }
    let empty = scratch.folder("empty");
    assert!(is_damage(&Files::open(&empty, &options())));
    assert_eq!(fs_err::read_dir(empty).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_goes_while_it_is_used_is_reported() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store = filled(&folder).await;
    store.check().await.unwrap();
    fs_err::rename(folder.join("data"), scratch.path().join("elsewhere")).unwrap();
    assert!(is_damage(&store.check().await));
    assert!(is_damage(&try_read(&store, "object-400000").await));
    for number in 0..20 {
        let refused = store
            .write("new", super::content::spool(&content(number, 100_000)))
            .await;
        assert!(is_damage(&refused), "{refused:?}");
    }
    assert!(!folder.join("data").exists());
    fs_err::rename(scratch.path().join("elsewhere"), folder.join("data")).unwrap();
    assert_eq!(damaged_objects(&store).await, 0);
    assert_eq!(read(&store, "new").await, None);
}
