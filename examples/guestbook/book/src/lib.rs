//! Keeps the entries of a guestbook: `GET` gives them all, `POST` adds the text of its body.
//!
//! Every request has an instance of its own, so what is kept is in a file: one line for each entry, appended in one
//! piece. The file grows to one mebibyte and no further.

use std::fs::OpenOptions;
use std::io::Write as _;

use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

struct Book;
wasip2::http::proxy::export!(Book);

const FILE: &str = "/entries/entries.txt";
const FILE_BYTES_MAX: u64 = 1 << 20;
const ENTRY_BYTES_MAX: usize = 2000;

impl wasip2::exports::http::incoming_handler::Guest for Book {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match request.method() {
            Method::Post => {
                let (status, text) = match read(&request).and_then(|text| add(&text)) {
                    Ok(()) => (201, String::new()),
                    Err(problem) => (400, problem),
                };
                answer(out, status, &text);
            }
            _ => answer(out, 200, &all()),
        }
    }
}

fn all() -> String {
    // No file yet: nobody has written anything.
    std::fs::read_to_string(FILE).unwrap_or_default()
}

fn add(text: &str) -> Result<(), String> {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return Err("an entry needs some words".to_owned());
    }
    if line.len() > ENTRY_BYTES_MAX {
        return Err(format!("an entry has at most {ENTRY_BYTES_MAX} bytes"));
    }
    if std::fs::metadata(FILE).is_ok_and(|file| file.len() > FILE_BYTES_MAX) {
        return Err("the book is full".to_owned());
    }
    let file = OpenOptions::new().create(true).append(true).open(FILE);
    let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    written.map_err(|error| format!("the entry cannot be kept: {error}"))
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

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let headers = Fields::new();
    // Names and values that are known to be allowed, and a status that is one.
    let _ = headers.append("content-type", b"text/plain; charset=utf-8");
    let _ = headers.append("cache-control", b"no-store");
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
