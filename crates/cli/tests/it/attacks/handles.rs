//! Handles of a neighbour: guessed, dropped, kept. The two share their streams, since one flows between them.

use super::{attack_by, component};

/// What streams are made of, with a way to write to one.
const STREAMS: &str = r#"
  (import "wasi:io/error@0.2.3" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (alias outer 1 $error (type $outer))
    (export "error" (type $inner (eq $outer)))
    (export "output-stream" (type $stream (sub resource)))
    (type $failure (variant (case "last-operation-failed" (own $inner)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $failure)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $stream))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory $library "memory")))
  (core func $drop (canon resource.drop $stream))"#;

/// A victim that opens three streams, lends the first of them, and goes on to write to the second.
fn lender() -> String {
    component(&[
        STREAMS,
        r#"(import "wasi:cli/stdout@0.2.3" (instance $stdout
          (alias outer 1 $stream (type $outer))
          (export "output-stream" (type $inner (eq $outer)))
          (export "get-stdout" (func (result (own $inner))))))
        (core func $open (canon lower (func $stdout "get-stdout")))
        (import "shop:evil/attack" (instance $evil
          (alias outer 1 $stream (type $outer))
          (export "output-stream" (type $inner (eq $outer)))
          (export "go" (func (param "stream" (borrow $inner)) (result u32)))))
        (core func $lend (canon lower (func $evil "go")))
        (core module $main
          (import "host" "open" (func $open (result i32)))
          (import "host" "write" (func $write (param i32 i32 i32 i32)))
          (import "evil" "go" (func $lend (param i32) (result i32)))
          (import "library" "memory" (memory 1))
          (data (i32.const 100) "still mine\n")
          (func (export "run") (result i32) (local $first i32) (local $second i32) (local $got i32)
            (local.set $first (call $open))
            (local.set $second (call $open))
            (drop (call $open))
            (local.set $got (call $lend (local.get $first)))
            (call $write (local.get $second) (i32.const 100) (i32.const 11) (i32.const 16))
            (local.get $got)))
        (core instance $main (instantiate $main
          (with "host" (instance (export "open" (func $open)) (export "write" (func $write))))
          (with "evil" (instance (export "go" (func $lend))))
          (with "library" (instance $library))))
        (func $run (result (result)) (canon lift (core func $main "run")))
        (instance $command (export "run" (func $run)))
        (export "wasi:cli/run@0.2.3" (instance $command))"#,
    ])
}

/// An attacker that is lent a stream: `body` is what it does with its number, the local variable 0.
fn borrower(body: &str) -> String {
    let code = format!(
        r#"(core module $attack
          (import "host" "write" (func $write (param i32 i32 i32 i32)))
          (import "host" "drop" (func $drop (param i32)))
          (import "library" "memory" (memory 1))
          (data (i32.const 100) "stolen\n")
          (func (export "go") (param i32) (result i32) {body}))
        (core instance $attack (instantiate $attack
          (with "host" (instance (export "write" (func $write)) (export "drop" (func $drop))))
          (with "library" (instance $library))))"#
    );
    component(&[
        STREAMS,
        &code,
        r#"(func $go (param "stream" (borrow $stream)) (result u32) (canon lift (core func $attack "go")))
        (component $shape
          (import "stream" (type $stream (sub resource)))
          (import "go" (func $go (param "stream" (borrow $stream)) (result u32)))
          (export $shown "output-stream" (type $stream))
          (export "go" (func $go) (func (param "stream" (borrow $shown)) (result u32))))
        (instance $offered (instantiate $shape (with "stream" (type $stream)) (with "go" (func $go))))
        (export "shop:evil/attack" (instance $offered))"#,
    ])
}

fn against_a_lender(body: &str) -> super::Attack {
    let attack = attack_by(borrower(body), "");
    attack.app.file("vault.wat", lender());
    let manifest = attack.app.read("weft.toml");
    attack.app.file(
        "weft.toml",
        manifest.replace("env = [\"SECRET\"]", "stdio = \"all\""),
    );
    attack
}

#[test]
fn using_what_was_lent_is_no_attack() {
    let body = "(call $write (local.get 0) (i32.const 100) (i32.const 7) (i32.const 16)) \
                (call $drop (local.get 0)) (i32.const 0)";
    let outcome = against_a_lender(body).up().with_code(0);
    assert_eq!(outcome.stdout(), "stolen\nstill mine\n");
}

#[test]
fn using_a_handle_that_belongs_to_a_neighbour() {
    // The lender has three, numbered 1 to 3; the attacker has one.
    for number in [0, 2, 3, 4, 1 << 20, -1] {
        let body = format!(
            "(call $write (i32.const {number}) (i32.const 100) (i32.const 7) (i32.const 16)) (i32.const 1)"
        );
        let attack = against_a_lender(&body);
        let outcome = attack.up().with_code(134);
        assert!(!outcome.stdout().contains("stolen"), "{outcome}");
        assert!(outcome.stderr().contains("handle"), "{outcome}");
    }
}

#[test]
fn dropping_a_handle_that_belongs_to_a_neighbour() {
    for number in [0, 2, 3] {
        let body = format!("(call $drop (i32.const {number})) (i32.const 1)");
        against_a_lender(&body).ends_the_app(&["handle"]);
    }
    // What was lent can be given back once, and is still its owner's.
    let twice = "(call $drop (local.get 0)) (call $drop (local.get 0)) (i32.const 1)";
    against_a_lender(twice).ends_the_app(&["handle"]);
}

#[test]
fn keeping_a_handle_that_was_lent() {
    against_a_lender("(i32.const 0)").ends_the_app(&["borrow"]);
}

#[test]
fn offering_a_resource_of_the_same_name() {
    let own = r#"(core module $attack
        (func (export "go") (param i32) (result i32) (i32.const 1)))
      (core instance $attack (instantiate $attack))
      (type $stream (resource (rep i32)))
      (func $go (param "stream" (borrow $stream)) (result u32) (canon lift (core func $attack "go")))
      (component $shape
        (import "stream" (type $stream (sub resource)))
        (import "go" (func $go (param "stream" (borrow $stream)) (result u32)))
        (export $shown "output-stream" (type $stream))
        (export "go" (func $go) (func (param "stream" (borrow $shown)) (result u32))))
      (instance $offered (instantiate $shape (with "stream" (type $stream)) (with "go" (func $go))))
      (export "shop:evil/attack" (instance $offered))"#;
    let attack = against_a_lender("unreachable");
    attack.app.file("evil.wat", component(&[own]));
    attack.is_refused(&[
        "`output-stream`",
        "`vault` to `evil`",
        "wasi:io/streams@0.2.3",
        "weft.toml:",
    ]);
}
