//! `cargo xtask bench http`: requests per second of `weft serve`, of `wasmtime serve`, and of hyper without any guest.
//!
//! All servers take turns under the same load from `wrk`, on this machine, with keep-alive connections. What bounds
//! them all is hyper itself, and what bounds hyper here is the load generator, which shares the processors: so the
//! processor time of the server for one request is given too.

pub(crate) mod bare;
mod contests;

use anyhow::{Result, ensure};
use clap::Args;

use self::contests::{Contest, contests};
use super::contestants::Programs;
use super::numbers::Sample;
use super::server::Server;
use super::table::Table;
use super::wrk::{self, Load, Measured};

/// Requests per second, latency, and processor time of a request.
#[derive(Debug, Args)]
pub(super) struct Http {
    /// How often every server gets its turn.
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    rounds: u32,

    /// Seconds of load in each turn, after one to get warm.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    seconds: u32,

    /// Keep-alive connections.
    #[arg(long, default_value_t = 32, value_name = "COUNT")]
    connections: u32,

    /// Only contests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    #[command(flatten)]
    programs: Programs,
}

/// What was measured of one server.
#[derive(Debug, Default)]
struct Row {
    rate: Sample,
    median: Sample,
    tail: Sample,
    processor: Sample,
    peak: Sample,
}

/// Measures and prints.
pub(super) fn run(arguments: &Http) -> Result<()> {
    wrk::find()?;
    let programs = arguments.programs.find()?;
    let wanted = |contest: &Contest| {
        let only = arguments.only.as_deref();
        only.is_none_or(|only| contest.name.contains(only))
    };
    let contests: Vec<Contest> = contests(&programs)?.into_iter().filter(wanted).collect();
    ensure!(!contests.is_empty(), "no contest has such a name");
    let load = Load {
        seconds: arguments.seconds,
        connections: arguments.connections,
    };
    println!(
        "{} keep-alive connections, {} s a turn, {} rounds; the load generator shares the processors\n",
        load.connections, load.seconds, arguments.rounds
    );
    for contest in &contests {
        let mut rows: Vec<Row> = contest.entrants.iter().map(|_| Row::default()).collect();
        for _ in 0..arguments.rounds {
            for (entrant, row) in contest.entrants.iter().zip(&mut rows) {
                let server = Server::start(&entrant.launch)?;
                row.add(&load.measure(&server)?);
            }
        }
        print(contest, &rows);
    }
    Ok(())
}

impl Row {
    fn add(&mut self, measured: &Measured) {
        self.rate.push(measured.rate);
        self.median.push(measured.median_us);
        self.tail.push(measured.tail_us);
        self.processor.push(measured.processor_us);
        self.peak.push(measured.peak_mib);
    }
}

fn print(contest: &Contest, rows: &[Row]) {
    println!("{}\n", contest.name);
    let mut table = Table::new([
        "server",
        "req/s",
        "of hyper",
        "p50 µs",
        "p99 µs",
        "CPU µs/req",
        "peak MiB",
    ]);
    let hyper = rows.first().map_or(f64::NAN, |row| row.rate.median());
    for (entrant, row) in contest.entrants.iter().zip(rows) {
        table.push([
            entrant.launch.name.clone(),
            format!("{:.0}", row.rate.median()),
            format!("{:.2}", row.rate.median() / hyper),
            format!("{:.0}", row.median.median()),
            format!("{:.0}", row.tail.median()),
            format!("{:.1}", row.processor.median()),
            format!("{:.0}", row.peak.max()),
        ]);
    }
    println!("{table}");
    for bar in contest.bars(|entrant| rows.get(entrant).map(|row| row.rate.median())) {
        println!("{bar}");
    }
    println!();
}
