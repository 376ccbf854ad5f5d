//! What a request must be beyond what the parsers saw to, and whom it is for.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderName, Method, Version};

use crate::protocol::{Refusal, is_host, without_port};

/// The host that a request is for, without its port; empty where HTTP/1.0 names none.
///
/// # Errors
/// Why the request is refused.
pub(super) fn host(parts: &Parts) -> Result<&str, Refusal> {
    let header = parts.headers.get(HOST);
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    if parts.version == Version::HTTP_2 {
        check_http2(parts, authority)?;
    }
    // What HTTP/1 names, the gate has checked.
    let host = match (authority, header) {
        (Some(authority), _) => authority,
        (None, Some(header)) => header
            .to_str()
            .map_err(|_| Refusal::Malformed("the host is none"))?,
        (None, None) => "",
    };
    Ok(without_port(host))
}

/// Headers that speak of one connection, which HTTP/2 does not have (RFC 9113, section 8.2.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    http::header::CONNECTION,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

fn check_http2(parts: &Parts, authority: Option<&str>) -> Result<(), Refusal> {
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(Refusal::Method);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::Malformed("more than one host"));
    }
    match (authority, host) {
        (None, None) => return Err(Refusal::Malformed("no host")),
        (Some(authority), Some(host)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {
            return Err(Refusal::Malformed("`:authority` names another host than `host`"));
        }
        (Some(authority), _) if !is_host(authority.as_bytes()) => {
            return Err(Refusal::Malformed("the host is none"));
        }
        (None, Some(host)) if !is_host(host.as_bytes()) => {
            return Err(Refusal::Malformed("the host is none"));
        }
        _ => {}
    }
    let is_star = parts.method == Method::OPTIONS && parts.uri.path() == "*";
    if !is_star && !parts.uri.path().starts_with('/') {
        return Err(Refusal::Malformed("`:path` is none"));
    }
    for (name, value) in &parts.headers {
        let value = value.as_bytes();
        let is_padded = matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t']);
        if is_padded || OF_CONNECTIONS.contains(name) {
            return Err(Refusal::Malformed("a header that HTTP/2 does not have"));
        }
        if *name == http::header::EXPECT && !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::Expectation);
        }
    }
    Ok(())
}

/// Whether headers are more than they may be; HTTP/1 was checked before.
pub(super) fn has_too_many_headers(parts: &Parts, headers_max: usize) -> bool {
    parts.version == Version::HTTP_2 && parts.headers.len() > headers_max
}
