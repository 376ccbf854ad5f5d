//! What is listed, what is evicted, and what each cleaning removes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at any surprise"
)]

use weft_runtime::cache::{Digest, Key, Which};

use super::{HOUR, Place, content, insert, is_hit, key, meta, set_age};

#[test]
fn the_least_recently_used_goes_first() {
    let place = Place::new();
    let cache = place.cache_of(1000);
    for (name, age) in [("oldest", 5), ("older", 4), ("old", 3)] {
        insert(&cache, name, 300);
        set_age(&place.index_file(&key(name)), HOUR * age);
    }
    assert!(is_hit(&cache, "oldest"), "which makes it the most recently used");
    let evicted = cache
        .insert(&key("new"), &meta("new"), &content("new", 300))
        .unwrap()
        .evicted;
    assert_eq!((evicted.entries, evicted.bytes), (1, 300));
    assert!(!is_hit(&cache, "older"));
    assert!(is_hit(&cache, "oldest") && is_hit(&cache, "old") && is_hit(&cache, "new"));
}

#[test]
fn the_newest_stays_even_where_it_fills_the_cache() {
    let place = Place::new();
    let cache = place.cache_of(1000);
    insert(&cache, "a", 300);
    insert(&cache, "b", 1000);
    assert!(is_hit(&cache, "b") && !is_hit(&cache, "a"));
}

#[test]
fn the_bound_holds_after_every_insertion() {
    let place = Place::new();
    let cache = place.cache_of(5000);
    for number in 0..60 {
        insert(&cache, &format!("entry {number}"), 100 + number * 37 % 900);
        let bytes = cache.list().unwrap().artifact_bytes;
        assert!(bytes <= 5000, "{bytes} bytes after {number}");
    }
    assert!(
        cache.list().unwrap().entries.len() > 3,
        "and no more is evicted than needed"
    );
    assert_eq!(cache.list().unwrap().damaged, 0);
}

#[test]
fn a_listing_tells_what_is_kept() {
    let place = Place::new();
    let cache = place.cache();
    assert!(cache.list().unwrap().entries.is_empty());
    insert(&cache, "a", 300);
    insert(&cache, "b", 200);
    set_age(&place.index_file(&key("a")), HOUR * 3);
    let listing = cache.list().unwrap();
    let names: Vec<&str> = listing
        .entries
        .iter()
        .map(|entry| entry.meta.name.as_str())
        .collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!((listing.artifact_bytes, listing.damaged), (500, 0));
    let a = &listing.entries[1];
    assert_eq!(
        (a.key.clone(), a.length, a.key.profile(), a.key.engine()),
        (key("a"), 300, "one-shot", 48)
    );
    assert_eq!(a.path, place.artifact_file(&content("a", 300)));
    assert!(a.created > a.last_used);
}

#[test]
fn cleaning_all_leaves_nothing() {
    let place = Place::new();
    let cache = place.cache();
    assert_eq!(cache.clean(Which::All).unwrap().entries, 0);
    insert(&cache, "a", 300);
    insert(&cache, "b", 200);
    fs_err::write(place.index_file(&key("c")), b"damaged").unwrap();
    let report = cache.clean(Which::All).unwrap();
    assert_eq!((report.entries, report.damaged, report.bytes), (2, 1, 500));
    assert!(place.names("index").is_empty() && place.names("artifacts").is_empty());
    assert!(!is_hit(&cache, "a"));
}

#[test]
fn cleaning_other_engines_keeps_ours() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    let other = Key::new(Digest::of(b"a"), 47, "one-shot");
    cache.insert(&other, &meta("a"), &content("other", 100)).unwrap();
    let report = cache.clean(Which::OtherEngines(vec![48])).unwrap();
    assert_eq!((report.entries, report.bytes), (1, 100));
    assert!(is_hit(&cache, "a"));
}

#[test]
fn cleaning_the_unused_keeps_the_used() {
    let place = Place::new();
    let cache = place.cache();
    for (name, age) in [("a", 1), ("b", 50)] {
        insert(&cache, name, 300);
        set_age(&place.index_file(&key(name)), HOUR * age);
    }
    assert_eq!(cache.clean(Which::Unused(HOUR * 24)).unwrap().entries, 1);
    assert!(is_hit(&cache, "a") && !is_hit(&cache, "b"));
}

#[test]
fn cleaning_to_a_size_stops_there() {
    let place = Place::new();
    let cache = place.cache();
    for (name, age) in [("a", 1), ("b", 3), ("c", 2)] {
        insert(&cache, name, 300);
        set_age(&place.index_file(&key(name)), HOUR * age);
    }
    assert_eq!(cache.clean(Which::ToSize(600)).unwrap().entries, 1);
    assert!(!is_hit(&cache, "b"));
    assert_eq!(cache.clean(Which::ToSize(600)).unwrap().entries, 0);
    assert_eq!(cache.clean(Which::ToSize(0)).unwrap().entries, 2);
}

#[test]
fn an_artifact_of_two_entries_goes_with_the_second() {
    let place = Place::new();
    let cache = place.cache();
    let shared = content("shared", 300);
    for (name, age) in [("a", 2), ("b", 1)] {
        cache.insert(&key(name), &meta(name), &shared).unwrap();
        set_age(&place.index_file(&key(name)), HOUR * age);
    }
    let report = cache.clean(Which::Unused(HOUR * 2)).unwrap();
    assert_eq!((report.entries, report.bytes), (1, 0));
    assert!(is_hit(&cache, "b"));
    let report = cache.clean(Which::All).unwrap();
    assert_eq!((report.entries, report.bytes), (1, 300));
}

#[test]
fn rubbish_goes_after_an_hour_and_not_before() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    let rubbish = [
        place.folder("artifacts").join(".writing-1-2-3"),
        place.folder("index").join(".writing-1-2-3"),
        place.artifact_file(b"an artifact whose index was never written"),
    ];
    for path in &rubbish {
        fs_err::write(path, b"rubbish").unwrap();
    }
    assert_eq!(cache.clean(Which::ToSize(u64::MAX)).unwrap().abandoned, 0);
    assert!(rubbish.iter().all(|path| path.exists()));
    rubbish.iter().for_each(|path| set_age(path, HOUR * 2));
    let report = cache.clean(Which::ToSize(u64::MAX)).unwrap();
    assert_eq!((report.abandoned, report.bytes, report.entries), (3, 21, 0));
    assert!(!rubbish.iter().any(|path| path.exists()));
    assert!(is_hit(&cache, "a"));
}

#[test]
fn files_that_are_not_ours_stay() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    let theirs = place.folder("artifacts").join("notes.txt");
    fs_err::write(&theirs, b"mine").unwrap();
    set_age(&theirs, HOUR * 50);
    cache.clean(Which::All).unwrap();
    assert!(theirs.exists());
}
