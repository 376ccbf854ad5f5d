//! A command of 0.3 that makes one outgoing HTTP request: `http_client_p3 METHOD URL [BODY]`.
//!
//! Prints what the guest `http_client` of 0.2 prints.

use wasip3::cli::{environment, exit, stdout};
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::wit_bindgen::{StreamReader, StreamResult, spawn_local};
use wasip3::{wit_future, wit_stream};

struct Command;
wasip3::cli::command::export!(Command);

enum Failure {
    /// What the interface answered.
    Http(ErrorCode),
    /// The host refused to build the request.
    Request(&'static str),
    /// The command line is wrong.
    Usage(String),
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::Http(code)
    }
}

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let arguments = environment::get_arguments();
        let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
        let answer = match words.as_slice() {
            [method, url] => exchange(method, url, None).await,
            [method, url, body] => exchange(method, url, Some(body)).await,
            _ => Err(Failure::Usage("http_client_p3 METHOD URL [BODY]".into())),
        };
        match answer {
            Ok(()) => Ok(()),
            Err(Failure::Usage(text)) => {
                print(format!("usage: {text}\n").into_bytes()).await?;
                exit::exit_with_code(2);
                Err(())
            }
            Err(failure) => {
                let text = match failure {
                    Failure::Http(code) => format!("{code:?}"),
                    Failure::Request(part) => format!("request: {part} refused"),
                    Failure::Usage(text) => text,
                };
                print(format!("error: {text}\n").into_bytes()).await?;
                Err(())
            }
        }
    }
}

async fn exchange(method: &str, url: &str, body: Option<&str>) -> Result<(), Failure> {
    let response = client::send(request(method, url, body)?).await?;
    let mut text = format!("ok {}\n", response.get_status_code());
    for (name, value) in response.get_headers().copy_all() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    text.push('\n');
    let (_keep, result) = wit_future::new(|| Ok(()));
    let (stream, trailers) = Response::consume_body(response, result);
    let mut bytes = text.into_bytes();
    read_to_end(stream, &mut bytes).await;
    // What went wrong with the body is known only after its end.
    let ended = trailers.await;
    let _ = print(bytes).await;
    ended?;
    Ok(())
}

fn request(method: &str, url: &str, body: Option<&str>) -> Result<Request, Failure> {
    let (scheme, authority, path) = split(url)?;
    let headers = Fields::new();
    let contents = body.map(|text| {
        let (mut writer, reader) = wit_stream::new();
        let bytes = text.as_bytes().to_vec();
        // A server that answers without reading everything is no failure of ours.
        spawn_local(async move { drop(writer.write_all(bytes).await) });
        reader
    });
    if let Some(text) = body {
        let length = [text.len().to_string().into_bytes()];
        headers
            .set("content-length", &length)
            .map_err(|_| Failure::Request("header"))?;
    }
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (request, _sent) = Request::new(headers, contents, trailers_reader, None);
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

async fn read_to_end(mut stream: StreamReader<u8>, bytes: &mut Vec<u8>) {
    loop {
        let (result, piece) = stream.read(Vec::with_capacity(64 * 1024)).await;
        bytes.extend(piece);
        if !matches!(result, StreamResult::Complete(_)) {
            return;
        }
    }
}

async fn print(bytes: Vec<u8>) -> Result<(), ()> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move { drop(writer.write_all(bytes).await) });
    stdout::write_via_stream(reader).await.map_err(|_| ())
}
