//! Which standard streams a component reaches.

use std::str::FromStr;

use super::ParseError;

/// Which of the three standard streams of the process are the guest's too. A stream that is not granted
/// reads as ended and swallows what is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StdioGrant {
    /// Standard input.
    pub input: bool,
    /// Standard output.
    pub output: bool,
    /// Standard error.
    pub error: bool,
}

impl StdioGrant {
    /// No stream at all.
    pub const NONE: Self = Self {
        input: false,
        output: false,
        error: false,
    };
}

impl Default for StdioGrant {
    fn default() -> Self {
        Self {
            input: true,
            output: true,
            error: true,
        }
    }
}

impl FromStr for StdioGrant {
    type Err = ParseError;

    /// Reads `all`, `none`, or a comma-separated list of `in`, `out` and `err`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "all" => return Ok(Self::default()),
            "none" => return Ok(Self::NONE),
            _ => {}
        }
        text.split(',').try_fold(Self::NONE, |streams, word| match word {
            "in" => Ok(Self {
                input: true,
                ..streams
            }),
            "out" => Ok(Self {
                output: true,
                ..streams
            }),
            "err" => Ok(Self {
                error: true,
                ..streams
            }),
            _ => Err(ParseError::new(
                text,
                "`all`, `none` or a list of `in`, `out` and `err`",
            )),
        })
    }
}
