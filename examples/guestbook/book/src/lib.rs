//! Keeps the entries of a guestbook: `GET` gives them all, `POST` adds the text of its body.
//!
//! Every request has an instance of its own, so what is kept is in a bucket: under `count` how many entries there are,
//! and each entry under its number. The book has room for ten thousand.

use wasi::keyvalue::store::{self, Bucket, Error};
use wasi::keyvalue::{atomics, batch};
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

wit_bindgen::generate!({ world: "book", path: "wit", generate_all });

struct Book;
wasip2::http::proxy::export!(Book);

const BUCKET: &str = "entries";
const COUNT: &str = "count";
const ENTRIES_MAX: i64 = 10_000;
const ENTRIES_SHOWN: i64 = 500;
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
            _ => match all() {
                Ok(entries) => answer(out, 200, &entries),
                Err(error) => answer(out, 500, &explain(&error)),
            },
        }
    }
}

fn key(number: i64) -> String {
    format!("entry/{number}")
}

/// The last entries, one in a line, the oldest first.
fn all() -> Result<String, Error> {
    let bucket = store::open(BUCKET)?;
    let count = count(&bucket)?;
    let keys: Vec<String> = (1.max(count - ENTRIES_SHOWN + 1)..=count).map(key).collect();
    let mut text = String::new();
    // One that is being written has its number already, and is not there yet.
    for (_, entry) in batch::get_many(&bucket, &keys)?.into_iter().flatten() {
        text.push_str(&String::from_utf8_lossy(&entry));
        text.push('\n');
    }
    Ok(text)
}

fn count(bucket: &Bucket) -> Result<i64, Error> {
    let digits = bucket.get(COUNT)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&digits).parse().unwrap_or(0))
}

fn keep(line: &str) -> Result<bool, Error> {
    let bucket = store::open(BUCKET)?;
    if count(&bucket)? >= ENTRIES_MAX {
        return Ok(false);
    }
    let number = atomics::increment(&bucket, COUNT, 1)?;
    bucket.set(&key(number), line.as_bytes())?;
    Ok(true)
}

fn explain(error: &Error) -> String {
    match error {
        Error::NoSuchStore | Error::AccessDenied => "the book may not open its bucket".to_owned(),
        Error::Other(why) => format!("the book cannot be opened: {why}"),
    }
}

fn add(text: &str) -> Result<(), String> {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return Err("an entry needs some words".to_owned());
    }
    if line.len() > ENTRY_BYTES_MAX {
        return Err(format!("an entry has at most {ENTRY_BYTES_MAX} bytes"));
    }
    match keep(&line) {
        Ok(true) => Ok(()),
        Ok(false) => Err("the book is full".to_owned()),
        Err(error) => Err(explain(&error)),
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
