//! What a call over an isolated link costs, beside the same over a fused one and beside the engine's dynamic values:
//! `cargo bench --workspace --bench links`.
//!
//! What is passed goes both ways. A batch is a run from opening a store to its end, less a run that calls nothing;
//! measured is the processor time of the one thread. Words behind `--` choose the shapes whose names contain them.

#![allow(clippy::print_stdout, reason = "a bench prints what it measures")]

mod contestants;
mod shapes;

use std::hint::black_box;

use anyhow::{Context as _, Result};
use contestants::{Contestant, Dynamic, Stack, Weft};
use rustix::time::{ClockId, clock_gettime};
use shapes::Shape;

const ROUNDS: usize = 21;

fn main() -> Result<()> {
    // Cargo itself passes `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    println!("Microseconds for a call that hands back what it got (least / median of {ROUNDS} rounds).\n");
    println!(
        "| shape | fused | isolated, on the caller's stack | on a stack of its own | dynamic values | bar | |"
    );
    println!("|---|---|---|---|---|---|---|");
    for shape in shapes::all() {
        if words.iter().all(|word| shape.name.contains(word.as_str())) {
            println!(
                "{}",
                measure(&shape).with_context(|| format!("cannot measure `{}`", shape.name))?
            );
        }
    }
    Ok(())
}

/// One row of the table.
fn measure(shape: &Shape) -> Result<String> {
    let contestants: [Box<dyn Contestant>; 4] = [
        Box::new(Weft::fused(shape)?),
        Box::new(Weft::isolated(shape, Stack::Callers)?),
        Box::new(Weft::isolated(shape, Stack::Own)?),
        Box::new(Dynamic::new(shape)?),
    ];
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            times.push(per_call(shape, contestant.as_ref())?);
        }
    }
    let mut cells = Vec::new();
    let mut direct = f64::MAX;
    for (index, mut times) in times.into_iter().enumerate() {
        times.sort_by(f64::total_cmp);
        let at = |index: usize| times.get(index).copied().context("no round was measured");
        let (least, median) = (at(0)?, at(ROUNDS / 2)?);
        if index == 1 {
            direct = median;
        }
        cells.push(format!("{least:.3} / {median:.3}"));
    }
    let bar = shape.bar.unwrap_or_else(|| 3.0 * copying(shape.copied) + 2.0);
    let verdict = if direct <= bar { "held" } else { "missed" };
    Ok(format!(
        "| {} | {} | {bar:.2} | {verdict} |",
        shape.name,
        cells.join(" | ")
    ))
}

/// Microseconds of one call: a run with all calls less one without any.
fn per_call(shape: &Shape, contestant: &dyn Contestant) -> Result<f64> {
    let time = |with_calls| -> Result<f64> {
        let started = processor_time();
        contestant.run(with_calls)?;
        Ok(processor_time() - started)
    };
    let nothing = time(false)?.min(time(false)?);
    Ok((time(true)? - nothing) / f64::from(shape.calls))
}

/// Microseconds that it takes to copy so many bytes.
fn copying(bytes: usize) -> f64 {
    const TIMES: usize = 1000;
    let (from, mut into) = (vec![1_u8; bytes], vec![0_u8; bytes]);
    let started = processor_time();
    for _ in 0..TIMES {
        into.copy_from_slice(black_box(&from));
        black_box(&mut into);
    }
    (processor_time() - started) / TIMES as f64
}

/// Processor time of this thread, in microseconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
