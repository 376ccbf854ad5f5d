//! `cargo xtask bench`: Weft beside `wasmtime`, measured in the same run on the same machine.
//!
//! One file or folder per bench. The two take turns, so that whatever else the machine does meets both alike; only ratios mean
//! anything elsewhere. What the numbers are for, and the bars, is in `docs/performance.md`.
//!
//! Adding a bench: a file with its arguments and a `run`, and a line in [`Which`].

mod command;
mod contestants;
pub(crate) mod http;
mod kernels;
mod load;
mod numbers;
mod server;
mod start;
mod table;
mod wrk;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Measure Weft beside `wasmtime`, in one run.
///
/// Builds `weft` for release first, and installs `wasmtime` once, which takes many minutes.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    Start(start::Start),
    Kernels(kernels::Kernels),
    Http(http::Http),
    Load(load::Load),
}

/// Does what the arguments ask for.
pub(crate) fn run(arguments: &Bench) -> Result<ExitCode> {
    match &arguments.which {
        Which::Start(arguments) => start::run(arguments)?,
        Which::Kernels(arguments) => kernels::run(arguments)?,
        Which::Http(arguments) => http::run(arguments)?,
        Which::Load(arguments) => load::run(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
