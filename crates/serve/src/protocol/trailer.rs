//! Which headers may come behind a body.

/// Names that say where a message ends, whom it is for, what may be done with it or how to read it, when it is too
/// late to say it (RFC 9110, section 6.5.1), and those that speak of one connection.
const NEVER: [&[u8]; 23] = [
    b"content-length",
    b"transfer-encoding",
    b"host",
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"upgrade",
    b"expect",
    b"max-forwards",
    b"range",
    b"if-match",
    b"if-none-match",
    b"if-modified-since",
    b"if-unmodified-since",
    b"if-range",
    b"authorization",
    b"proxy-authorization",
    b"cookie",
    b"content-encoding",
    b"content-type",
    b"content-range",
];

/// The longest of them.
pub(super) const NEVER_BYTES_MAX: usize = b"if-unmodified-since".len();

/// Whether a header, its name in lower case, may be a trailer.
pub(crate) fn may_be_trailer(name: &[u8]) -> bool {
    !NEVER.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_is_the_longest() {
        assert_eq!(NEVER.iter().map(|name| name.len()).max(), Some(NEVER_BYTES_MAX));
    }
}
