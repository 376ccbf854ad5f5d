//! The network border of a guest: which addresses its sockets may use and which names it may look up.
//!
//! [`NetworkPolicy`] decides; wasmtime-wasi's sockets ask it before every system call that names an address,
//! and [`host`] answers the guest's name look-ups with it. Names reach addresses through a [`Resolver`] only.
//! Whatever is refused is written into the [`DenialLog`](crate::denial::DenialLog) with the flag that would
//! grant it.
//!
//! What always holds: a name never leads a guest to a private address, however the name's answers change,
//! and an IPv4 address written as IPv6 counts as the IPv4 address.

pub mod host;

mod address_book;
mod names;
mod policy;
mod resolver;

#[cfg(test)]
mod tests;

pub use names::LookupError;
pub use policy::NetworkPolicy;
pub use resolver::{Resolver, SystemResolver};
