//! WebAssembly text turned into its binary form, with the position of what does not read.

use std::borrow::Cow;

use wast::Wat;
use wast::parser::{self, ParseBuffer};

use crate::kind::{self, Kind};

/// The longest text that is accepted. Reading text costs many times its size in memory.
pub const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How many parentheses a text may open: each may cost hundreds of bytes on the way to the binary.
pub const PARENTHESES_MAX: usize = 300_000;

/// Why there is no binary form.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are neither binary nor text.
    #[error(transparent)]
    Unrecognised(#[from] kind::Unrecognised),
    /// Machine code has no binary form to look at.
    #[error("this is a precompiled artifact: machine code, without the component that it was made from")]
    Artifact,
    /// The text is longer than [`TEXT_BYTES_MAX`].
    #[error("the text is {bytes} bytes long, more than the {TEXT_BYTES_MAX} allowed")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// The text opens more than [`PARENTHESES_MAX`] parentheses.
    #[error("the text opens {parentheses} parentheses, more than the {PARENTHESES_MAX} allowed")]
    TooManyParentheses {
        /// How many it opens.
        parentheses: usize,
    },
    /// The text does not read.
    #[error("line {line}, column {column}: {reason}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// The column in bytes, counted from 1.
        column: usize,
        /// What was found and what was expected there.
        reason: String,
    },
}

/// Gives the binary form: the bytes themselves where they are binary already, else what the text stands for.
///
/// # Errors
/// The bytes are not WebAssembly, or they are text that does not read.
///
/// # Limits
/// Text of at most [`TEXT_BYTES_MAX`] bytes with [`PARENTHESES_MAX`] parentheses, nested at most 100 deep.
pub fn to_binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    match kind::recognise(bytes)? {
        Kind::Component | Kind::CoreModule => return Ok(Cow::Borrowed(bytes)),
        Kind::Artifact => return Err(Error::Artifact),
        Kind::Text => {}
    }
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(Error::TooLong { bytes: bytes.len() });
    }
    let parentheses = bytes.iter().filter(|byte| **byte == b'(').count();
    if parentheses > PARENTHESES_MAX {
        return Err(Error::TooManyParentheses { parentheses });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| kind::Unrecognised {
        found: kind::Looks::Binary,
    })?;
    encode(text).map(Cow::Owned).map_err(|error| {
        let (line, column) = error.span().linecol_in(text);
        Error::Syntax {
            line: line + 1,
            column: column + 1,
            reason: error.message(),
        }
    })
}

fn encode(text: &str) -> Result<Vec<u8>, wast::Error> {
    let buffer = ParseBuffer::new(text)?;
    parser::parse::<Wat<'_>>(&buffer)?.encode()
}
