//! What bytes mean: heads and bodies of HTTP/1 as strict as the RFCs allow, frames of HTTP/2, the PROXY protocol.
//!
//! Everything here is pure: bytes in, a decision out. Nothing keeps more than a few words of state.

mod chunks;
mod extension;
pub mod head;
mod host;
pub mod proxy;
mod refusal;
mod target;
mod trailer;

pub use chunks::Chunks;
pub(crate) use head::parse_length;
pub(crate) use host::{is_host, without_port};
pub use refusal::Refusal;
pub(crate) use target::check_path;
pub(crate) use trailer::may_be_trailer;
