//! `wasmcloud:keyvalue`: what its asynchronous functions come to, which errors have names, and calls beside one another.

use weft_testing::Scratch;

use crate::keyvalue::{app, lines, up};
use crate::run;

const DENIED: &str = "error: access denied";
const INVALID: &str = "error: invalid argument";
const QUOTA: &str = "error: quota exceeded";

/// What calls came to on a bucket in memory, which is open.
fn in_memory<const M: usize>(calls: [&str; M]) -> Vec<String> {
    let flags = ["--keyvalue", "default=memory"];
    let run = run(flags, "keyvalue_wasmcloud", ["open default"]).args(calls);
    let told = run.run().with_code(0).stdout();
    told.lines().skip(1).map(str::to_owned).collect()
}

fn in_folder(scratch: &Scratch) -> String {
    format!("default={}", scratch.path().join("store").display())
}

#[test]
fn without_a_grant_no_bucket_can_be_opened_and_the_flag_is_named() {
    let outcome = run(["--verbose"], "keyvalue_wasmcloud", ["open default"])
        .run()
        .with_code(0);
    assert_eq!(outcome.stdout(), "error: access denied\n");
    let told = outcome.stderr();
    assert!(told.contains("--keyvalue default=FOLDER"), "{told}");
}

#[test]
fn a_bucket_of_another_name_is_denied_whether_it_is_there_or_not() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    for name in ["other", "store", "../default", "", "default/"] {
        let open = format!("open {name}");
        let told = lines(["--keyvalue", &grant], "keyvalue_wasmcloud", [&open]);
        assert_eq!(told, [DENIED], "`{name}`");
    }
}

#[test]
fn it_reaches_what_the_drafts_reach() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    let told = lines(
        ["--keyvalue", &grant],
        "keyvalue_wasmcloud",
        [
            "open default",
            "get a",
            "set a one",
            "get a",
            "increment n -5",
            "set-many x=1 y=2",
            "get-many x q y",
            "exists x",
        ],
    );
    assert_eq!(
        told,
        [
            "opened",
            "none",
            "done",
            "one",
            "-5",
            "done",
            "x=1 none y=2",
            "true"
        ]
    );
    let told = lines(
        ["--keyvalue", &grant],
        "keyvalue",
        ["open default", "get a", "list", "set a two", "delete-many x"],
    );
    assert_eq!(told, ["opened", "one", "a n x y", "done", "done"]);
    let told = lines(
        ["--keyvalue", &grant],
        "keyvalue_wasmcloud",
        [
            "open default",
            "get a",
            "list",
            "delete a",
            "delete-many y x",
            "list",
            "exists a",
        ],
    );
    assert_eq!(told, ["opened", "two", "a n y", "done", "done", "n", "false"]);
}

#[test]
fn a_read_only_bucket_can_be_read_and_listed_and_nothing_else() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    lines(["--keyvalue", &grant], "keyvalue", ["open default", "set a 1"]);
    let read_only = grant.replace("default=", "default:ro=");
    let told = lines(
        ["--keyvalue", &read_only],
        "keyvalue_wasmcloud",
        [
            "open default",
            "get a",
            "exists a",
            "list",
            "get-many a",
            "current a",
        ],
    );
    assert_eq!(told, ["opened", "1", "true", "a", "a=1", "1"]);
    let told = lines(
        ["--keyvalue", &read_only],
        "keyvalue_wasmcloud",
        [
            "open default",
            "set a 2",
            "set-new b 2",
            "delete a",
            "increment a 1",
            "set-many a=2 b=3",
            "delete-many a",
            "swap-value a 1 2",
            "get a",
        ],
    );
    assert_eq!(told[1..8], [DENIED; 7]);
    assert_eq!(told[8], "1");
}

#[test]
fn a_key_that_is_to_be_new_is_set_only_where_there_is_none() {
    let told = in_memory([
        "set-new a 1",
        "set-new a 2",
        "get a",
        "delete a",
        "set-new a 3",
        "get a",
    ]);
    assert_eq!(
        told,
        ["done", "error: precondition failed", "1", "done", "done", "3"]
    );
}

#[test]
fn an_entry_that_is_to_end_by_itself_is_refused_and_not_kept() {
    let told = in_memory(["set-for a 1 1000", "set-for a 1 0", "get a"]);
    let error = "error: entries here have no time to live";
    assert_eq!(told, [error, error, "none"]);
}

#[test]
fn a_swap_is_made_where_all_its_conditions_hold_and_says_what_is_there_where_not() {
    let told = in_memory([
        "current a",
        "swap-value a 1 2",
        "set a 1",
        "current a",
        "swap a 2",
        "swap a 3",
        "get a",
        "current a",
        "set a 1",
        "set a 2",
        "swap a 4",
        "swap-value a 2 4",
        "current a",
        "swap-both a 3 5",
        "swap-both a 4 5",
        "swap-both a 5 6",
        "swap-blindly a 7",
        "get a",
    ]);
    assert_eq!(
        told,
        [
            "none",
            "stale, now none",
            "done",
            "1",
            "swapped",
            "stale, now 2",
            "2",
            "2",
            "done",
            "done",
            // It has the value that it had, and another version.
            "stale, now 2",
            "swapped",
            "4",
            "stale, now 4",
            "swapped",
            "stale, now 5",
            INVALID,
            "5"
        ]
    );
    // A version that nobody gave is one that the entry does not have.
    for version in [
        "",
        "0",
        "-1",
        "+1",
        "01",
        "18446744073709551615",
        "99999999999999999999",
        "x",
    ] {
        let swap = format!("swap-version a {version} 2");
        let told = in_memory(["set a 1", &swap, "get a"]);
        assert_eq!(told, ["done", "stale, now 1", "1"], "`{version}`");
    }
}

#[test]
fn failures_have_the_names_of_the_interface() {
    let long = format!("set {} x", "k".repeat(1025));
    let (same, many) = ("x=1 ".repeat(10_001), "k ".repeat(10_001));
    let told = in_memory([
        &long,
        "get ",
        "set a x",
        "increment a 1",
        "set n 9223372036854775807",
        "increment n 1",
        "set-size a 16777217",
        &format!("set-many {}", same.trim()),
        &format!("delete-many {}", many.trim()),
        "get a",
    ]);
    assert_eq!(
        told,
        [
            INVALID,
            INVALID,
            "done",
            "error: the value is not a whole number in decimal",
            "done",
            "error: the number cannot be counted any further",
            QUOTA,
            QUOTA,
            QUOTA,
            "x"
        ]
    );
    let told = lines(
        ["--keyvalue", "default=redis://:hunter2@127.0.0.1:1"],
        "keyvalue_wasmcloud",
        ["open default", "get a", "set a 1", "list", "current a"],
    );
    assert_eq!(told[1..], ["error: store unavailable"; 4]);
}

#[test]
fn narrowing_by_size_and_rate_is_a_quota() {
    let app = app(
        "keyvalue_wasmcloud",
        "[component.main.grants.keyvalue]\ndefault = { store = \"carts\", value-size = \"10B\", rate = 3 }\n\
         [store.carts]\nbackend = \"memory\"\n",
    );
    let calls = [
        "open default",
        "set a 12345678901",
        "set a 1234567890",
        "get a",
        "get a",
    ];
    let told = up(&app).args(calls).run().with_code(0).stdout();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told, ["opened", QUOTA, "done", "1234567890", QUOTA]);
}

#[test]
fn listing_below_a_prefix_never_leaves_the_part_of_the_store_that_was_granted() {
    let app = app(
        "keyvalue_wasmcloud",
        "[component.main.grants.keyvalue]\ndefault = \"carts\"\n\
         part = { store = \"carts\", prefix = \"p/\" }\n[store.carts]\nbackend = \"memory\"\n",
    );
    let mut calls = vec!["open default".to_owned()];
    calls.push("set-many a=1 p/a=1 p/a*=1 p/ab=1 p/b=1 p0=1 q=1".to_owned());
    calls.extend(["list p/a", "list a", "list *", "open part"].map(str::to_owned));
    let below = ["", "a", "a*", "%", "b", "c", "/", "../", "p/"];
    calls.extend(below.map(|below| format!("list {below}")));
    calls.push(format!("list {}", "k".repeat(2000)));
    let cursors = [
        "", "a", "/", "/a", "/zz", "=", "=a", "=p/", "=q", "=\u{7f}", "=0", "p/a", "../a",
    ];
    calls.extend(cursors.map(|cursor| format!("list-from  {cursor}")));
    let told = up(&app).args(calls).run().with_code(0).stdout();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told[2..6], ["p/a p/a* p/ab", "a", "", "opened"]);
    assert_eq!(
        told[6..16],
        ["a a* ab b", "a a* ab", "a*", "", "b", "", "", "", "", ""]
    );
    let all = "a a* ab b";
    assert_eq!(
        told[16..],
        [
            INVALID, INVALID, all, "a* ab b", "", all, all, all, "", "", all, INVALID, INVALID
        ]
    );
}

#[test]
fn a_cursor_says_nothing_of_the_prefix() {
    let guests = ["keyvalue_wasmcloud", "keyvalue"];
    for guest in guests {
        let app = app(
            guest,
            "[component.main.grants.keyvalue]\nall = \"carts\"\n\
             part = { store = \"carts\", prefix = \"secret/\" }\n[store.carts]\nbackend = \"memory\"\n",
        );
        let pairs: Vec<String> = (0..450).map(|number| format!("k{number:03}=1")).collect();
        let set = format!("set-many {}", pairs.join(" "));
        let told = up(&app)
            .args(["open part", &set, "list"])
            .run()
            .with_code(0)
            .stdout();
        assert_eq!(told.lines().last(), Some("450 keys on 3 pages"), "{guest}");
        if guest == "keyvalue_wasmcloud" {
            let told = up(&app)
                .args(["open part", &set, "cursor"])
                .run()
                .with_code(0)
                .stdout();
            assert_eq!(told.lines().last(), Some("/k199"));
        }
    }
}

#[test]
fn calls_beside_one_another_are_all_made_and_together_hold_no_more_than_they_may() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    let told = lines(
        ["--keyvalue", &grant],
        "keyvalue_wasmcloud",
        [
            "open default",
            "set-beside 500",
            "list",
            "set n 0",
            "count-beside n 20",
            "get n",
        ],
    );
    assert_eq!(
        told,
        [
            "opened",
            "500 done",
            "500 keys on 3 pages",
            "done",
            "counted",
            "20"
        ]
    );
    let told = lines(
        ["--keyvalue", &grant],
        "keyvalue_wasmcloud",
        ["open default", "set-large-beside 80", "set-large-beside 10"],
    );
    assert_eq!(told[1], format!("63 done, {QUOTA}"));
    assert_eq!(told[2], "10 done");
}

#[test]
fn a_program_without_asynchronous_functions_may_import_the_types() {
    run([], "keyvalue-types.wat", []).run().with_code(0);
}
