//! Files that were cut, changed, swapped or replaced: each is a miss, and told as damage.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at any surprise"
)]

use std::os::unix::fs::symlink;
use std::process::Command;

use weft_runtime::cache::{Cache, Digest, Key, Lookup, Reason, Which};

use super::{Place, insert, is_hit, key};

fn damage(cache: &Cache, key: &Key) -> Reason {
    match cache.lookup(key).unwrap() {
        Lookup::Damaged(damage) => {
            damage.removal.unwrap();
            damage.reason
        }
        found => panic!("expected damage, found {found:?}"),
    }
}

#[test]
fn a_flipped_bit_in_any_byte_of_either_file_is_a_miss() {
    let place = Place::new();
    let cache = place.cache();
    let content = insert(&cache, "a", 300);
    let files = [place.index_file(&key("a")), place.artifact_file(&content)];
    let sound = files.clone().map(|file| fs_err::read(file).unwrap());
    for (damaged, bytes) in files.iter().zip(&sound) {
        for position in 0..bytes.len() {
            for (file, bytes) in files.iter().zip(&sound) {
                fs_err::write(file, bytes).unwrap();
            }
            assert!(is_hit(&cache, "a"));
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << (position % 8);
            fs_err::write(damaged, flipped).unwrap();
            let reason = damage(&cache, &key("a"));
            assert!(
                matches!(reason, Reason::IndexChecksum | Reason::ArtifactContent { .. }),
                "{reason:?}"
            );
            assert!(
                matches!(cache.lookup(&key("a")).unwrap(), Lookup::Absent),
                "the entry is gone"
            );
        }
    }
}

#[test]
fn a_flipped_bit_in_a_large_artifact_is_a_miss() {
    let place = Place::new();
    let cache = place.cache();
    for position in [0, 128 * 1024, 999_999] {
        let mut content = insert(&cache, "a", 1_000_000);
        let file = place.artifact_file(&content);
        content[position] ^= 4;
        fs_err::write(file, content).unwrap();
        assert!(matches!(
            damage(&cache, &key("a")),
            Reason::ArtifactContent { .. }
        ));
    }
}

#[test]
fn a_file_of_any_other_length_is_a_miss() {
    let place = Place::new();
    let cache = place.cache();
    let content = insert(&cache, "a", 300);
    let (index, artifact) = (place.index_file(&key("a")), place.artifact_file(&content));
    let sound = fs_err::read(&index).unwrap();
    let longer = [content.as_slice(), b"x"].concat();
    for length in (0..300).chain([301]) {
        fs_err::write(&index, &sound).unwrap();
        fs_err::write(&artifact, &longer[..length]).unwrap();
        let expected = Reason::ArtifactLength {
            found: length as u64,
            expected: 300,
        };
        assert_eq!(damage(&cache, &key("a")), expected);
    }
    for length in 0..sound.len() {
        fs_err::write(&artifact, &content).unwrap();
        fs_err::write(&index, &sound[..length]).unwrap();
        assert_eq!(damage(&cache, &key("a")), Reason::IndexChecksum);
    }
    fs_err::write(&index, vec![b'x'; 1_000_000]).unwrap();
    assert_eq!(damage(&cache, &key("a")), Reason::IndexLines);
    fs_err::write(&index, &sound).unwrap();
    fs_err::remove_file(&artifact).unwrap();
    assert_eq!(damage(&cache, &key("a")), Reason::ArtifactMissing);
}

#[test]
fn files_that_were_swapped_are_misses() {
    let place = Place::new();
    let cache = place.cache();
    let (a, b) = (insert(&cache, "a", 300), insert(&cache, "b", 300));
    fs_err::copy(place.artifact_file(&b), place.artifact_file(&a)).unwrap();
    let expected = Reason::ArtifactContent {
        found: Digest::of(&b),
        expected: Digest::of(&a),
    };
    assert_eq!(damage(&cache, &key("a")), expected);
    fs_err::copy(place.index_file(&key("b")), place.index_file(&key("a"))).unwrap();
    assert_eq!(damage(&cache, &key("a")), Reason::IndexOfAnotherKey);
    assert!(is_hit(&cache, "b"));
}

#[test]
fn damage_is_told_in_words() {
    let place = Place::new();
    let cache = place.cache();
    let artifact = place.artifact_file(&insert(&cache, "a", 300));
    fs_err::write(&artifact, b"short").unwrap();
    let Lookup::Damaged(damage) = cache.lookup(&key("a")).unwrap() else {
        panic!("expected damage")
    };
    let expected = format!(
        "cached `{}` is 5 bytes, expected 300; the entry was removed",
        artifact.display()
    );
    assert_eq!(damage.to_string(), expected);
}

#[test]
fn links_and_pipes_in_place_of_files_are_misses_and_their_targets_stay() {
    let place = Place::new();
    let cache = place.cache();
    let elsewhere = place.scratch.path().join("elsewhere");
    for file in ["index", "artifact"] {
        let content = insert(&cache, "a", 300);
        let path = if file == "index" {
            place.index_file(&key("a"))
        } else {
            place.artifact_file(&content)
        };
        fs_err::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert_eq!(
            damage(&cache, &key("a")),
            Reason::NotAFile,
            "a link to a sound {file}"
        );
        assert!(elsewhere.exists() && fs_err::symlink_metadata(&path).is_err());

        let content = insert(&cache, "a", 300);
        let path = if file == "index" {
            place.index_file(&key("a"))
        } else {
            place.artifact_file(&content)
        };
        fs_err::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(
            damage(&cache, &key("a")),
            Reason::NotAFile,
            "a pipe that nobody writes"
        );
    }
}

#[test]
fn a_folder_in_place_of_a_file_is_a_miss_that_says_it_stays() {
    let place = Place::new();
    let cache = place.cache();
    insert(&cache, "a", 300);
    let path = place.index_file(&key("a"));
    fs_err::remove_file(&path).unwrap();
    fs_err::create_dir_all(&path).unwrap();
    let Lookup::Damaged(damage) = cache.lookup(&key("a")).unwrap() else {
        panic!("expected damage")
    };
    assert_eq!(damage.reason, Reason::NotAFile);
    assert!(
        damage.removal.is_err() && damage.to_string().contains("could not be removed"),
        "{damage}"
    );
    assert_eq!(cache.clean(Which::All).unwrap().kept.len(), 1);
}
