//! Reaching for what a neighbour was granted: its environment, command line, directories and standard streams.

use super::{COUNT, ENVIRONMENT, GO, IDLE, attack, environment};

/// Imports the directories, and lowers the list of them as `$get`.
const DIRECTORIES: &str = r#"
  (import "wasi:filesystem/types@0.2.3" (instance $types (export "descriptor" (type (sub resource)))))
  (alias export $types "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.3" (instance $preopens
    (alias outer 1 $descriptor (type $outer))
    (export "descriptor" (type $inner (eq $outer)))
    (export "get-directories" (func (result (list (tuple (own $inner) string)))))))
  (core func $get (canon lower (func $preopens "get-directories")
    (memory $library "memory") (realloc (func $library "realloc"))))"#;

/// Imports standard input, and attacks by reading from it: answers how many bytes there were.
const INPUT: &str = r#"
  (import "wasi:io/error@0.2.3" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (alias outer 1 $error (type $outer))
    (export "error" (type $inner (eq $outer)))
    (export "input-stream" (type $stream (sub resource)))
    (type $failure (variant (case "last-operation-failed" (own $inner)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $failure)))
    (export "[method]input-stream.blocking-read"
      (func (param "self" (borrow $stream)) (param "len" u64) (result (result (list u8) (error $stream-error)))))))
  (alias export $streams "input-stream" (type $stream))
  (import "wasi:cli/stdin@0.2.3" (instance $stdin
    (alias outer 1 $stream (type $outer))
    (export "input-stream" (type $inner (eq $outer)))
    (export "get-stdin" (func (result (own $inner))))))
  (core func $open (canon lower (func $stdin "get-stdin")))
  (core func $read (canon lower (func $streams "[method]input-stream.blocking-read")
    (memory $library "memory") (realloc (func $library "realloc"))))
  (core module $attack
    (import "host" "open" (func $open (result i32)))
    (import "host" "read" (func $read (param i32 i64 i32)))
    (import "library" "memory" (memory 1))
    (func (export "go") (result i32)
      (call $read (call $open) (i64.const 100) (i32.const 16))
      (if (result i32) (i32.load8_u (i32.const 16))
        (then (i32.const 0))
        (else (i32.load (i32.const 24))))))
  (core instance $attack (instantiate $attack
    (with "host" (instance (export "open" (func $open)) (export "read" (func $read))))
    (with "library" (instance $library))))"#;

#[test]
fn reading_a_neighbours_environment() {
    let pieces = [&environment(ENVIRONMENT), COUNT, GO];
    attack(&pieces, "").is_refused_at_its_line(&[ENVIRONMENT, "[component.evil.grants]", "`env = "]);
    attack(&pieces, "grant-on-use = \"trap\"\n")
        .ends_the_app(&["component `evil` was refused: call `get-environment`"]);
    attack(&pieces, "grants = { env = [] }\n").finds_nothing();
}

#[test]
fn reading_a_neighbours_environment_from_a_component_inside_ones_own() {
    let inner = format!(
        r#"(import "{ENVIRONMENT}" (instance $outer
            (export "get-environment" (func (result (list (tuple string string)))))))
        (component $inner (import "{ENVIRONMENT}" (instance $own
            (export "get-environment" (func (result (list (tuple string string)))))))
          (export "{ENVIRONMENT}" (instance $own)))
        (instance $made (instantiate $inner (with "{ENVIRONMENT}" (instance $outer))))
        (alias export $made "{ENVIRONMENT}" (instance $environment))
        (core func $get (canon lower (func $environment "get-environment")
            (memory $library "memory") (realloc (func $library "realloc"))))"#
    );
    let pieces = [inner.as_str(), COUNT, GO];
    attack(&pieces, "").is_refused_at_its_line(&[ENVIRONMENT]);
    attack(&pieces, "grants = { env = [] }\n").finds_nothing();
}

#[test]
fn reading_a_neighbours_command_line() {
    let arguments = r#"(import "wasi:cli/environment@0.2.3" (instance $environment
        (export "get-arguments" (func (result (list string))))))
      (core func $list (canon lower (func $environment "get-arguments")
        (memory $library "memory") (realloc (func $library "realloc"))))
      (core module $attack
        (import "host" "get" (func $get (param i32)))
        (import "library" "memory" (memory 1))
        (func (export "go") (result i32)
          (call $get (i32.const 16))
          (i32.sub (i32.load (i32.const 20)) (i32.const 1))))
      (core instance $attack (instantiate $attack
        (with "host" (instance (export "get" (func $list))))
        (with "library" (instance $library))))"#;
    let attack = attack(&[arguments, GO], "grants = { env = [] }\n");
    // Its own name, and none of the words that are the vault's.
    let words = attack.weft("up").args(["--", "--password", super::SECRET]);
    super::quiet(words.run()).with_code(0);
}

#[test]
fn listing_a_neighbours_directories() {
    let pieces = [DIRECTORIES, COUNT, GO];
    attack(&pieces, "").is_refused_at_its_line(&["wasi:filesystem/preopens@0.2.3", "`dir = "]);
    attack(&pieces, "grant-on-use = \"trap\"\n").ends_the_app(&["`evil` was refused", "`get-directories`"]);
    attack(&pieces, "grants = { dir = [] }\n").finds_nothing();
}

#[test]
fn reading_the_input_that_is_a_neighbours() {
    let pieces = [INPUT, GO];
    attack(&pieces, "").is_refused_at_its_line(&["wasi:cli/stdin@0.2.3", "`stdio = "]);
    attack(&pieces, "grant-on-use = \"trap\"\n").ends_the_app(&["`evil` was refused", "`get-stdin`"]);
    let attack = attack(&pieces, "grants = { stdio = \"out\" }\n");
    let outcome = attack.weft("up").stdin(super::SECRET).run();
    super::quiet(outcome).with_code(0);
}

#[test]
fn ending_the_app_as_if_it_had_been_successful() {
    let exit = r#"(import "wasi:cli/exit@0.2.3" (instance $exit
        (export "exit" (func (param "status" (result))))))
      (core func $leave (canon lower (func $exit "exit")))
      (core module $attack
        (import "host" "exit" (func $exit (param i32)))
        (func (export "go") (result i32) (call $exit (i32.const 0)) (i32.const 1)))
      (core instance $attack (instantiate $attack
        (with "host" (instance (export "exit" (func $leave))))))"#;
    attack(&[exit, GO], "").ends_the_app(&["component `evil` was refused: call `exit`"]);
}

#[test]
fn writing_to_a_terminal_through_messages_about_oneself() {
    // The names of functions are shown where the app traps, and say what they like.
    let name = r"\1b[2J\1b[31m\nerror: all is well\u{202e}";
    let red = format!(
        r#"(core module $attack
          (func $"{name}" (unreachable))
          (func (export "go") (result i32) (call $"{name}") (i32.const 0)))
        (core instance $attack (instantiate $attack))"#
    );
    let said = attack(&[&red, GO], "").up().with_code(134).stderr();
    assert!(said.contains("error: all is well"), "{said}");
    assert!(
        !said.lines().any(|line| line.starts_with("error: all is well")),
        "{said}"
    );
    assert!(!said.contains('\u{202e}'), "{said}");
}

#[test]
fn being_told_a_secret_by_the_commands_that_explain() {
    let attack = attack(&[IDLE, GO], "");
    for words in [&["check"][..], &["check", "--explain", "vault"], &["graph"]] {
        let (command, flags) = words.split_first().unwrap();
        super::quiet(attack.weft(command).args(flags).run()).with_code(0);
    }
    let lock = {
        attack.finds_nothing();
        attack.app.read("weft.lock")
    };
    assert!(!lock.contains(super::SECRET), "{lock}");
}
