//! What is passed: for each shape of a call, a component that calls in a loop and one that is called.
//!
//! The callee looks at what it got and returns a number; the caller adds the numbers up and fails if the sum is not
//! what it must be.

use weft_runtime::Concurrency;

/// One shape of a call.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// What it takes at most, in multiples of stock.
    pub(crate) bar: f64,
    /// Calls in one batch: some milliseconds.
    pub(crate) calls: u32,
    pub(crate) concurrency: Concurrency,
    /// The component that is called.
    pub(crate) callee: String,
    /// The caller's imports; makes the core instance `$callee`.
    imports: String,
    /// The same as its core module imports them.
    core_imports: String,
    /// What the core module does before the loop, and in the loop.
    before: String,
    body: String,
    /// What one call adds to the sum.
    each: u32,
}

impl Shape {
    /// The component that calls, this often.
    pub(crate) fn caller(&self, calls: u32) -> String {
        let Self {
            imports,
            core_imports,
            before,
            body,
            ..
        } = self;
        let sum = self.each.wrapping_mul(calls);
        format!(
            r#"(component
  (core module $store (memory (export "memory") 4) (data (i32.const 1024) "{text}"))
  (core instance $store (instantiate $store))
  {imports}
  (core module $m
    (import "store" "memory" (memory 4))
    {core_imports}
    (func (export "run") (result i32)
      (local $left i32) (local $sum i32) (local $handle i32)
      (local.set $left (i32.const {calls}))
      (if (local.get $left) (then
        {before}
        (loop $next
          {body}
          (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
      (i32.ne (local.get $sum) (i32.const {sum}))))
  (core instance $m (instantiate $m
    (with "callee" (instance $callee)) (with "store" (instance $store))))
  (func $run (result (result)) (canon lift (core func $m "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $run)))"#,
            text = "What is passed is sixteen bytes, or more. ".repeat(30),
        )
    }
}

/// Every shape, the cheapest first.
pub(crate) fn all() -> Vec<Shape> {
    let string = |name, bar, length: u32, calls| {
        let body = length_and_first("string", length);
        Function {
            name,
            bar,
            calls,
            ..body
        }
        .shape()
    };
    let bytes = |name, length: u32, calls| {
        let body = length_and_first("(list u8)", length);
        let bar = 1.0;
        Function {
            name,
            bar,
            calls,
            ..body
        }
        .shape()
    };
    vec![
        number(),
        string("string of 16 bytes", 0.75, 16, 500_000),
        string("string of 1 KiB", 1.0, 1024, 250_000),
        bytes("list<u8> of 1 KiB", 1024, 20_000),
        bytes("list<u8> of 64 KiB", 65_536, 300),
        record(),
        records(),
        method(),
        stream(),
    ]
}

/// A call of one function without handles.
struct Function {
    name: &'static str,
    bar: f64,
    calls: u32,
    /// A type of the interface that has a name, and what it is.
    named: Option<&'static str>,
    /// The type of the one parameter.
    parameter: &'static str,
    /// The same flattened.
    core_parameters: &'static str,
    callee: &'static str,
    arguments: String,
    each: u32,
}

impl Function {
    fn shape(self) -> Shape {
        let callee = self.callee();
        let Self {
            name,
            bar,
            calls,
            parameter,
            core_parameters,
            arguments,
            each,
            ..
        } = self;
        let named = self.named.map_or(String::new(), |definition| {
            format!(r#"(type $definition {definition}) (export "thing" (type $thing (eq $definition)))"#)
        });
        let imports = format!(
            r#"(import "bench:calls/callee" (instance $imported
    {named}
    (export "call" (func (param "it" {parameter}) (result u32)))))
  (alias export $imported "call" (func $imported-call))
  (core func $call (canon lower (func $imported-call) (memory (core memory $store "memory"))))
  (core instance $callee (export "call" (func $call)))"#
        );
        Shape {
            name,
            bar,
            calls,
            concurrency: Concurrency::Off,
            callee,
            imports,
            core_imports: format!(
                r#"(import "callee" "call" (func $call (param {core_parameters}) (result i32)))"#
            ),
            before: String::new(),
            body: format!("(local.set $sum (i32.add (local.get $sum) (call $call {arguments})))"),
            each,
        }
    }

    fn callee(&self) -> String {
        let Self {
            parameter,
            core_parameters,
            callee,
            ..
        } = self;
        let lifted = |parameter: &str| {
            format!(
                r#"(func $call (param "it" {parameter}) (result u32) (canon lift (core func $m "call")
    (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))"#
            )
        };
        let exported = match self.named {
            None => format!(
                r#"{}
  (instance $exported (export "call" (func $call)))"#,
                lifted(parameter)
            ),
            // A type that has a name gets it in a component of its own.
            Some(definition) => format!(
                r#"(type $thing {definition})
  {}
  (component $shape
    (type $definition {definition})
    (import "thing" (type $thing (eq $definition)))
    (import "call" (func $call (param "it" {parameter}) (result u32)))
    (export $shown "thing" (type $thing))
    (export "call" (func $call) (func (param "it" {shown}) (result u32))))
  (instance $exported (instantiate $shape (with "thing" (type $thing)) (with "call" (func $call))))"#,
                lifted(parameter),
                shown = parameter.replace("$thing", "$shown"),
            ),
        };
        format!(
            r#"(component
  (core module $m
    (memory (export "memory") 4)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
    (func (export "call") (param {core_parameters}) (result i32) {callee}))
  (core instance $m (instantiate $m))
  {exported}
  (export "bench:calls/callee" (instance $exported)))"#
        )
    }
}

fn number() -> Shape {
    let shape = Function {
        name: "u32",
        bar: 0.2,
        calls: 3_000_000,
        named: None,
        parameter: "u32",
        core_parameters: "i32",
        callee: "(i32.add (local.get 0) (i32.const 1))",
        arguments: String::new(),
        each: 1,
    }
    .shape();
    Shape {
        // Each call needs the result of the one before.
        body: "(local.set $sum (call $call (local.get $sum)))".to_owned(),
        ..shape
    }
}

/// Something of a length, of which the callee adds the length and the first byte.
fn length_and_first(parameter: &'static str, length: u32) -> Function {
    Function {
        name: "",
        bar: 1.0,
        calls: 0,
        named: None,
        parameter,
        core_parameters: "i32 i32",
        callee: "(i32.add (local.get 1) (i32.load8_u (local.get 0)))",
        arguments: format!("(i32.const 1024) (i32.const {length})"),
        each: length + u32::from(b'W'),
    }
}

fn record() -> Shape {
    Function {
        name: "record of seven fields",
        bar: 1.0,
        calls: 1_000_000,
        named: Some(
            r#"(record (field "small" u8) (field "number" u32) (field "large" u64) (field "single" float32)
      (field "double" float64) (field "flag" bool) (field "letter" char))"#,
        ),
        parameter: "$thing",
        core_parameters: "i32 i32 i64 f32 f64 i32 i32",
        callee: r#"
      (i32.add (i32.add (i32.add (local.get 0) (local.get 1)) (i32.add (local.get 5) (local.get 6)))
        (i32.add (i32.wrap_i64 (local.get 2))
          (i32.add (i32.trunc_sat_f32_u (local.get 3)) (i32.trunc_sat_f64_u (local.get 4)))))"#,
        arguments: "(i32.const 7) (i32.const 70000) (i64.const 700000) (f32.const 7.5) (f64.const 77.5)
            (i32.const 1) (i32.const 120)"
            .to_owned(),
        each: 7 + 70_000 + 700_000 + 7 + 77 + 1 + 120,
    }
    .shape()
}

fn records() -> Shape {
    let shape = Function {
        name: "list of 100 records",
        bar: 1.0,
        calls: 40_000,
        named: Some(r#"(record (field "number" u32) (field "price" float64) (field "open" bool))"#),
        parameter: "(list $thing)",
        core_parameters: "i32 i32",
        callee: "(i32.add (local.get 1) (i32.load (i32.add (local.get 0) (i32.const 2376))))",
        arguments: "(i32.const 4096) (i32.const 100)".to_owned(),
        each: 100 + 99,
    };
    let shape = shape.shape();
    Shape {
        // Records of 24 bytes, each with its number in front.
        before: r"
        (loop $fill
          (i32.store (i32.add (i32.const 4096) (i32.mul (local.get $handle) (i32.const 24))) (local.get $handle))
          (local.set $handle (i32.add (local.get $handle) (i32.const 1)))
          (br_if $fill (i32.lt_u (local.get $handle) (i32.const 100))))"
            .to_owned(),
        ..shape
    }
}

/// A method of a resource that the callee owns: the caller has one, and lends it with each call.
fn method() -> Shape {
    let callee = r#"(component
  (core module $m
    (func (export "new") (param i32) (result i32) (local.get 0))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $m (instantiate $m))
  (type $counter (resource (rep i32)))
  (core func $own (canon resource.new $counter))
  (core module $maker
    (import "m" "own" (func $own (param i32) (result i32)))
    (func (export "new") (param i32) (result i32) (call $own (local.get 0))))
  (core instance $maker (instantiate $maker (with "m" (instance (export "own" (func $own))))))
  (func $new (param "start" u32) (result (own $counter)) (canon lift (core func $maker "new")))
  (func $add (param "self" (borrow $counter)) (param "it" u32) (result u32) (canon lift (core func $m "add")))
  (component $shape
    (import "counter" (type $counter (sub resource)))
    (import "new" (func $new (param "start" u32) (result (own $counter))))
    (import "add" (func $add (param "self" (borrow $counter)) (param "it" u32) (result u32)))
    (export $shown "counter" (type $counter))
    (export "[constructor]counter" (func $new) (func (param "start" u32) (result (own $shown))))
    (export "[method]counter.add" (func $add)
      (func (param "self" (borrow $shown)) (param "it" u32) (result u32))))
  (instance $exported (instantiate $shape
    (with "counter" (type $counter)) (with "new" (func $new)) (with "add" (func $add))))
  (export "bench:calls/callee" (instance $exported)))"#;
    let imports = r#"(import "bench:calls/callee" (instance $imported
    (export "counter" (type $counter (sub resource)))
    (export "[constructor]counter" (func (param "start" u32) (result (own $counter))))
    (export "[method]counter.add" (func (param "self" (borrow $counter)) (param "it" u32) (result u32)))))
  (alias export $imported "[constructor]counter" (func $imported-new))
  (alias export $imported "[method]counter.add" (func $imported-add))
  (core func $new (canon lower (func $imported-new)))
  (core func $add (canon lower (func $imported-add)))
  (core instance $callee (export "new" (func $new)) (export "add" (func $add)))"#;
    Shape {
        name: "method of a resource",
        bar: 1.0,
        calls: 200_000,
        concurrency: Concurrency::Off,
        callee: callee.to_owned(),
        imports: imports.to_owned(),
        core_imports: r#"(import "callee" "new" (func $new (param i32) (result i32)))
    (import "callee" "add" (func $add (param i32 i32) (result i32)))"#
            .to_owned(),
        before: "(local.set $handle (call $new (i32.const 40)))".to_owned(),
        body: "(local.set $sum (i32.add (local.get $sum) (call $add (local.get $handle) (i32.const 2))))"
            .to_owned(),
        each: 42,
    }
}

/// A stream that the caller writes and the callee reads: the callee asks for a piece, the caller writes one, and
/// the callee hears of it at its next turn.
fn stream() -> Shape {
    Shape {
        name: "stream<u8>, a turn of 1 KiB",
        bar: 1.0,
        calls: 10_000,
        concurrency: Concurrency::On,
        callee: STREAM_CALLEE.to_owned(),
        imports: STREAM_IMPORTS.to_owned(),
        core_imports: r#"(import "callee" "new" (func $new (result i64)))
    (import "callee" "write" (func $write (param i32 i32 i32) (result i32)))
    (import "callee" "take" (func $take (param i32)))
    (import "callee" "ask" (func $ask (result i32)))
    (func $two-ends (result i32) (local $ends i64)
      (local.set $ends (call $new))
      (call $take (i32.wrap_i64 (local.get $ends)))
      (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))"#
            .to_owned(),
        before: "(local.set $handle (call $two-ends))".to_owned(),
        // Both ends say `completed` and how much it was.
        body: r"
          (if (i32.ne (call $ask) (i32.const 1)) (then unreachable))
          (if (i32.ne (call $write (local.get $handle) (i32.const 1024) (i32.const 1024)) (i32.const 16384))
            (then unreachable))
          (local.set $sum (i32.add (local.get $sum) (i32.const 1)))"
            .to_owned(),
        each: 1,
    }
}

const STREAM_IMPORTS: &str = r#"(type $bytes (stream u8))
  (import "bench:calls/callee" (instance $imported
    (type $bytes (stream u8))
    (export "take" (func (param "it" $bytes)))
    (export "ask" (func (result u32)))))
  (alias export $imported "take" (func $imported-take))
  (alias export $imported "ask" (func $imported-ask))
  (core func $take (canon lower (func $imported-take)))
  (core func $ask (canon lower (func $imported-ask)))
  (core func $new (canon stream.new $bytes))
  (core func $write (canon stream.write $bytes async (memory (core memory $store "memory"))))
  (core instance $callee (export "take" (func $take)) (export "ask" (func $ask))
    (export "new" (func $new)) (export "write" (func $write)))"#;

const STREAM_CALLEE: &str = r#"(component
  (core module $store (memory (export "memory") 4))
  (core instance $store (instantiate $store))
  (type $bytes (stream u8))
  (core func $read (canon stream.read $bytes async (memory (core memory $store "memory"))))
  (core func $set (canon waitable-set.new))
  (core func $join (canon waitable.join))
  (core func $poll (canon waitable-set.poll (memory (core memory $store "memory"))))
  (core module $m
    (import "store" "memory" (memory 4))
    (import "async" "read" (func $read (param i32 i32 i32) (result i32)))
    (import "async" "set" (func $new-set (result i32)))
    (import "async" "join" (func $join (param i32 i32)))
    (import "async" "poll" (func $poll (param i32 i32) (result i32)))
    (global $stream (mut i32) (i32.const 0))
    (global $set (mut i32) (i32.const 0))
    (global $asked (mut i32) (i32.const 0))
    (func (export "take") (param i32)
      (global.set $stream (local.get 0))
      (global.set $set (call $new-set))
      (call $join (global.get $stream) (global.get $set)))
    (func (export "ask") (result i32)
      (if (global.get $asked) (then
        ;; An event of a stream that was read (2), completed with 1024 bytes.
        (if (i32.ne (call $poll (global.get $set) (i32.const 16)) (i32.const 2)) (then unreachable))
        (if (i32.ne (i32.load (i32.const 20)) (i32.const 16384)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.const 65536)) (i32.const 87)) (then unreachable))))
      (global.set $asked (i32.const 1))
      ;; Nothing is there yet.
      (if (i32.ne (call $read (global.get $stream) (i32.const 65536) (i32.const 1024)) (i32.const -1))
        (then unreachable))
      (i32.const 1)))
  (core instance $m (instantiate $m
    (with "store" (instance $store))
    (with "async" (instance (export "read" (func $read)) (export "set" (func $set))
      (export "join" (func $join)) (export "poll" (func $poll))))))
  (func $take (param "it" $bytes) (canon lift (core func $m "take")))
  (func $ask (result u32) (canon lift (core func $m "ask")))
  (instance $exported (export "take" (func $take)) (export "ask" (func $ask)))
  (export "bench:calls/callee" (instance $exported)))"#;
