//! Where a component's randomness comes from.

use std::str::FromStr;

use super::ParseError;

/// Which random numbers a component sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RandomGrant {
    /// The operating system's generator.
    #[default]
    Real,
    /// A generator started from this number: the same numbers in every run. Never for secrets.
    Fixed(u64),
    /// No randomness: asking for it ends the guest with a message.
    None,
}

impl FromStr for RandomGrant {
    type Err = ParseError;

    /// Reads `real`, `none`, `fixed` or `fixed:SEED` (a whole number).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new(text, "`real`, `none`, `fixed` or `fixed:SEED` (a whole number)");
        match text.split_once(':') {
            None if text == "real" => Ok(Self::Real),
            None if text == "none" => Ok(Self::None),
            None if text == "fixed" => Ok(Self::Fixed(0)),
            Some(("fixed", seed)) => seed.parse().map(Self::Fixed).map_err(|_| error()),
            _ => Err(error()),
        }
    }
}
