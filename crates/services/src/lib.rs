//! Host services: the interfaces that Weft itself implements for guests, one folder each.

pub mod blobstore;
mod calls;
pub mod http_client;
pub mod keyvalue;
pub mod logging;
pub mod messaging;
mod quota;
mod rate;
mod refusal;
pub mod sql;

pub use quota::Quotas;
