//! What a request may be for: a path, an address, or the server itself (RFC 9112, section 3.2; RFC 3986).

use memchr::{memchr, memchr_iter};

use super::{Refusal, is_host};

/// Checks a target; the host that an absolute one names.
pub(super) fn check<'a>(method: &[u8], target: &'a [u8]) -> Result<Option<&'a [u8]>, Refusal> {
    if target.first() == Some(&b'/') {
        return check_path(target).map(|()| None);
    }
    if target == b"*" {
        return if method == b"OPTIONS" {
            Ok(None)
        } else {
            Err(Refusal::Malformed("the target `*` is for `OPTIONS`"))
        };
    }
    let is = |scheme: &[u8]| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            .then(|| target.get(scheme.len()..).unwrap_or_default())
    };
    let rest = is(b"http://")
        .or_else(|| is(b"https://"))
        .ok_or(Refusal::Malformed(
            "the target is neither a path nor an address of HTTP",
        ))?;
    let end = rest
        .iter()
        .position(|&byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    check_path(rest.get(end..).unwrap_or_default())?;
    if is_host(authority) {
        Ok(Some(authority))
    } else {
        Err(Refusal::Malformed("the host of the target is none"))
    }
}

/// Checks a path with its query. A percent sign of a path stands before two digits, since whoever decodes paths does
/// something of its own with others; queries have them without digits, and nobody minds.
pub(crate) fn check_path(text: &[u8]) -> Result<(), Refusal> {
    if !text.iter().all(|&byte| may_stand(byte)) {
        return Err(Refusal::Malformed("a character that may not stand in a target"));
    }
    let path = memchr(b'?', text).and_then(|end| text.get(..end)).unwrap_or(text);
    let is_code = |at: usize| {
        let digits = path.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if memchr_iter(b'%', path).all(is_code) {
        Ok(())
    } else {
        Err(Refusal::Malformed("a percent sign in a path, without two digits"))
    }
}

/// RFC 3986, and what browsers send though they should not.
fn may_stand(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`')
}
