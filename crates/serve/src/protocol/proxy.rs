//! The header with which a load balancer names the client: the PROXY protocol, versions 1 and 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that is taken. Version 2 allows 64 KiB of extensions, of which nobody needs so many.
pub const BYTES_MAX: usize = 1024;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A header that goes on.
    Partial,
    /// A whole header.
    Whole {
        /// Its bytes.
        length: usize,
        /// The client, where the header says one. A balancer's own checks have none.
        client: Option<SocketAddr>,
    },
}

/// Bytes that are no header of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not begin with a header of the PROXY protocol")]
pub struct NotProxy;

/// Reads the header that bytes begin with.
///
/// # Errors
/// When they begin with something else.
pub fn scan(bytes: &[u8]) -> Result<Found, NotProxy> {
    match bytes.first() {
        None => Ok(Found::Partial),
        Some(b'P') => scan_text(bytes),
        Some(b'\r') => scan_binary(bytes),
        Some(_) => Err(NotProxy),
    }
}

/// How many bytes may be read after those of a header that goes on, without reading beyond it.
pub(crate) fn bytes_to_read(bytes: &[u8]) -> usize {
    let is_text = bytes.first() == Some(&b'P');
    match (bytes.len(), bytes.get(14..16)) {
        // Shorter than any header of either version.
        (0, _) => SIGNATURE.len(),
        (length, None) if !is_text => 16_usize.saturating_sub(length).max(1),
        (length, Some(&[high, low])) if !is_text => {
            let whole = 16 + usize::from(u16::from_be_bytes([high, low]));
            whole.saturating_sub(length).clamp(1, BYTES_MAX)
        }
        _ => 1,
    }
}

/// Version 1: one line of at most 107 bytes.
fn scan_text(bytes: &[u8]) -> Result<Found, NotProxy> {
    const LINE_MAX: usize = 107;
    let start = bytes.get(..6.min(bytes.len())).unwrap_or_default();
    if !b"PROXY ".starts_with(start) {
        return Err(NotProxy);
    }
    let window = bytes.get(..LINE_MAX.min(bytes.len())).unwrap_or_default();
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() == LINE_MAX {
            Err(NotProxy)
        } else {
            Ok(Found::Partial)
        };
    };
    let line = window
        .get(6..end)
        .and_then(|line| line.strip_suffix(b"\r"))
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or(NotProxy)?;
    let client = if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        None
    } else {
        Some(parse_line(line).ok_or(NotProxy)?)
    };
    Ok(Found::Whole {
        length: end + 1,
        client,
    })
}

fn parse_line(line: &str) -> Option<SocketAddr> {
    let mut words = line.split(' ');
    let family = words.next()?;
    let (source, target) = (words.next()?, words.next()?);
    let (source_port, target_port) = (parse_port(words.next()?)?, parse_port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    let (source, target): (IpAddr, IpAddr) = match family {
        "TCP4" => (
            source.parse::<Ipv4Addr>().ok()?.into(),
            target.parse::<Ipv4Addr>().ok()?.into(),
        ),
        "TCP6" => (
            source.parse::<Ipv6Addr>().ok()?.into(),
            target.parse::<Ipv6Addr>().ok()?.into(),
        ),
        _ => return None,
    };
    let _checked = (target, target_port);
    Some(SocketAddr::new(source, source_port))
}

fn parse_port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// Version 2: a signature, four bytes, and as many as those say.
fn scan_binary(bytes: &[u8]) -> Result<Found, NotProxy> {
    let start = bytes.get(..SIGNATURE.len().min(bytes.len())).unwrap_or_default();
    if !SIGNATURE.starts_with(start) {
        return Err(NotProxy);
    }
    let Some([command, family, high, low]) = bytes.get(12..16) else {
        return Ok(Found::Partial);
    };
    let length = 16 + usize::from(u16::from_be_bytes([*high, *low]));
    if length > BYTES_MAX || !matches!(command, 0x20 | 0x21) {
        return Err(NotProxy);
    }
    let Some(addresses) = bytes.get(16..length) else {
        return Ok(Found::Partial);
    };
    let client = match (command, family) {
        (0x21, 0x11) => Some(source_of_4(addresses).ok_or(NotProxy)?),
        (0x21, 0x21) => Some(source_of_6(addresses).ok_or(NotProxy)?),
        // A check of the balancer itself, a Unix socket, or a family that is not told.
        (0x20, _) | (0x21, 0x00 | 0x31) => None,
        _ => return Err(NotProxy),
    };
    Ok(Found::Whole { length, client })
}

fn source_of_4(addresses: &[u8]) -> Option<SocketAddr> {
    let (address, rest) = addresses.split_first_chunk::<4>()?;
    let (_target, rest) = rest.split_first_chunk::<4>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    rest.split_first_chunk::<2>()?;
    Some(SocketAddr::new(
        Ipv4Addr::from(*address).into(),
        u16::from_be_bytes(*port),
    ))
}

fn source_of_6(addresses: &[u8]) -> Option<SocketAddr> {
    let (address, rest) = addresses.split_first_chunk::<16>()?;
    let (_target, rest) = rest.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    rest.split_first_chunk::<2>()?;
    Some(SocketAddr::new(
        Ipv6Addr::from(*address).into(),
        u16::from_be_bytes(*port),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Option<SocketAddr> {
        for cut in 0..bytes.len() {
            assert_eq!(scan(&bytes[..cut]), Ok(Found::Partial), "cut at {cut}");
        }
        let more = [bytes, b"GET"].concat();
        match scan(&more) {
            Ok(Found::Whole { length, client }) if length == bytes.len() => client,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_versions_name_the_client() {
        let client = whole(b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n");
        assert_eq!(client, Some("192.0.2.1:40000".parse().unwrap()));
        let client = whole(b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n");
        assert_eq!(client, Some("[2001:db8::1]:1".parse().unwrap()));
        assert_eq!(whole(b"PROXY UNKNOWN\r\n"), None);
        let mut binary = SIGNATURE.to_vec();
        binary.extend([
            0x21, 0x11, 0, 15, 192, 0, 2, 1, 192, 0, 2, 2, 0x9c, 0x40, 1, 187, 4, 0, 0,
        ]);
        assert_eq!(whole(&binary), Some("192.0.2.1:40000".parse().unwrap()));
        let mut local = SIGNATURE.to_vec();
        local.extend([0x20, 0, 0, 0]);
        assert_eq!(whole(&local), None);
    }

    #[test]
    fn anything_else_is_refused() {
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 107]].concat();
        let mut short = SIGNATURE.to_vec();
        short.extend([0x21, 0x11, 0, 3, 1, 2, 3]);
        let mut huge = SIGNATURE.to_vec();
        huge.extend([0x21, 0x11, 0xff, 0xff]);
        let mut version = SIGNATURE.to_vec();
        version.extend([0x31, 0x11, 0, 0]);
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            &long,
            &short,
            &huge,
            &version,
            b"\r\n\r\n\0\r\nQUIX\n",
        ] {
            assert_eq!(scan(bytes), Err(NotProxy), "{bytes:?}");
        }
    }
}
