//! Decoders that others wrote, kept from ending the process.
//!
//! They hold assertions about files that only their own tools write. What they say about a hostile file must
//! be an error like any other, so their panics stop here. Stack overflow cannot be stopped this way, which is
//! why [`crate::bounds`] goes first.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What made a decoder stop, kept as it came.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A decoder met a file that it believed to be impossible.
#[derive(Debug, thiserror::Error)]
#[error("the file contradicts itself")]
struct Contradiction;

/// Runs a decoder; an assertion that fails inside becomes an error.
///
/// # Errors
/// What the decoder returned, or that it stopped at an assertion.
///
/// `AssertUnwindSafe` holds because whatever the decoder was building is dropped with it.
pub fn contained<T, E>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, Cause>
where
    E: Into<Cause>,
{
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Box::new(Contradiction)),
    }
}
