//! The built `weft`, driven as a person or a script drives it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod apps;
mod artifacts;
mod attacks;
mod bad_input;
mod blobstore;
mod blobstore_wasmcloud;
mod bounds;
mod command_line;
mod examples;
mod flows;
mod functions;
mod grants;
mod http;
mod http_apps;
mod invoke;
mod isolated;
mod joined;
mod keyvalue;
mod keyvalue_spin;
mod keyvalue_wasmcloud;
mod keyvalue_watcher;
mod kinds;
mod languages;
mod limits;
mod logging;
mod looking;
mod messages;
mod messages_wasmcloud;
mod new;
mod orders;
mod repeatable;
mod secrets;
mod serve;
mod signals;
mod sql;
mod streams;
mod traps;

use std::path::{Path, PathBuf};
use std::time::Duration;

use weft_testing::weft::Run;

/// `weft` with its own empty home.
fn weft() -> Run {
    Run::new(env!("CARGO_BIN_EXE_weft"))
}

/// `weft run` with flags, a guest and the guest's arguments.
fn run<const F: usize, const A: usize>(flags: [&str; F], guest: &str, arguments: [&str; A]) -> Run {
    weft()
        .arg("run")
        .args(flags)
        .arg(weft_testing::guest(guest))
        .args(arguments)
}

/// A path as a grant's text.
fn dir(host: &Path, rest: &str) -> String {
    format!("{}{rest}", host.display())
}

/// A run that may build components, with the Rust tool chain of whoever runs the tests.
fn with_rust(run: Run) -> Run {
    // Building any guest makes sure of the standard library for its target.
    weft_testing::guest("hello.p2");
    let mut run = run.timeout(Duration::from_secs(300));
    for (variable, below_home) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home));
        if let Some(folder) = std::env::var_os(variable).map(PathBuf::from).or(home) {
            run = run.env(variable, folder);
        }
    }
    // Outside the repository another one would be chosen.
    match std::env::var_os("RUSTUP_TOOLCHAIN") {
        Some(toolchain) => run.env("RUSTUP_TOOLCHAIN", toolchain),
        None => run,
    }
}
