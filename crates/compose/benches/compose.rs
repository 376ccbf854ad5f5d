//! How long it takes to plan and to join ten components of 100 KB, without compiling anything.
//!
//! `cargo bench --workspace --bench compose` prints the shortest of a few runs; the goal for each of the two is 50 ms.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at the first mistake"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use weft_app::grant::GrantKind;
use weft_app::{App, Component, ComponentLimits, GrantOnUse, Grants, Limits, Name, Source};
use weft_compose::{Part, fuse, plan};

const COMPONENTS: usize = 10;
const RUNS: usize = 20;

fn main() {
    let bytes: Vec<Vec<u8>> = (0..COMPONENTS).map(component).collect();
    let app = App {
        name: "bench".parse().unwrap(),
        components: (0..COMPONENTS).map(described).collect(),
        triggers: Vec::new(),
        limits: Limits::default(),
    };
    let parts: Vec<Part<'_>> = app
        .components
        .iter()
        .zip(&bytes)
        .map(|(component, bytes)| Part {
            component: &component.name,
            bytes,
        })
        .collect();
    let planned = plan(&app, &parts).unwrap();
    let fused = fuse(&planned, &planned.entries()[0], &parts).unwrap();
    let total: usize = bytes.iter().map(Vec::len).sum();
    println!(
        "{COMPONENTS} components of {} KB each, {} KB joined, {} imports",
        total / COMPONENTS / 1000,
        fused.bytes.len() / 1000,
        fused.imports.len()
    );
    print("plan", shortest(|| drop(plan(&app, &parts).unwrap())));
    print(
        "fuse",
        shortest(|| drop(fuse(&planned, &planned.entries()[0], &parts).unwrap())),
    );
}

fn shortest(mut work: impl FnMut()) -> Duration {
    let run = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..RUNS).map(run).min().unwrap_or_default()
}

fn print(what: &str, time: Duration) {
    println!("{what}: {:.2} ms", time.as_secs_f64() * 1000.0);
}

fn name(index: usize) -> Name {
    let letter = char::from(b'a' + u8::try_from(index).unwrap());
    format!("part-{letter}").parse().unwrap()
}

fn described(index: usize) -> Component {
    Component {
        name: name(index),
        source: Source::Package("bench".to_owned()),
        grants: Grants::nothing(),
        granted: BTreeSet::from([GrantKind::Environment]),
        grant_on_use: GrantOnUse::Refuse,
        limits: ComponentLimits::default(),
        links: Vec::new(),
        reuse: weft_app::trigger::http::Reuse::default(),
        interruption: None,
        cell: Default::default(),
    }
}

/// Each asks the next for an interface and has an environment; the first is the command.
fn component(index: usize) -> Vec<u8> {
    let next = index + 1;
    let import = if next < COMPONENTS {
        format!(r#"(import "bench:chain/step{next}" (instance (export "call" (func))))"#)
    } else {
        String::new()
    };
    let export = if index == 0 {
        r#"(func $f (result (result)) (canon lift (core func $m "run")))
           (instance $i (export "run" (func $f))) (export "wasi:cli/run@0.2.3" (instance $i))"#
            .to_owned()
    } else {
        format!(
            r#"(func $f (canon lift (core func $m "call"))) (instance $i (export "call" (func $f)))
               (export "bench:chain/step{index}" (instance $i))"#
        )
    };
    let body = "(drop (i32.mul (i32.load (local.get 0)) (i32.const 77777777)))".repeat(20);
    let functions = format!("(func (param i32) {body})").repeat(420);
    let text = format!(
        r#"(component {import}
        (import "wasi:cli/environment@0.2.3" (instance (export "get-arguments" (func (result (list string))))))
        (core module $m (memory 1) (func (export "call")) (func (export "run") (result i32) i32.const 0) {functions})
        (core instance $m (instantiate $m)) {export})"#
    );
    wat::parse_str(text).unwrap()
}
