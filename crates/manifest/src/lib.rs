//! The manifest `weft.toml` and the lock file `weft.lock`: their text as values, with exact positions.
//!
//! Text goes in, a [`weft_app::App`] comes out, or everything that is wrong with the text, each problem with its
//! place and the likely cure. This crate opens no file, reads no environment and prints nothing: whoever calls
//! it has read the text, answers for variables ([`Context::variable`]) and shows [`Diagnostic`]s.
//!
//! The way of a manifest: `document` (TOML as a tree with spans) → `check` (the tree against the
//! `schema`, the one place that knows every key) → `lower` (the meaning of each value).
//!
//! What always holds: any text ends in a value or in diagnostics, in time and memory bounded by its length;
//! a key that is accepted has an effect.
//!
//! Adding a key: a line in `schema/keys.rs`, its meaning in `lower/`, one valid and one invalid file under
//! `tests/ui`. The reference page and the JSON Schema follow (`BLESS=1 cargo test -p weft-manifest`).

mod bounds;
mod check;
mod diagnostic;
mod document;
mod lock;
mod lower;
mod parse;
mod position;
mod problems;
mod schema;
mod suggest;
mod syntax;

pub use bounds::SECRET_BYTES_MAX;
pub use diagnostic::{Diagnostic, Note, Severity};
pub use lock::{Change, Lock, LockedComponent};
pub use lower::secret_in;
pub use parse::{Context, Manifest, name_of_folder, parse};
pub use position::{KeyPath, Position, Positions, Section, Segment};
pub use schema::{grant_example, grant_keys, json_schema, reference_markdown};
