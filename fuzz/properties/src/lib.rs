//! What must hold for any bytes at all: one function for each input that Weft does not trust.
//!
//! Each takes bytes and comes back; where something does not hold, it panics with what was found. A fuzzer
//! calls them from `fuzz/fuzz_targets`, and the test beside this crate with a corpus and mutations of it.
//!
//! What always holds: no guest code runs, nothing reaches the network, and the same bytes have the same fate in
//! every run. (The key that seals artifacts is fresh in each process; no property depends on its value.)
//!
//! Adding an input: a module with a function here, then as `docs/fuzzing.md` says.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a property that does not hold ends the input, and what is made once for all inputs must be there"
)]

mod artifact;
mod front;
mod grant;
mod invoke;
mod load;
mod text;

pub use artifact::artifact;
pub use front::front;
pub use grant::grant;
pub use invoke::invoke;
pub use load::load;
pub use text::text;
