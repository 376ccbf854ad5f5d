//! Corrections: host functions in place of the engine's where those are stricter than the specification.

use http::uri::PathAndQuery;
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi_http::p3::Request;

use super::interfaces::{Provided, Release};
use crate::cell::Cell;

/// Replaces such functions in an instance that has them already.
pub(super) fn correct(instance: &mut LinkerInstance<'_, Cell>, provided: &Provided) -> wasmtime::Result<()> {
    match (provided.path, provided.release) {
        ("wasi:http/types", Release::P3) => accept_relative_paths(instance),
        _ => Ok(()),
    }
}

/// Stands before a relative path, which the type that keeps paths cannot hold. The character is for private use: no
/// guest may write it in a path, and no request carries it out.
const RELATIVE: &str = "/\u{e000}";

/// A request may carry any path that RFC 3986 allows, relative ones included (wasi-http, issue 178). Whether it
/// can be sent is another question: outgoing HTTP refuses a target that does not begin with `/` or `?`, since
/// behind an authority it would read as part of that.
fn accept_relative_paths(types: &mut LinkerInstance<'_, Cell>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]request.set-path-with-query",
        |mut store, (request, path): (Resource<Request>, Option<String>)| {
            let request = store.data_mut().table().get_mut(&request)?;
            let Some(path) = path else {
                request.path_with_query = None;
                return Ok((Ok(()),));
            };
            let Some(path) = read_path(&path) else {
                return Ok((Err(()),));
            };
            request.path_with_query = Some(path);
            Ok((Ok(()),))
        },
    )?;
    types.func_wrap(
        "[method]request.get-path-with-query",
        |mut store, (request,): (Resource<Request>,)| {
            let request = store.data_mut().table().get(&request)?;
            Ok((request.path_with_query.as_ref().map(show_path),))
        },
    )
}

/// Reads a path with a query. A fragment is none of a request's business; characters outside ASCII happen.
fn read_path(text: &str) -> Option<PathAndQuery> {
    let is_fine = |character: char| {
        character.is_ascii_graphic() && character != '#' || !character.is_ascii() && character != '\u{e000}'
    };
    if !text.chars().all(is_fine) {
        return None;
    }
    match text.as_bytes().first() {
        None => Some(PathAndQuery::from_static("/")),
        Some(b'/' | b'?') => text.parse().ok(),
        Some(_) if text == "*" => text.parse().ok(),
        Some(_) => format!("{RELATIVE}{text}").parse().ok(),
    }
}

fn show_path(path: &PathAndQuery) -> String {
    let text = path.as_str();
    text.strip_prefix(RELATIVE).unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_relative_but_holds_no_blanks_and_no_fragment() {
        let read = |text: &str| read_path(text).as_ref().map(show_path);
        for text in [
            "/",
            "/a/b/c",
            "/a/../../bar",
            "/?foo",
            "a/b/c",
            "../..",
            "?foo",
            "/%20",
            "/:@",
            "*",
            "*a",
        ] {
            assert_eq!(read(text).as_deref(), Some(text));
        }
        assert_eq!(read("").as_deref(), Some("/"));
        for text in ["/ ", "/\t", "/\u{7f}", "/a#b", "/\0", "\r\n", RELATIVE] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
