//! What bytes mean: heads and bodies of HTTP/1 as strict as the RFCs allow, frames of HTTP/2, the PROXY protocol.
//!
//! Everything here is pure: bytes in, a decision out. Nothing keeps more than a few words of state.

mod chunks;
pub mod head;
mod host;
pub mod proxy;
mod refusal;

pub use chunks::Chunks;
pub(crate) use host::{is_host, without_port};
pub use refusal::Refusal;
