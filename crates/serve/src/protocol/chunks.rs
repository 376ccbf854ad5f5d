//! The chunks of an HTTP/1 body: where it ends, and whether everybody would say so (RFC 9112, section 7.1).

use super::Refusal;
use super::extension::Extension;
use super::head::is_token;
use super::trailer::{NEVER_BYTES_MAX, may_be_trailer};

/// Bytes of extensions that a body may have. Nobody needs them, and nothing else bounds them.
const EXTENSION_BYTES_MAX: usize = 1024;

/// Bytes of trailers that a body may have.
const TRAILER_BYTES_MAX: usize = 8 << 10;

/// Follows a chunked body.
#[derive(Debug, Clone)]
pub struct Chunks {
    at: At,
    /// Bytes of data so far.
    data: u64,
    extensions: usize,
    trailers: usize,
    /// The name of the trailer that is being read, as far as it matters.
    name: Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size { sum: u64, digits: u8 },
    Extension(u64, Extension),
    SizeEnd(u64),
    Data(u64),
    DataReturn,
    DataEnd,
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastEnd,
    Done,
}

/// The beginning of a name, enough to know those that must not be trailers.
#[derive(Debug, Clone, Copy, Default)]
struct Name {
    bytes: [u8; NEVER_BYTES_MAX + 1],
    length: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            at: At::Size { sum: 0, digits: 0 },
            data: 0,
            extensions: 0,
            trailers: 0,
            name: Name::default(),
        }
    }
}

impl Chunks {
    /// Follows bytes to the end of the body or the end of the bytes: how many belong to the body.
    ///
    /// # Errors
    /// Why the body is refused.
    pub fn follow(&mut self, bytes: &[u8], body_bytes_max: Option<u64>) -> Result<usize, Refusal> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            match self.at {
                At::Done => break,
                At::Data(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    rest = rest.get(here..).unwrap_or_default();
                    let left = left - here as u64;
                    self.at = if left == 0 { At::DataReturn } else { At::Data(left) };
                }
                _ => {
                    self.at = self.step(byte, body_bytes_max)?;
                    rest = after;
                }
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.at == At::Done
    }

    fn step(&mut self, byte: u8, body_bytes_max: Option<u64>) -> Result<At, Refusal> {
        let malformed = Refusal::Malformed("a chunk is none");
        Ok(match (self.at, byte) {
            (At::Size { sum, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == 15 {
                    return Err(Refusal::Malformed("the size of a chunk is too large"));
                }
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                At::Size {
                    sum: sum << 4 | digit,
                    digits: digits + 1,
                }
            }
            (At::Size { sum, digits: 1.. }, b'\r') => At::SizeEnd(sum),
            (At::Extension(sum, extension), b'\r') if extension.may_end() => At::SizeEnd(sum),
            (At::Size { sum, digits: 1.. }, _) => self.extend(sum, Extension::begin(byte))?,
            (At::Extension(sum, extension), _) => self.extend(sum, extension.follow(byte))?,
            (At::SizeEnd(0), b'\n') => At::Trailer,
            (At::SizeEnd(size), b'\n') => {
                self.data = self.data.saturating_add(size);
                if body_bytes_max.is_some_and(|max| self.data > max) {
                    return Err(Refusal::BodyTooLarge);
                }
                At::Data(size)
            }
            (At::DataReturn, b'\r') => At::DataEnd,
            (At::DataEnd, b'\n') => At::Size { sum: 0, digits: 0 },
            (At::Trailer, b'\r') => At::LastEnd,
            (At::LastEnd, b'\n') => At::Done,
            _ => return self.step_trailer(byte).ok_or(malformed)?,
        })
    }

    fn step_trailer(&mut self, byte: u8) -> Option<Result<At, Refusal>> {
        self.trailers += 1;
        if self.trailers > TRAILER_BYTES_MAX {
            return Some(Err(Refusal::HeadTooLarge));
        }
        Some(Ok(match (self.at, byte) {
            (At::Trailer, _) if is_token(byte) => {
                self.name = Name::default();
                self.name.push(byte);
                At::TrailerName
            }
            (At::TrailerName, _) if is_token(byte) => {
                self.name.push(byte);
                At::TrailerName
            }
            (At::TrailerName, b':') if self.name.is_forbidden() => {
                return Some(Err(Refusal::Malformed("a trailer that may not be one")));
            }
            (At::TrailerName, b':') | (At::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => At::TrailerValue,
            (At::TrailerValue, b'\r') => At::TrailerEnd,
            (At::TrailerEnd, b'\n') => At::Trailer,
            _ => return None,
        }))
    }

    fn extend(&mut self, size: u64, next: Option<Extension>) -> Result<At, Refusal> {
        let next = next.ok_or(Refusal::Malformed("the extension of a chunk is none"))?;
        self.extensions += 1;
        if self.extensions > EXTENSION_BYTES_MAX {
            return Err(Refusal::Malformed("more extensions of chunks than anybody needs"));
        }
        Ok(At::Extension(size, next))
    }
}

impl Name {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte.to_ascii_lowercase();
            self.length += 1;
        }
    }

    fn is_forbidden(&self) -> bool {
        let name = self.bytes.get(..self.length).unwrap_or_default();
        !may_be_trailer(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(text: &str) -> Result<(usize, bool), Refusal> {
        let mut chunks = Chunks::default();
        let used = chunks.follow(text.as_bytes(), Some(1 << 20))?;
        Ok((used, chunks.is_done()))
    }

    #[test]
    fn a_body_ends_where_everybody_says_it_does() {
        for (text, used) in [
            ("0\r\n\r\nGET", 5),
            ("5\r\nhello\r\n0\r\n\r\n", 15),
            ("05;a=b\r\nhello\r\n0 ; x\r\n\r\n", 24),
            ("1;a = \"b;\\\"\" ; c\r\na\r\n0\r\n\r\n", 26),
            ("0\r\nif-unmodified-sincea: b\r\n\r\n", 30),
            ("1\r\na\r\n0\r\nx-a: b\r\n\r\n", 19),
        ] {
            assert_eq!(follow(text), Ok((used, true)), "{text:?}");
        }
        assert_eq!(follow("5\r\nhel"), Ok((6, false)));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "\r\n",
            "+5\r\n",
            "-1\r\n",
            " 5\r\n",
            "5 \r\n",
            "0x5\r\n",
            "5\nhello",
            "5\r\nhelloX",
            "5\r\nhello\n",
            "g\r\n",
            "5\r\r\n",
            "5;\n",
            "5;\r\n",
            "5;a;\r\n",
            "5;a \r\n",
            "5;a=\r\n",
            "5;a=\"b\r\n",
            "5;a=\"b\\\"\r\n",
            "0\r\nconnection: a\r\n\r\n",
            "0\r\nIf-Unmodified-Since: a\r\n\r\n",
            "5;a\0\r\n",
            "ffffffffffffffff\r\n",
            "0\r\n\n",
            "0\r\n: a\r\n\r\n",
            "0\r\nContent-Length: 5\r\n\r\n",
            "0\r\na : b\r\n\r\n",
            "0\r\n a\r\n\r\n",
            "0\r\na: b\n\r\n",
            "0\r\na: \0\r\n\r\n",
            "0\r\n\rX",
            "5,5\r\n",
            "0000000000000005\r\n",
        ] {
            assert!(follow(text).is_err(), "{text:?}");
        }
        assert!(follow(&format!("5;{}", "a".repeat(2000))).is_err());
        assert!(follow(&format!("0\r\na:{}", "a".repeat(10_000))).is_err());
        assert_eq!(follow("200000\r\n"), Err(Refusal::BodyTooLarge));
    }

    #[test]
    fn it_does_not_matter_how_bytes_are_cut() {
        let text = b"5;a\r\nhello\r\n0\r\nx: y\r\n\r\n";
        for cut in 0..text.len() {
            let mut chunks = Chunks::default();
            let (one, other) = text.split_at(cut);
            let used = chunks.follow(one, None).unwrap() + chunks.follow(other, None).unwrap();
            assert!(chunks.is_done() && used == text.len());
        }
    }
}
