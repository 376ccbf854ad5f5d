//! What host services promise, seen from outside: their public types against real servers on this machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should say where, and stop"
)]

mod http_client;
mod http_server;
