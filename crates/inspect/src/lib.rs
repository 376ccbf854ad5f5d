//! What a WebAssembly file is and asks for, found out without running it.
//!
//! The commands that look at files stand on this crate, and so does whoever must know what a file is before
//! an engine sees it. It takes bytes and gives plain values: it opens no file, prints nothing, and knows
//! neither the engine nor what was granted.
//!
//! What always holds: any bytes at all end in a value or an error. Nesting is bounded before anything
//! recursive reads a file ([`bounds`]), lists and expansions are bounded before they are built, and the
//! assertions of decoders that others wrote end in an error here.

mod authority;
pub mod bounds;
pub mod contain;
mod description;
pub mod json;
pub mod kind;
mod languages;
pub mod print;
mod role;
mod signature;
pub mod structure;
mod surface;
pub mod text;
pub mod validate;
pub mod wit;

pub use authority::{Authority, Group};
pub use description::{Description, Error, Export, Function, Import, Sizes, describe, digest};
pub use languages::Language;
pub use role::Role;
