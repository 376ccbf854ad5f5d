//! Helpers for tests: guest programs, servers on this machine, scratch folders, and the built `weft`.
//!
//! Used by the tests of every crate and by `xtask`; never a normal dependency of anything.
//! It knows nothing of wasmtime or of Weft's own crates, so that a change there does not rebuild it.
//! A helper that cannot do its work panics with the reason: that is how a test fails.

#![allow(clippy::panic, reason = "a helper of a test fails the test")]

#[cfg(feature = "tls")]
pub mod authority;
pub mod guests;
pub mod nats;
pub mod postgres;
mod program;
pub mod redis;
#[cfg(feature = "s3")]
pub mod s3;
pub mod scratch;
pub mod server;
pub mod weft;

pub use guests::{Skip, guest, guest_if_available};
pub use scratch::Scratch;
