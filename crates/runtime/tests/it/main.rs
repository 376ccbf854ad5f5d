//! What this crate promises at its border.

mod cache;
mod network;
