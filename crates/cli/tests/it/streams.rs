//! A stream that crosses a link: one component writes it, the other reads it.

use weft_testing::Scratch;

/// Takes the reading end of a stream, and hands out the sum of what it read when it is asked.
const READER: &str = r#"(component
  (core module $store (memory (export "memory") 1))
  (core instance $store (instantiate $store))
  (type $bytes (stream u8))
  (core func $read (canon stream.read $bytes async (memory (core memory $store "memory"))))
  (core func $drop (canon stream.drop-readable $bytes))
  (core module $m
    (import "store" "memory" (memory 1))
    (import "stream" "read" (func $read (param i32 i32 i32) (result i32)))
    (import "stream" "drop" (func $drop (param i32)))
    (global $stream (mut i32) (i32.const 0))
    (func (export "take") (param i32) (global.set $stream (local.get 0)))
    (func (export "sum") (result i32) (local $got i32) (local $at i32) (local $sum i32)
      (local.set $got (call $read (global.get $stream) (i32.const 64) (i32.const 1000)))
      ;; `completed`, and how many: the writer waits already.
      (if (i32.and (local.get $got) (i32.const 15)) (then unreachable))
      (local.set $got (i32.shr_u (local.get $got) (i32.const 4)))
      (loop $next
        (local.set $sum (i32.add (local.get $sum) (i32.load8_u offset=64 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $at) (local.get $got))))
      (call $drop (global.get $stream))
      (local.get $sum)))
  (core instance $m (instantiate $m (with "store" (instance $store))
    (with "stream" (instance (export "read" (func $read)) (export "drop" (func $drop))))))
  (func $take (param "it" $bytes) (canon lift (core func $m "take")))
  (func $sum (result u32) (canon lift (core func $m "sum")))
  (instance $api (export "take" (func $take)) (export "sum" (func $sum)))
  (export "docs:streams/reader@1.0.0" (instance $api)))"#;

/// Makes a stream, gives the reading end away, writes four bytes, and succeeds when the other says what they sum to.
const WRITER: &str = r#"(component
  (type $bytes (stream u8))
  (import "docs:streams/reader@1.0.0" (instance $reader
    (type $bytes (stream u8))
    (export "take" (func (param "it" $bytes)))
    (export "sum" (func (result u32)))))
  (core module $store (memory (export "memory") 1) (data (i32.const 8) "\01\02\03\24"))
  (core instance $store (instantiate $store))
  (core func $take (canon lower (func $reader "take")))
  (core func $sum (canon lower (func $reader "sum")))
  (core func $new (canon stream.new $bytes))
  (core func $write (canon stream.write $bytes async (memory (core memory $store "memory"))))
  (core module $m
    (import "own" "take" (func $take (param i32)))
    (import "own" "sum" (func $sum (result i32)))
    (import "own" "new" (func $new (result i64)))
    (import "own" "write" (func $write (param i32 i32 i32) (result i32)))
    (func (export "run") (result i32) (local $ends i64)
      (local.set $ends (call $new))
      (call $take (i32.wrap_i64 (local.get $ends)))
      ;; Nobody reads yet, so the writer is told to wait.
      (if (i32.ne (i32.const -1)
            (call $write (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))) (i32.const 8) (i32.const 4)))
        (then unreachable))
      (i32.ne (call $sum) (i32.const 42))))
  (core instance $m (instantiate $m (with "own" (instance
    (export "take" (func $take)) (export "sum" (func $sum))
    (export "new" (func $new)) (export "write" (func $write))))))
  (func $run (result (result)) (canon lift (core func $m "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $run)))"#;

#[test]
fn what_one_component_writes_into_a_stream_another_reads_over_a_link() {
    let app = Scratch::new();
    app.file(
        "weft.toml",
        "[component.writer]\nsource = \"writer.wat\"\n[component.reader]\nsource = \"reader.wat\"\n",
    );
    app.file("writer.wat", WRITER);
    app.file("reader.wat", READER);
    crate::weft().arg("up").arg(app.path()).run().with_code(0);
    // A byte more is another sum.
    app.file("writer.wat", WRITER.replace(r"\01\02\03\24", r"\01\02\03\25"));
    crate::weft().arg("up").arg(app.path()).run().with_code(1);
}
