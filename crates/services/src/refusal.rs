//! Why a call of a guest to a service was not done.

/// Why a call of a guest was not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Its grant does not cover it.
    Denied,
    /// Something else, in words that may be shown to the guest.
    Failed(String),
}

impl Refusal {
    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}
