//! What an instance of a small component costs: `cargo bench --workspace --bench instantiate`.
//!
//! Words behind `--` measure only the rows that begin with them: `-- hello.p2 serving`. Measured is the processor time of the one thread, in batches; the middle batch counts. Time on the wall clock would
//! count whatever else the machine does.

#![allow(clippy::print_stdout, reason = "a bench prints what it measures")]

use anyhow::{Context as _, Result};
use futures::FutureExt as _;
use rustix::time::{ClockId, clock_gettime};
use weft_app::{Grants, Limits};
use weft_runtime::denial::DenialLog;
use weft_runtime::prepared::{Live, Occasion};
use weft_runtime::{Concurrency, Engine, EngineOptions, Prepared, Profile, Program, Stop};
use weft_testing::guest;

/// The most that an instance may cost, in microseconds, and what it is held against.
const BAR: f64 = 6.0;
const HELD: (&str, Profile) = ("hello-component.wat", Profile::Serving(Concurrency::Off));

const BATCHES: usize = 25;
const BATCH: usize = 1000;

/// From the smallest component there is, over one with a memory and three imports, to what a compiler makes.
const GUESTS: [&str; 3] = ["command-component.wat", "hello-component.wat", "hello.p2"];

const PROFILES: [Profile; 3] = [
    Profile::Serving(Concurrency::Off),
    Profile::Serving(Concurrency::On),
    Profile::Command(Concurrency::Off),
];

fn main() -> Result<()> {
    println!(
        "Microseconds for an instance with its store, made and dropped (least / median of {BATCHES} batches).\n"
    );
    println!("| {:<22} | {:<18} | {:>13} |", "guest", "profile", "us");
    println!("| {:-<22} | {:-<18} | {:->12}: |", "", "", "");
    // Cargo itself passes `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wanted = words.join(" ");
    let mut bar = None;
    for (name, profile) in GUESTS
        .into_iter()
        .flat_map(|name| PROFILES.map(|profile| (name, profile)))
    {
        if !format!("{name} {}", profile.name()).starts_with(&wanted) {
            continue;
        }
        let wasm = fs_err::read(guest(name))?;
        let (least, median) = measure(profile, &wasm).with_context(|| format!("cannot measure `{name}`"))?;
        let time = format!("{least:.2} / {median:.2}");
        println!("| {name:<22} | {:<18} | {time:>13} |", profile.name());
        if (name, profile) == HELD {
            bar = Some(median);
        }
    }
    if let Some(bar) = bar {
        println!(
            "\nbar: {bar:.2} us of {BAR:.2} us for `{}` under profile `serving`: {}",
            HELD.0,
            verdict(bar)
        );
    }
    Ok(())
}

fn verdict(median: f64) -> &'static str {
    if median <= BAR { "held" } else { "missed" }
}

/// The least and the median of the batches' means, in microseconds.
fn measure(profile: Profile, wasm: &[u8]) -> Result<(f64, f64)> {
    let engine = Engine::new(profile, EngineOptions::default())?;
    let program = Program::compile(&engine, wasm)?;
    let prepared = Prepared::new(&program, Grants::default(), Limits::default())?;
    for _ in 0..BATCH {
        instantiate(&prepared)?;
    }
    let mut batches = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let started = processor_time();
        for _ in 0..BATCH {
            instantiate(&prepared)?;
        }
        batches.push((processor_time() - started) / BATCH as f64);
    }
    batches.sort_by(f64::total_cmp);
    let at = |index: usize| batches.get(index).copied().context("no batch was measured");
    Ok((at(0)?, at(BATCHES / 2)?))
}

/// One instance, dropped as soon as it is there. Nothing in it waits, so the future is ready at once.
fn instantiate(prepared: &Prepared) -> Result<()> {
    let occasion = Occasion {
        arguments: [].into(),
        http: None,
        denials: DenialLog::default(),
        stop: Stop::new(),
    };
    let live: Live = prepared
        .instantiate(occasion)
        .now_or_never()
        .context("an instance had to wait")??;
    drop(std::hint::black_box(live));
    Ok(())
}

/// Processor time of this thread, in microseconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
