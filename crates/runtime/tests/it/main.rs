//! What this crate promises at its border.

mod cache;
mod http;
mod interruption;
mod links;
mod network;
