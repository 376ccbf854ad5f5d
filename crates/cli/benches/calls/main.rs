//! What a call over a fused link costs, and what the same call costs with stock tools:
//! `cargo bench --workspace --bench calls`.
//!
//! The same two components are joined twice. *Stock* is what `wac plug` does, run by wasmtime as it comes; *Weft*
//! is the plan, the joining and the engine of `weft up`. Both run in this process, in turns. A batch is a run from
//! opening a store to its end, less a run that calls nothing; measured is the processor time of the one thread.
//! Words behind `--` choose the shapes whose names contain them.

#![allow(clippy::print_stdout, reason = "a bench prints what it measures")]

mod contestants;
mod shapes;

use anyhow::{Context as _, Result};
use contestants::{Stock, Weft};
use rustix::time::{ClockId, clock_gettime};
use shapes::Shape;

const ROUNDS: usize = 21;

fn main() -> Result<()> {
    // Cargo itself passes `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    println!("Nanoseconds for a call, the caller's loop included (least / median of {ROUNDS} rounds).\n");
    println!("| shape | stock | weft | ratio | bar | |");
    println!("|---|---|---|---|---|---|");
    for shape in shapes::all() {
        if words.iter().all(|word| shape.name.contains(word.as_str())) {
            let row = measure(&shape).with_context(|| format!("cannot measure `{}`", shape.name))?;
            println!("{row}");
        }
    }
    println!("\nA bar of 1 is held up to 1.05: two runs of one program differ by as much.");
    Ok(())
}

/// One row of the table.
fn measure(shape: &Shape) -> Result<String> {
    let (stock, weft) = (Stock::new(shape)?, Weft::new(shape)?);
    let (mut by_stock, mut by_weft) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_stock.push(per_call(shape, || stock.run(true), || stock.run(false))?);
        by_weft.push(per_call(shape, || weft.run(true), || weft.run(false))?);
    }
    let (stock, weft) = (Summary::of(by_stock)?, Summary::of(by_weft)?);
    let (least, median) = (weft.least / stock.least, weft.median / stock.median);
    let noise = if shape.bar < 1.0 { 1.0 } else { 1.05 };
    let verdict = if median.min(least) <= shape.bar * noise {
        "held"
    } else {
        "missed"
    };
    Ok(format!(
        "| {} | {:.2} / {:.2} | {:.2} / {:.2} | {least:.2} / {median:.2} | {} | {verdict} |",
        shape.name, stock.least, stock.median, weft.least, weft.median, shape.bar
    ))
}

/// Nanoseconds of one call: a run with all calls less one without any.
fn per_call(
    shape: &Shape,
    with_calls: impl Fn() -> Result<()>,
    without: impl Fn() -> Result<()>,
) -> Result<f64> {
    let time = |run: &dyn Fn() -> Result<()>| -> Result<f64> {
        let started = processor_time();
        run()?;
        Ok(processor_time() - started)
    };
    let nothing = time(&without)?.min(time(&without)?);
    Ok((time(&with_calls)? - nothing) / f64::from(shape.calls))
}

struct Summary {
    least: f64,
    median: f64,
}

impl Summary {
    fn of(mut times: Vec<f64>) -> Result<Self> {
        times.sort_by(f64::total_cmp);
        let at = |index: usize| times.get(index).copied().context("no round was measured");
        Ok(Self {
            least: at(0)?,
            median: at(times.len() / 2)?,
        })
    }
}

/// Processor time of this thread, in nanoseconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
