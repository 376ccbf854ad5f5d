//! `wasi:blobstore`: absent, denied and narrowed; what its calls come to; and what stays when the program is gone.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use weft_testing::Scratch;

use crate::keyvalue::{app, data, up};
use crate::run;

const DENIED: &str = "error: access denied";

/// What each call of a run came to.
fn lines<const N: usize, const M: usize>(flags: [&str; N], calls: [&str; M]) -> Vec<String> {
    crate::keyvalue::lines(flags, "blobstore", calls)
}

/// The same with one container in memory, which is open.
fn in_memory<const M: usize>(calls: [&str; M]) -> Vec<String> {
    let run = run(["--blobstore", "photos=memory"], "blobstore", ["get photos"]);
    let told = run.args(calls).run().with_code(0).stdout();
    told.lines().skip(1).map(str::to_owned).collect()
}

fn in_folder(folder: &Path) -> String {
    format!("photos={}", folder.join("photos").display())
}

#[test]
fn without_a_grant_no_container_can_be_reached_and_the_flag_is_named() {
    let calls = [
        "get photos",
        "create photos",
        "exists photos",
        "delete-container photos",
    ];
    let outcome = run(["--verbose"], "blobstore", calls).run().with_code(0);
    assert_eq!(outcome.stdout(), [DENIED, "\n"].concat().repeat(4));
    let told = outcome.stderr();
    assert!(told.contains("--blobstore photos=FOLDER"), "{told}");
}

#[test]
fn a_container_of_another_name_is_denied_whether_it_is_there_or_not() {
    let scratch = Scratch::new();
    let grant = in_folder(scratch.path());
    for name in ["other", "photo", "../photos", "", "photos/"] {
        let calls = [
            &format!("get {name}"),
            &format!("exists {name}"),
            &format!("create {name}"),
        ];
        let told = lines(["--blobstore", &grant], calls.map(|call| call.as_str()));
        assert_eq!(told, [DENIED; 3], "`{name}`");
    }
    let copy = "copy photos a other a";
    let told = lines(
        ["--blobstore", &grant],
        ["get photos", "write a 1", copy, "copy other a photos a"],
    );
    assert_eq!(told, ["opened", "done", DENIED, DENIED]);
}

#[test]
fn what_was_written_in_one_run_is_there_in_the_next() {
    let scratch = Scratch::new();
    let grant = in_folder(scratch.path());
    let told = lines(
        ["--blobstore", &grant],
        [
            "get photos",
            "read a",
            "write a one",
            "write-late b/ü two",
            "write-size big 3000000",
            "read a",
        ],
    );
    assert_eq!(
        told,
        [
            "opened",
            "error: there is no object `a`",
            "done",
            "done",
            "done",
            "one"
        ]
    );
    let told = lines(
        ["--blobstore", &grant],
        [
            "get photos",
            "list",
            "read a",
            "read b/ü",
            "read big",
            "stream big",
            "about big",
        ],
    );
    let all = "3000000 bytes, true";
    assert_eq!(
        told,
        [
            "opened",
            "1: a b/ü big",
            "one",
            "two",
            all,
            all,
            "big of photos, 3000000 bytes, true"
        ]
    );
}

#[test]
fn parts_are_from_the_first_to_the_last_byte_and_both_are_in_them() {
    let told = in_memory([
        "write a 0123456789",
        "part a 2 4",
        "part a 0 0",
        "part a 8 18446744073709551615",
        "stream-part a 3 5",
        "size a 2 4",
        "part a 10 12",
        "part a 11 12",
        "part a 4 3",
        "write-nothing empty",
        "read empty",
        "stream empty",
        "size empty 0 5",
    ]);
    let none = |part| format!("error: there are no bytes {part} in an object of 10 bytes");
    assert_eq!(told[..7], ["done", "234", "0", "89", "345", "3", ""]);
    assert_eq!(told[7..9], [none("11 to 12"), none("4 to 3")]);
    assert_eq!(told[9..], ["done", "", "", "0"]);
}

#[test]
fn an_object_is_there_as_a_whole_or_not_at_all() {
    let told = in_memory([
        "write a old",
        "write-half a new",
        "write-half b new",
        "read a",
        "has b",
        "write-twice c",
        "has c",
    ]);
    let twice = r#"true true Err("this value is written to an object already")"#;
    assert_eq!(
        told,
        ["done", "dropped", "dropped", "old", "false", twice, "false"]
    );
}

#[test]
fn whoever_finishes_a_value_while_its_stream_is_there_traps() {
    let calls = ["get photos", "write-open a"];
    let outcome = run(["--blobstore", "photos=memory"], "blobstore", calls).run();
    assert_eq!(outcome.with_code(134).stdout(), "opened\n");
}

#[test]
fn what_is_being_read_stays_what_it_was() {
    let scratch = Scratch::new();
    for grant in [in_folder(scratch.path()), "photos=memory".to_owned()] {
        let calls = [
            "get photos",
            "write-size a 900000",
            "hold a",
            "write a new",
            "held",
            "hold a",
            "delete a",
            "held",
        ];
        let told = lines(["--blobstore", &grant], calls);
        let old = "900000 bytes, true";
        assert_eq!(
            told,
            ["opened", "done", "held", "done", old, "held", "done", "new"],
            "{grant}"
        );
    }
}

#[test]
fn names_are_listed_in_as_many_reads_as_one_likes() {
    let told = in_memory([
        "list",
        "skip 3",
        "write a 1",
        "write b 1",
        "write c 1",
        "list",
        "list-by 2",
        "list-by 3",
        "list-by 1",
        "skip 2",
        "skip 3",
        "skip 9",
        "delete-many a c x",
        "list",
        "clear",
        "list",
    ]);
    assert_eq!(told[..2], ["1: ", "0 true then "]);
    assert_eq!(told[5..9], ["1: a b c", "2: a b c", "1: a b c", "3: a b c"]);
    assert!(told[9].starts_with("2 false then "), "{}", told[9]);
    assert_eq!(
        told[10..],
        ["3 true then ", "3 true then ", "done", "1: b", "done", "1: "]
    );
}

#[test]
fn a_container_lives_until_it_is_deleted_and_again_from_when_it_is_made() {
    let scratch = Scratch::new();
    let grant = in_folder(scratch.path());
    let told = lines(
        ["--blobstore", &grant],
        [
            "exists photos",
            "create photos",
            "name",
            "write a 1",
            "create photos",
            "delete-container photos",
        ],
    );
    let there = "error: the container `photos` is there already";
    assert_eq!(told, ["true", "opened", "photos", "done", there, "done"]);
    let gone = "error: there is no container `photos`";
    let told = lines(
        ["--blobstore", &grant],
        [
            "exists photos",
            "get photos",
            "delete-container photos",
            "create photos",
            "list",
            "read a",
            "write a 2",
        ],
    );
    let none = "error: there is no object `a`";
    assert_eq!(told, ["false", gone, "done", "opened", "1: ", none, "done"]);
    let told = lines(
        ["--blobstore", &grant],
        [
            "get photos",
            "delete-container photos",
            "write a 3",
            "info",
            "list",
            "has a",
        ],
    );
    assert_eq!(told[..2], ["opened", "done"]);
    assert_eq!(told[2..], [gone; 4]);
}

#[test]
fn objects_are_copied_and_moved_within_and_between_stores() {
    let scratch = Scratch::new();
    let grants = [
        "--blobstore",
        &in_folder(scratch.path()),
        "--blobstore",
        "other=memory",
    ];
    let told = lines(
        grants,
        [
            "get photos",
            "write-size a 700000",
            "copy photos a photos b",
            "copy photos a other c",
            "move photos b other d",
            "move photos a photos a",
            "copy photos nothing other e",
            "list",
            "read a",
            "get other",
            "list",
            "read c",
            "stream d",
        ],
    );
    let all = "700000 bytes, true";
    let none = "error: there is no object `nothing`";
    assert_eq!(told[2..8], ["done", "done", "done", "done", none, "1: a"]);
    assert_eq!(told[8..], [all, "opened", "1: c d", all, all]);
}

#[test]
fn a_read_only_container_can_be_read_and_listed_and_nothing_else() {
    let scratch = Scratch::new();
    let grant = in_folder(scratch.path());
    lines(["--blobstore", &grant], ["get photos", "write a 1"]);
    let read_only = grant.replace("photos=", "photos:ro=");
    let told = lines(
        ["--blobstore", &read_only],
        ["get photos", "read a", "has a", "list", "exists photos"],
    );
    assert_eq!(told, ["opened", "1", "true", "1: a", "true"]);
    let told = lines(
        ["--blobstore", &read_only],
        [
            "get photos",
            "write a 2",
            "delete a",
            "delete-many a",
            "clear",
            "create photos",
            "delete-container photos",
            "copy photos a photos b",
            "move photos a photos b",
            "read a",
        ],
    );
    assert_eq!(told[0], "opened");
    assert_eq!(told[1..9], [DENIED; 8]);
    assert_eq!(told[9], "1");
}

#[test]
fn what_a_store_does_not_take_is_told_to_the_guest_in_its_words() {
    let long = format!("write {} x", "n".repeat(901));
    let told = in_memory([&long, "write  x", "delete "]);
    let name = |bytes| format!("error: a name of {bytes} bytes, where 1 to 900 are allowed");
    assert_eq!(told, [name(901), name(0), name(0)]);
}

#[test]
fn a_damaged_object_is_told_and_never_served() {
    let scratch = Scratch::new();
    let grant = in_folder(scratch.path());
    lines(["--blobstore", &grant], ["get photos", "write-size a 300000"]);
    let mut files = Vec::new();
    files_below(&scratch.path().join("photos/data"), &mut files);
    let [file] = &files[..] else { panic!("{files:?}") };
    let mut bytes = fs_err::read(file).unwrap();
    bytes[150_000] ^= 1;
    fs_err::write(file, &bytes).unwrap();
    let told = lines(
        ["--blobstore", &grant],
        ["get photos", "read a", "stream a", "part a 0 99"],
    );
    let damaged = "error: the store is damaged";
    assert_eq!(told[1], damaged);
    assert!(told[2].contains("the store is damaged"), "{}", told[2]);
    assert_eq!(fs_err::read(file).unwrap(), bytes);
}

pub(crate) fn files_below(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn a_flag_that_names_no_container_is_a_mistake_of_the_command_line() {
    for flags in [["--blobstore", "photos"], ["--blobstore", "photos=s3://there"]] {
        let outcome = run(flags, "blobstore", []).run().with_code(2);
        let told = outcome.stderr();
        assert!(told.contains("NAME[:ro]=WHERE"), "{told}");
    }
    let twice = ["--blobstore", "a=memory", "--blobstore", "a=memory"];
    let outcome = run(twice, "blobstore", []).run().with_code(2);
    assert!(outcome.stderr().contains("given twice"), "{}", outcome.stderr());
}

#[test]
fn a_component_of_an_app_reaches_the_blob_stores_of_its_grant_under_the_names_of_its_grant() {
    let app = app(
        "blobstore",
        "[component.main.grants.blobstore]\ndefault = \"photos\"\n\
         small = { store = \"photos\", prefix = \"small/\" }\n\
         drop = { store = \"photos\", access = [\"write\"] }\n[blobstore.photos]\n[blobstore.other]\n",
    );
    let told = up(&app)
        .args([
            "get default",
            "write small/a 1",
            "write b 2",
            "get small",
            "read a",
            "list",
            "read b",
        ])
        .args([
            "write c 3",
            "copy small c default d",
            "delete-container small",
            "create small",
            "clear",
            "list",
        ])
        .args([
            "get drop",
            "write e 5",
            "read e",
            "list",
            "has e",
            "get default",
            "list",
        ])
        .args(["get photos", "get other"])
        .run()
        .with_code(0)
        .stdout();
    let expected = [
        "opened",
        "done",
        "done",
        "opened",
        "1",
        "1: a",
        "error: there is no object `b`",
        "done",
        "done",
        DENIED,
        DENIED,
        "done",
        "1: ",
        "opened",
        "done",
        DENIED,
        DENIED,
        DENIED,
        "opened",
        "1: b d e",
        DENIED,
        DENIED,
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    assert!(app.path().join("own/apps/shop/blobs/photos").exists());
    assert!(!app.path().join("own/apps/shop/blobs/other").exists());
}

#[test]
fn an_app_whose_component_is_granted_no_container_does_not_start() {
    let without = app("blobstore", "");
    let manifest = without.read("weft.toml").replace("grant-on-use = \"trap\"\n", "");
    let manifest = manifest.replace(
        "env = []\n",
        "env = []\nclock = \"real\"\nrandom = \"real\"\ndir = []\n",
    );
    without.file("weft.toml", &manifest);
    let outcome = up(&without).run().with_code(2);
    let expected = "blobstore = [\"STORE\"]";
    assert!(outcome.stderr().contains(expected), "{}", outcome.stderr());
    let trapping = app("blobstore", "");
    up(&trapping).arg("get photos").run().with_code(134);
}

#[test]
fn narrowing_by_size_and_rate_is_told_in_the_interface() {
    let app = app(
        "blobstore",
        "[component.main.grants.blobstore]\ndefault = { store = \"photos\", object-size = \"1KiB\" }\n\
         slow = { store = \"photos\", rate = 3 }\nfull = \"tiny\"\n\
         [blobstore.photos]\nbackend = \"memory\"\n[blobstore.tiny]\nbackend = \"memory\"\nsize = \"100B\"\n",
    );
    let told = up(&app)
        .args(["get default", "write-size a 1024", "write-size b 1025", "list"])
        .args(["get full", "write-size a 90", "write-size b 90", "list"])
        .args(["get slow", "has a", "has a", "has a"])
        .run()
        .with_code(0)
        .stdout();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told[..2], ["opened", "done"]);
    assert_eq!(told[2], "error: an object of 1025 bytes, where 1024 are allowed");
    assert_eq!(told[3..6], ["1: a", "opened", "done"]);
    assert_eq!(
        told[6..8],
        ["error: the store is full: 100 bytes are allowed", "1: a"]
    );
    let slow = "error: more calls in a second than this component may make";
    assert_eq!(told[8..], ["opened", "true", "true", slow]);
}

#[test]
fn what_is_being_written_is_bounded_over_all_values_of_a_component() {
    let app = app(
        "blobstore",
        "[component.main.grants.blobstore]\ndefault = { store = \"photos\", object-size = \"1MiB\" }\n\
         [blobstore.photos]\nbackend = \"memory\"\n",
    );
    let told = up(&app)
        .args(["get default", "gather 1048577"])
        .args([
            "gather 1000000",
            "gather 1000000",
            "gather 1000000",
            "gather 1000000",
        ])
        .run()
        .with_code(0)
        .stdout();
    let told: Vec<&str> = told.lines().collect();
    assert!(
        told[1].contains("more bytes than the 1048576 that are allowed"),
        "{told:?}"
    );
    assert_eq!(told[2..5], ["done"; 3]);
    assert!(
        told[5].contains("objects of more than 4194304 bytes together"),
        "{told:?}"
    );
}

#[test]
fn what_a_blob_store_keeps_can_be_looked_at_changed_and_checked() {
    let app = app(
        "blobstore",
        "keyvalue = [\"both\"]\nblobstore = [\"photos\", \"brief\", \"both\"]\n\
         [store.both]\n[blobstore.photos]\n[blobstore.both]\n[blobstore.brief]\nbackend = \"memory\"\n",
    );
    let outcome = data(&app).args(["list", "photos"]).run().with_code(1);
    assert!(
        outcome.stderr().contains("keeps nothing yet"),
        "{}",
        outcome.stderr()
    );
    up(&app)
        .args(["get photos", "write a/1 one", "write b two"])
        .run()
        .with_code(0);
    let told = |arguments: &[&str]| data(&app).args(arguments).run().with_code(0).stdout();
    assert_eq!(told(&["list", "photos"]), "a/1\nb\n");
    assert_eq!(told(&["list", "photos", "--prefix", "a/"]), "a/1\n");
    assert_eq!(told(&["get", "photos", "a/1"]), "one");
    told(&["put", "photos", "c", "three"]);
    let long = "long ".repeat(100_000);
    data(&app)
        .args(["put", "photos", "d"])
        .stdin(&long)
        .run()
        .with_code(0);
    assert_eq!(told(&["get", "photos", "d"]), long);
    told(&["delete", "photos", "b"]);
    let whole = "3 objects, 500008 bytes, all as they were written\n";
    assert_eq!(told(&["check", "photos"]), whole);
    let copy = app.path().join("copy").display().to_string();
    told(&["backup", "photos", &copy]);
    told(&["delete", "photos", "d"]);
    let again = data(&app).args(["backup", "photos", &copy]).run();
    assert!(again.with_code(1).stderr().contains("exists"));
    // A copy is a store.
    let place = app.path().join("own/apps/shop/blobs/photos");
    fs_err::remove_dir_all(&place).unwrap();
    fs_err::rename(&copy, &place).unwrap();
    assert_eq!(told(&["check", "photos"]), whole);
    assert_eq!(told(&["get", "photos", "d"]), long);
    told(&["put", "both", "key", "value"]);
    assert_eq!(told(&["list", "both"]), "key\n");
    assert_eq!(told(&["list", "both", "--blobs"]), "");
    for (arguments, expected) in [
        (&["get", "photos", "b"][..], "there is no `b`"),
        (&["list", "brief"], "in the memory of whoever runs the app"),
        (&["list", "others"], "there are: both, brief, photos"),
        (&["export", "photos"], "`weft data get`"),
        (&["import", "photos"], "`weft data put`"),
    ] {
        let outcome = data(&app).args(arguments).run();
        let told = outcome.stderr();
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
}

/// The interface as it was when it was copied; whoever changes it says where from.
#[test]
fn the_interface_is_the_one_that_was_published() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/blobstore/wit/deps/blobstore/package.wit");
    let digest = Sha256::digest(fs_err::read(file).unwrap());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        digest,
        "f29a08a7139056f0e43d391ab62804530663f33e46f93fb9efc44883de04f476"
    );
}
