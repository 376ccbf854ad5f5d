//! Isolated links: calls from one cell into another, which fails alone.
//!
//! A cell that others call is described by a [`CellPlan`], linked once ([`Cells::link`]), and called from the host
//! functions that stand for its exports in its callers (`link.rs`). One call (`call.rs`) takes the parameters out of
//! the caller (`lift.rs`), finds or makes the callee's instance (`invocation.rs`, `shared.rs`), puts them in
//! (`lower.rs`), and brings the results back in the same way. What the callee did wrong becomes a [`Fate`], and the
//! link's own words say what the caller sees of it.
//!
//! What always holds: neither end reads or writes the other's memory; a handle means nothing but to the cell that was
//! given it; a callee that fails is gone, with everything that it had, before its caller goes on; and no call outlives
//! the time that its caller has, but for cells that are shared, which end by their own.

mod call;
mod cells;
mod drive;
mod fate;
mod invocation;
mod lift;
mod link;
mod lower;
mod pipe;
mod shared;
mod signature;
mod tell;
mod transmit;
mod typed;
mod values;
mod wire;

pub use cells::{CellPlan, CellState, Cells, CellsError, Circuit, LinkPlan, Links};
pub use fate::Fate;
pub(crate) use fate::LinkFailed;
pub(crate) use invocation::Calls;
pub(crate) use link::LinkFunctions;
pub(crate) use pipe::Ending;
pub use tell::{Tell, Told};
