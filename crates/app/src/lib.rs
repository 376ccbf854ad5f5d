//! What an application may use and spend, as plain values: the language the other crates speak.
//!
//! Everything above this crate turns text (flags, manifests) into these values or enforces them. This crate
//! does no input or output, starts nothing and knows neither WebAssembly nor the engine.
//!
//! What always holds: the default of [`Grants`] gives nothing that reaches outside the process except the
//! three standard streams, clocks and randomness; the default of [`Limits`] bounds everything a guest spends.

mod app;
pub mod blob_store;
pub mod cell;
mod component;
pub mod database;
pub mod grant;
mod interruption;
pub mod limits;
pub mod link;
mod name;
pub mod quantity;
pub mod queue;
pub mod store;
pub mod subject;
pub mod trigger;

pub use app::App;
pub use component::{Component, ComponentLimits, GrantOnUse, Source};
pub use grant::Grants;
pub use interruption::{Interruption, UnknownInterruption};
pub use limits::Limits;
pub use link::{ImportPattern, LinkRule};
pub use name::{Name, NameError};
pub use trigger::{HttpTrigger, KeyValueTrigger, MessageTrigger, ScheduleTrigger, Trigger};
