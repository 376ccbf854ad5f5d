//! What a component's clocks show.

use std::str::FromStr;
use std::time::Duration;

use super::ParseError;

/// Which time a component sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClockGrant {
    /// The time of the host.
    #[default]
    Real,
    /// A wall clock that stands still at this distance from 1970-01-01T00:00:00Z, and a monotonic clock that
    /// starts at zero and advances one microsecond at each reading, so that runs can be repeated exactly.
    Fixed(Duration),
    /// No clock: reading or waiting on one ends the guest with a message.
    None,
}

impl FromStr for ClockGrant {
    type Err = ParseError;

    /// Reads `real`, `none`, `fixed` or `fixed:SECONDS` (seconds since 1970, with an optional fraction).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || {
            ParseError::new(
                text,
                "`real`, `none`, `fixed` or `fixed:SECONDS` (seconds since 1970)",
            )
        };
        match text.split_once(':') {
            None if text == "real" => Ok(Self::Real),
            None if text == "none" => Ok(Self::None),
            None if text == "fixed" => Ok(Self::Fixed(Duration::ZERO)),
            Some(("fixed", seconds)) => {
                let seconds: f64 = seconds.parse().map_err(|_| error())?;
                Duration::try_from_secs_f64(seconds)
                    .map(Self::Fixed)
                    .map_err(|_| error())
            }
            _ => Err(error()),
        }
    }
}
