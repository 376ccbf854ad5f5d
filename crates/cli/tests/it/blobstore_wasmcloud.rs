//! `wasmcloud:blobstore`: objects as streams, which errors have names, and what is there of an upload that broke off.

use weft_testing::Scratch;

use crate::keyvalue::{app, up};
use crate::run;

const DENIED: &str = "error: access denied";
const QUOTA: &str = "error: quota exceeded";

fn lines<const N: usize, const M: usize>(flags: [&str; N], calls: [&str; M]) -> Vec<String> {
    crate::keyvalue::lines(flags, "blobstore_wasmcloud", calls)
}

/// The same with one container in memory, which is open.
fn in_memory<const M: usize>(calls: [&str; M]) -> Vec<String> {
    let flags = ["--blobstore", "photos=memory"];
    let run = run(flags, "blobstore_wasmcloud", ["get photos"]).args(calls);
    let told = run.run().with_code(0).stdout();
    told.lines().skip(1).map(str::to_owned).collect()
}

fn in_folder(scratch: &Scratch) -> String {
    format!("photos={}", scratch.path().join("photos").display())
}

#[test]
fn without_a_grant_no_container_can_be_reached_and_the_flag_is_named() {
    let calls = [
        "get photos",
        "create photos",
        "exists photos",
        "delete-container photos",
        "copy photos a photos b",
        "move photos a photos b",
    ];
    let outcome = run(["--verbose"], "blobstore_wasmcloud", calls)
        .run()
        .with_code(0);
    assert_eq!(outcome.stdout(), [DENIED, "\n"].concat().repeat(6));
    let told = outcome.stderr();
    assert!(told.contains("--blobstore photos=FOLDER"), "{told}");
}

#[test]
fn it_reaches_what_the_draft_reaches() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    let told = lines(
        ["--blobstore", &grant],
        [
            "get photos",
            "name",
            "info",
            "exists photos",
            "read a",
            "write a one",
            "write-size big 3000000",
            "write-nothing empty",
            "about big",
            "read a",
            "read empty",
            "has b",
        ],
    );
    let expected = [
        "opened",
        "photos",
        "photos true",
        "true",
        "error: no such object",
        "done",
        "done",
        "done",
        "big of photos, 3000000 bytes, true",
        "one",
        "",
        "false",
    ];
    assert_eq!(told, expected);
    let told = crate::keyvalue::lines(
        ["--blobstore", &grant],
        "blobstore",
        ["get photos", "list", "read a", "read big", "write a two"],
    );
    let all = "3000000 bytes, true";
    assert_eq!(told, ["opened", "1: a big empty", "one", all, "done"]);
    let told = lines(
        ["--blobstore", &grant],
        [
            "get photos",
            "list",
            "read a",
            "read big",
            "read-by big 100000",
            "copy photos a photos b",
            "move photos big photos c",
            "list",
            "delete a",
            "delete a",
            "delete-many b x",
            "list",
            "clear",
            "list",
        ],
    );
    assert_eq!(told[..5], ["opened", "a big empty", "two", all, all]);
    assert_eq!(
        told[5..],
        [
            "done",
            "done",
            "a b c empty",
            "done",
            "done",
            "done",
            "c empty",
            "done",
            ""
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
        "part a 10 12",
        "part a 11 12",
        "part a 4 3",
        "read-by a 1",
        "read-by a 3",
        "read-some a 10",
    ]);
    let none = |part| format!("error: there are no bytes {part} in an object of 10 bytes");
    assert_eq!(told[..5], ["done", "234", "0", "89", ""]);
    assert_eq!(told[5..7], [none("11 to 12"), none("4 to 3")]);
    let all = "0123456789";
    assert_eq!(told[7..], [all, all, all]);
}

#[test]
fn an_upload_that_is_cancelled_or_whose_guest_ends_leaves_what_was_there() {
    let scratch = Scratch::new();
    for grant in [in_folder(&scratch), "photos=memory".to_owned()] {
        let told = lines(
            ["--blobstore", &grant],
            [
                "get photos",
                "write a old",
                "write-half a new cancel",
                "write-half b new cancel",
                "read a",
                "has b",
                "write b whole",
                "read b",
            ],
        );
        let cancelled = "cancelled, 10 left";
        assert_eq!(
            told,
            [
                "opened", "done", cancelled, cancelled, "old", "false", "done", "whole"
            ],
            "{grant}"
        );
    }
    let grant = in_folder(&scratch);
    let flags = ["--blobstore", &grant];
    let calls = ["get photos", "write-half a new trap"];
    run(flags, "blobstore_wasmcloud", calls).run().with_code(134);
    let told = lines(flags, ["get photos", "read a", "list"]);
    assert_eq!(told, ["opened", "old", "a b"]);
}

#[test]
fn what_is_being_read_stays_what_it_was() {
    let scratch = Scratch::new();
    for grant in [in_folder(&scratch), "photos=memory".to_owned()] {
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
fn damage_in_the_middle_of_a_stream_ends_the_guest_and_is_no_end_of_the_object() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    lines(["--blobstore", &grant], ["get photos", "write-size a 300000"]);
    let mut files = Vec::new();
    crate::blobstore::files_below(&scratch.path().join("photos/data"), &mut files);
    let [file] = &files[..] else { panic!("{files:?}") };
    let mut bytes = fs_err::read(file).unwrap();
    bytes[150_000] ^= 1;
    fs_err::write(file, &bytes).unwrap();
    let flags = ["--blobstore", &grant];
    let outcome = run(flags, "blobstore_wasmcloud", ["get photos", "read a"]).run();
    let outcome = outcome.with_code(134);
    assert_eq!(outcome.stdout(), "opened\n");
    let told = outcome.stderr();
    let expected = "an object cannot be read on: the store is damaged";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn failures_have_the_names_of_the_interface() {
    let long = format!("write {} x", "n".repeat(901));
    let told = in_memory([
        &long,
        "write  x",
        "part none 0 1",
        "about none",
        "copy photos none photos b",
        "write a 1",
        "create photos",
        "delete-container photos",
        "get photos",
        "exists photos",
        "write a 1",
        "list",
        "create photos",
        "list",
    ]);
    let name = |bytes| format!("error: a name of {bytes} bytes, where 1 to 900 are allowed");
    assert_eq!(told[..2], [name(901), name(0)]);
    let no_object = "error: no such object";
    let no_container = "error: no such container";
    assert_eq!(
        told[2..],
        [
            no_object,
            no_object,
            no_object,
            "done",
            "error: container already exists",
            "done",
            no_container,
            "false",
            no_container,
            no_container,
            "opened",
            ""
        ]
    );
}

#[test]
fn a_component_of_an_app_reaches_the_blob_stores_of_its_grant_under_the_names_of_its_grant() {
    let app = app(
        "blobstore_wasmcloud",
        "[component.main.grants.blobstore]\ndefault = \"photos\"\n\
         small = { store = \"photos\", prefix = \"small/\" }\n\
         drop = { store = \"photos\", access = [\"write\"] }\n\
         look = { store = \"photos\", access = [\"read\", \"list\"] }\n[blobstore.photos]\n[blobstore.other]\n",
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
            "clear",
            "list",
        ])
        .args(["get drop", "write e 5", "read e", "list", "has e"])
        .args([
            "get look",
            "list",
            "read b",
            "write b 6",
            "delete b",
            "clear",
            "write-size b 3000000",
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
        "a",
        "error: no such object",
        "done",
        "done",
        DENIED,
        "done",
        "",
        "opened",
        "done",
        DENIED,
        DENIED,
        DENIED,
        "opened",
        "b d e",
        "2",
        DENIED,
        DENIED,
        DENIED,
        DENIED,
        DENIED,
        DENIED,
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn narrowing_by_size_and_rate_is_a_quota() {
    let app = app(
        "blobstore_wasmcloud",
        "[component.main.grants.blobstore]\ndefault = { store = \"photos\", object-size = \"1MiB\" }\n\
         slow = { store = \"photos\", rate = 3 }\nfull = \"tiny\"\n\
         [blobstore.photos]\nbackend = \"memory\"\n[blobstore.tiny]\nbackend = \"memory\"\nsize = \"100B\"\n",
    );
    let told = up(&app)
        .args(["get default", "write-size a 1048576", "write-size b 1048577"])
        .args(["write-size c 10000000", "list"])
        .args(["get full", "write-size a 90", "write-size b 90", "list"])
        .args(["get slow", "has a", "has a", "has a"])
        .run()
        .with_code(0)
        .stdout();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told[..5], ["opened", "done", QUOTA, QUOTA, "a"]);
    assert_eq!(told[5..9], ["opened", "done", QUOTA, "a"]);
    assert_eq!(told[9..], ["opened", "true", "true", QUOTA]);
}

#[test]
fn streams_of_one_component_are_bounded_and_come_back() {
    let told = in_memory([
        "write a 1",
        "open-many a 256",
        "open-many a 300",
        "write-beside 100",
        "list",
        "list-by 1",
        "list-by 7",
    ]);
    assert_eq!(
        told,
        [
            "done",
            "256 open, true",
            "256 open, then quota exceeded, true",
            "100 done",
            "101 names",
            "101 names",
            "101 names"
        ]
    );
}
