//! What some bytes are, decided by content and never by a name.
//!
//! Binaries are decided by their first bytes; only text is read through once, because it must be UTF-8.

use std::fmt;

/// The eight bytes with which a core module begins: the magic number, version 1, layer 0.
const MODULE_HEADER: &[u8; 8] = b"\0asm\x01\0\0\0";
/// The eight bytes with which a component begins: the magic number, version 13, layer 1.
const COMPONENT_HEADER: &[u8; 8] = b"\0asm\x0d\0\x01\0";
/// The operating system that the engine writes into the ELF header of precompiled code, where a native
/// program has its own.
const ENGINE_SYSTEM: u8 = 200;
/// How many of the first bytes decide what an unrecognised file looks like.
const LOOK_BYTES_MAX: usize = 4096;

/// The words that may follow the first parenthesis of the text form: the two containers, and the fields of a
/// module, which may stand alone.
const TEXT_WORDS: &[&str] = &[
    "module",
    "component",
    "func",
    "memory",
    "table",
    "global",
    "type",
    "rec",
    "import",
    "export",
    "start",
    "elem",
    "data",
    "tag",
];

/// White space in the text form.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A component in binary form.
    Component,
    /// A core module in binary form.
    CoreModule,
    /// A component or a core module in text form.
    Text,
    /// Machine code that the engine compiled earlier.
    Artifact,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Component => "component",
            Self::CoreModule => "core module",
            Self::Text => "WebAssembly text",
            Self::Artifact => "precompiled artifact",
        })
    }
}

/// A file that is nothing Weft can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "found {found}, expected a WebAssembly component, a core module, their text form or a precompiled artifact"
)]
pub struct Unrecognised {
    /// What the bytes look like.
    pub found: Looks,
}

/// What an unrecognised file looks like, so that a message can name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looks {
    /// No bytes, or nothing but white space.
    Empty,
    /// The beginning of a WebAssembly header and then the end of the file.
    CutOffHeader {
        /// How many bytes there are.
        bytes: usize,
    },
    /// A WebAssembly header with a version or layer that Weft does not know.
    UnknownVersion {
        /// The version in the header.
        version: u16,
        /// The layer in the header: 0 for core modules, 1 for components.
        layer: u16,
    },
    /// Another well-known format, in words such as `a gzip archive`.
    Known(&'static str),
    /// Text that begins with a parenthesis but is not WebAssembly text.
    OtherParentheses {
        /// The word after the parenthesis, at most 32 characters of it.
        word: String,
    },
    /// Some other text.
    Text,
    /// Some other bytes.
    Binary,
}

impl fmt::Display for Looks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("nothing: the file is empty"),
            Self::CutOffHeader { bytes } => {
                write!(out, "a WebAssembly header cut off after {bytes} of 8 bytes")
            }
            Self::UnknownVersion { version, layer: 0 } => {
                write!(
                    out,
                    "a core module of version {version} (only version 1 is known)"
                )
            }
            Self::UnknownVersion { version, layer: 1 } => {
                write!(out, "a component of version {version} (only version 13 is known)")
            }
            Self::UnknownVersion { version, layer } => {
                write!(
                    out,
                    "a WebAssembly header with unknown layer {layer} and version {version}"
                )
            }
            Self::Known(words) => out.write_str(words),
            Self::OtherParentheses { word } => {
                write!(out, "text that begins with `({}`", word.escape_debug())
            }
            Self::Text => out.write_str("some other text"),
            Self::Binary => out.write_str("bytes of no known format"),
        }
    }
}

/// Says what the bytes are. The first few thousand bytes of a file are enough: what could go on as text counts
/// as text.
///
/// Only the beginning decides: a file recognised here may still be malformed further on.
///
/// # Errors
/// The bytes are nothing Weft reads; the error says what they look like instead.
///
/// # Limits
/// Binaries are decided by their first 4 KiB; text is read through once.
pub fn recognise(bytes: &[u8]) -> Result<Kind, Unrecognised> {
    if bytes.starts_with(MODULE_HEADER) {
        return Ok(Kind::CoreModule);
    }
    if bytes.starts_with(COMPONENT_HEADER) {
        return Ok(Kind::Component);
    }
    if bytes.starts_with(b"\x7fELF") && bytes.get(7) == Some(&ENGINE_SYSTEM) {
        return Ok(Kind::Artifact);
    }
    let found = match binary_look(bytes) {
        Some(found) => found,
        None => match recognise_text(bytes) {
            Ok(()) => return Ok(Kind::Text),
            Err(found) => found,
        },
    };
    Err(Unrecognised { found })
}

/// Formats that are told by their first bytes.
fn binary_look(bytes: &[u8]) -> Option<Looks> {
    const BEGINNINGS: &[(&[u8], &str)] = &[
        (b"\x7fELF", "a native ELF program or library"),
        (b"MZ", "a Windows program or library"),
        (b"\xcf\xfa\xed\xfe", "a macOS program or library"),
        (b"\xca\xfe\xba\xbe", "a macOS universal program or a Java class"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"\xfd7zXZ", "an xz archive"),
        (b"BZh", "a bzip2 archive"),
        (b"PK\x03\x04", "a zip archive"),
        (b"PK\x05\x06", "an empty zip archive"),
        (b"!<arch>", "a static library"),
        (b"BC\xc0\xde", "LLVM bitcode"),
        (b"%PDF", "a PDF document"),
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xfe", "text in UTF-16"),
        (b"\xfe\xff", "text in UTF-16"),
    ];
    if bytes.is_empty() {
        return Some(Looks::Empty);
    }
    if let Some(header) = bytes.strip_prefix(b"\0asm") {
        return Some(match header {
            [v0, v1, l0, l1, ..] => Looks::UnknownVersion {
                version: u16::from_le_bytes([*v0, *v1]),
                layer: u16::from_le_bytes([*l0, *l1]),
            },
            _ => Looks::CutOffHeader { bytes: bytes.len() },
        });
    }
    if b"\0asm".starts_with(bytes) {
        return Some(Looks::CutOffHeader { bytes: bytes.len() });
    }
    let known = BEGINNINGS
        .iter()
        .find(|(beginning, _)| bytes.starts_with(beginning));
    if let Some((_, words)) = known {
        return Some(Looks::Known(words));
    }
    let head = bytes.get(..LOOK_BYTES_MAX).unwrap_or(bytes);
    // The text form may hold a zero byte nowhere, and nearly every binary has one early.
    head.contains(&0).then_some(Looks::Binary)
}

fn recognise_text(bytes: &[u8]) -> Result<(), Looks> {
    let text = readable(bytes).ok_or(Looks::Binary)?;
    if text.trim_start_matches(BLANKS).is_empty() {
        return Err(Looks::Empty);
    }
    let rest = after_blanks(text);
    if rest.is_empty() {
        // Nothing but comments: the text of an empty module, or the first part of a longer one.
        return Ok(());
    }
    let Some(inside) = rest.strip_prefix('(') else {
        return Err(text_look(rest));
    };
    let inside = after_blanks(inside);
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && !"@-_.".contains(c));
    let word = inside.get(..end.unwrap_or(inside.len())).unwrap_or_default();
    // Where the bytes end in the middle of the word, it gets the benefit of the doubt.
    let could_be = |known: &&str| {
        if end.is_some() {
            *known == word
        } else {
            known.starts_with(word)
        }
    };
    if TEXT_WORDS.iter().any(could_be) || word.starts_with('@') {
        return Ok(());
    }
    Err(Looks::OtherParentheses {
        word: word.chars().take(32).collect(),
    })
}

/// The bytes as text, if they are UTF-8. A character that is cut off by the end of the bytes is left out.
fn readable(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => bytes
            .get(..error.valid_up_to())
            .and_then(|whole| std::str::from_utf8(whole).ok()),
        Err(_) => None,
    }
}

/// Leaves out the white space and comments with which WebAssembly text may begin. Never recursive, although
/// block comments nest.
fn after_blanks(text: &str) -> &str {
    let mut rest = text.trim_start_matches(BLANKS);
    loop {
        rest = if let Some(comment) = rest.strip_prefix(";;") {
            comment
                .find('\n')
                .and_then(|end| comment.get(end..))
                .unwrap_or("")
        } else if let Some(comment) = rest.strip_prefix("(;") {
            after_block_comment(comment)
        } else {
            return rest;
        }
        .trim_start_matches(BLANKS);
    }
}

fn after_block_comment(text: &str) -> &str {
    let mut depth = 1usize;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((_, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, next)| *next);
        match (byte, next) {
            (b'(', Some(b';')) => depth += 1,
            (b';', Some(b')')) => depth -= 1,
            _ => continue,
        }
        let position = bytes.next().map_or(text.len(), |(position, _)| position + 1);
        if depth == 0 {
            return text.get(position..).unwrap_or("");
        }
    }
    ""
}

fn text_look(text: &str) -> Looks {
    let head: String = text.chars().take(64).collect::<String>().to_lowercase();
    if head.starts_with("#!") {
        return Looks::Known("a script");
    }
    if head.starts_with("<!doctype html") || head.starts_with("<html") {
        return Looks::Known("an HTML page");
    }
    if head.starts_with('<') {
        return Looks::Known("XML or HTML");
    }
    if head.starts_with('{') || head.starts_with('[') {
        return Looks::Known("JSON or TOML");
    }
    let wit = ["package ", "interface ", "world "]
        .iter()
        .any(|word| head.starts_with(word));
    if wit {
        return Looks::Known("the text of a WIT package");
    }
    Looks::Text
}
