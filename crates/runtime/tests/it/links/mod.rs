//! Isolated links: what a call gives, and how a callee fails alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at any surprise"
)]

mod differential;
mod failure;
mod flows;
mod kit;
mod lifetime;
mod resources;
