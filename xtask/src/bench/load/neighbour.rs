//! Guests that compute without end beside one that answers, in one app.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use weft_testing::guests;

use super::super::numbers::Sample;
use super::super::server::{Launch, Server, free_port};
use super::client::{Connection, get};
use super::pace::Pace;
use super::turns::Turns;
use super::{Bench, Row};

/// What the latency beside them may be, as a multiple of what it is without.
const BAR: (f64, &str) = (2.0, "≤ 2");

pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let port = free_port()?;
    let app = app(bench, port)?;
    let mut peaks = Sample::default();
    for _ in 0..bench.arguments.rounds {
        peaks.push(bench.peak(&Server::start_on(&app, port)?)?);
    }
    let rate = peaks.median() / 2.0;
    let processors = std::thread::available_parallelism()?.get();
    let mut cases = vec![(0, Turns::default(), 0), (1, Turns::default(), 0)];
    if processors > 1 {
        cases.push((processors, Turns::default(), 0));
    }
    for _ in 0..bench.arguments.rounds {
        for (count, turns, cut) in &mut cases {
            let server = Server::start_on(&app, port)?;
            let load = |time| Pace::on(&server, bench.connections(), rate, time);
            load(Duration::from_secs(1)).run()?;
            let spinners = Spinners::start(&server, *count);
            turns.add(&load(bench.turn()).run()?)?;
            *cut += spinners.stop()?;
        }
    }
    let mut rows = Vec::new();
    let [(_, alone, _), beside @ ..] = cases.as_slice() else {
        return Ok(rows);
    };
    rows.push(alone.row(format!("a route at {rate:.0}/s, half of its peak")));
    for (count, turns, cut) in beside {
        let guests = if *count == 1 { "guest" } else { "guests" };
        rows.push(turns.row(format!(
            "the same beside {count} spinning {guests}, {cut} of them cut off"
        )));
        rows.push(turns.row_of_ratio("its p99, as a multiple of that without", alone, BAR));
        rows.push(turns.row_of_failures("its requests that failed"));
    }
    Ok(rows)
}

/// An app with a route that computes until it is cut off.
fn app(bench: &Bench<'_>, port: u16) -> Result<Launch> {
    let component = |name: &str, guest: &str| -> Result<String> {
        let file = guests::find(guest)?.build()?;
        Ok(format!(
            "[component.{name}]\nsource = '{}'\ngrants = {{ env = [], stdio = \"all\", clock = \"real\", random = \"real\" }}\n",
            file.display()
        ))
    };
    let manifest = format!(
        "{}{}[trigger.http]\nlisten = \"127.0.0.1:{port}\"\n\
         [trigger.http.route.rest]\ncomponent = \"healthy\"\n\
         [trigger.http.route.spin]\npath = \"/spin\"\ncomponent = \"spinning\"\nresponse-timeout = \"1s\"\n",
        component("healthy", "http-hello.wat")?,
        component("spinning", "web")?,
    );
    let folder = bench.programs.file("neighbours");
    fs_err::create_dir_all(&folder)?;
    fs_err::write(folder.join("weft.toml"), manifest)?;
    let arguments = vec!["up".to_owned(), folder.display().to_string()];
    Ok(bench.launch("weft up", bench.programs.weft_path(), arguments, "/"))
}

/// Clients that ask for what never ends, each again as soon as it was refused.
struct Spinners {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Result<u64>>>,
}

impl Spinners {
    fn start(server: &Server, count: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let client = || {
            let (address, is_over) = (server.address(), Arc::clone(&is_over));
            std::thread::spawn(move || spin(address, &is_over))
        };
        Self {
            clients: (0..count).map(|_| client()).collect(),
            is_over,
        }
    }

    /// How many requests were cut off.
    fn stop(self) -> Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut cut = 0;
        for client in self.clients {
            cut += client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(cut)
    }
}

fn spin(address: std::net::SocketAddr, is_over: &AtomicBool) -> Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut cut = 0;
        while !is_over.load(Ordering::Relaxed) {
            let response = Connection::open(address).await?.ask(&get("/spin")).await?;
            anyhow::ensure!(
                response.status == 504,
                "a spinning guest answered {}",
                response.status
            );
            cut += 1;
        }
        Ok(cut)
    })
}
