//! The front of a served app: connections in, requests to whoever answers them, responses out.
//!
//! This crate speaks HTTP and knows nothing of WebAssembly: what answers is a [`Handler`], which the node makes of
//! the components of an app. It never prints and reads no environment variable; what happened is handed to the
//! caller.
//!
//! What always holds: a client can cost no more than [`weft_app::trigger::http::HttpLimits`] allow, and a response
//! never tells a client more than that something went wrong and the id of its request.

pub mod handler;

pub use handler::{About, Fault, FaultKind, Handler, RequestId};
