//! The extensions of a chunk's size, which mean nothing to anybody here and are read all the same: one whose quotes do
//! not end, say, goes on for some and not for others (RFC 9112, section 7.1.1).

use super::head::is_token;

/// Where in its extensions the line of a chunk's size is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// Behind spaces, where only another extension may follow.
    Space,
    /// Behind a semicolon.
    Begun,
    Name,
    /// Behind a name and spaces.
    Named,
    /// Behind an equals sign.
    Equals,
    Value,
    Quoted,
    /// Behind a backslash in quotes.
    Escaped,
    QuotesEnd,
}

impl Extension {
    /// The beginning of extensions, with the first byte behind the size.
    pub(super) fn begin(byte: u8) -> Option<Self> {
        Self::Space.follow(byte)
    }

    /// Where one more byte leads; nowhere where it may not stand.
    pub(super) fn follow(self, byte: u8) -> Option<Self> {
        let is_space = matches!(byte, b' ' | b'\t');
        let is_text = is_space || matches!(byte, b'!'..=b'~' | 0x80..);
        Some(match (self, byte) {
            (Self::Space | Self::Name | Self::Named | Self::Value | Self::QuotesEnd, b';') => Self::Begun,
            (Self::Space | Self::Value | Self::QuotesEnd, _) if is_space => Self::Space,
            (Self::Begun | Self::Equals | Self::Named, _) if is_space => self,
            (Self::Name, _) if is_space => Self::Named,
            (Self::Begun | Self::Name, _) if is_token(byte) => Self::Name,
            (Self::Name | Self::Named, b'=') => Self::Equals,
            (Self::Equals | Self::Value, _) if is_token(byte) => Self::Value,
            (Self::Equals, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::QuotesEnd,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, _) if is_text => Self::Quoted,
            _ => return None,
        })
    }

    /// Whether the line may end here.
    pub(super) fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Value | Self::QuotesEnd)
    }
}
