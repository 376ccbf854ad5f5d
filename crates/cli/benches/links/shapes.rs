//! What is passed: for each shape of a call, a component that calls in a loop and one that hands back what it got.

/// One shape of a call.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// Microseconds that a call over an isolated link may take.
    pub(crate) bar: Option<f64>,
    /// Bytes that are copied both ways, where the bar is counted in those.
    pub(crate) copied: usize,
    /// Calls in one batch: some milliseconds.
    pub(crate) calls: u32,
    /// Types of the interface that have names: a name, and what it is.
    named: Option<(&'static str, &'static str)>,
    /// The type of the one parameter and of the result.
    ty: &'static str,
    /// The parameter as core values, and as the caller passes it.
    core: &'static [&'static str],
    arguments: &'static str,
    /// How the callee writes what it got, field by field: the offset of each core value, and how it is stored.
    stores: &'static [(u32, &'static str)],
    /// What the caller has in its memory, before it calls.
    before: &'static str,
}

impl Shape {
    fn named(&self) -> String {
        self.named.map_or(String::new(), |(name, definition)| {
            format!(r#"(type $definition {definition}) (export "{name}" (type ${name} (eq $definition)))"#)
        })
    }

    fn is_number(&self) -> bool {
        self.stores.is_empty()
    }

    /// The component that calls, this often.
    pub(crate) fn caller(&self, calls: u32) -> String {
        let (named, ty, core) = (self.named(), self.ty, self.core.join(" "));
        let (before, arguments) = (self.before, self.arguments);
        let (taken, returned, call) = if self.is_number() {
            (
                core,
                "(result i32)",
                "(local.set $sum (call $call (local.get $sum)))".to_owned(),
            )
        } else {
            (
                format!("{core} i32"),
                "",
                format!("(call $call {arguments} (i32.const 512))"),
            )
        };
        format!(
            r#"(component
  (import "bench:links/callee" (instance $imported
    {named}
    (export "call" (func (param "it" {ty}) (result {ty})))))
  (core module $store
    (memory (export "memory") 8)
    (data (i32.const 1024) "{text}")
    ;; What comes back lies in one place: each call overwrites it.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 262144)))
  (core instance $store (instantiate $store))
  (alias export $imported "call" (func $imported-call))
  (core func $call (canon lower (func $imported-call)
    (memory (core memory $store "memory")) (realloc (core func $store "realloc"))))
  (core module $m
    (import "store" "memory" (memory 8))
    (import "callee" "call" (func $call (param {taken}) {returned}))
    (func (export "run") (result i32)
      (local $left i32) (local $sum i32) (local $at i32)
      {before}
      (local.set $left (i32.const {calls}))
      (if (local.get $left) (then
        (loop $next
          {call}
          (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
      (i32.const 0)))
  (core instance $m (instantiate $m
    (with "callee" (instance (export "call" (func $call)))) (with "store" (instance $store))))
  (func $run (result (result)) (canon lift (core func $m "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $run)))"#,
            text = "What is passed is sixteen bytes, or more. ".repeat(30),
        )
    }

    /// The component that is called.
    pub(crate) fn callee(&self) -> String {
        let (ty, core) = (self.ty, self.core.join(" "));
        let (body, result) = if self.is_number() {
            ("(i32.add (local.get 0) (i32.const 1))".to_owned(), "")
        } else {
            let store = |(index, (offset, how)): (usize, &(u32, &str))| {
                format!("({how} (i32.const {}) (local.get {index}))", 512 + offset)
            };
            let stores: Vec<String> = self.stores.iter().enumerate().map(store).collect();
            (format!("{} (i32.const 512)", stores.join(" ")), "")
        };
        let lifted = |ty: &str| {
            format!(
                r#"(func $call (param "it" {ty}) (result {ty}) (canon lift (core func $m "call")
    (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))"#
            )
        };
        let exported = match self.named {
            None => format!(
                "{}\n  (instance $exported (export \"call\" (func $call)))",
                lifted(ty)
            ),
            Some((name, definition)) => format!(
                r#"(type ${name} {definition})
  {lifted}
  (component $shape
    (type $definition {definition})
    (import "{name}" (type ${name} (eq $definition)))
    (import "call" (func $call (param "it" {ty}) (result {ty})))
    (export $shown "{name}" (type ${name}))
    (export "call" (func $call) (func (param "it" {shown}) (result {shown}))))
  (instance $exported (instantiate $shape (with "{name}" (type ${name})) (with "call" (func $call))))"#,
                lifted = lifted(ty),
                shown = ty.replace(&format!("${name}"), "$shown"),
            ),
        };
        format!(
            r#"(component
  (core module $m
    (memory (export "memory") 8)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 262144))
    (func (export "call") (param {core}) (result i32) {result} {body}))
  (core instance $m (instantiate $m))
  {exported}
  (export "bench:links/callee" (instance $exported)))"#
        )
    }
}

const LISTED: Shape = Shape {
    name: "",
    bar: None,
    copied: 0,
    calls: 0,
    named: None,
    ty: "string",
    core: &["i32", "i32"],
    arguments: "",
    stores: &[(0, "i32.store"), (4, "i32.store")],
    before: "",
};

/// Every shape, the cheapest first.
pub(crate) fn all() -> Vec<Shape> {
    vec![
        Shape {
            name: "u32",
            bar: Some(0.35),
            calls: 100_000,
            ty: "u32",
            core: &["i32"],
            stores: &[],
            ..LISTED
        },
        Shape {
            name: "string of 16 bytes",
            bar: Some(0.5),
            calls: 50_000,
            arguments: "(i32.const 1024) (i32.const 16)",
            ..LISTED
        },
        Shape {
            name: "string of 1 KiB",
            bar: Some(0.8),
            calls: 50_000,
            arguments: "(i32.const 1024) (i32.const 1024)",
            ..LISTED
        },
        Shape {
            name: "list<u8> of 1 KiB",
            bar: Some(0.8),
            calls: 20_000,
            ty: "(list u8)",
            arguments: "(i32.const 1024) (i32.const 1024)",
            ..LISTED
        },
        Shape {
            name: "list<u8> of 64 KiB",
            copied: 2 * 65_536,
            calls: 400,
            ty: "(list u8)",
            arguments: "(i32.const 1024) (i32.const 65536)",
            ..LISTED
        },
        record(),
        records(),
    ]
}

fn record() -> Shape {
    Shape {
        name: "record of ten fields",
        bar: Some(1.5),
        calls: 20_000,
        named: Some((
            "thing",
            r#"(record (field "small" u8) (field "number" u32) (field "large" u64) (field "single" float32)
      (field "double" float64) (field "flag" bool) (field "letter" char) (field "text" string)
      (field "bytes" (list u8)) (field "maybe" (option u32)))"#,
        )),
        ty: "$thing",
        core: &[
            "i32", "i32", "i64", "f32", "f64", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32",
        ],
        arguments: "(i32.const 7) (i32.const 70000) (i64.const 700000) (f32.const 7.5) (f64.const 77.5)
            (i32.const 1) (i32.const 120) (i32.const 1024) (i32.const 16) (i32.const 1024) (i32.const 16)
            (i32.const 1) (i32.const 9)",
        stores: &[
            (0, "i32.store8"),
            (4, "i32.store"),
            (8, "i64.store"),
            (16, "f32.store"),
            (24, "f64.store"),
            (32, "i32.store8"),
            (36, "i32.store"),
            (40, "i32.store"),
            (44, "i32.store"),
            (48, "i32.store"),
            (52, "i32.store"),
            (56, "i32.store8"),
            (60, "i32.store"),
        ],
        ..LISTED
    }
}

fn records() -> Shape {
    Shape {
        name: "list of 100 records",
        bar: Some(12.0),
        calls: 2_000,
        named: Some((
            "thing",
            r#"(record (field "number" u32) (field "price" float64) (field "open" bool))"#,
        )),
        ty: "(list $thing)",
        arguments: "(i32.const 4096) (i32.const 100)",
        before: r"(loop $fill
          (i32.store (i32.add (i32.const 4096) (i32.mul (local.get $at) (i32.const 24))) (local.get $at))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br_if $fill (i32.lt_u (local.get $at) (i32.const 100))))",
        ..LISTED
    }
}
