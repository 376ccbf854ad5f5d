//! What may stand where a request names its host.

/// Whether a text is a host with or without a port: a name, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host(text: &[u8]) -> bool {
    if text.first() == Some(&b'[') {
        let Some(end) = memchr::memchr(b']', text) else {
            return false;
        };
        let (address, rest) = text.split_at(end + 1);
        let inside = address.get(1..end).unwrap_or_default();
        let is_address =
            std::str::from_utf8(inside).is_ok_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok());
        return is_address && (rest.is_empty() || is_port(rest));
    }
    let (name, port) = match memchr::memchr(b':', text) {
        Some(at) => text.split_at(at),
        None => (text, &b""[..]),
    };
    !name.is_empty() && name.iter().all(|&byte| may_stand(byte)) && (port.is_empty() || is_port(port))
}

/// A host without its port, and without the dot that may end a name.
pub(crate) fn without_port(host: &str) -> &str {
    let name = if host.starts_with('[') {
        host.find(']').and_then(|end| host.get(..=end)).unwrap_or(host)
    } else {
        host.split_once(':').map_or(host, |(name, _)| name)
    };
    name.strip_suffix('.').unwrap_or(name)
}

fn is_port(text: &[u8]) -> bool {
    text.strip_prefix(b":").is_some_and(|digits| {
        digits.is_empty()
            || (digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok()))
    })
}

/// RFC 3986, section 3.2.2, without percent signs: a name with them is another name to whoever decodes it.
fn may_stand(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for text in [
            "a",
            "a.b.",
            "a:80",
            "a:",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:65535",
            "a_b-c",
        ] {
            assert!(is_host(text.as_bytes()), "{text}");
        }
        for text in [
            "", ":80", "a:b", "a:65536", "a:80:80", "a b", "a/b", "a@b", "a,b", "[::1", "[a]", "[::1]x",
            "::1", "a?", "a#", "a%00", "\u{e4}", "a\\b", "a\"", "<a>", "[]", "a:+80",
        ] {
            assert!(!is_host(text.as_bytes()), "{text}");
        }
        assert_eq!(without_port("a.b.:80"), "a.b");
        assert_eq!(without_port("[::1]:80"), "[::1]");
    }
}
