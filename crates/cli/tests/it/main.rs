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
mod bad_input;
mod command_line;
mod grants;
mod http;
mod invoke;
mod kinds;
mod languages;
mod limits;
mod looking;
mod repeatable;
mod serve;
mod signals;
mod streams;
mod traps;

use std::path::Path;

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
