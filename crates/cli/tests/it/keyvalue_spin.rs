//! The key-value interfaces of Spin, the synchronous and the asynchronous one.

use weft_testing::Scratch;

use crate::keyvalue::{app, lines, up};
use crate::run;

/// One guest for each version.
const GUESTS: [&str; 2] = ["keyvalue_spin", "keyvalue_spin_p3"];
const DENIED: &str = "error: access denied";

#[test]
fn without_a_grant_no_store_can_be_opened_and_the_flag_is_named() {
    for guest in GUESTS {
        let outcome = run(["--verbose"], guest, ["open default"]).run().with_code(0);
        assert_eq!(outcome.stdout(), "error: access denied\n", "{guest}");
        let told = outcome.stderr();
        assert!(told.contains("--keyvalue default=FOLDER"), "{guest}: {told}");
        let told = lines(
            ["--keyvalue", "default=memory"],
            guest,
            ["open other", "open default"],
        );
        assert_eq!(told, [DENIED, "opened"], "{guest}");
    }
}

#[test]
fn what_one_version_has_set_the_other_reads() {
    for (first, second) in [(GUESTS[0], GUESTS[1]), (GUESTS[1], GUESTS[0])] {
        let scratch = Scratch::new();
        let grant = format!("default={}", scratch.path().join("store").display());
        let told = lines(
            ["--keyvalue", &grant],
            first,
            [
                "open default",
                "list",
                "get a",
                "set a one",
                "set b two",
                "get a",
                "exists c",
            ],
        );
        assert_eq!(
            told,
            ["opened", "", "none", "done", "done", "one", "false"],
            "{first}"
        );
        let told = lines(
            ["--keyvalue", &grant],
            second,
            [
                "open default",
                "list",
                "get a",
                "delete a",
                "delete a",
                "exists a",
                "list",
            ],
        );
        assert_eq!(
            told,
            ["opened", "a b", "one", "done", "done", "false", "b"],
            "{second}"
        );
    }
}

#[test]
fn what_a_grant_does_not_cover_is_denied() {
    let keys = "default = { store = \"carts\", access = [\"read\"] }\nwhole = \"carts\"\n\
                part = { store = \"carts\", prefix = \"p/\" }\nblind = { store = \"carts\", access = [\"write\"] }\n";
    for guest in GUESTS {
        let app = app(
            guest,
            &format!("[component.main.grants.keyvalue]\n{keys}[store.carts]\nbackend = \"memory\"\n"),
        );
        let told = up(&app)
            .args([
                "open whole",
                "set a 1",
                "set p/b 2",
                "open default",
                "get a",
                "set a 2",
                "delete a",
            ])
            .args([
                "list",
                "open part",
                "list",
                "get a",
                "get b",
                "open blind",
                "set a 3",
                "get a",
                "exists a",
            ])
            .run()
            .with_code(0)
            .stdout();
        let expected = [
            "opened", "done", "done", "opened", "1", DENIED, DENIED, DENIED, "opened", "b", "none", "2",
            "opened", "done", DENIED, DENIED,
        ];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{guest}");
    }
}

#[test]
fn failures_are_told_in_words() {
    for guest in GUESTS {
        let told = lines(
            ["--keyvalue", "default=memory"],
            guest,
            ["open default", "get ", "set-size a 16777217"],
        );
        assert_eq!(
            told[1], "error: a key of 0 bytes, where 1 to 1024 are allowed",
            "{guest}"
        );
        assert!(
            told[2].starts_with("error: a value of 16777217 bytes"),
            "{guest}: {}",
            told[2]
        );
        let told = lines(
            ["--keyvalue", "default=redis://:hunter2@127.0.0.1:1"],
            guest,
            ["open default", "get a", "list"],
        );
        assert_eq!(told[1..], ["error: the store cannot be reached"; 2], "{guest}");
    }
}

#[test]
fn opening_more_stores_than_there_are_handles_is_the_error_that_the_interface_has_for_it() {
    for guest in GUESTS {
        let told = lines(
            ["--handles", "50", "--keyvalue", "default=memory"],
            guest,
            ["open-many default 60", "set a 1"],
        );
        assert_eq!(told, ["error: store table full", "done"], "{guest}");
    }
}

#[test]
fn keys_come_as_they_are_read_and_the_end_is_told() {
    let told = lines(
        ["--keyvalue", "default=memory"],
        "keyvalue_spin_p3",
        [
            "open default",
            "set-numbered 950",
            "list",
            "list-by 1",
            "list-by 7",
            "list-some",
        ],
    );
    let all = "950 keys";
    assert_eq!(told[..5], ["opened", "done", all, all, all]);
    assert_eq!(told[5], "k0 k1");
    let told = lines(
        ["--keyvalue", "default=memory"],
        "keyvalue_spin",
        ["open default", "set-numbered 950", "list"],
    );
    assert_eq!(told[2], all);
}

#[test]
fn listings_that_are_not_read_are_bounded_and_come_back() {
    let told = lines(
        ["--keyvalue", "default=memory"],
        "keyvalue_spin_p3",
        ["open default", "set a 1", "list-beside 255", "list-beside 256"],
    );
    assert_eq!(told[2], "a, then a");
    assert_eq!(told[3], "error: more than 256 streams are open, then a");
}
