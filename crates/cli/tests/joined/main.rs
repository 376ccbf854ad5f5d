//! Joined apps in the engine: apps by chance are refused with a reason, or do what their components do unjoined.
//!
//! An app by chance ([`graph`]) is components with functions of several shapes ([`component`]), each of which mixes
//! what it is told, what it remembers, what its host says and what the components that it is linked to answer. It is
//! planned, joined and run as `weft up` does it ([`joined`]); beside that, every component runs in a store of its
//! own ([`apart`]), and functions of the host carry the calls from one to the next. Both must give the same number.
//!
//! `WEFT_APP_SEED` runs the one app of that seed, `WEFT_APPS` so many of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod apart;
mod behaviour;
mod component;
mod graph;
mod joined;
mod manifest;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use graph::{Fault, Graph};
use joined::{Answer, Joined};
use weft_testing::Scratch;
use weft_testing::weft::Run;

/// Apps of one run of the tests, unless `WEFT_APPS` says otherwise.
const APPS: u64 = 300;

/// What the apps of a run had in them.
#[derive(Debug, Default)]
struct Seen {
    answered: u64,
    trapped: u64,
    refused: u64,
    shared: u64,
    links: usize,
    faults: std::collections::BTreeSet<Fault>,
}

#[test]
fn an_app_by_chance_is_refused_with_a_reason_or_answers_as_its_components_do_apart() {
    let one = number("WEFT_APP_SEED");
    let apps = number("WEFT_APPS").unwrap_or(APPS);
    let seeds = one.map_or(1..=apps, |seed| seed..=seed);
    let directories = Scratch::new();
    for name in graph::DIRECTORIES {
        directories.folder(name);
    }
    let mut seen = Seen::default();
    for seed in seeds {
        let checked = catch_unwind(AssertUnwindSafe(|| {
            check(&Graph::by_chance(seed), &directories, &mut seen);
        }));
        if let Err(failure) = checked {
            eprintln!("`WEFT_APP_SEED={seed}` runs the app that failed");
            resume_unwind(failure);
        }
    }
    if one.is_none() && apps >= APPS {
        // Otherwise the test would say nothing.
        assert!(seen.answered > apps / 2 && seen.trapped > 5, "{seen:?}");
        assert!(seen.shared > apps / 20 && seen.links > 500, "{seen:?}");
        assert_eq!(seen.faults.len(), Fault::ALL.len(), "{seen:?}");
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|error| panic!("`{variable}` is `{text}`: {error}")))
}

fn check(graph: &Graph, directories: &Scratch, seen: &mut Seen) {
    let joined = match (Joined::new(graph, directories), graph.fault) {
        (Ok(joined), None) => joined,
        (Err(problems), Some(fault)) => {
            let are_told = problems.iter().any(|problem| fault.is_told_by(&problem.reason));
            assert!(are_told, "{fault:?} was not told: {problems:?}\n{graph:#?}");
            seen.refused += 1;
            seen.faults.insert(fault);
            return;
        }
        (Ok(_), Some(fault)) => panic!("{fault:?} was not noticed\n{graph:#?}"),
        (Err(problems), None) => panic!("refused: {problems:?}\n{graph:#?}"),
    };
    joined.check_imports(graph);
    let (found, expected) = (joined.answer(), apart::answer(graph));
    assert_eq!(found, expected, "joined and apart\n{graph:#?}");
    match found {
        Answer::Number(_) => seen.answered += 1,
        Answer::Trap => seen.trapped += 1,
    }
    seen.links += graph.links();
    seen.shared += u64::from(joined.shares());
}

/// Maps with chance in their order differ from process to process, and within one from use to use.
#[test]
fn an_app_is_joined_to_the_same_bytes_in_any_process_folder_and_environment() {
    let directories = Scratch::new();
    let sound = (1..).map(Graph::by_chance).filter(|graph| graph.fault.is_none());
    let mut shared = 0;
    for graph in sound.take(12) {
        let joined = Joined::new(&graph, &directories).unwrap();
        for _ in 0..5 {
            let again = Joined::new(&graph, &directories).unwrap();
            assert!(joined.bytes() == again.bytes(), "{graph:#?}");
        }
        for (zone, language) in [("Pacific/Auckland", "C"), ("UTC", "de_DE.UTF-8")] {
            let folder = manifest::folder(&graph);
            let path = folder.path().join(format!("{language}.wasm"));
            Run::new(env!("CARGO_BIN_EXE_weft"))
                .env("TZ", zone)
                .env("LANG", language)
                .args(["compose", "-o"])
                .arg(&path)
                .arg(folder.path())
                .run()
                .with_code(0);
            assert!(fs_err::read(&path).unwrap() == joined.bytes(), "{graph:#?}");
        }
        shared += u32::from(joined.shares());
    }
    assert!(shared > 1, "{shared}");
}
