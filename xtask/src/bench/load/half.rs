//! Latency at half of what the server can do, beside bare hyper at the same rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use super::super::numbers::Sample;
use super::super::server::{Launch, Server};
use super::pace::{Pace, Paced};
use super::turns::Turns;
use super::{Bench, Row};

/// What the latency may be, as a multiple of hyper's.
const BAR: (f64, &str) = (2.0, "≤ 2");

/// More than any server answers here.
const FLAT_OUT: f64 = 1e6;

pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let weft = bench.weft("http-hello.wat", "/")?;
    let hyper = bench.hyper()?;
    let mut peaks = Sample::default();
    for _ in 0..bench.arguments.rounds {
        peaks.push(bench.peak(&Server::start(&weft)?)?);
    }
    let rate = peaks.median() / 2.0;
    let (mut of_weft, mut of_hyper) = (Turns::default(), Turns::default());
    for _ in 0..bench.arguments.rounds {
        of_weft.add(&turn(bench, &weft, rate)?)?;
        of_hyper.add(&turn(bench, &hyper, rate)?)?;
    }
    let most = flat_out(bench, &hyper)?;
    Ok(vec![
        Row::new(
            "the generator's own limit, with hyper beside it",
            format!("{:.0}/s", most.rate()),
        ),
        of_weft.row(format!("`weft serve` at {rate:.0}/s, half of its peak")),
        of_hyper.row("hyper at the same rate"),
        of_weft.row_of_ratio("p99 of `weft serve`, as a multiple of hyper's", &of_hyper, BAR),
        of_weft.row_of_failures("requests of `weft serve` that failed"),
    ])
}

/// As many requests as the generator can send: each is due long before it is sent.
fn flat_out(bench: &Bench<'_>, launch: &Launch) -> Result<Paced> {
    let server = Server::start(launch)?;
    let is_over = Arc::new(AtomicBool::new(false));
    let ender = Arc::clone(&is_over);
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        ender.store(true, Ordering::Relaxed);
    });
    Pace::on(&server, bench.connections(), FLAT_OUT, bench.turn()).run_until(&is_over)
}

fn turn(bench: &Bench<'_>, launch: &Launch, rate: f64) -> Result<Paced> {
    let server = Server::start(launch)?;
    Pace::on(&server, bench.connections(), rate, Duration::from_secs(1)).run()?;
    Pace::on(&server, bench.connections(), rate, bench.turn()).run()
}
