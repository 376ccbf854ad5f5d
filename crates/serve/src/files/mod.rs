//! Files of a folder, read and nothing else.
//!
//! A path is decoded once, and the system is asked to resolve it beneath the folder: neither `..` nor a symbolic
//! link leads out of it, whatever the folder holds and whoever changes it meanwhile. Files are read on threads that
//! may wait for disks, never on one that serves.

mod body;
mod condition;
mod locate;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use weft_app::trigger::http::{Route, RouteTarget};

pub(crate) use body::FileBody;
use body::{SMALL_BYTES_MAX, read_at};
use condition::{Condition, Facts, Wanted};
use locate::Place;

/// The folders of a site, opened: the folder of each route that has one, in the order of the app.
#[derive(Debug)]
pub(crate) struct Folders(Vec<Option<Arc<OwnedFd>>>);

/// A folder that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("the folder `{folder}` of a route cannot be opened")]
pub struct FolderError {
    /// The folder.
    pub folder: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

impl Folders {
    pub(crate) fn open(routes: &[Route]) -> Result<Self, FolderError> {
        let open = |route: &Route| match &route.target {
            RouteTarget::Component(_) => Ok(None),
            RouteTarget::Files(folder) => {
                let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
                rustix::fs::open(folder, flags, Mode::empty())
                    .map(|folder| Some(Arc::new(folder)))
                    .map_err(|error| FolderError {
                        folder: folder.clone(),
                        source: error.into(),
                    })
            }
        };
        routes.iter().map(open).collect::<Result<_, _>>().map(Self)
    }
}

/// What was found behind a path.
enum Found {
    File(OpenFile),
    /// A folder that was asked for as if it were a file.
    Folder,
}

/// A file, and as much of it as is read at once.
struct OpenFile {
    file: File,
    facts: Facts,
    /// All of it, where it is small.
    bytes: Option<Vec<u8>>,
}

/// Answers a request for a file.
///
/// # Errors
/// The status of the answer where there is no file to send.
pub(crate) async fn respond(
    folders: &Folders,
    number: usize,
    route: &Route,
    parts: &Parts,
) -> Result<Response<FileBody>, StatusCode> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let path = parts.uri.path();
    let place = locate::locate(&route.path, path)?;
    let folder = folders
        .0
        .get(number)
        .cloned()
        .flatten()
        .ok_or(StatusCode::NOT_FOUND)?;
    let relative = place.relative().to_owned();
    let found = tokio::task::spawn_blocking(move || open(&folder, &relative))
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)??;
    match found {
        Found::Folder => redirect(parts),
        Found::File(file) => Ok(send(file, &place, parts)),
    }
}

/// Says which methods there are, where another one was asked for.
pub(crate) fn explain<B>(response: &mut Response<B>) {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
}

fn open(folder: &OwnedFd, relative: &str) -> Result<Found, StatusCode> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    let file = loop {
        match rustix::fs::openat2(folder, relative, flags, Mode::empty(), resolve) {
            Ok(file) => break File::from(file),
            // Something was renamed on the way.
            Err(rustix::io::Errno::AGAIN) if tries < 10 => tries += 1,
            Err(error) => return Err(status_of(error)),
        }
    };
    let facts = file.metadata().map_err(|_| StatusCode::NOT_FOUND)?;
    if facts.is_dir() {
        return Ok(Found::Folder);
    }
    if !facts.is_file() {
        return Err(StatusCode::NOT_FOUND);
    }
    let facts = Facts::new(&facts);
    let bytes = if facts.length <= SMALL_BYTES_MAX {
        let length = usize::try_from(facts.length).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        Some(read_at(&file, 0, length).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?)
    } else {
        None
    };
    Ok(Found::File(OpenFile { file, facts, bytes }))
}

fn status_of(error: rustix::io::Errno) -> StatusCode {
    use rustix::io::Errno;
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP | Errno::NAMETOOLONG | Errno::NXIO => {
            StatusCode::NOT_FOUND
        }
        Errno::ACCESS | Errno::PERM => StatusCode::FORBIDDEN,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Sends a client that asked for a folder to the same path with a slash, so that links inside it are right.
fn redirect(parts: &Parts) -> Result<Response<FileBody>, StatusCode> {
    let query = parts
        .uri
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    let target = format!("{}/{query}", parts.uri.path());
    let target = HeaderValue::from_str(&target).map_err(|_| StatusCode::NOT_FOUND)?;
    let mut response = Response::new(FileBody::Empty);
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, target);
    Ok(response)
}

fn send(open: OpenFile, place: &Place, parts: &Parts) -> Response<FileBody> {
    let facts = open.facts;
    let condition = condition::judge(&parts.headers, &facts, &parts.method);
    let mut response = Response::new(FileBody::Empty);
    let headers = response.headers_mut();
    headers.insert(ETAG, value(&facts.tag()));
    if let Some(modified) = facts.modified {
        headers.insert(LAST_MODIFIED, value(&httpdate::fmt_http_date(modified)));
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let wanted = match condition {
        Condition::NotModified => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        Condition::Failed => {
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            return response;
        }
        Condition::OutOfRange => {
            headers.insert(CONTENT_RANGE, value(&format!("bytes */{}", facts.length)));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return response;
        }
        Condition::Send(wanted) => wanted,
    };
    describe(headers, place, &facts, wanted);
    if wanted.is_part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if parts.method == Method::GET {
        *response.body_mut() = FileBody::new(open.file, open.bytes, wanted.from, wanted.length);
    }
    response
}

fn describe(headers: &mut HeaderMap, place: &Place, facts: &Facts, wanted: Wanted) {
    headers.insert(CONTENT_TYPE, content_type(place));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(wanted.length));
    if wanted.is_part {
        let last = wanted.from + wanted.length - 1;
        let range = format!("bytes {}-{last}/{}", wanted.from, facts.length);
        headers.insert(CONTENT_RANGE, value(&range));
    }
}

/// By the name alone: what is in a file has no say.
fn content_type(place: &Place) -> HeaderValue {
    let kind = mime_guess::from_path(place.relative())
        .first_raw()
        .unwrap_or("application/octet-stream");
    let is_text = kind.starts_with("text/") || matches!(kind, "application/javascript" | "application/json");
    if is_text {
        value(&format!("{kind}; charset=utf-8"))
    } else {
        HeaderValue::from_static(kind)
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// Whole seconds, since that is what a date in a header has.
fn to_seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .map(|since| since.as_secs())
}
