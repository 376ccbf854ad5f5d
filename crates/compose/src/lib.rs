//! The components of an app, joined along their links into one for each way into the app, in which every import
//! still belongs to the component that asked for it.
//!
//! The way through: [`adapt`] makes components of core modules, [`plan()`] decides for every import who
//! satisfies it and tells what is wrong, [`fuse()`] carries the plan out. [`explain()`] and [`graph`] show a plan
//! to people. Nothing here does input or output or knows the engine; it takes values and bytes and gives those.
//!
//! What always holds: an import of the fused component has a name that says whose it is, no two components get
//! one import unless handles flow between them and they may do the same with it, and what [`fuse()`] returns
//! was validated and compared with the plan. Bytes are hostile: each is measured before anything recursive
//! reads it. Equal inputs give equal bytes, on any machine.

mod access;
pub mod adapt;
mod assign;
mod cells;
mod census;
mod clamp;
mod context;
mod crossing;
mod cycle;
mod entries;
mod explain;
mod fuse;
pub mod graph;
mod host;
mod names;
mod on_failure;
mod plan;
mod problem;
mod resolve;
mod scope;
mod shares;
mod sharing;
mod standard;
mod surface;
mod version;
mod walk;
mod words;

pub use access::Access;
pub use census::Error as CensusError;
pub use clamp::Error as LimitError;
pub use entries::{CellExport, Entry, EntryKind};
pub use explain::{Explanation, Power, Shared, Through, explain};
pub use fuse::{Error, Fused, fuse};
pub use host::{Handler, Need};
pub use plan::{
    CellLink, HostImport, Owner, Part, Plan, PlannedCell, PlannedComponent, PlannedImport, ScopedImport,
    Target, plan,
};
pub use problem::{Excerpt, Problem, Reason, Subject};
pub use resolve::Chosen;
pub use shares::{Error as SharesError, Shares};
pub use standard::{Error as StandardError, Obstacle, standard};
pub use surface::Error as SurfaceError;
