//! A command of 0.2 that makes one outgoing HTTP request: `http_client METHOD URL [BODY]`.
//!
//! Prints `ok STATUS`, one line `NAME: VALUE` for every header of the answer, an empty line and the body, and ends with
//! 0; or `error: ` and what the interface called it, and ends with 1. A wrong command line ends with 2.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

/// Longer texts are written in pieces: one blocking write takes no more.
const PIECE_BYTES_MAX: usize = 4096;

enum Failure {
    /// What the interface answered.
    Http(ErrorCode),
    /// What a stream answered.
    Stream(String),
    /// The host refused to build the request.
    Request(&'static str),
    /// Standard output refused.
    Output(io::Error),
    /// The command line is wrong.
    Usage(String),
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::Http(code)
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed => Self::Stream("closed".into()),
            StreamError::LastOperationFailed(error) => Self::Stream(error.to_debug_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(code) => write!(f, "{code:?}"),
            Self::Stream(text) => write!(f, "stream: {text}"),
            Self::Request(part) => write!(f, "request: {part} refused"),
            Self::Output(error) => write!(f, "output: {error}"),
            Self::Usage(text) => f.write_str(text),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        [method, url] => exchange(method, url, None),
        [method, url, body] => exchange(method, url, Some(body)),
        _ => Err(Failure::Usage("http_client METHOD URL [BODY]".into())),
    };
    match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => {
            eprintln!("usage: {text}");
            ExitCode::from(2)
        }
        Err(failure) => {
            println!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn exchange(method: &str, url: &str, body: Option<&str>) -> Result<(), Failure> {
    let request = request(method, url, body)?;
    let outgoing = request.body().map_err(|()| Failure::Request("body"))?;
    let answer = outgoing_handler::handle(request, None)?;
    if let Some(text) = body {
        let stream = outgoing.write().map_err(|()| Failure::Request("body stream"))?;
        for piece in text.as_bytes().chunks(PIECE_BYTES_MAX) {
            stream.blocking_write_and_flush(piece)?;
        }
    }
    OutgoingBody::finish(outgoing, None)?;
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(response)) => print(&response?),
        Some(Err(())) | None => Err(Failure::Stream("a response that is ready is not there".into())),
    }
}

fn request(method: &str, url: &str, body: Option<&str>) -> Result<OutgoingRequest, Failure> {
    let (scheme, authority, path) = split(url)?;
    let headers = Fields::new();
    if let Some(text) = body {
        let length = [text.len().to_string().into_bytes()];
        headers
            .set("content-length", &length)
            .map_err(|_| Failure::Request("header"))?;
    }
    let request = OutgoingRequest::new(headers);
    request
        .set_method(&method_of(method))
        .map_err(|()| Failure::Request("method"))?;
    request
        .set_scheme(Some(&scheme))
        .map_err(|()| Failure::Request("scheme"))?;
    request
        .set_authority(Some(authority))
        .map_err(|()| Failure::Request("authority"))?;
    request
        .set_path_with_query(Some(path))
        .map_err(|()| Failure::Request("path"))?;
    Ok(request)
}

fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        other => Method::Other(other.into()),
    }
}

/// The scheme, the authority and the path of `http://AUTHORITY/PATH`.
fn split(url: &str) -> Result<(Scheme, &str, &str), Failure> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| Failure::Usage(format!("`{url}` has no scheme")))?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.into()),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Ok((scheme, authority, if path.is_empty() { "/" } else { path }))
}

fn print(response: &IncomingResponse) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    writeln!(output, "ok {}", response.status())?;
    for (name, value) in response.headers().entries() {
        writeln!(output, "{name}: {}", String::from_utf8_lossy(&value))?;
    }
    writeln!(output)?;
    let body = response
        .consume()
        .map_err(|()| Failure::Stream("no body".into()))?;
    copy(&body, &mut output)?;
    output.flush()?;
    Ok(())
}

fn copy(body: &IncomingBody, output: &mut impl io::Write) -> Result<(), Failure> {
    let stream = body
        .stream()
        .map_err(|()| Failure::Stream("no body stream".into()))?;
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(piece) => output.write_all(&piece)?,
            Err(StreamError::Closed) => return Ok(()),
            // The stream's own words hide the code that the interface has for them.
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Err(code.map_or_else(|| Failure::Stream(error.to_debug_string()), Failure::Http));
            }
        }
    }
}
