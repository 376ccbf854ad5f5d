//! What holds in an app once its components are one: versions side by side, limits of each, streams across links.

use weft_testing::Scratch;
use weft_testing::weft::Run;

/// `weft up` of an app.
fn up(app: &Scratch) -> Run {
    crate::weft().arg("up").arg(app.path())
}

/// A library of `docs:time/NAME` that passes on what a clock of WASI 0.2 shows.
fn teller(name: &str, wasi: &str) -> String {
    format!(
        r#"(component
          (import "wasi:clocks/monotonic-clock@{wasi}" (instance $clock (export "now" (func (result u64)))))
          (core func $now (canon lower (func $clock "now")))
          (core module $code
            (import "clock" "now" (func $now (result i64)))
            (func (export "now") (result i64) (call $now)))
          (core instance $code (instantiate $code (with "clock" (instance (export "now" (func $now))))))
          (func $seconds (result u64) (canon lift (core func $code "now")))
          (instance $api (export "seconds" (func $seconds)))
          (export "docs:time/{name}@1.0.0" (instance $api)))"#
    )
}

/// A command of 0.3 that asks a clock of its own and three libraries, and succeeds when the one of preview 1 shows
/// the second that was granted to it and all others show something.
const ASKER: &str = r#"(component
  (import "wasi:clocks/monotonic-clock@0.3.0" (instance $clock (export "now" (func (result u64)))))
  (import "docs:time/preview1@1.0.0" (instance $preview1 (export "seconds" (func (result u64)))))
  (import "docs:time/first@1.0.0" (instance $first (export "seconds" (func (result u64)))))
  (import "docs:time/last@1.0.0" (instance $last (export "seconds" (func (result u64)))))
  (core func $own (canon lower (func $clock "now")))
  (core func $preview1 (canon lower (func $preview1 "seconds")))
  (core func $first (canon lower (func $first "seconds")))
  (core func $last (canon lower (func $last "seconds")))
  (core module $code
    (import "time" "own" (func $own (result i64)))
    (import "time" "preview1" (func $preview1 (result i64)))
    (import "time" "first" (func $first (result i64)))
    (import "time" "last" (func $last (result i64)))
    (func (export "run") (result i32)
      (i32.eqz (i32.and
        (i32.and (i64.ne (call $own) (i64.const 0)) (i64.eq (call $preview1) (i64.const 1000000007)))
        (i32.and (i64.ne (call $first) (i64.const 0)) (i64.ne (call $last) (i64.const 0)))))))
  (core instance $code (instantiate $code (with "time" (instance
    (export "own" (func $own)) (export "preview1" (func $preview1))
    (export "first" (func $first)) (export "last" (func $last))))))
  (func $run async (result (result)) (canon lift (core func $code "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.3.0" (instance $run)))"#;

#[test]
fn components_of_preview_1_of_0_2_and_of_0_3_run_as_one_app() {
    let app = Scratch::new();
    let preview1 = weft_testing::guest("time_teller.p1");
    let manifest = |second: u32| {
        format!(
            r#"
            [component.asker]
            source = "asker.wat"
            grants = {{ clock = "real" }}
            [component.first]
            source = "first.wat"
            grants = {{ clock = "real" }}
            [component.last]
            source = "last.wat"
            grants = {{ clock = "real" }}
            [component.preview1]
            source = '{}'
            grant-on-use = "trap"
            grants = {{ clock = "fixed:{second}" }}
            "#,
            preview1.display()
        )
    };
    app.file("asker.wat", ASKER);
    app.file("first.wat", teller("first", "0.2.0"));
    app.file("last.wat", teller("last", "0.2.12"));
    app.file("weft.toml", manifest(1_000_000_007));
    up(&app).run().with_code(0);
    // The answer came from the component of preview 1, and from the clock that was granted to it alone.
    app.file("weft.toml", manifest(1_000_000_008));
    up(&app).run().with_code(1);
}

/// A library of `docs:room/NAME` whose memory and table grow by so much as they are asked to; 1 if they did not.
fn room(name: &str) -> String {
    format!(
        r#"(component
          (core module $code
            (memory 1)
            (table $table 1 funcref)
            (func (export "memory") (param i32) (result i32)
              (i32.eq (memory.grow (local.get 0)) (i32.const -1)))
            (func (export "table") (param i32) (result i32)
              (i32.eq (table.grow $table (ref.null func) (local.get 0)) (i32.const -1))))
          (core instance $code (instantiate $code))
          (func $memory (param "pages" u32) (result u32) (canon lift (core func $code "memory")))
          (func $table (param "elements" u32) (result u32) (canon lift (core func $code "table")))
          (instance $api (export "memory" (func $memory)) (export "table" (func $table)))
          (export "docs:room/{name}@1.0.0" (instance $api)))"#
    )
}

/// A command that makes both libraries grow in the same way, and succeeds when the small one did not and the large
/// one did.
fn grower(function: &str, amount: u32) -> String {
    format!(
        r#"(component
          (type $room (instance
            (export "memory" (func (param "pages" u32) (result u32)))
            (export "table" (func (param "elements" u32) (result u32)))))
          (import "docs:room/small@1.0.0" (instance $small (type $room)))
          (import "docs:room/large@1.0.0" (instance $large (type $room)))
          (core func $small (canon lower (func $small "{function}")))
          (core func $large (canon lower (func $large "{function}")))
          (core module $code
            (import "room" "small" (func $small (param i32) (result i32)))
            (import "room" "large" (func $large (param i32) (result i32)))
            (func (export "run") (result i32)
              (i32.or
                (i32.eqz (call $small (i32.const {amount})))
                (call $large (i32.const {amount})))))
          (core instance $code (instantiate $code
            (with "room" (instance (export "small" (func $small)) (export "large" (func $large))))))
          (func $run (result (result)) (canon lift (core func $code "run")))
          (instance $run (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $run)))"#
    )
}

/// Two libraries with different limits and a command that makes both of them grow.
fn rooms(grower: &str, limits: &str) -> Scratch {
    let app = Scratch::new();
    app.file("grower.wat", grower);
    app.file("small.wat", room("small"));
    app.file("large.wat", room("large"));
    app.file(
        "weft.toml",
        format!(
            r#"
            [component.grower]
            source = "grower.wat"
            [component.small]
            source = "small.wat"
            limits = {{ memory = "1MiB", tables = 10 }}
            [component.large]
            source = "large.wat"
            {limits}
            "#
        ),
    );
    app
}

#[test]
fn the_memory_of_each_component_of_an_app_ends_at_its_own_limit() {
    let large = "limits = { memory = \"4MiB\", tables = 100 }";
    // A page is 64 KiB, and each component begins with one.
    up(&rooms(&grower("memory", 16), large)).run().with_code(0);
    // One page less fits into the small one too, and more than 4 MiB into neither.
    up(&rooms(&grower("memory", 15), large)).run().with_code(1);
    up(&rooms(&grower("memory", 64), large)).run().with_code(1);
}

#[test]
fn the_tables_of_each_component_of_an_app_end_at_its_own_limit() {
    let large = "limits = { memory = \"4MiB\", tables = 100 }";
    up(&rooms(&grower("table", 10), large)).run().with_code(0);
    up(&rooms(&grower("table", 9), large)).run().with_code(1);
    up(&rooms(&grower("table", 100), large)).run().with_code(1);
}

#[test]
fn the_limit_of_the_app_holds_for_its_components_together() {
    let alone = "[limits]\nmemory = \"3MiB\"";
    // 2 MiB for the large one: with the small one's and its first page that is within 3 MiB.
    up(&rooms(&grower("memory", 32), alone)).run().with_code(0);
    up(&rooms(&grower("memory", 48), alone)).run().with_code(1);
}
