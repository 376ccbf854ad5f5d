//! The engine room: load a program, give it what it was granted, bound it, run it, say what went wrong.
//!
//! This crate and `weft-services` are the only ones that name the engine's types; callers hand in plain
//! values from [`weft_app`] and get plain values back. It never prints, reads no environment variable and
//! starts no process.
//!
//! What always holds: a guest reaches only what its [`weft_app::Grants`] name, and native code that Weft
//! cannot vouch for is never executed (the private module `precompiled` loads it).

pub mod engine;
pub mod error;

pub mod cache;
mod code_places;
mod precompiled;
pub mod program;
pub mod seal;

pub mod bridge;
mod budget;
mod cell;
pub mod denial;
pub mod interruption;
mod link;
pub mod network;
mod output;
mod repeatable;
pub mod stop;

pub mod entry;
pub mod flamegraph;
pub mod prepared;
pub mod sampling;
pub mod service;
pub mod trap;
pub mod wave;

pub use bridge::{CellPlan, Cells, LinkPlan, Links};
pub use cell::{Cell, PrincipalSetup, Setup, Thread};
pub use engine::{Concurrency, Engine, EngineOptions, Inlining, Profile};
pub use entry::{Outcome, run};
pub use interruption::Interruption;
pub use link::{Imports, ScopedImport};
pub use prepared::Prepared;
pub use program::Program;
pub use service::{RegisterService, Service, ServiceInterface, Services};
pub use stop::{LimitHit, Stop, StopReason};
pub use wasmtime_wasi_http::WasiHttpHooks;
