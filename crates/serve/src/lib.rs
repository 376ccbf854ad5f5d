//! The front of a served app: connections in, requests to whoever answers them, responses out.
//!
//! This crate speaks HTTP and knows nothing of WebAssembly: what answers is a [`Handler`], which the node makes of
//! the components of an app. It never prints and reads no environment variable; what happened is handed to the
//! caller.
//!
//! What always holds: a client can cost no more than [`weft_app::trigger::http::HttpLimits`] allow, and a response
//! never tells a client more than that something went wrong and the id of its request.
//!
//! Each thread that serves has a runtime and connections of its own, spread evenly, and a request is answered on the thread of its
//! connection: no task, channel or lock lies between the bytes that come in and the handler.

mod admin;
mod admission;
mod connection;
mod files;
pub mod handler;
mod health;
mod ids;
pub mod lines;
mod listen;
mod observe;
pub mod protocol;
mod request;
mod router;
mod server;
mod settings;
mod spread;
mod timers;
mod tls;
mod worker;

pub use files::FolderError;
pub use handler::{About, Fault, FaultKind, Handler, RequestId};
pub use health::{Health, Part};
pub use request::RequestBody;
pub use server::{Ended, Retiring, Server, SiteError, StartError};
pub use settings::{FaultPages, Notice, Notify, Settings, Site};
pub use tls::TlsError;
