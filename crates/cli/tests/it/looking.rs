//! `weft inspect`, `wit`, `print` and `validate`.

use weft_testing::{Scratch, guest};

use crate::weft;

#[test]
fn inspect_says_what_a_component_is_and_which_flags_would_grant_what_it_asks_for() {
    let shown = weft()
        .arg("inspect")
        .arg(guest("probe.p2"))
        .run()
        .with_code(0)
        .stdout();
    for part in ["component", "--dir", "--env", "--tcp", "wasi:cli/run"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = weft()
        .args(["inspect", "--format", "json"])
        .arg(guest("probe.p2"))
        .run()
        .with_code(0)
        .stdout();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json.is_object());
}

#[test]
fn wit_shows_the_world() {
    let shown = weft().arg("wit").arg(guest("values")).run().with_code(0).stdout();
    assert!(
        shown.contains("identity-u8: func(value: u8) -> u8") && shown.contains("variant shape"),
        "{shown}"
    );
    weft().arg("wit").arg(guest("arithmetic.wat")).run().with_code(1);
}

#[test]
fn what_is_printed_reads_back() {
    let scratch = Scratch::new();
    for name in ["hello.p2", "arithmetic.wat"] {
        let text = weft().arg("print").arg(guest(name)).run().with_code(0).stdout();
        let file = scratch.file("printed.wat", text);
        weft().arg("validate").arg(&file).run().with_code(0);
    }
}

#[test]
fn validate_points_at_the_place() {
    let scratch = Scratch::new();
    let file = scratch.file("bad.wat", "(module\n  (func (result i32)\n    i64.const 1))");
    let outcome = weft().arg("validate").arg(&file).run().with_code(1);
    assert!(outcome.stderr().contains("type mismatch"), "{}", outcome.stderr());
    let outcome = weft()
        .args(["validate", "--format", "json"])
        .arg(&file)
        .run()
        .with_code(1);
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout()).unwrap();
    assert!(json.is_object());
}
