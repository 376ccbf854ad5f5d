//! Reloads, and restarts on the same port, under load: whether a request is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use rustix::process::Signal;
use weft_testing::guests;

use super::super::server::{Launch, Server, free_port};
use super::pace::{Pace, Paced};
use super::{Bench, Row};

/// Requests per second meanwhile: enough that each moment of a cycle meets some, few enough that cycles are short.
const RATE: f64 = 4000.0;

/// How long a server that was started again answers before it is ended: long enough that every connection is back.
const DWELL: Duration = Duration::from_millis(120);

/// When no more cycles of one kind are begun.
const TIME_MAX: Duration = Duration::from_secs(290);

/// What came of one kind of cycle.
struct Cycled {
    count: u32,
    time: Duration,
    /// The memory of a server that was not restarted: after the first tenth of the cycles, and after the last.
    resident_kib: Option<(f64, f64)>,
    load: Paced,
}

pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let program = bench.programs.file("changing.wat");
    let launch = bench.serve(&program, "/");
    let text = fs_err::read_to_string(guests::sources().join("wat").join("http-hello.wat"))?;
    let change = |number: u32| {
        // As many bytes in each version.
        let changed = text.replace(
            "hello world",
            if number.is_multiple_of(2) {
                "hello world"
            } else {
                "hello weft!"
            },
        );
        Ok(fs_err::write(&program, changed)?)
    };
    change(0)?;
    let mut rows = reloads(bench, &launch, change)?.rows("reloads");
    rows.extend(restarts(bench, &launch)?.rows("restarts on the same port"));
    Ok(rows)
}

fn reloads(bench: &Bench<'_>, launch: &Launch, change: impl Fn(u32) -> Result<()>) -> Result<Cycled> {
    let server = Server::start(launch)?;
    let load = Running::start(&server, bench);
    let started = Instant::now();
    let (mut count, mut early) = (0, f64::NAN);
    while count < bench.arguments.cycles && started.elapsed() < TIME_MAX {
        count += 1;
        change(count)?;
        server.signal(Signal::HUP)?;
        server.wait_until_told("reloaded")?;
        if count == bench.arguments.cycles.div_ceil(10) {
            early = server.resident_kib()?;
        }
    }
    let time = started.elapsed();
    let load = load.stop()?;
    Ok(Cycled {
        count,
        time,
        resident_kib: Some((early, server.resident_kib()?)),
        load,
    })
}

fn restarts(bench: &Bench<'_>, launch: &Launch) -> Result<Cycled> {
    let port = free_port()?;
    let mut server = Server::start_on(launch, port)?;
    let load = Running::start(&server, bench);
    let started = Instant::now();
    let mut count = 0;
    while count < bench.arguments.cycles && started.elapsed() < TIME_MAX {
        count += 1;
        std::thread::sleep(DWELL);
        server.signal(Signal::TERM)?;
        let status = server.wait_for_end()?;
        ensure!(status.success(), "the server ended with {status}");
        server = Server::start_on(launch, port)?;
    }
    let time = started.elapsed();
    let load = load.stop()?;
    Ok(Cycled {
        count,
        time,
        resident_kib: None,
        load,
    })
}

impl Cycled {
    fn rows(&self, what: &str) -> Vec<Row> {
        let each = self.time.as_secs_f64() * 1e3 / f64::from(self.count);
        let load = &self.load;
        let failure = match load.failure() {
            "" => String::new(),
            failure => format!(" ({failure})"),
        };
        let mut rows = vec![
            Row::new(
                format!(
                    "requests that failed during {} {what}, of {}",
                    self.count,
                    load.latency.count()
                ),
                format!("{}{failure}", load.failed()),
            )
            .bar("0", load.failed() == 0),
            Row::new(
                "a cycle; connections ended as announced; connects while nobody listened",
                format!("{each:.0} ms; {}; {}", load.closed, load.away),
            ),
            Row::new(
                "latency: p50, p99, longest",
                format!(
                    "{:.2} ms, {:.0} ms, {:.0} ms",
                    load.latency.median() / 1e3,
                    load.latency.quantile(0.99) / 1e3,
                    load.latency.max() / 1e3
                ),
            ),
        ];
        if let Some((early, late)) = self.resident_kib {
            rows.push(Row::new(
                "memory after a tenth of them, after all",
                format!("{:.1} MiB, {:.1} MiB", early / 1024.0, late / 1024.0),
            ));
        }
        rows
    }
}

/// Load that goes on until it is stopped.
struct Running {
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<Paced>>,
}

impl Running {
    fn start(server: &Server, bench: &Bench<'_>) -> Self {
        let pace = Pace::on(server, bench.connections(), RATE, TIME_MAX * 2);
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        Self {
            is_over,
            thread: std::thread::spawn(move || pace.run_until(&until)),
        }
    }

    fn stop(self) -> Result<Paced> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the load panicked"))?
    }
}
