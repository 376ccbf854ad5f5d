//! The project's own tasks: `cargo xtask TASK`.
//!
//! One file per task. A task prints for the person who runs it and ends with 0 only where everything asked for was done.

#![allow(clippy::print_stdout, reason = "a task talks to the person who runs it")]

mod bench;
mod guests;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use weft_testing::guests::announce;

/// The project's own tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Bench(bench::Bench),
    #[command(hide = true)]
    BareHyper(bench::http::bare::Bare),
    Guests(guests::Guests),
    Tidy(tidy::Tidy),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Bench(arguments) => bench::run(&arguments),
        Task::BareHyper(arguments) => bench::http::bare::run(&arguments).map(|()| ExitCode::SUCCESS),
        Task::Guests(arguments) => guests::run(&arguments),
        Task::Tidy(arguments) => tidy::run(&arguments),
    };
    done.unwrap_or_else(|error| {
        announce(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}
