//! `cargo xtask bench load`: what becomes of requests when a server is busy, crowded, abused or replaced.
//!
//! `bench http` asks how much a server can do; this one stays below that and looks at single requests: how long they
//! take, and whether each gets its answer. Load comes from [`pace`], at a constant rate, and counts what it had to wait
//! for; every figure stands beside one of the same server alone, or of hyper with nothing behind it.
//!
//! Adding a part: a file with a `run` that gives rows, and a line in [`Part`].

mod cells;
mod client;
mod clock;
mod cold;
mod cycles;
mod half;
mod idle;
mod neighbour;
mod pace;
mod slow;
mod turns;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use weft_testing::guests;

use super::contestants::{Contestants, WeftProgram, release};
use super::server::{Launch, Server};
use super::table::Table;
use super::wrk;

/// Single requests when a server is busy, crowded, abused or replaced.
#[derive(Debug, Args)]
pub(super) struct Load {
    /// Only this part; all of them unless given. Can be given several times.
    #[arg(long, value_name = "PART")]
    part: Vec<Part>,

    /// How often what is compared gets its turn.
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    rounds: u32,

    /// Seconds of load in each turn, after one to get warm.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    seconds: u32,

    /// Keep-alive connections of the load.
    #[arg(long, default_value_t = 32, value_name = "COUNT")]
    connections: u32,

    /// Connections that are open and idle.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
    idle: usize,

    /// Requests that are slow at the same time.
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    slow: usize,

    /// How often a server is reloaded, and how often it is ended and started again.
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    cycles: u32,

    /// Functions on disk, each of which is asked once. Compiling each takes some 4 ms.
    #[arg(long, default_value_t = 4000, value_name = "COUNT")]
    functions: usize,

    /// Calls over isolated links that fail.
    #[arg(long, default_value_t = 100_000, value_name = "COUNT")]
    faults: u64,

    #[command(flatten)]
    weft: WeftProgram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Latency at half of the peak load, beside bare hyper at the same rate.
    Half,
    /// Memory of idle connections.
    Idle,
    /// Many slow requests at a time.
    Slow,
    /// A guest that computes without end, beside one that answers.
    Neighbour,
    /// Reloads and restarts under load.
    Cycles,
    /// Functions that are on disk and not loaded.
    Cold,
    /// Isolated links: what one costs, and what hostile callees do to others.
    Cells,
}

/// One figure with its bar.
#[derive(Debug)]
struct Row {
    what: String,
    reached: String,
    bar: &'static str,
    /// None where there is no bar.
    is_held: Option<bool>,
}

/// What the parts share.
#[derive(Debug)]
struct Bench<'a> {
    arguments: &'a Load,
    programs: &'a Contestants,
}

/// Measures and prints.
pub(super) fn run(arguments: &Load) -> Result<()> {
    wrk::find()?;
    let programs = arguments.weft.find()?;
    if cfg!(debug_assertions) {
        return run_optimised();
    }
    let bench = Bench {
        arguments,
        programs: &programs,
    };
    let parts = match arguments.part.as_slice() {
        [] => Part::value_variants(),
        chosen => chosen,
    };
    let mut table = Table::new(["measured", "reached", "bar", "held"]);
    for part in parts {
        let rows = match part {
            Part::Half => half::run(&bench)?,
            Part::Idle => idle::run(&bench)?,
            Part::Slow => slow::run(&bench)?,
            Part::Neighbour => neighbour::run(&bench)?,
            Part::Cycles => cycles::run(&bench)?,
            Part::Cold => cold::run(&bench)?,
            Part::Cells => cells::run(&bench)?,
        };
        for row in rows {
            let held = row
                .is_held
                .map_or("", |is_held| if is_held { "yes" } else { "no" });
            table.push([row.what, row.reached, row.bar.to_owned(), held.to_owned()]);
        }
    }
    println!("{table}");
    Ok(())
}

/// Runs the same bench in the program that was built for release: the load generator must not be what is slow.
fn run_optimised() -> Result<()> {
    let program = release("xtask").context(
        "the load generator is not built for release; `cargo build --release --workspace --bins` does it",
    )?;
    let status = Command::new(program).args(std::env::args_os().skip(1)).status()?;
    ensure!(status.success(), "the bench ended with {status}");
    Ok(())
}

impl Bench<'_> {
    fn turn(&self) -> Duration {
        Duration::from_secs(self.arguments.seconds.into())
    }

    fn connections(&self) -> usize {
        self.arguments.connections as usize
    }

    /// `weft serve` with a guest of this repository, as it runs by default.
    fn weft(&self, guest: &str, path: &str) -> Result<Launch> {
        Ok(self.serve(&guests::find(guest)?.build()?, path))
    }

    /// `weft serve` with a file.
    fn serve(&self, file: &Path, path: &str) -> Launch {
        let words = ["serve", "--addr", "127.0.0.1:PORT"].map(str::to_owned);
        let arguments = words.into_iter().chain([file.display().to_string()]);
        self.launch("weft serve", self.programs.weft_path(), arguments.collect(), path)
    }

    /// hyper with nothing behind it.
    fn hyper(&self) -> Result<Launch> {
        let arguments = ["bare-hyper", "PORT"].map(str::to_owned).to_vec();
        Ok(self.launch("hyper", &release("xtask")?, arguments, "/"))
    }

    fn launch(&self, name: &str, program: &Path, arguments: Vec<String>, path: &str) -> Launch {
        Launch {
            name: name.to_owned(),
            program: program.to_path_buf(),
            arguments,
            path: path.to_owned(),
            home: self.programs.home().to_path_buf(),
        }
    }

    /// The most requests per second that `wrk` gets answered.
    fn peak(&self, server: &Server) -> Result<f64> {
        let load = wrk::Load {
            seconds: self.arguments.seconds,
            connections: self.arguments.connections,
        };
        Ok(load.measure(server)?.rate)
    }
}

impl Row {
    fn new(what: impl Into<String>, reached: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            reached: reached.into(),
            bar: "",
            is_held: None,
        }
    }

    fn bar(mut self, bar: &'static str, is_held: bool) -> Self {
        self.bar = bar;
        self.is_held = Some(is_held);
        self
    }
}

/// Lets this process, and the servers that it starts, open as many files as the system allows; how many that is.
fn raise_descriptors() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("the limit of open files cannot be raised")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
