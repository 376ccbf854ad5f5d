//! How a guest that computes is made to give its thread to others.

use std::fmt;

/// What makes a computing guest look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interruption {
    /// Nothing: for a guest whose process can be ended.
    None,
    /// Its own code counts: 2 to 5 % slower, and lines of its source are not known.
    Counted,
    /// The engine's epochs: some 20 % slower, lines and all.
    Epochs,
}

impl Interruption {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Counted, Self::Epochs];

    /// The name that people write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Counted => "counted",
            Self::Epochs => "epochs",
        }
    }
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no way to interrupt a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `none`, `counted` or `epochs`")]
pub struct UnknownInterruption;

impl std::str::FromStr for Interruption {
    type Err = UnknownInterruption;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or(UnknownInterruption)
    }
}
