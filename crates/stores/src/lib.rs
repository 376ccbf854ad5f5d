//! Where services keep their data: one trait for each kind of store, and what stands behind it.
//!
//! [`keyvalue`] has keys with values, [`blob`] has objects of any length in a container, [`queue`] has messages, [`sql`]
//! has tables. This crate knows no WebAssembly, and of grants only those that a database has to enforce itself: it is told
//! what to open, and whoever opens it decides who may do what with it.
//!
//! What always holds: what was acknowledged is there after the process is killed; what is damaged is reported and
//! never handed out as data; and nothing that waits for a disk or a network runs on the thread of the caller.

pub mod blob;
mod folder;
pub mod keyvalue;
mod nats;
pub mod queue;
pub mod sql;
mod tls;

pub use tls::TlsError;
