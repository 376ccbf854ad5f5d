//! Joining the components of apps, through the public functions only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "makers of test components stop at the first mistake"
)]

mod adapted;
mod attacks;
mod cells;
mod crossing;
mod drawings;
mod entries;
mod generated;
mod golden;
mod links;
mod parts;
mod sharing;
mod standard;
