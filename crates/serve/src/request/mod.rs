//! One request from its head to the last byte of its response.

mod answer;
mod body;
mod check;
mod fault;
mod response;

pub(crate) use answer::answer;
pub use body::RequestBody;
pub(crate) use body::Watch;
