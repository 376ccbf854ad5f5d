//! Answers `POST /api/preview` with the HTML of the text in the body.
//!
//! The HTML is made by a library that somebody else wrote. Whatever becomes of it, this component answers.

wit_bindgen::generate!({
    path: "../wit",
    world: "page",
});

use example::preview::markup;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

struct Page;
wasip2::http::proxy::export!(Page);

impl wasip2::exports::http::incoming_handler::Guest for Page {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        if !matches!(request.method(), Method::Post) {
            return answer(out, 405, "text/plain; charset=utf-8", "send a text");
        }
        match read(&request).and_then(|text| markup::render(&text)) {
            Ok(html) => answer(out, 200, "text/html; charset=utf-8", &html),
            Err(problem) => answer(out, 422, "text/plain; charset=utf-8", &problem),
        }
    }
}

fn read(request: &IncomingRequest) -> Result<String, String> {
    let body = request.consume().map_err(|()| "there is no body".to_owned())?;
    let stream = body.stream().map_err(|()| "there is no body".to_owned())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err("the body broke off".to_owned()),
        }
    }
    String::from_utf8(bytes).map_err(|_| "the body is not text".to_owned())
}

fn answer(out: ResponseOutparam, status: u16, kind: &str, text: &str) {
    let headers = Fields::new();
    // Names and values that are known to be allowed, and a status that is one.
    let _ = headers.append("content-type", kind.as_bytes());
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(status);
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    let Ok(stream) = body.write() else { return };
    for piece in text.as_bytes().chunks(4096) {
        // A client that went away hears nothing more.
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
