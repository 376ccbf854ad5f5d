//! What an instance of a small component costs, in time and, while it is idle, in memory:
//! `cargo bench --workspace --bench instantiate`.
//!
//! Words behind `--` measure only the rows that begin with them: `-- hello.p2 serving`. Measured is the processor time of the one thread, in batches; the middle batch counts. Time on the wall clock would
//! count whatever else the machine does.

#![allow(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::process::Command;

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

/// Guests of which many instances are held at the same time, and how many.
const HELD_GUESTS: [&str; 3] = ["hello-component.wat", "http-hello.wat", "hello.p2"];
const IDLE: usize = 4000;
const KIB_BAR: u32 = 20;
/// The word by which this program is asked, as a process of its own, for the memory of a guest's instances.
const RESIDENT: &str = "resident";

const PROFILES: [Profile; 3] = [
    Profile::Serving(Concurrency::Off),
    Profile::Serving(Concurrency::On),
    Profile::Command(Concurrency::Off),
];

fn main() -> Result<()> {
    // Cargo itself passes `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    if let [RESIDENT, name] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        let kib = resident_each(&fs_err::read(guest(name))?)? / 1024.0;
        println!("each of {IDLE} idle instances of `{name}`: {kib:.1} KiB resident (bar: {KIB_BAR})");
        return Ok(());
    }
    println!(
        "Microseconds for an instance with its store, made and dropped (least / median of {BATCHES} batches).\n"
    );
    println!("| {:<22} | {:<18} | {:>13} |", "guest", "profile", "us");
    println!("| {:-<22} | {:-<18} | {:->12}: |", "", "", "");
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
    println!();
    for name in HELD_GUESTS.into_iter().filter(|name| name.starts_with(&wanted)) {
        // In a process of its own: what one guest gave back would be there for the next.
        let asked = Command::new(std::env::current_exe()?)
            .args([RESIDENT, name])
            .output()?;
        let (said, failed) = (
            String::from_utf8_lossy(&asked.stdout),
            String::from_utf8_lossy(&asked.stderr),
        );
        print!("{said}{failed}");
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

/// Bytes that an instance adds to the memory of the process while nobody uses it.
fn resident_each(wasm: &[u8]) -> Result<f64> {
    let options = EngineOptions {
        instances_max: u32::try_from(IDLE)? + 64,
        ..EngineOptions::default()
    };
    let engine = Engine::new(Profile::Serving(Concurrency::Off), options)?;
    let program = Program::compile(&engine, wasm)?;
    let prepared = Prepared::new(&program, Grants::default(), Limits::default())?;
    // What the first ones need is needed once.
    let mut idle: Vec<Live> = (0..64).map(|_| one(&prepared)).collect::<Result<_>>()?;
    let before = resident_bytes()?;
    for _ in 0..IDLE {
        idle.push(one(&prepared)?);
    }
    let each = (resident_bytes()? - before) / IDLE as f64;
    drop(std::hint::black_box(idle));
    Ok(each)
}

fn resident_bytes() -> Result<f64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.context("the kernel does not tell the memory of the process")? * 1024.0)
}

/// One instance, dropped as soon as it is there. Nothing in it waits, so the future is ready at once.
fn instantiate(prepared: &Prepared) -> Result<()> {
    drop(std::hint::black_box(one(prepared)?));
    Ok(())
}

fn one(prepared: &Prepared) -> Result<Live> {
    let occasion = Occasion {
        arguments: [].into(),
        http: None,
        denials: DenialLog::default(),
        stop: Stop::new(),
    };
    Ok(prepared
        .instantiate(occasion)
        .now_or_never()
        .context("an instance had to wait")??)
}

/// Processor time of this thread, in microseconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
