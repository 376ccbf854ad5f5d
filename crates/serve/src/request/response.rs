//! A response on its way out: what may not stand in it is taken out, and its body is as long as it says.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::files::FileBody;
use crate::handler::{Fault, FaultKind};
use crate::observe::Record;

pin_project_lite::pin_project! {
    /// The body of a response, with everything that ends when it ends.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        source: Source<B>,
        // Bytes that the head has promised and that did not come yet.
        left: Option<u64>,
        record: Record,
    }
}

pin_project_lite::pin_project! {
    #[project = SourceProjection]
    pub(crate) enum Source<B> {
        Text { text: Option<Bytes> },
        File { file: FileBody },
        Handler { #[pin] body: B },
    }
}

/// Headers that speak of one connection. Which they are is the front's business.
const OF_CONNECTIONS: [HeaderName; 7] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    TE,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Takes out of a response what may not stand in it; the bytes that it promises.
///
/// # Errors
/// A [`Fault`] where it is no response that could be sent.
pub(super) fn tidy<B>(response: &mut Response<B>, method: &Method) -> Result<Option<u64>, Fault> {
    let status = response.status();
    let bad = |detail: &str| Fault {
        kind: FaultKind::BadResponse,
        detail: detail.to_owned(),
    };
    if status.as_u16() < 200 || status.as_u16() > 599 {
        return Err(bad(&format!("the response has the status {}", status.as_u16())));
    }
    let headers = response.headers_mut();
    if headers.is_empty() {
        return Ok(None);
    }
    let mut has_length = false;
    let mut has_forbidden = false;
    for name in headers.keys() {
        has_length |= *name == CONTENT_LENGTH;
        has_forbidden |= OF_CONNECTIONS.contains(name);
    }
    if has_forbidden {
        remove_forbidden(headers);
    }
    if !has_length {
        return Ok(None);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths
        .next()
        .filter(|_| lengths.next().is_none())
        .and_then(|length| length.to_str().ok())
        .filter(|length| length.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|length| length.parse::<u64>().ok())
        .ok_or_else(|| bad("the response has a `content-length` that is none"))?;
    if status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_LENGTH);
        return Ok(None);
    }
    let has_body = method != Method::HEAD && status != StatusCode::NOT_MODIFIED;
    Ok(has_body.then_some(length))
}

/// Removes what speaks of one connection, and what `Connection` says does.
fn remove_forbidden(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| *name != CONTENT_LENGTH)
        .collect();
    for name in named.iter().chain(&OF_CONNECTIONS) {
        headers.remove(name);
    }
}

impl<B: Body<Data = Bytes, Error = Fault>> ResponseBody<B> {
    /// Whether nothing more will be asked of the body.
    fn is_whole(&self) -> bool {
        self.is_end_stream() || self.size_hint().exact() == Some(0)
    }

    /// Notes that no body follows the head, whatever is in it.
    pub(super) fn without_body(mut self) -> Self {
        self.record.complete();
        self
    }

    /// Notes that there is nothing to wait for, where there is nothing.
    fn begun(mut self) -> Self {
        if self.is_whole() {
            self.record.complete();
        }
        self
    }

    pub(super) fn text(text: Bytes, record: Record) -> Self {
        Self {
            source: Source::Text {
                text: Some(text).filter(|text| !text.is_empty()),
            },
            left: None,
            record,
        }
        .begun()
    }

    pub(super) fn file(file: FileBody, record: Record) -> Self {
        Self {
            source: Source::File { file },
            left: None,
            record,
        }
        .begun()
    }

    pub(super) fn handler(body: B, left: Option<u64>, record: Record) -> Self {
        // What a body says of its own length becomes a promise, too.
        let left = left.or_else(|| body.size_hint().exact());
        Self {
            source: Source::Handler { body },
            left,
            record,
        }
        .begun()
    }
}

impl<B: Body<Data = Bytes, Error = Fault>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.as_mut().project();
        let polled = match this.source.project() {
            SourceProjection::Text { text } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            SourceProjection::File { file } => file.poll_frame(context),
            SourceProjection::Handler { body } => body.poll_frame(context),
        };
        let Poll::Ready(frame) = polled else {
            return Poll::Pending;
        };
        this.record.note_frame();
        let checked = match frame {
            Some(Ok(frame)) => check_frame(frame, this.left).map(Some),
            Some(Err(fault)) => Err(fault),
            None if this.left.is_some_and(|left| left > 0) => Err(wrong_length("shorter")),
            None => Ok(None),
        };
        match &checked {
            Ok(Some(frame)) => this.record.count_bytes(frame.data_ref().map_or(0, Bytes::len)),
            Ok(None) => this.record.complete(),
            Err(fault) => this.record.fail(fault),
        }
        if checked.is_ok() && self.is_whole() {
            self.project().record.complete();
        }
        Poll::Ready(checked.transpose())
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Text { text } => text.is_none(),
            Source::File { file } => file.is_end_stream(),
            // A body that ends too early must be asked once more, to be found out.
            Source::Handler { body } => body.is_end_stream() && self.left.is_none_or(|left| left == 0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Text { text } => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Source::File { file } => file.size_hint(),
            Source::Handler { body } => match self.left {
                Some(left) => SizeHint::with_exact(left),
                None => body.size_hint(),
            },
        }
    }
}

fn check_frame(frame: Frame<Bytes>, left: &mut Option<u64>) -> Result<Frame<Bytes>, Fault> {
    if let Some(data) = frame.data_ref() {
        if let Some(promised) = *left {
            let rest = promised.checked_sub(data.remaining() as u64);
            *left = Some(rest.ok_or_else(|| wrong_length("longer"))?);
        }
        return Ok(frame);
    }
    Ok(match frame.into_trailers() {
        Ok(mut trailers) => {
            remove_forbidden(&mut trailers);
            for name in [CONTENT_LENGTH, TRAILER] {
                trailers.remove(name);
            }
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    })
}

fn wrong_length(how: &str) -> Fault {
    Fault {
        kind: FaultKind::BadResponse,
        detail: format!("the body of the response is {how} than its `content-length`"),
    }
}
