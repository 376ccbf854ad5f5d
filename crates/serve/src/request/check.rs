//! What a request must be beyond what the parsers saw to, and whom it is for.

use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Method, Version};

use crate::protocol::{Refusal, check_path, is_host, parse_length, without_port};

/// The host that a request is for, without its port; empty where HTTP/1.0 names none.
///
/// # Errors
/// Why the request is refused.
pub(super) fn host(parts: &Parts, is_encrypted: bool) -> Result<&str, Refusal> {
    let header = parts.headers.get(HOST);
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    if parts.version == Version::HTTP_2 {
        check_http2(parts, authority)?;
    } else if !is_encrypted && parts.uri.scheme() == Some(&Scheme::HTTPS) {
        // RFC 9110, section 7.4. A balancer that speaks HTTP/2 says `https` of what came to it so, and is let be.
        return Err(Refusal::Malformed(
            "an address of `https` over a connection without TLS",
        ));
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
    if !matches!(parts.uri.scheme_str(), None | Some("http" | "https")) {
        return Err(Refusal::Malformed("`:scheme` is neither `http` nor `https`"));
    }
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let is_star = parts.method == Method::OPTIONS && path == "*";
    if !is_star && !path.starts_with('/') {
        return Err(Refusal::Malformed("`:path` is none"));
    }
    check_path(path.as_bytes())?;
    check_http2_headers(&parts.headers)
}

fn check_http2_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut lengths = 0;
    for (name, value) in headers {
        let value = value.as_bytes();
        let is_padded = matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t']);
        if is_padded || OF_CONNECTIONS.contains(name) {
            return Err(Refusal::Malformed("a header that HTTP/2 does not have"));
        }
        if *name == CONTENT_LENGTH {
            parse_length(value)?;
            lengths += 1;
        }
        if *name == http::header::EXPECT && !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::Expectation);
        }
    }
    if lengths > 1 {
        return Err(Refusal::Malformed("more than one length"));
    }
    Ok(())
}

/// Joins the pieces into which HTTP/2 may cut a cookie, so that nobody takes the first for the whole (RFC 9113, section
/// 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let mut pieces = headers.get_all(COOKIE).iter();
    if pieces.next().is_none() || pieces.next().is_none() {
        return;
    }
    let pieces: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(whole) = HeaderValue::from_bytes(&pieces.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// Whether headers are more than they may be; HTTP/1 was checked before.
pub(super) fn has_too_many_headers(parts: &Parts, headers_max: usize) -> bool {
    parts.version == Version::HTTP_2 && parts.headers.len() > headers_max
}
