//! Which status a fault becomes, and what a client is told.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use crate::handler::{Fault, FaultKind, RequestId};
use crate::protocol::Refusal;
use crate::settings::FaultPages;

/// The status of a fault.
pub(crate) fn status(kind: FaultKind) -> StatusCode {
    match kind {
        FaultKind::Guest | FaultKind::Limit | FaultKind::Platform => StatusCode::INTERNAL_SERVER_ERROR,
        FaultKind::NotFound => StatusCode::NOT_FOUND,
        FaultKind::Deadline => StatusCode::GATEWAY_TIMEOUT,
        FaultKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        FaultKind::BadResponse => StatusCode::BAD_GATEWAY,
        FaultKind::BadRequest => StatusCode::BAD_REQUEST,
        FaultKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        FaultKind::ClientTooSlow => StatusCode::REQUEST_TIMEOUT,
    }
}

/// The response to a request that could not be answered.
pub(super) fn response(fault: &Fault, id: RequestId, pages: FaultPages) -> Response<Bytes> {
    let status = status(fault.kind);
    let mut response = match pages {
        FaultPages::Terse => page(status, id),
        FaultPages::Detailed => detailed(status, fault, id),
    };
    if fault.kind == FaultKind::Busy {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The response to what is no request; its connection ends.
pub(super) fn refused(refusal: Refusal, id: RequestId) -> Response<Bytes> {
    let mut response = page(refusal.status(), id);
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    if refusal == Refusal::Method {
        let allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}

/// A page that says what the status says, and the id.
pub(crate) fn page(status: StatusCode, id: RequestId) -> Response<Bytes> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let text = format!("{} {reason}\nrequest {id}\n", status.as_u16());
    with_type(status, Bytes::from(text), "text/plain; charset=utf-8")
}

fn detailed(status: StatusCode, fault: &Fault, id: RequestId) -> Response<Bytes> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let code = status.as_u16();
    let detail = escaped(&fault.detail);
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{code} {reason}</title>\n\
         <style>body {{ font: 16px/1.5 sans-serif; margin: 3em auto; max-width: 50em }} pre {{ white-space: pre-wrap; \
         background: #f4f4f4; padding: 1em }}</style>\n\
         <h1>{code} {reason}</h1>\n<pre>{detail}</pre>\n<p>Request <code>{id}</code></p>\n"
    );
    let mut response = with_type(status, Bytes::from(text), "text/html; charset=utf-8");
    response.headers_mut().insert(
        http::header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    response
}

fn with_type(status: StatusCode, body: Bytes, content_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_the_id_and_nothing_else_unless_it_was_asked_for() {
        let fault = Fault {
            kind: FaultKind::Guest,
            detail: "trap in <secret>".to_owned(),
        };
        let body =
            |pages| String::from_utf8(response(&fault, RequestId(7), pages).into_body().to_vec()).unwrap();
        let terse = body(FaultPages::Terse);
        assert!(terse.contains("00000007") && !terse.contains("secret"), "{terse}");
        assert!(body(FaultPages::Detailed).contains("trap in &lt;secret&gt;"));
    }
}
