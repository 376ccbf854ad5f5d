//! Connections that are open and idle: what each costs, and whether requests are answered beside them.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::super::server::{Launch, Server};
use super::client::{Connection, get};
use super::pace::{Pace, Paced};
use super::{Bench, Row, raise_descriptors};

/// Requests per second beside the idle connections.
const RATE: f64 = 2000.0;

/// What an idle connection may cost.
const BYTES_MAX: f64 = 10.0 * 1024.0;

/// Descriptors that client and server need for other things.
const SPARE: u64 = 200;

/// How long connections rest until they are looked at: the front puts them away after a second.
const REST: Duration = Duration::from_secs(4);

/// What idle connections did to one server.
struct Crowded {
    /// What each costs while it is idle, and at the peak.
    bytes: f64,
    peak_bytes: f64,
    /// Those that answer when they are asked again.
    answered: usize,
    alone: Paced,
    beside: Paced,
}

pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let allowed = usize::try_from(raise_descriptors()?.saturating_sub(SPARE))?;
    let count = bench.arguments.idle.min(allowed);
    let launch = bench.weft("http-hello.wat", "/")?;
    // The program is in the cache then, and compiling it is in nobody's memory.
    drop(Server::start(&launch)?);
    let weft = crowd(bench, &launch, count)?;
    let hyper = crowd(bench, &bench.hyper()?, count)?;
    let kib = |bytes: f64| format!("{:.1} KiB", bytes / 1024.0);
    let failed = weft.beside.failed();
    Ok(vec![
        Row::new(
            format!("memory of each of {count} idle connections"),
            kib(weft.bytes),
        )
        .bar("≤ 10 KiB", weft.bytes <= BYTES_MAX),
        Row::new("the same in hyper", kib(hyper.bytes)),
        Row::new(
            "at the peak, just after their first requests; in hyper",
            format!("{}, {}", kib(weft.peak_bytes), kib(hyper.peak_bytes)),
        ),
        Row::new(
            "idle connections that answer when they are asked again",
            weft.answered.to_string(),
        )
        .bar("all", weft.answered == bench.arguments.idle),
        Row::new(
            format!(
                "requests that failed beside them, of {}",
                weft.beside.latency.count()
            ),
            failed.to_string(),
        )
        .bar("0", failed == 0),
        Row::new(
            "p99 beside them, and without them",
            format!(
                "{:.0} µs, {:.0} µs",
                weft.beside.latency.quantile(0.99),
                weft.alone.latency.quantile(0.99)
            ),
        ),
    ])
}

fn crowd(bench: &Bench<'_>, launch: &Launch, count: usize) -> Result<Crowded> {
    let server = Server::start(launch)?;
    let load = |time| Pace::on(&server, 8, RATE, time);
    load(Duration::from_secs(2)).run()?;
    let alone = load(bench.turn()).run()?;
    std::thread::sleep(REST);
    let before = server.resident_kib()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut idle = runtime.block_on(open(&server, count))?;
    std::thread::sleep(REST);
    let after = server.resident_kib()?;
    let beside = load(bench.turn()).run()?;
    let answered = runtime.block_on(async {
        let mut answered = 0;
        for connection in &mut idle {
            let response = connection.ask(&get(server.path())).await;
            answered += usize::from(response.is_ok_and(|response| response.status == 200));
        }
        answered
    });
    let each = |kib: f64| (kib - before) * 1024.0 / count as f64;
    Ok(Crowded {
        bytes: each(after),
        peak_bytes: each(server.peak_mib()? * 1024.0),
        answered,
        alone,
        beside,
    })
}

/// Opens connections that have had one answer each.
async fn open(server: &Server, count: usize) -> Result<Vec<Connection>> {
    let request = get(server.path());
    let mut open = Vec::with_capacity(count);
    for number in 0..count {
        let mut connection = Connection::open(server.address())
            .await
            .with_context(|| format!("connection {number} cannot be opened"))?;
        connection
            .ask(&request)
            .await
            .with_context(|| format!("connection {number} has no answer"))?;
        open.push(connection);
    }
    Ok(open)
}
