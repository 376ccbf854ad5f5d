//! What a component may have in a store and in a blob store, and what it may send: absent, and narrowed in size and number.

use weft_testing::Scratch;
use weft_testing::nats::Nats;
use weft_testing::postgres::Postgres;
use weft_testing::redis::Redis;

use crate::keyvalue::{app, data, up};
use crate::messages;

const FULL: &str = "error: the bucket is full: 40 bytes are allowed";

/// What each call came to.
fn told(app: &Scratch, calls: &[&str]) -> Vec<String> {
    let told = up(app).args(calls).run().with_code(0).stdout();
    told.lines().map(str::to_owned).collect()
}

fn bounded(guest: &str, store: &str) -> Scratch {
    let grants = "[component.main.grants.keyvalue]\n\
        default = { store = \"carts\", prefix = \"p/\", size = \"40B\" }\nall = \"carts\"\n[store.carts]\n";
    app(guest, &format!("{grants}{store}"))
}

/// Calls of `wasi:keyvalue`, and what each comes to where `default` may have 40 bytes below `p/`.
const CALLS: [(&str, &str); 24] = [
    // Whoever has no bound may have as much as there is room for.
    ("open all", "opened"),
    ("set-size other 1000", "done"),
    ("set-size p 1000", "done"),
    ("open default", "opened"),
    ("set a 1234567890", "done"),
    ("set b 1234567890", "done"),
    ("set c 1234567890", "done"),
    ("set d 1", FULL),
    ("get d", "none"),
    // In place of something else, it is only what it adds that has to fit.
    ("set a 12345678901", "done"),
    ("set a 123456789012", FULL),
    ("set a 12345678901", "done"),
    ("increment n 1", FULL),
    ("set a 1", "done"),
    ("increment n 9", "9"),
    ("increment n 1", "10"),
    ("set-many x=1 y=1", FULL),
    ("get-many x y", "none none"),
    ("delete b", "done"),
    ("set-many x=1 y=1", "done"),
    ("delete-many a c n x y", "done"),
    ("set-size e 37", "done"),
    ("set-size f 1", FULL),
    ("list", "e"),
];

fn check(app: &Scratch, name: &str) {
    let calls: Vec<&str> = CALLS.iter().map(|(call, _)| *call).collect();
    let expected: Vec<&str> = CALLS.iter().map(|(_, came)| *came).collect();
    assert_eq!(told(app, &calls), expected, "{name}");
}

#[test]
fn a_bucket_has_no_more_than_its_size_and_room_again_when_something_is_gone() {
    for guest in ["keyvalue", "keyvalue_draft"] {
        check(&bounded(guest, "backend = \"memory\"\n"), guest);
        let embedded = bounded(guest, "");
        check(&embedded, guest);
        // What is there is counted when a program begins.
        let again = told(&embedded, &["open default", "set f 1", "set e 1", "set f 1"]);
        assert_eq!(again, ["opened", FULL, "done", "done"], "{guest}");
    }
}

#[test]
fn a_bucket_on_a_server_is_bounded_as_one_here_is() {
    let url = |address: &str| format!("url = \"{address}\"\ntimeout = \"10s\"\n");
    if let Some(server) = Redis::start() {
        check(&bounded("keyvalue", &url(&server.address())), "redis");
    }
    if let Some(server) = Postgres::start() {
        check(&bounded("keyvalue", &url(&server.address())), "postgres");
    }
    if let Some(server) = Nats::start() {
        check(&bounded("keyvalue", &url(&server.address())), "nats");
    }
}

#[test]
fn a_swap_counts_and_is_refused_where_it_would_be_too_much() {
    let app = bounded("keyvalue", "");
    let calls = [
        "open default",
        "set a 1",
        "cas a",
        "swap 123456789012345678901234567890123456",
        "cas b",
        "swap 1",
        "cas a",
        "swap 12345678901234567890123456789012345678",
        "get a",
    ];
    let value = "123456789012345678901234567890123456";
    assert_eq!(
        told(&app, &calls),
        ["opened", "done", "1", "swapped", "none", FULL, value, FULL, value]
    );
}

#[test]
fn writes_beside_one_another_fill_a_bucket_up_to_its_bound_and_not_beyond() {
    let bytes_max = 20 << 10;
    let app = app(
        "keyvalue_wasmcloud",
        "[component.main.grants.keyvalue]\ndefault = { store = \"carts\", size = \"20KiB\" }\n[store.carts]\n",
    );
    for _ in 0..2 {
        let came = told(&app, &["open default", "set-beside 500", "set-beside 150"]);
        let done: usize = came[1].split(' ').next().unwrap().parse().unwrap();
        assert_eq!(came[1], format!("{done} done, error: quota exceeded"));
        // Of these the first are there already, and may be replaced by as much.
        assert!(
            came[2].ends_with("error: quota exceeded") || came[2] == "150 done",
            "{came:?}"
        );
        let checked = data(&app).args(["check", "carts"]).run().with_code(0).stdout();
        let numbers: Vec<usize> = checked.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [entries, bytes] = numbers[..2] else {
            panic!("{checked}")
        };
        assert!(bytes <= bytes_max && bytes_max - bytes < 104, "{checked}");
        assert!(done >= entries / 2, "{done} done, {checked}");
    }
}

#[test]
fn an_error_of_a_full_bucket_is_a_quota_where_the_interface_has_one() {
    for (guest, expected) in [
        ("keyvalue_wasmcloud", "error: quota exceeded"),
        ("keyvalue_spin", FULL),
        ("keyvalue_spin_p3", FULL),
    ] {
        let app = bounded(guest, "backend = \"memory\"\n");
        let came = told(
            &app,
            &[
                "open default",
                "set a 1",
                "set b 12345678901234567890123456789012345678",
                "get a",
            ],
        );
        let expected = ["opened", "done", expected, "1"];
        assert_eq!(came, expected, "{guest}");
    }
}

#[test]
fn what_may_be_had_is_explained() {
    let app = bounded("keyvalue", "");
    let check = crate::weft().args(["check", "--explain", "main"]).arg(app.path());
    let told = check.run().stdout();
    assert!(told.contains("keys below p/, up to 40 B"), "{told}");
}

#[test]
fn a_container_has_no_more_than_its_size_whatever_is_written_copied_and_moved() {
    const FULL: &str = "error: the container is full: 2048 bytes are allowed";
    let calls = [
        ("get all", "opened"),
        ("write-size other 100000", "done"),
        ("get default", "opened"),
        ("write-size a 1000", "done"),
        ("write-size b 1000", "done"),
        ("write-size c 100", FULL),
        ("has c", "false"),
        ("write-size b 1042", "done"),
        ("write-size b 1043", FULL),
        ("write-size a 500", "done"),
        ("copy default a default d", FULL),
        ("copy all other default d", FULL),
        ("write-size b 900", "done"),
        ("copy default a default d", "done"),
        ("copy default a default a", "done"),
        ("copy default d default e", FULL),
        // Both are there for a while.
        ("move default b default f", FULL),
        ("delete b", "done"),
        ("move default d default e", "done"),
        ("delete-many a e b", "done"),
        ("write-size g 2045", "done"),
        ("write-size h 1", FULL),
        ("copy default g all h", "done"),
        ("clear", "done"),
        ("copy all h default h", "done"),
        ("list", "1: h"),
    ];
    for store in ["", "backend = \"memory\"\n"] {
        let app = app(
            "blobstore",
            &format!(
                "[component.main.grants.blobstore]\n\
                 default = {{ store = \"photos\", prefix = \"p/\", size = \"2KiB\" }}\nall = \"photos\"\n\
                 [blobstore.photos]\n{store}"
            ),
        );
        let expected: Vec<&str> = calls.iter().map(|(_, came)| *came).collect();
        let calls: Vec<&str> = calls.iter().map(|(call, _)| *call).collect();
        assert_eq!(told(&app, &calls), expected, "with `{store}`");
    }
}

#[test]
fn objects_written_beside_one_another_have_no_more_than_the_size_together() {
    let app = app(
        "blobstore_wasmcloud",
        "[component.main.grants.blobstore]\ndefault = { store = \"photos\", size = \"1MB\" }\n[blobstore.photos]\n",
    );
    let calls = ["get default", "write-size a 999999", "write-size b 1", "delete a"];
    let quota = "error: quota exceeded";
    assert_eq!(told(&app, &calls), ["opened", "done", quota, "done"]);
    // Three of them fit.
    assert_eq!(told(&app, &["get default", "write-beside 12"]), ["opened", quota]);
    let checked = data(&app).args(["check", "photos"]).run().with_code(0).stdout();
    assert!(checked.starts_with("3 objects, 900000 bytes"), "{checked}");
}

#[test]
fn messages_are_bounded_in_size_and_in_number() {
    let app = messages::app(
        &[messages::SENDER],
        "[component.sender.grants]\nstdio = \"all\"\nenv = []\n[component.sender.grants.messaging]\n\
         orders = { queue = \"orders\", publish = [\">\"], message-size = \"100B\" }\n\
         slow = { queue = \"orders\", publish = [\">\"], rate = 1 }\nall = \"orders\"\n\
         [queue.orders]\nbackend = \"memory\"\n[trigger.command]\ncomponent = \"sender\"\n",
    );
    let large = "error: a message of 101 bytes, where 100 are allowed";
    let came = messages::send(
        &app,
        [
            "send-size a 99",
            "send-size a 100",
            "send-size abc 98",
            "connect all",
            "send-size a 1000",
            "connect slow",
            "send a 1",
        ],
    );
    assert_eq!(came, ["done", large, large, "done", "done", "done", "done"]);
    // However long this takes, a second of it has no more than two of so many.
    let mut calls = ["send a 1"; 40];
    calls[0] = "connect slow";
    let came = messages::send(&app, calls);
    let often = "error: more messages in a second than this component may publish";
    assert!(came.contains(&often.to_owned()) && came[1] == "done", "{came:?}");
    assert!(
        came.iter().all(|came| came == "done" || came == often),
        "{came:?}"
    );
}
