//! Why a call of a guest to a service was not done.

/// Why a call of a guest was not done.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// Its grant does not cover it.
    Denied,
    /// Something else, in words that may be shown to the guest.
    Failed(Cause, String),
}

/// What kind of failure it is, for interfaces that have cases for some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The call asks for what cannot be.
    Invalid,
    /// The call, or what it would make, is more than is allowed: in size, in number, or in a second.
    Quota,
    /// What it was to find as it is said to be is otherwise.
    Unmet,
    /// There is no such container.
    NoContainer,
    /// There is such a container already.
    ContainerExists,
    /// There is no such object.
    NoObject,
    /// What keeps the data does not answer in time.
    Timeout,
    /// What keeps the data cannot be reached.
    Unavailable,
    /// None of these.
    Other,
}

impl Refusal {
    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(Cause::Other, why.into())
    }

    pub(crate) fn of(cause: Cause, why: impl Into<String>) -> Self {
        Self::Failed(cause, why.into())
    }

    /// For interfaces whose errors are texts.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Denied => "access denied".to_owned(),
            Self::Failed(_, why) => why,
        }
    }
}
