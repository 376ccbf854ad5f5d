//! What the components of an app by chance do: their core functions, as text.
//!
//! Each component has a number that it remembers, which changes with every call and every counter that is dropped: a
//! call too many, too few or in another order changes the answer, and so does a second instance of a component.

use std::fmt::Write as _;

use crate::graph::{Host, Kind, Node};

/// Where core functions put what they return, and where they are told what others return.
const RETURNED: u32 = 64;
const ANSWERED: u32 = 16;

/// A core module with the memory, and what all functions use.
pub(crate) fn library(salt: u32) -> String {
    format!(
        r#"(core module $library
  (memory (export "memory") 32)
  (global $top (mut i32) (i32.const 1024))
  (global $state (mut i32) (i32.const {salt}))
  (func $realloc (export "realloc") (param $old i32) (param i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (if (local.get $old) (then unreachable))
    (local.set $at (i32.and
      (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func $mix (export "mix") (param $h i32) (param $x i32) (result i32)
    (local.set $h (i32.mul (i32.xor (local.get $h) (local.get $x)) (i32.const 16777619)))
    (i32.xor (local.get $h) (i32.shr_u (local.get $h) (i32.const 15))))
  (func (export "mix-bytes") (param $h i32) (param $at i32) (param $left i32) (result i32)
    (block $end (loop $next
      (br_if $end (i32.eqz (local.get $left)))
      (local.set $h (call $mix (local.get $h) (i32.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next)))
    (call $mix (local.get $h) (i32.const 1)))
  ;; Eight letters and one that takes two bytes.
  (func (export "letters") (param $h i32) (result i32) (local $at i32) (local $left i32)
    (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 10)))
    (local.set $left (i32.const 8))
    (loop $next
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (i32.store8 (i32.add (local.get $at) (local.get $left))
        (i32.add (i32.const 97) (i32.and (local.get $h) (i32.const 15))))
      (local.set $h (i32.shr_u (local.get $h) (i32.const 4)))
      (br_if $next (local.get $left)))
    (i32.store16 offset=8 align=1 (local.get $at) (i32.const 0xa9c3))
    (local.get $at))
  (func $tick (export "tick") (result i32)
    (global.set $state (call $mix (global.get $state) (i32.const 7)))
    (global.get $state))
  (func (export "dropped") (param $counter i32)
    (global.set $state (call $mix (global.get $state) (i32.load (local.get $counter))))))
(core instance $library (instantiate $library))"#
    )
}

/// A core function that mixes everything that the component can find out into a number.
pub(crate) fn consult(node: &Node) -> String {
    let mut body = String::new();
    let mut locals = String::new();
    let mut directories = Vec::new();
    for host in &node.host {
        body.push_str(match host {
            Host::Environment => CONSULT_ENVIRONMENT,
            Host::Config => CONSULT_CONFIG,
            Host::Preopens => {
                directories.push("$own".to_owned());
                locals.push_str("(local $own i32)");
                CONSULT_PREOPENS
            }
        });
    }
    for (number, ask) in node.asks.iter().enumerate() {
        let answered = format!(
            "(local.set $h (call $mix-bytes (local.get $h) (i32.load (i32.const {ANSWERED})) (i32.load (i32.const {}))))",
            ANSWERED + 4
        );
        match ask.kind {
            Kind::Number => writeln!(
                body,
                "(local.set $h (call $mix (local.get $h) (call $call{number} (local.get $h))))"
            ),
            Kind::Text => writeln!(
                body,
                "(call $call{number} (call $letters (local.get $h)) (i32.const 10) (i32.const {ANSWERED})) {answered}"
            ),
            Kind::Bytes => writeln!(
                body,
                "(call $call{number} (call $letters (local.get $h)) (i32.and (local.get $h) (i32.const 7)) (i32.const {ANSWERED})) {answered}"
            ),
            Kind::Tuple => writeln!(
                body,
                r"(call $call{number} (i32.and (local.get $h) (i32.const 255))
      (i64.mul (i64.extend_i32_u (local.get $h)) (i64.const 0x100000001))
      (f32.convert_i32_u (i32.and (local.get $h) (i32.const 65535)))
      (i32.and (local.get $h) (i32.const 1)) (call $letters (local.get $h)) (i32.const 10) (i32.const {ANSWERED}))
    (local.set $h (call $mix (call $mix (local.get $h) (i32.load (i32.const {ANSWERED})))
      (i32.load8_u (i32.const {}))))",
                ANSWERED + 4
            ),
            Kind::Counter => {
                write!(locals, "(local $counter{number} i32)").unwrap();
                writeln!(
                    body,
                    r"(local.set $counter{number} (call $new{number} (local.get $h)))
    (local.set $h (call $mix (local.get $h) (call $bump{number} (local.get $counter{number}) (local.get $h))))
    (local.set $h (call $mix (local.get $h) (call $bump{number} (local.get $counter{number}) (i32.const 3))))
    (call $drop{number} (local.get $counter{number}))"
                )
            }
            Kind::Directory => {
                directories.push(format!("$directory{number}"));
                write!(locals, "(local $directory{number} i32)").unwrap();
                writeln!(body, "(local.set $directory{number} (call $open{number}))")
            }
        }
        .unwrap();
    }
    // Whether each directory is the first one, which only the host can tell.
    let mut rest = String::new();
    if let Some(first) = directories.first() {
        for directory in &directories {
            writeln!(
                rest,
                "(local.set $h (call $mix (local.get $h) (call $is-same (local.get {first}) (local.get {directory}))))"
            )
            .unwrap();
        }
        for directory in &directories {
            writeln!(rest, "(call $drop-directory (local.get {directory}))").unwrap();
        }
    }
    format!(
        "(func $consult (param $h i32) (result i32) (local $at i32) (local $left i32) {locals}\n{body}{rest}(local.get $h))"
    )
}

const CONSULT_ENVIRONMENT: &str = r"
    (call $environment (i32.const 16))
    (local.set $at (i32.load (i32.const 16)))
    (local.set $left (i32.load (i32.const 20)))
    (block $end (loop $next
      (br_if $end (i32.eqz (local.get $left)))
      (local.set $h (call $mix-bytes (local.get $h)
        (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))))
      (local.set $h (call $mix-bytes (local.get $h)
        (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next)))
";

/// Asks for the key `aaaaaaaa`.
const CONSULT_CONFIG: &str = r"
    (call $config (call $letters (i32.const 0)) (i32.const 8) (i32.const 16))
    (local.set $h (call $mix (local.get $h) (i32.load8_u (i32.const 16))))
    (local.set $h (call $mix (local.get $h) (i32.load8_u (i32.const 20))))
    (if (i32.load8_u (i32.const 20)) (then
      (local.set $h (call $mix-bytes (local.get $h) (i32.load (i32.const 24)) (i32.load (i32.const 28))))))
";

const CONSULT_PREOPENS: &str = r"
    (call $directories (i32.const 16))
    (local.set $at (i32.load (i32.const 16)))
    (if (i32.ne (i32.load (i32.const 20)) (i32.const 1)) (then unreachable))
    (local.set $own (i32.load (local.get $at)))
    (local.set $h (call $mix-bytes (local.get $h)
      (i32.load offset=4 (local.get $at)) (i32.load offset=8 (local.get $at))))
";

/// What is behind the exports.
pub(crate) fn core_functions(makes_counters: bool, opens_directories: bool) -> String {
    let mut functions = format!(
        r#"(func (export "number") (param i32) (result i32)
    (call $consult (call $mix (call $tick) (local.get 0))))
  (func (export "text") (param i32 i32) (result i32)
    (i32.store (i32.const {RETURNED})
      (call $letters (call $consult (call $mix-bytes (call $tick) (local.get 0) (local.get 1)))))
    (i32.store (i32.const {next}) (i32.const 10))
    (i32.const {RETURNED}))
  (func (export "bytes") (param $at i32) (param $length i32) (result i32) (local $h i32) (local $left i32)
    (local.set $h (call $consult (call $mix-bytes (call $tick) (local.get $at) (local.get $length))))
    (local.set $left (local.get $length))
    (block $end (loop $next
      (br_if $end (i32.eqz (local.get $left)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (i32.store8 (i32.add (local.get $at) (local.get $left))
        (i32.xor (local.get $h) (i32.load8_u (i32.add (local.get $at) (local.get $left)))))
      (br $next)))
    (i32.store (i32.const {RETURNED}) (local.get $at))
    (i32.store (i32.const {next}) (local.get $length))
    (i32.const {RETURNED}))
  (func (export "tuple") (param i32 i64 f32 i32 i32 i32) (result i32) (local $h i32)
    (local.set $h (call $mix (call $tick) (local.get 0)))
    (local.set $h (call $mix (local.get $h) (i32.wrap_i64 (local.get 1))))
    (local.set $h (call $mix (local.get $h) (i32.wrap_i64 (i64.shr_u (local.get 1) (i64.const 32)))))
    (local.set $h (call $mix (local.get $h) (i32.reinterpret_f32 (local.get 2))))
    (if (local.get 3) (then
      (local.set $h (call $mix-bytes (local.get $h) (local.get 4) (local.get 5)))))
    (local.set $h (call $consult (local.get $h)))
    (i32.store (i32.const {RETURNED}) (local.get $h))
    (i32.store8 (i32.const {next}) (i32.and (local.get $h) (i32.const 1)))
    (i32.const {RETURNED}))
"#,
        next = RETURNED + 4
    );
    if makes_counters {
        functions.push_str(
            r#"  (func (export "new") (param i32) (result i32) (local $counter i32)
    (local.set $counter (call $realloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 4)))
    (i32.store (local.get $counter) (call $mix (call $tick) (local.get 0)))
    (call $own-counter (local.get $counter)))
  (func (export "bump") (param i32 i32) (result i32)
    (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (local.get 1)))
    (call $mix (call $tick) (i32.load (local.get 0))))
"#,
        );
    }
    if opens_directories {
        functions.push_str(
            r#"  (func (export "open") (result i32)
    (drop (call $tick))
    (call $directories (i32.const 16))
    (if (i32.ne (i32.load (i32.const 20)) (i32.const 1)) (then unreachable))
    (i32.load (i32.load (i32.const 16))))
"#,
        );
    }
    functions
}

/// What the main component has besides.
pub(crate) const MAIN: &str = r#"  (func (export "run") (result i32) (i32.const 0))
  (func (export "answer") (result i32) (local $h i32) (local $left i32)
    (local.set $h (call $tick))
    (local.set $left (i32.const 3))
    (loop $next
      (local.set $h (call $consult (local.get $h)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.get $h))"#;
