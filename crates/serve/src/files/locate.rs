//! Which file of a folder a path asks for.

use http::StatusCode;
use weft_app::trigger::http::PathPattern;

/// What a folder answers with for itself.
const INDEX: &str = "index.html";

/// A file's place beneath its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(String);

impl Place {
    pub(super) fn relative(&self) -> &str {
        &self.0
    }
}

/// Finds the place that a path means: what stands for the `*` of the route, or the last segment where it has none.
///
/// # Errors
/// The status of the answer where it means none.
pub(super) fn locate(pattern: &PathPattern, path: &str) -> Result<Place, StatusCode> {
    let rest = match pattern.rest(path) {
        // The route's own path without a slash is a folder that was asked for as if it were a file.
        Some("") if !path.ends_with('/') => return Ok(Place(".".to_owned())),
        Some(rest) => rest,
        None => path.rsplit('/').next().unwrap_or_default(),
    };
    let mut place = String::with_capacity(rest.len() + INDEX.len());
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if is_last && segment.is_empty() {
            place.push_str(INDEX);
            break;
        }
        decode(segment, &mut place)?;
        if !is_last {
            place.push('/');
        }
    }
    Ok(Place(place))
}

/// Decodes one segment, once. What begins with a dot is nobody's business, and nothing that was decoded may be read
/// as something else than a part of a name.
fn decode(segment: &str, place: &mut String) -> Result<(), StatusCode> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let digits = [rest.next(), rest.next()];
            let [Some(high), Some(low)] = digits.map(|digit| char::from(digit?).to_digit(16)) else {
                return Err(StatusCode::BAD_REQUEST);
            };
            u8::try_from(high << 4 | low).map_err(|_| StatusCode::BAD_REQUEST)?
        } else {
            byte
        };
        if byte < b' ' || byte == 0x7f {
            return Err(StatusCode::BAD_REQUEST);
        }
        if matches!(byte, b'/' | b'\\') {
            return Err(StatusCode::NOT_FOUND);
        }
        bytes.push(byte);
    }
    let name = String::from_utf8(bytes).map_err(|_| StatusCode::BAD_REQUEST)?;
    if name.is_empty() || name.starts_with('.') {
        return Err(StatusCode::NOT_FOUND);
    }
    place.push_str(&name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_a_file_beneath_the_folder() {
        for (pattern, path, place) in [
            ("/*", "/a.txt", "a.txt"),
            ("/*", "/", "index.html"),
            ("/s/*", "/s", "."),
            ("/s/*", "/s/", "index.html"),
            ("/s/*", "/s/a/b.txt", "a/b.txt"),
            ("/s/*", "/s/a/", "a/index.html"),
            ("/s/*", "/s/a%20b%252e", "a b%2e"),
            ("/favicon.ico", "/favicon.ico", "favicon.ico"),
        ] {
            let found = locate(&pattern.parse().unwrap(), path);
            assert_eq!(found, Ok(Place(place.to_owned())), "{pattern} {path}");
        }
    }

    #[test]
    fn no_path_means_anything_else() {
        for path in [
            "/../a",
            "/a/../b",
            "/./a",
            "/%2e%2e/a",
            "/.git/config",
            "/a/.env",
            "//a",
            "/a//b",
            "/a%2fb",
            "/a%5cb",
            "/a%00",
            "/a%0a",
            "/a%",
            "/a%4",
            "/a%zz",
            "/%ff",
            "/%2e",
        ] {
            assert!(locate(&"/*".parse().unwrap(), path).is_err(), "{path}");
        }
    }
}
