//! What cannot be reached from outside: the text of the index, the names of keys, and the rules for folders.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::folder::{Durability, Folders, check_folder};
use super::index::{INDEX_BYTES_MAX, Index, Malformed, PROFILE_BYTES_MAX};
use super::{Digest, Error, Key, Meta};

fn index(name: &str) -> Index {
    Index {
        key: Key::new(Digest::of(b"component"), 0xfeed, "one-shot"),
        artifact: Digest::of(b"artifact"),
        length: 8,
        meta: Meta {
            name: name.to_owned(),
            engine_version: "48.0.8".to_owned(),
        },
        created: UNIX_EPOCH + Duration::from_secs(1_790_000_000),
    }
}

#[test]
fn an_index_reads_as_it_was_written() {
    let index = index("hello: wörld.wasm");
    assert_eq!(Index::parse(index.render().as_bytes()), Ok(index));
}

#[test]
fn an_index_is_text_a_person_can_read() {
    let text = index("hello.wasm").render();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "weft artifact index 1");
    assert_eq!(lines[2], "length: 8");
    assert_eq!(
        lines[4..9],
        [
            "profile: one-shot",
            "engine: 000000000000feed",
            "version: 48.0.8",
            "created: 1790000000",
            "name: hello.wasm"
        ]
    );
}

#[test]
fn an_index_with_any_bit_flipped_is_none() {
    let sound = index("hello.wasm").render().into_bytes();
    for position in 0..sound.len() {
        for bit in 0..8 {
            let mut flipped = sound.clone();
            flipped[position] ^= 1 << bit;
            assert_eq!(
                Index::parse(&flipped),
                Err(Malformed::Checksum),
                "byte {position}, bit {bit}"
            );
        }
    }
}

#[test]
fn an_index_that_was_cut_or_grew_is_none() {
    let sound = index("hello.wasm").render().into_bytes();
    for length in 0..sound.len() {
        assert_eq!(
            Index::parse(&sound[..length]),
            Err(Malformed::Checksum),
            "{length} bytes"
        );
    }
    for rest in ["\n", " ", "checksum: ", "\0"] {
        let grown = [&sound, rest.as_bytes()].concat();
        assert_eq!(Index::parse(&grown), Err(Malformed::Checksum), "with {rest:?}");
    }
}

#[test]
fn a_sound_checksum_does_not_excuse_foreign_lines() {
    let body = index("x").render();
    let (body, _) = body.rsplit_once("checksum: ").unwrap();
    let foreign = [
        body.replace("index 1", "index 2"),
        body.replace("length: 8", "length: -8"),
        body.replace("length: 8", "length: 99999999999999999999"),
        body.replace("created: 1790000000", &format!("created: {}", u64::MAX)),
        body.replace("profile: one-shot\n", ""),
        body.replace("artifact: ", "artifact: ../"),
        body.to_uppercase(),
        format!("{body}more: 1\n"),
        String::new(),
    ];
    for body in foreign {
        let text = format!("{body}checksum: {}\n", Digest::of(body.as_bytes()));
        assert_eq!(Index::parse(text.as_bytes()), Err(Malformed::Lines), "{body}");
    }
}

#[test]
fn hostile_names_stay_on_their_line_and_within_bounds() {
    for hostile in [
        "a\nname: b\nchecksum: ",
        "\u{1b}[2J",
        "\u{202e}msaw",
        &"é".repeat(100_000),
        "",
        "\0",
    ] {
        let mut written = index(hostile);
        written.meta.engine_version = hostile.to_owned();
        let text = written.render();
        assert!(text.len() as u64 <= INDEX_BYTES_MAX, "{} bytes", text.len());
        let read = Index::parse(text.as_bytes()).unwrap();
        assert_eq!(read.key, written.key);
        assert!(!read.meta.name.chars().any(char::is_control));
        assert!(hostile.is_empty() || !read.meta.name.is_empty());
    }
}

#[test]
fn each_part_of_a_key_makes_another_key() {
    let component = Digest::of(b"one");
    let long = "p".repeat(PROFILE_BYTES_MAX + 1);
    let longer = "p".repeat(PROFILE_BYTES_MAX + 2);
    let keys = [
        Key::new(component, 1, "one-shot"),
        Key::new(Digest::of(b"two"), 1, "one-shot"),
        Key::new(component, 2, "one-shot"),
        Key::new(component, 1 << 56, "one-shot"),
        Key::new(component, 1, "serving"),
        Key::new(component, 1, ""),
        Key::new(component, 1, "a\nb"),
        Key::new(component, 1, "a\u{fffd}b"),
        Key::new(component, 1, &long),
        Key::new(component, 1, &longer),
    ];
    for (position, key) in keys.iter().enumerate() {
        for other in &keys[position + 1..] {
            assert_ne!(key.file_name(), other.file_name(), "{key:?} {other:?}");
        }
        let kept = Index {
            key: key.clone(),
            ..index("x")
        };
        assert_eq!(Index::parse(kept.render().as_bytes()).unwrap().key, *key);
    }
}

#[test]
fn a_digest_is_read_in_one_spelling_only() {
    let digest = Digest::of(b"artifact");
    let text = digest.to_string();
    assert_eq!(Digest::parse(&text), Some(digest));
    for foreign in [
        text.to_uppercase(),
        text[1..].to_owned(),
        format!("{text}0"),
        format!("{}/", &text[1..]),
    ] {
        assert_eq!(Digest::parse(&foreign), None, "{foreign}");
    }
}

#[test]
fn a_folder_must_be_ours_or_the_administrators_and_written_by_nobody_else() {
    let path = Path::new("/cache");
    for (owner, mode) in [
        (1000, 0o700),
        (1000, 0o755),
        (0, 0o755),
        (1000, 0o500),
        (0, 0o1755),
    ] {
        assert!(
            check_folder(path, owner, 0o040_000 | mode, 1000).is_ok(),
            "{owner} {mode:o}"
        );
    }
    for mode in [0o777, 0o1777, 0o770, 0o720, 0o702] {
        let error = check_folder(path, 1000, 0o040_000 | mode, 1000).unwrap_err();
        let expected = format!("cache folder `/cache` can be written by other users (mode {mode:o})");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    for (owner, user) in [(1001, 1000), (1000, 0)] {
        let error = check_folder(path, owner, 0o040_700, user).unwrap_err();
        assert!(matches!(error, Error::FolderOfAnotherUser { .. }), "{error}");
    }
}

#[test]
fn a_write_that_cannot_be_put_in_place_leaves_nothing_behind() {
    let scratch = tempfile::tempdir().unwrap();
    let folders = Folders::open_or_create(&scratch.path().join("cache")).unwrap();
    let taken = folders.artifacts.path_of("taken");
    fs_err::create_dir_all(taken.join("inside")).unwrap();
    let error = folders
        .artifacts
        .put("taken", b"content", Durability::Machine)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot put in place `{}`", taken.display())
    );
    let names: Vec<String> = folders
        .artifacts
        .items(10)
        .unwrap()
        .into_iter()
        .map(|item| item.name)
        .collect();
    assert_eq!(names, ["taken"]);
}

#[test]
fn what_is_listed_is_bounded_and_has_an_age() {
    let scratch = tempfile::tempdir().unwrap();
    let folders = Folders::open_or_create(&scratch.path().join("cache")).unwrap();
    for name in ["a", "b", "c"] {
        folders.index.put(name, b"12345", Durability::Process).unwrap();
    }
    assert_eq!(folders.index.items(2).unwrap().len(), 2);
    let items = folders.index.items(10).unwrap();
    assert_eq!(items.len(), 3);
    let later = SystemTime::now() + Duration::from_secs(100);
    for item in items {
        assert!(item.is_file && !item.is_temporary());
        assert_eq!(item.length, 5);
        assert!(item.age(later) > Duration::from_secs(90) && item.age(UNIX_EPOCH) == Duration::ZERO);
    }
}
