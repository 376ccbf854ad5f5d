//! The components of an app by chance, as text: imports, exports, and the [`behaviour`](crate::behaviour) between.

use std::fmt::Write as _;

use crate::behaviour::{MAIN, consult, core_functions, library};
use crate::graph::{Graph, Host, Kind, Node, Offer};

/// The interface of the main component that has the answer beside the function that runs it.
pub(crate) const RUN: &str = "wasi:cli/run@0.2.3";

/// The bytes of a component.
pub(crate) fn bytes(graph: &Graph, index: usize) -> Vec<u8> {
    let text = text(&graph.nodes[index], index == 0);
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn text(node: &Node, is_main: bool) -> String {
    let mut imports = String::new();
    let mut lowered = String::new();
    let mut core_imports = String::new();
    // Core function `$name` with this type, lowered from the component function `from`.
    let mut lower = |name: &str, from: &str, ty: &str| {
        let options = r#"(memory (core memory $library "memory")) (realloc (core func $library "realloc"))"#;
        writeln!(
            lowered,
            r#"(core func ${name} (canon lower (func {from}) {options}))"#
        )
        .unwrap();
        writeln!(core_imports, r#"(import "own" "{name}" (func ${name} {ty}))"#).unwrap();
    };
    import_host(node, &mut imports, &mut lower);
    for (number, ask) in node.asks.iter().enumerate() {
        import_ask(number, ask.kind, &ask.name, &mut imports, &mut lower);
    }
    for (number, ask) in node.asks.iter().enumerate() {
        if ask.kind == Kind::Counter {
            drops(
                &mut lowered,
                &mut core_imports,
                &format!("drop{number}"),
                &format!("$counter{number}"),
            );
        }
    }
    if node.has_directories() {
        drops(&mut lowered, &mut core_imports, "drop-directory", "$descriptor");
    }
    let makes_counters = node.offers.iter().any(|offer| offer.kind == Kind::Counter);
    let mut own_types = String::new();
    if makes_counters {
        own_types.push_str(r#"(type $counter (resource (rep i32) (dtor (core func $library "dropped"))))"#);
        writeln!(lowered, "(core func $own-counter (canon resource.new $counter))").unwrap();
        writeln!(
            core_imports,
            r#"(import "own" "own-counter" (func $own-counter (param i32) (result i32)))"#
        )
        .unwrap();
    }
    let names = lowered
        .lines()
        .filter_map(|line| line.strip_prefix("(core func $")?.split(' ').next());
    let own: String = names
        .map(|name| format!(r#"(export "{name}" (func ${name}))"#))
        .collect();
    format!(
        r#"(component
{library}
{own_types}
{imports}
{lowered}
(core module $m
  (import "library" "memory" (memory 32))
  (import "library" "mix" (func $mix (param i32 i32) (result i32)))
  (import "library" "mix-bytes" (func $mix-bytes (param i32 i32 i32) (result i32)))
  (import "library" "letters" (func $letters (param i32) (result i32)))
  (import "library" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
  (import "library" "tick" (func $tick (result i32)))
{core_imports}
{consult}
{functions}
{main})
(core instance $m (instantiate $m (with "library" (instance $library)) (with "own" (instance {own}))))
{exports}
{run})"#,
        library = library(node.salt),
        consult = consult(node),
        functions = core_functions(makes_counters, node.host.contains(&Host::Preopens)),
        main = if is_main { MAIN } else { "" },
        exports = node
            .offers
            .iter()
            .enumerate()
            .map(|(number, offer)| export(number, offer))
            .collect::<String>(),
        run = if is_main { run() } else { String::new() },
    )
}

/// The interfaces of the host.
fn import_host(node: &Node, imports: &mut String, lower: &mut impl FnMut(&str, &str, &str)) {
    let patch = node.patch;
    if node.has_directories() {
        let same = r#"(export "[method]descriptor.is-same-object"
    (func (param "self" (borrow $d)) (param "other" (borrow $d)) (result bool)))"#;
        writeln!(
            imports,
            r#"(import "wasi:filesystem/types@0.2.{patch}" (instance $filesystem
  (export "descriptor" (type $d (sub resource))) {same}))
(alias export $filesystem "descriptor" (type $descriptor))
(alias export $filesystem "[method]descriptor.is-same-object" (func $is-same))"#
        )
        .unwrap();
        lower("is-same", "$is-same", "(param i32 i32) (result i32)");
    }
    for host in &node.host {
        match host {
            Host::Environment => {
                writeln!(
                    imports,
                    r#"(import "wasi:cli/environment@0.2.{patch}" (instance $environment
  (export "get-environment" (func (result (list (tuple string string)))))))"#
                )
                .unwrap();
                lower("environment", r#"$environment "get-environment""#, "(param i32)");
            }
            Host::Config => {
                imports.push_str(
                    r#"(import "wasi:config/store@0.2.0-rc.1" (instance $config
  (type $e (variant (case "upstream" string) (case "io" string)))
  (export "error" (type $error (eq $e)))
  (export "get" (func (param "key" string) (result (result (option string) (error $error)))))))
"#,
                );
                lower("config", r#"$config "get""#, "(param i32 i32 i32)");
            }
            Host::Preopens => {
                writeln!(
                    imports,
                    r#"(import "wasi:filesystem/preopens@0.2.{patch}" (instance $preopens
  (alias outer 1 $descriptor (type $outer))
  (export "descriptor" (type $d (eq $outer)))
  (export "get-directories" (func (result (list (tuple (own $d) string)))))))"#
                )
                .unwrap();
                lower("directories", r#"$preopens "get-directories""#, "(param i32)");
            }
        }
    }
}

/// The component-level type of the one function of a kind.
fn signature(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => r#"(param "it" u32) (result u32)"#,
        Kind::Text => r#"(param "it" string) (result string)"#,
        Kind::Bytes => r#"(param "it" (list u8)) (result (list u8))"#,
        Kind::Tuple => r#"(param "it" (tuple u8 u64 float32 (option string))) (result (tuple u32 bool))"#,
        Kind::Counter | Kind::Directory => unreachable!("it has more than a function"),
    }
}

fn core_signature(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "(param i32) (result i32)",
        Kind::Text | Kind::Bytes => "(param i32 i32 i32)",
        Kind::Tuple => "(param i32 i64 f32 i32 i32 i32 i32)",
        Kind::Counter | Kind::Directory => unreachable!("it has more than a function"),
    }
}

/// What other components satisfy.
fn import_ask(
    number: usize,
    kind: Kind,
    name: &str,
    imports: &mut String,
    lower: &mut impl FnMut(&str, &str, &str),
) {
    match kind {
        Kind::Counter => {
            writeln!(
                imports,
                r#"(import "{name}" (instance $asked{number}
  (export "counter" (type $c (sub resource)))
  (export "[constructor]counter" (func (param "start" u32) (result (own $c))))
  (export "[method]counter.bump" (func (param "self" (borrow $c)) (param "by" u32) (result u32)))))
(alias export $asked{number} "counter" (type $counter{number}))"#
            )
            .unwrap();
            let from = |function: &str| format!(r#"$asked{number} "{function}""#);
            lower(
                &format!("new{number}"),
                &from("[constructor]counter"),
                "(param i32) (result i32)",
            );
            lower(
                &format!("bump{number}"),
                &from("[method]counter.bump"),
                "(param i32 i32) (result i32)",
            );
        }
        Kind::Directory => {
            writeln!(
                imports,
                r#"(import "{name}" (instance $asked{number}
  (alias outer 1 $descriptor (type $outer))
  (export "descriptor" (type $d (eq $outer)))
  (export "open" (func (result (own $d))))))"#
            )
            .unwrap();
            lower(
                &format!("open{number}"),
                &format!(r#"$asked{number} "open""#),
                "(result i32)",
            );
        }
        _ if name.contains('/') => {
            writeln!(
                imports,
                r#"(import "{name}" (instance $asked{number} (export "call" (func {}))))"#,
                signature(kind)
            )
            .unwrap();
            lower(
                &format!("call{number}"),
                &format!(r#"$asked{number} "call""#),
                core_signature(kind),
            );
        }
        _ => {
            writeln!(
                imports,
                r#"(import "{name}" (func $asked{number} {}))"#,
                signature(kind)
            )
            .unwrap();
            lower(
                &format!("call{number}"),
                &format!("$asked{number}"),
                core_signature(kind),
            );
        }
    }
}

fn drops(lowered: &mut String, core_imports: &mut String, name: &str, ty: &str) {
    writeln!(lowered, "(core func ${name} (canon resource.drop {ty}))").unwrap();
    writeln!(
        core_imports,
        r#"(import "own" "{name}" (func ${name} (param i32)))"#
    )
    .unwrap();
}

fn run() -> String {
    format!(
        r#"(func $run (result (result)) (canon lift (core func $m "run")))
(func $answer (result u32) (canon lift (core func $m "answer")))
(instance $run (export "run" (func $run)) (export "answer" (func $answer)))
(export "{RUN}" (instance $run))"#
    )
}

/// One export.
fn export(number: usize, offer: &Offer) -> String {
    let Offer { kind, name } = offer;
    match kind {
        Kind::Counter => format!(
            r#"(func $new{number} (param "start" u32) (result (own $counter)) (canon lift (core func $m "new")))
(func $bump{number} (param "self" (borrow $counter)) (param "by" u32) (result u32) (canon lift (core func $m "bump")))
(component $shape{number}
  (import "counter" (type $c (sub resource)))
  (import "new" (func $new (param "start" u32) (result (own $c))))
  (import "bump" (func $bump (param "self" (borrow $c)) (param "by" u32) (result u32)))
  (export $shown "counter" (type $c))
  (export "[constructor]counter" (func $new) (func (param "start" u32) (result (own $shown))))
  (export "[method]counter.bump" (func $bump)
    (func (param "self" (borrow $shown)) (param "by" u32) (result u32))))
(instance $offered{number} (instantiate $shape{number} (with "counter" (type $counter))
  (with "new" (func $new{number})) (with "bump" (func $bump{number}))))
(export "{name}" (instance $offered{number}))
"#
        ),
        Kind::Directory => format!(
            r#"(func $open{number} (result (own $descriptor)) (canon lift (core func $m "open")))
(component $shape{number}
  (import "descriptor" (type $d (sub resource)))
  (import "open" (func $open (result (own $d))))
  (export $shown "descriptor" (type $d))
  (export "open" (func $open) (func (result (own $shown)))))
(instance $offered{number} (instantiate $shape{number}
  (with "descriptor" (type $descriptor)) (with "open" (func $open{number}))))
(export "{name}" (instance $offered{number}))
"#
        ),
        _ => {
            let lifted = format!(
                r#"(func $call{number} {} (canon lift (core func $m "{}")
  (memory (core memory $library "memory")) (realloc (core func $library "realloc"))))"#,
                signature(*kind),
                kind.word()
            );
            if name.contains('/') {
                format!(
                    r#"{lifted}
(instance $offered{number} (export "call" (func $call{number})))
(export "{name}" (instance $offered{number}))
"#
                )
            } else {
                format!("{lifted}\n(export \"{name}\" (func $call{number}))\n")
            }
        }
    }
}
