//! What every store must do, and what the embedded one must survive.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says loudly what it leaves out"
)]

mod blob;
mod faults;
mod formats;
mod keyvalue;
mod queue;
mod sql;
