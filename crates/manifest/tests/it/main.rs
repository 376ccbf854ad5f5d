//! The crate from outside: manifests with what is expected of them, generated pages, and texts that nobody would
//! write.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code, its helper functions too"
)]

mod generated;
mod json_schema;
mod mutation;
mod positions;
mod ui;
