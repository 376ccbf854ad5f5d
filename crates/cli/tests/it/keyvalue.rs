//! `wasi:keyvalue`, in both drafts: absent, denied and narrowed; and what stays when the program is gone.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use weft_testing::Scratch;
use weft_testing::weft::Run;

use crate::run;

/// One guest for each draft.
const GUESTS: [&str; 2] = ["keyvalue", "keyvalue_draft"];

/// What each call of a run came to.
pub(crate) fn lines<const N: usize, const M: usize>(
    flags: [&str; N],
    guest: &str,
    calls: [&str; M],
) -> Vec<String> {
    let told = run(flags, guest, calls).run().with_code(0).stdout();
    told.lines().map(str::to_owned).collect()
}

fn in_folder(folder: &Path) -> String {
    format!("default={}", folder.join("store").display())
}

#[test]
fn without_a_grant_no_bucket_can_be_opened_and_the_flag_is_named() {
    for guest in GUESTS {
        let outcome = run(["--verbose"], guest, ["open default"]).run().with_code(0);
        assert_eq!(outcome.stdout(), "error: access denied\n", "{guest}");
        assert!(
            outcome.stderr().contains("--keyvalue default=FOLDER"),
            "{guest}: {}",
            outcome.stderr()
        );
    }
}

#[test]
fn a_bucket_of_another_name_is_denied_whether_it_is_there_or_not() {
    let scratch = Scratch::new();
    let grant = in_folder(scratch.path());
    for guest in GUESTS {
        for name in ["other", "store", "../default", "", "default/"] {
            let open = format!("open {name}");
            let told = lines(["--keyvalue", &grant], guest, [&open]);
            assert_eq!(told, ["error: access denied"], "{guest}: `{name}`");
        }
    }
}

#[test]
fn what_was_set_in_one_run_is_there_in_the_next_and_in_the_other_draft() {
    let scratch = Scratch::new();
    let grant = in_folder(scratch.path());
    let told = lines(
        ["--keyvalue", &grant],
        "keyvalue",
        [
            "open default",
            "get a",
            "set a one",
            "get a",
            "increment n 5",
            "set-many x=1 y=2",
        ],
    );
    assert_eq!(told, ["opened", "none", "done", "one", "5", "done"]);
    let told = lines(
        ["--keyvalue", &grant],
        "keyvalue_draft",
        [
            "open default",
            "get a",
            "increment n 2",
            "list",
            "get-many x q y",
            "delete-many x y",
            "exists x",
        ],
    );
    assert_eq!(
        told,
        ["opened", "one", "7", "a n x y", "x=1 none y=2", "done", "false"]
    );
}

#[test]
fn a_bucket_in_memory_ends_with_the_program() {
    for guest in GUESTS {
        let calls = ["open default", "get a", "set a one", "get a"];
        for _ in 0..2 {
            let told = lines(["--keyvalue", "default=memory"], guest, calls);
            assert_eq!(told, ["opened", "none", "done", "one"], "{guest}");
        }
    }
}

#[test]
fn a_read_only_bucket_can_be_read_and_listed_and_nothing_else() {
    let scratch = Scratch::new();
    let grant = in_folder(scratch.path());
    lines(["--keyvalue", &grant], "keyvalue", ["open default", "set a 1"]);
    let read_only = grant.replace("default=", "default:ro=");
    for guest in GUESTS {
        let told = lines(
            ["--keyvalue", &read_only],
            guest,
            ["open default", "get a", "exists a", "list", "get-many a"],
        );
        assert_eq!(told, ["opened", "1", "true", "a", "a=1"], "{guest}");
        let told = lines(
            ["--keyvalue", &read_only],
            guest,
            [
                "open default",
                "set a 2",
                "delete a",
                "increment a 1",
                "set-many a=2 b=3",
                "delete-many a",
                "get a",
            ],
        );
        let denied = "error: access denied";
        assert_eq!(
            told,
            ["opened", denied, denied, denied, denied, denied, "1"],
            "{guest}"
        );
    }
    let told = lines(["--keyvalue", &read_only], "keyvalue", ["open default", "cas a"]);
    assert_eq!(told, ["opened", "error: access denied"]);
}

#[test]
fn a_swap_is_made_only_if_nothing_came_between() {
    let told = lines(
        ["--keyvalue", "default=memory"],
        "keyvalue",
        [
            "open default",
            "cas a",
            "swap 1",
            "cas a",
            "set a 2",
            "swap 3",
            "swap 4",
            "get a",
        ],
    );
    assert_eq!(
        told,
        [
            "opened",
            "none",
            "swapped",
            "1",
            "done",
            "changed, now 2",
            "swapped",
            "4"
        ]
    );
}

#[test]
fn what_a_store_does_not_take_is_told_to_the_guest_in_its_words() {
    let long = format!("set {} x", "k".repeat(1025));
    for guest in GUESTS {
        let told = lines(
            ["--keyvalue", "default=memory"],
            guest,
            [
                "open default",
                &long,
                "set a x",
                "increment a 1",
                "set-size a 16777217",
                "list-from 99",
            ],
        );
        assert_eq!(
            told[1], "error: a key of 1025 bytes, where 1 to 1024 are allowed",
            "{guest}"
        );
        assert_eq!(told[3], "error: the value is not a whole number in decimal");
        assert_eq!(
            told[4],
            "error: a value of 16777217 bytes, where 16777216 are allowed"
        );
    }
    let told = lines(
        ["--keyvalue", "default=memory"],
        "keyvalue_draft",
        ["open default", "list-from 99", "increment n 18446744073709551615"],
    );
    assert_eq!(told[1], "error: no page gave this cursor");
    assert_eq!(told[2], "error: the number cannot be counted any further");
}

#[test]
fn a_server_that_is_not_there_is_an_error_of_the_interface_without_its_address() {
    for guest in GUESTS {
        let told = lines(
            ["--keyvalue", "default=redis://:hunter2@127.0.0.1:1"],
            guest,
            ["open default", "get a", "set a 1"],
        );
        let error = "error: the store cannot be reached";
        assert_eq!(told, ["opened", error, error], "{guest}");
    }
}

#[test]
fn a_damaged_store_is_told_before_the_program_runs_and_is_left_as_it_is() {
    let scratch = Scratch::new();
    let grant = in_folder(scratch.path());
    lines(
        ["--keyvalue", &grant],
        "keyvalue",
        ["open default", "set a value"],
    );
    let file = scratch.path().join("store/data.db");
    let mut bytes = fs_err::read(&file).unwrap();
    let place = bytes.windows(5).rposition(|window| window == b"value").unwrap();
    bytes[place] ^= 4;
    fs_err::write(&file, &bytes).unwrap();
    let outcome = run(["--keyvalue", &grant], "keyvalue", ["open default"])
        .run()
        .with_code(1);
    assert!(
        outcome.stderr().contains("cannot open store `default`"),
        "{}",
        outcome.stderr()
    );
    assert!(
        outcome.stderr().contains("does not fit its checksum"),
        "{}",
        outcome.stderr()
    );
    assert_eq!(outcome.stdout(), "");
    assert_eq!(fs_err::read(&file).unwrap(), bytes);
}

#[test]
fn a_flag_that_names_no_bucket_is_a_mistake_of_the_command_line() {
    for flags in [["--keyvalue", "default"], ["--keyvalue", "=memory"]] {
        let outcome = run(flags, "keyvalue", []).run().with_code(2);
        assert!(
            outcome.stderr().contains("NAME[:ro]=WHERE"),
            "{}",
            outcome.stderr()
        );
    }
    let twice = ["--keyvalue", "a=memory", "--keyvalue", "a=memory"];
    let outcome = run(twice, "keyvalue", []).run().with_code(2);
    assert!(outcome.stderr().contains("given twice"), "{}", outcome.stderr());
}

/// An app of one guest, which is called `main`, and the rest of its manifest.
pub(crate) fn app(guest: &str, rest: &str) -> Scratch {
    let scratch = Scratch::new();
    let source = weft_testing::guest(guest);
    let manifest = format!(
        "[app]\nname = \"shop\"\n[component.main]\nsource = '{}'\ngrant-on-use = \"trap\"\n\
         [component.main.grants]\nstdio = \"all\"\nenv = []\n{rest}",
        source.display()
    );
    scratch.file("weft.toml", manifest);
    scratch
}

pub(crate) fn up(app: &Scratch) -> Run {
    crate::weft()
        .arg("up")
        .arg(app.path())
        .env("WEFT_DATA_DIR", app.path().join("own"))
        .arg("--")
}

#[test]
fn a_component_of_an_app_reaches_the_stores_of_its_grant_under_the_names_of_its_grant() {
    let app = app(
        "keyvalue",
        "[component.main.grants.keyvalue]\ndefault = \"carts\"\n\
         prices = { store = \"carts\", prefix = \"price/\", access = [\"read\", \"list\"] }\n[store.carts]\n[store.other]\n",
    );
    let told = up(&app)
        .args([
            "open default",
            "set price/tea 3",
            "set name shop",
            "open prices",
            "get tea",
            "get name",
        ])
        .args(["list", "set tea 4", "open carts", "open other"])
        .run()
        .with_code(0)
        .stdout();
    let denied = "error: access denied";
    let expected = [
        "opened", "done", "done", "opened", "3", "none", "tea", denied, denied, denied,
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    assert!(app.path().join("own/apps/shop/stores/carts/data.db").exists());
    assert!(!app.path().join("own/apps/shop/stores/other").exists());
}

#[test]
fn an_app_whose_component_is_granted_no_bucket_does_not_start() {
    let without = app("keyvalue", "");
    let manifest = without.read("weft.toml").replace("grant-on-use = \"trap\"\n", "");
    let manifest = manifest.replace(
        "env = []\n",
        "env = []\nclock = \"real\"\nrandom = \"real\"\ndir = []\n",
    );
    without.file("weft.toml", &manifest);
    let outcome = up(&without).run().with_code(2);
    let expected = "keyvalue = [\"STORE\"]";
    assert!(outcome.stderr().contains(expected), "{}", outcome.stderr());
    let trapping = app("keyvalue", "");
    up(&trapping).arg("open default").run().with_code(134);
}

#[test]
fn narrowing_by_size_and_rate_is_told_in_the_interface() {
    let app = app(
        "keyvalue",
        "[component.main.grants.keyvalue]\ndefault = { store = \"carts\", value-size = \"10B\", rate = 3 }\n\
         [store.carts]\nbackend = \"memory\"\n",
    );
    let told = up(&app)
        .args([
            "open default",
            "set a 12345678901",
            "set a 1234567890",
            "get a",
            "get a",
        ])
        .run()
        .with_code(0)
        .stdout();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told[1], "error: a value of 11 bytes, where 10 are allowed");
    assert_eq!(told[2..4], ["done", "1234567890"]);
    assert_eq!(
        told[4],
        "error: more calls in a second than this component may make"
    );
}

#[test]
fn components_share_a_store_or_have_namesakes_that_never_meet() {
    let guest = weft_testing::guest("keyvalue");
    let manifest = |first: &str, second: &str, runs: &str| {
        format!(
            "[app]\nname = \"shop\"\n[trigger.command]\ncomponent = \"{runs}\"\n\
             [component.one]\nsource = '{0}'\ngrant-on-use = \"trap\"\n[component.one.grants]\nstdio = \"all\"\nenv = []\n\
             keyvalue = {{ default = \"{first}\" }}\n\
             [component.other]\nsource = '{0}'\ngrant-on-use = \"trap\"\n[component.other.grants]\nstdio = \"all\"\nenv = []\n\
             keyvalue = {{ default = \"{second}\" }}\n[store.a]\n[store.b]\n",
            guest.display()
        )
    };
    for (second, expected) in [("a", "opened\nmine\n"), ("b", "opened\nnone\n")] {
        let app = Scratch::new();
        app.file("weft.toml", manifest("a", second, "one"));
        up(&app).args(["open default", "set key mine"]).run().with_code(0);
        app.file("weft.toml", manifest("a", second, "other"));
        let told = up(&app)
            .args(["open default", "get key"])
            .run()
            .with_code(0)
            .stdout();
        assert_eq!(told, expected, "store `{second}`");
    }
}

pub(crate) fn data(app: &Scratch) -> Run {
    crate::weft()
        .arg("data")
        .env("WEFT_DATA_DIR", app.path().join("own"))
        .current_dir(app.path())
}

#[test]
fn what_a_store_keeps_can_be_looked_at_changed_carried_away_and_checked() {
    let app = app(
        "keyvalue",
        "keyvalue = [\"carts\", \"brief\"]\n[store.carts]\n[store.brief]\nbackend = \"memory\"\n",
    );
    let outcome = data(&app).args(["list", "carts"]).run().with_code(1);
    assert!(
        outcome.stderr().contains("keeps nothing yet"),
        "{}",
        outcome.stderr()
    );
    up(&app)
        .args(["open carts", "set a/1 one", "set a/2 two", "set b three"])
        .run()
        .with_code(0);
    let said = |arguments: &[&str]| data(&app).args(arguments).run().with_code(0).stdout();
    assert_eq!(said(&["list", "carts"]), "a/1\na/2\nb\n");
    assert_eq!(said(&["list", "carts", "--prefix", "a/"]), "a/1\na/2\n");
    assert_eq!(said(&["get", "carts", "b"]), "three");
    data(&app).args(["get", "carts", "c"]).run().with_code(1);
    said(&["put", "carts", "c", "four"]);
    said(&["delete", "carts", "a/1"]);
    data(&app)
        .args(["put", "carts", "d"])
        .stdin([0xff, 0x00])
        .run()
        .with_code(0);
    assert!(said(&["check", "carts"]).starts_with("4 entries, "));
    let exported = said(&["export", "carts"]);
    let expected = "{\"key\":\"a/2\",\"text\":\"two\"}\n{\"key\":\"b\",\"text\":\"three\"}\n\
                    {\"key\":\"c\",\"text\":\"four\"}\n{\"key\":\"d\",\"hex\":\"ff00\"}\n";
    assert_eq!(exported, expected);
    let backup = app.path().join("backup");
    said(&["backup", "carts", backup.to_str().unwrap()]);
    data(&app)
        .args(["backup", "carts"])
        .arg(&backup)
        .run()
        .with_code(1);
    for key in ["a/2", "b", "c", "d"] {
        said(&["delete", "carts", key]);
    }
    data(&app)
        .args(["import", "carts"])
        .stdin(&exported)
        .run()
        .with_code(0);
    assert_eq!(said(&["export", "carts"]), exported);
    data(&app)
        .args(["import", "carts"])
        .stdin("{}")
        .run()
        .with_code(1);
    let store = app.path().join("own/apps/shop/stores/carts");
    fs_err::remove_dir_all(&store).unwrap();
    fs_err::rename(&backup, &store).unwrap();
    assert_eq!(said(&["export", "carts"]), exported);
    data(&app).args(["list", "brief"]).run().with_code(2);
    let outcome = data(&app).args(["list", "cart"]).run().with_code(2);
    assert!(
        outcome.stderr().contains("there are: brief, carts"),
        "{}",
        outcome.stderr()
    );
}

/// The interfaces as they were when they were copied; whoever changes them says where from.
#[test]
fn the_interfaces_are_those_that_were_published() {
    let digest = |guest: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../guests")
            .join(guest)
            .join("wit/deps/keyvalue");
        let mut hasher = Sha256::new();
        for file in ["atomic", "batch", "store", "watch", "world"] {
            hasher.update(fs_err::read(folder.join(format!("{file}.wit"))).unwrap());
        }
        let digest = hasher.finalize();
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(
        digest("keyvalue"),
        "fec89a58400c6c60401a8031471f56229b9dce00e14dcfca1bc014d9d05dd2e6"
    );
    assert_eq!(
        digest("keyvalue_draft"),
        "4ab6999d774e048986a8125b31db4e60060f9bcf62b5f9d8ef7af956bed943a0"
    );
    for (file, expected) in [
        (
            "keyvalue_wasmcloud/wit/deps/wasmcloud-keyvalue/package.wit",
            "45802c6f3125ff6727683e174c2ea0421da9f97614b858c1dea5b1bf746958fa",
        ),
        (
            "keyvalue_spin/wit/deps/spin/key-value.wit",
            "20b921e3f71c5749bcce98fd6a0b0974710c34c0f530d3a27d860b8bfab6ca74",
        ),
        (
            "keyvalue_spin_p3/wit/deps/spin-key-value/key-value.wit",
            "1c528ac892cdf21357825726ca0e2592b552c34b1c087669a89db7a56a3f9651",
        ),
        (
            "blobstore_wasmcloud/wit/deps/wasmcloud-blobstore/package.wit",
            "ac7e07586f1e610505f63f98f2f6e9c897381ceb8318500b4c8e93691e9ee065",
        ),
        (
            "messages_wasmcloud_p3/wit/deps/wasmcloud-messaging/package.wit",
            "f9dde65a80a62c0880bb3ab90842dc45afe7f64fcbc8579fbd826060e18ff674",
        ),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../guests")
            .join(file);
        let digest = Sha256::digest(fs_err::read(&file).unwrap());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, expected, "{}", file.display());
    }
}
