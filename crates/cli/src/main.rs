//! `weft`: run WebAssembly components that do not have to trust each other.
//!
//! Only this crate prints ([`output`]) and reads the environment ([`settings`]). Each command is one file in
//! [`commands`]; what goes wrong is told by [`report`], and how the process ends is decided in [`exit_code`].

mod app;
mod args;
mod background;
mod blob_stores;
mod cells;
mod changed_keys;
mod changes;
mod commands;
mod component_log;
mod databases;
mod exit_code;
mod flags;
mod functions;
mod health;
mod input;
mod launch;
mod load;
mod output;
mod queues;
mod report;
mod running;
mod services;
mod serving;
mod settings;
mod site;
mod stores;
mod watch;

use std::process::ExitCode;

/// A request is some two hundred small allocations, made and freed on one thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match args::parse() {
        Ok(arguments) => arguments,
        Err(ended) => return ended,
    };
    let settings = settings::Settings::read(&arguments);
    settings::start_log(&settings);
    let output = output::Output::new(&settings);
    match commands::run(arguments.command, &settings, &output) {
        Ok(code) => code.into(),
        Err(report) => {
            output.report(&report);
            report.code.into()
        }
    }
}
