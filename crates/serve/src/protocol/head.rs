//! The head of an HTTP/1 request: whether it is one, and how long its body is.
//!
//! Stricter than the parser behind it on purpose: whatever two programs could read in two ways is refused (RFC 9112,
//! sections 3 to 6 and 11.2).

use memchr::memchr;

use super::{Refusal, is_host, target};

/// Bounds on a head.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of the first line and the headers together.
    pub bytes_max: usize,
    /// Headers.
    pub headers_max: usize,
    /// Bytes of the body.
    pub body_bytes_max: Option<u64>,
}

/// How the body of a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With a chunk of no bytes.
    Chunked,
}

/// What bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// A head that goes on.
    Partial,
    /// A whole head.
    Whole {
        /// Its bytes, empty lines in front and the one that ends it included.
        length: usize,
        /// How the body ends.
        framing: Framing,
    },
}

/// Empty lines that may stand before a request (RFC 9112, section 2.2).
const EMPTY_LINES_MAX: usize = 2;

/// The longest target that the parser behind takes.
const TARGET_BYTES_MAX: usize = 65_534;

/// Reads the head that bytes begin with.
///
/// # Errors
/// Why it is refused.
pub fn scan(bytes: &[u8], bounds: &Bounds) -> Result<Scan, Refusal> {
    let mut reader = Reader { bytes, at: 0 };
    let Some(first) = reader.first_line(bounds)? else {
        return Ok(Scan::Partial);
    };
    let line = RequestLine::parse(first)?;
    let mut fields = Fields::default();
    let mut count = 0;
    loop {
        let Some(line) = reader.line(bounds, Refusal::HeadTooLarge)? else {
            return Ok(Scan::Partial);
        };
        if line.is_empty() {
            break;
        }
        count += 1;
        if count > bounds.headers_max {
            return Err(Refusal::HeadTooLarge);
        }
        fields.add(line)?;
    }
    let framing = fields.judge(&line)?;
    match (framing, bounds.body_bytes_max) {
        (Framing::Length(length), Some(max)) if length > max => return Err(Refusal::BodyTooLarge),
        _ => {}
    }
    Ok(Scan::Whole {
        length: reader.at,
        framing,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next line without its end.
    fn line(&mut self, bounds: &Bounds, too_long: Refusal) -> Result<Option<&'a [u8]>, Refusal> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(end) = memchr(b'\n', rest) else {
            if self.bytes.len() > bounds.bytes_max {
                return Err(too_long);
            }
            // What can never become a line need not be waited for.
            let unfinished = rest.strip_suffix(b"\r").unwrap_or(rest);
            return check_controls(unfinished).map(|()| None);
        };
        self.at += end + 1;
        if self.at > bounds.bytes_max {
            return Err(too_long);
        }
        let line = rest
            .get(..end)
            .and_then(|line| line.strip_suffix(b"\r"))
            .ok_or(Refusal::Malformed("a line ends without a carriage return"))?;
        check_controls(line)?;
        Ok(Some(line))
    }

    fn first_line(&mut self, bounds: &Bounds) -> Result<Option<&'a [u8]>, Refusal> {
        for _ in 0..=EMPTY_LINES_MAX {
            match self.line(bounds, Refusal::TargetTooLong)? {
                Some([]) => {}
                found => return Ok(found),
            }
        }
        Err(Refusal::Malformed("too many empty lines before a request"))
    }
}

/// Whether there are control characters other than tabs. Written so that it compiles to vector code.
fn check_controls(line: &[u8]) -> Result<(), Refusal> {
    let found = line.iter().fold(false, |found, &byte| {
        found | ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f)
    });
    if found {
        Err(Refusal::Malformed("a control character in the head"))
    } else {
        Ok(())
    }
}

struct RequestLine<'a> {
    /// The host of a target in absolute form.
    authority: Option<&'a [u8]>,
    /// 0 or 1, of version 1.
    minor: u8,
}

impl<'a> RequestLine<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let malformed = Refusal::Malformed("the first line is not `METHOD TARGET HTTP/1.1`");
        let mut words = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(malformed);
        };
        if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) || target.is_empty() {
            return Err(malformed);
        }
        let minor = match version {
            b"HTTP/1.1" => 1,
            b"HTTP/1.0" => 0,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Refusal::Version);
            }
            other if !other.is_empty() && !other.to_ascii_uppercase().starts_with(b"HTTP") => {
                return Err(Refusal::NotHttp);
            }
            _ => return Err(malformed),
        };
        if target.len() > TARGET_BYTES_MAX {
            return Err(Refusal::TargetTooLong);
        }
        if matches!(method, b"CONNECT" | b"TRACE") {
            return Err(Refusal::Method);
        }
        let authority = target::check(method, target)?;
        Ok(Self { authority, minor })
    }
}

/// The headers that decide where a request ends and whom it is for.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    coding: Option<&'a [u8]>,
    expects_more: bool,
}

impl<'a> Fields<'a> {
    fn add(&mut self, line: &'a [u8]) -> Result<(), Refusal> {
        let colon = memchr(b':', line).ok_or(Refusal::Malformed("a header without a colon"))?;
        let (name, value) = line.split_at(colon);
        if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
            return Err(Refusal::Malformed("a header's name is none"));
        }
        let value = trim(value.get(1..).unwrap_or_default());
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        let twice = match name.len() {
            4 if is(b"host") => self.host.replace(value).is_some(),
            6 if is(b"expect") => {
                self.expects_more |= !value.eq_ignore_ascii_case(b"100-continue");
                false
            }
            14 if is(b"content-length") => self.length.replace(parse_length(value)?).is_some(),
            17 if is(b"transfer-encoding") => self.coding.replace(value).is_some(),
            _ => false,
        };
        if twice {
            return Err(Refusal::Malformed("a header twice that may stand once"));
        }
        Ok(())
    }

    fn judge(&self, line: &RequestLine<'_>) -> Result<Framing, Refusal> {
        match (self.host, line.authority) {
            (Some(host), _) if !is_host(host) => return Err(Refusal::Malformed("the host is none")),
            (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
                return Err(Refusal::Malformed("the target names another host than `Host`"));
            }
            (None, _) if line.minor == 1 => return Err(Refusal::Malformed("no host")),
            _ => {}
        }
        let framing = match (self.coding, self.length) {
            (Some(_), Some(_)) => {
                return Err(Refusal::Malformed("both a length and a transfer coding"));
            }
            (Some(_), None) if line.minor == 0 => {
                return Err(Refusal::Malformed("a transfer coding in HTTP/1.0"));
            }
            (Some(coding), None) => check_coding(coding)?,
            (None, length) => Framing::Length(length.unwrap_or(0)),
        };
        if self.expects_more && line.minor == 1 {
            return Err(Refusal::Expectation);
        }
        Ok(framing)
    }
}

/// Digits and nothing else: no sign, no list, no space between.
pub(crate) fn parse_length(value: &[u8]) -> Result<u64, Refusal> {
    let malformed = Refusal::Malformed("the length is not a number");
    if value.is_empty() || value.len() > 19 {
        return Err(malformed);
    }
    value.iter().try_fold(0_u64, |sum, &byte| {
        let digit = byte
            .is_ascii_digit()
            .then(|| u64::from(byte - b'0'))
            .ok_or(malformed)?;
        Ok(sum * 10 + digit)
    })
}

/// `chunked` alone is known. Another coding before it is one that nobody here can undo; anything else is not a
/// coding that ends.
fn check_coding(value: &[u8]) -> Result<Framing, Refusal> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Framing::Chunked);
    }
    let mut codings = value.split(|&byte| byte == b',').map(trim).rev();
    let ends = codings
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
    let are_known = codings.all(|coding| {
        [&b"gzip"[..], b"x-gzip", b"deflate", b"compress", b"x-compress"]
            .iter()
            .any(|known| coding.eq_ignore_ascii_case(known))
    });
    Err(if ends && are_known {
        Refusal::Coding
    } else {
        Refusal::Malformed("the transfer coding is not `chunked`")
    })
}

fn trim(value: &[u8]) -> &[u8] {
    let mut value = value;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
