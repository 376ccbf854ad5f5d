//! The cache on disk: what was inserted comes back whole, or not at all, whatever happens to the files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at any surprise"
)]

mod cleaning;
mod damage;
mod folders;
mod processes;

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use weft_runtime::cache::{Cache, Digest, Hit, Key, Lookup, Meta, Which};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A cache in a folder that goes with the test.
struct Place {
    scratch: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    fn root(&self) -> PathBuf {
        self.scratch.path().join("cache")
    }

    fn cache(&self) -> Cache {
        self.cache_of(1 << 30)
    }

    fn cache_of(&self, artifact_bytes_max: u64) -> Cache {
        Cache::open(self.root(), artifact_bytes_max).unwrap()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root().join("v1").join(name)
    }

    fn index_file(&self, key: &Key) -> PathBuf {
        self.folder("index").join(key.to_string())
    }

    fn artifact_file(&self, content: &[u8]) -> PathBuf {
        self.folder("artifacts")
            .join(format!("{}.cwasm", Digest::of(content)))
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs_err::read_dir(self.folder(folder)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

fn key(name: &str) -> Key {
    Key::new(Digest::of(name.as_bytes()), 48, "one-shot")
}

fn meta(name: &str) -> Meta {
    Meta {
        name: name.to_owned(),
        engine_version: "48.0.8".to_owned(),
    }
}

/// Content that is the same on every call and different under every name.
fn content(name: &str, length: usize) -> Vec<u8> {
    name.bytes()
        .chain((0_usize..).map(|position| (position * 31 + position / 251) as u8))
        .take(length)
        .collect()
}

fn insert(cache: &Cache, name: &str, length: usize) -> Vec<u8> {
    let content = content(name, length);
    cache.insert(&key(name), &meta(name), &content).unwrap();
    content
}

fn is_hit(cache: &Cache, name: &str) -> bool {
    cache.lookup(&key(name)).unwrap().hit().is_some()
}

fn read_hit(hit: &Hit) -> Vec<u8> {
    let mut file = hit.file();
    let mut content = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut content).unwrap();
    content
}

fn set_age(path: &Path, age: Duration) {
    let file = fs_err::File::options().read(true).open(path).unwrap();
    file.file().set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn what_was_inserted_is_found() {
    let place = Place::new();
    let cache = place.cache();
    assert!(matches!(cache.lookup(&key("small")).unwrap(), Lookup::Absent));
    assert!(!place.root().exists(), "a look-up makes no folder");
    for (name, length) in [
        ("empty", 0),
        ("small", 1000),
        ("edge", 16 * 1024),
        ("large", 16 * 1024 + 1),
        ("huge", 3_000_000),
    ] {
        let content = insert(&cache, name, length);
        let hit = cache.lookup(&key(name)).unwrap().hit().unwrap();
        assert_eq!(read_hit(&hit), content);
        assert_eq!(hit.length(), length as u64);
        assert_eq!(fs_err::read(hit.path()).unwrap(), content);
        assert_eq!(hit.meta(), &meta(name));
        let kept = (length <= 16 * 1024).then_some(content.as_slice());
        assert!(hit.bytes() == kept, "{name}");
    }
    assert!(matches!(cache.lookup(&key("other")).unwrap(), Lookup::Absent));
}

#[test]
fn another_engine_or_profile_finds_nothing() {
    let place = Place::new();
    insert(&place.cache(), "a", 100);
    for other in [
        Key::new(Digest::of(b"a"), 49, "one-shot"),
        Key::new(Digest::of(b"a"), 48, "serving"),
    ] {
        assert!(matches!(place.cache().lookup(&other).unwrap(), Lookup::Absent));
    }
}

#[test]
fn an_insertion_replaces_what_was_there() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 100);
    let newer = content("newer", 200);
    cache.insert(&key("a"), &meta("newer"), &newer).unwrap();
    assert_eq!(read_hit(&cache.lookup(&key("a")).unwrap().hit().unwrap()), newer);
    assert_eq!(cache.list().unwrap().entries.len(), 1);
}

#[test]
fn an_artifact_larger_than_the_cache_is_refused() {
    let place = Place::new();
    let error = place
        .cache_of(99)
        .insert(&key("a"), &meta("a"), &[0; 100])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the artifact is 100 bytes, more than the 99 the cache may keep"
    );
    assert!(!place.root().exists());
}

#[test]
fn a_second_use_within_an_hour_writes_nothing() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    let index = place.index_file(&key("a"));
    let modified = |path: &Path| fs_err::metadata(path).unwrap().modified().unwrap();
    for (age, noted) in [(HOUR / 2, false), (HOUR * 2, true)] {
        set_age(&index, age);
        let before = modified(&index);
        assert!(is_hit(&cache, "a"));
        assert_eq!(modified(&index) != before, noted, "{age:?}");
    }
    fs_err::File::options()
        .read(true)
        .open(&index)
        .unwrap()
        .file()
        .set_modified(SystemTime::now() + HOUR * 50)
        .unwrap();
    assert!(is_hit(&cache, "a"));
    assert!(
        modified(&index) <= SystemTime::now(),
        "a time in the future is put right"
    );
}

#[test]
fn look_ups_and_insertions_do_not_wait_for_a_cleaning() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    let lock = fs_err::File::create(place.folder("lock")).unwrap();
    lock.file().lock().unwrap();
    insert(&cache, "b", 300);
    assert!(is_hit(&cache, "a") && is_hit(&cache, "b"));
}

#[test]
fn a_hit_outlives_its_entry() {
    let place = Place::new();
    let cache = place.cache();
    let content = insert(&cache, "a", 1_000_000);
    let hit = cache.lookup(&key("a")).unwrap().hit().unwrap();
    cache.clean(Which::All).unwrap();
    assert_eq!(read_hit(&hit), content);
}
