//! The example `orders`: from a request through a queue to a blob, with real programs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use weft_testing::Scratch;

use crate::serve::Served;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/orders")
}

/// The example in a folder of its own, on a port of its own, with nothing ordered yet.
fn orders() -> Scratch {
    let scratch = Scratch::new();
    copy(&folder(), Path::new(""), &scratch);
    let manifest = scratch.read("weft.toml");
    scratch.file("weft.toml", manifest.replace("127.0.0.1:8080", "127.0.0.1:0"));
    scratch
}

fn copy(from: &Path, below: &Path, to: &Scratch) {
    for entry in fs_err::read_dir(from.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = below.join(entry.file_name());
        if !entry.file_type().unwrap().is_dir() {
            to.file(&name, fs_err::read(entry.path()).unwrap());
        } else if entry.file_name() != "target" {
            copy(from, &name, to);
        }
    }
}

fn open(scratch: &Scratch) -> Served {
    let up = crate::weft().arg("up").arg(scratch.path());
    let up = up.env("WEFT_DATA_DIR", scratch.path().join("own"));
    Served::listening(crate::with_rust(up).start())
}

/// Orders something: the status, and the number where it was taken.
fn order(served: &Served, text: &str) -> (u16, String) {
    let response = served.send(&format!(
        "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    ));
    let number = response.body.split(' ').nth(1).unwrap_or_default();
    (response.status, number.to_owned())
}

/// The receipt, once it is there.
fn receipt(served: &Served, number: &str) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let response = served.get(&format!("/orders/{number}"));
        if response.status == 200 {
            return response.body;
        }
        assert_eq!(response.status, 404, "{response:?}");
        assert!(Instant::now() < until, "no receipt came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_order_becomes_a_receipt_also_when_the_process_is_killed_between() {
    let scratch = orders();
    let served = open(&scratch);
    let (status, number) = order(&served, "2 tea\n1 cake\n3 unicorns\n");
    assert_eq!(status, 202);
    let expected = format!(
        "order {number}\n   2 tea              7.00\n   1 cake             5.10\n   - 3 unicorns is not to be had here\n     \
         together        12.10\n"
    );
    assert_eq!(receipt(&served, &number), expected);
    assert_eq!(order(&served, " \n").0, 400);
    assert_eq!(served.get("/orders/../weft.toml").status, 404);
    assert_eq!(served.get(&format!("/orders/{}", "0".repeat(32))).status, 404);
    let taken: Vec<String> = (0..20)
        .map(|_| order(&served, "1 tea\n"))
        .map(|(_, number)| number)
        .collect();
    // Killed, with some of them not worked on yet.
    drop(served);
    let served = open(&scratch);
    for number in taken {
        assert!(
            receipt(&served, &number).contains("together         3.50"),
            "{number}"
        );
    }
    served.end().with_code(0);
}

#[test]
fn the_example_says_what_each_of_its_components_may_do() {
    let scratch = orders();
    let check = |component: &str| {
        let check = crate::weft().arg("check").arg(scratch.path());
        let told = crate::with_rust(check.args(["--build", "--explain", component]))
            .run()
            .with_code(0);
        told.stdout()
    };
    let counter = check("counter");
    assert!(
        counter.contains("default in queue incoming (publish order.new)"),
        "{counter}"
    );
    assert!(
        counter.contains("receipts in blob store receipts (read)"),
        "{counter}"
    );
    let desk = check("desk");
    assert!(desk.contains("receipts in blob store receipts (write)"), "{desk}");
    assert!(
        desk.contains("messages of `order.new` in queue incoming (trigger `work`)"),
        "{desk}"
    );
}
