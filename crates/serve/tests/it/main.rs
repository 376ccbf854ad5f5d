//! The front, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod admin;
mod drain;
mod files;
mod first_lines;
mod hostile_http1;
mod hostile_http2;
mod listeners;
mod log;
mod requests;
mod room;
mod routes;
mod serving;
mod smuggling;
mod swap;
mod time;
mod tls;
