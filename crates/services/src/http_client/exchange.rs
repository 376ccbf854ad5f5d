//! Sends one request and waits for the head of its response.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant, sleep};
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, Error, RequestOptions, WasiBody};

use super::body::{Content, Exchange, InFlight, RequestBody};
use super::connector::Protocol;
use super::egress::{Destination, request_target};
use super::error::Phase;
use super::pool::{Lease, Rested};
use super::{Limits, Shared};

/// How long a request whose method rarely has a body waits to learn whether it has one. Only the framing depends
/// on it: without an answer the request goes out as one of unknown length, which says the same in more bytes.
const CONTENT_PATIENCE: Duration = Duration::from_millis(20);

/// The time limits of one request.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl Timeouts {
    fn new(options: Option<RequestOptions>, limits: &Limits) -> Self {
        let options = options.unwrap_or_default();
        Self {
            connect: options.connect_timeout.unwrap_or(limits.connect_timeout),
            first_byte: options.first_byte_timeout.unwrap_or(limits.first_byte_timeout),
            between_bytes: options
                .between_bytes_timeout
                .unwrap_or(limits.between_bytes_timeout),
        }
    }
}

/// The moment `after` now. A guest may ask for any number of nanoseconds; a year stands for all that never end.
fn deadline(after: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    Instant::now() + after.min(YEAR)
}

/// A request without its body, with everything in it that the guest does not decide already decided.
struct Head {
    parts: Parts,
    destination: Destination,
    target: PathAndQuery,
    content: Content,
}

impl Head {
    /// Reads the destination and removes what belongs to the connection rather than to the request. Guests
    /// cannot set these headers; requests made by the host may have them.
    fn read(mut parts: Parts) -> Result<Self, Error> {
        let destination = Destination::of(&parts.uri)?;
        let target = request_target(&parts.method, &parts.uri)?;
        for name in &DEFAULT_FORBIDDEN_HEADERS {
            parts.headers.remove(name);
        }
        // Of the transfer codings only trailers can be offered: whatever else comes back would not be decoded.
        if parts.headers.get_all(TE).iter().any(|value| value != "trailers") {
            parts.headers.remove(TE);
        }
        Ok(Self {
            parts,
            destination,
            target,
            content: Content::Plain,
        })
    }

    /// The request in the form that the protocol wants. The authority is the checked one in both.
    fn request(&self, protocol: Protocol, body: RequestBody) -> Result<Request<RequestBody>, Error> {
        let mut request = Request::new(body);
        *request.method_mut() = self.parts.method.clone();
        *request.headers_mut() = self.parts.headers.clone();
        match protocol {
            Protocol::Http1 => {
                *request.version_mut() = Version::HTTP_11;
                *request.uri_mut() = Uri::from(self.target.clone());
                request
                    .headers_mut()
                    .insert(HOST, self.destination.host_header()?);
                if self.content == Content::Unmeasured {
                    request
                        .headers_mut()
                        .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                }
            }
            Protocol::Http2 => {
                *request.version_mut() = Version::HTTP_2;
                *request.uri_mut() = self.destination.absolute_uri(&self.target)?;
            }
        }
        Ok(request)
    }
}

/// Sends the request; returns the response, and the rest of the exchange as a future that both bodies need.
///
/// Dropped before the end it closes what it opened: nothing of the exchange stays behind.
pub(crate) async fn send(
    client: Arc<Shared>,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<(Response<WasiBody>, InFlight), Error> {
    let timeouts = Timeouts::new(options, &client.limits);
    let (parts, body) = request.into_parts();
    let mut head = Head::read(parts)?;
    client.check_origin(&head.destination)?;

    let exchange = Exchange::new();
    let in_flight = InFlight::new(Arc::clone(&exchange));
    let mut body = exchange.request(body, &head.parts.headers);
    if matches!(head.parts.method, Method::GET | Method::HEAD) {
        // hyper takes these for requests without a body unless a header says otherwise.
        head.content = body.peek(CONTENT_PATIENCE).await;
    }
    let (response, lease) = deliver(&client, &head, body, &exchange, timeouts).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::HttpUpgradeFailed);
    }
    let response = response.map(|body| {
        exchange
            .response(body, lease, timeouts.between_bytes)
            .boxed_unsync()
    });
    Ok((response, in_flight))
}

/// Sends over a kept connection if there is one, and once more over a new one if that turned out to be closed:
/// servers close idle connections whenever they like, and a request may be on its way just then.
async fn deliver(
    client: &Shared,
    head: &Head,
    body: RequestBody,
    exchange: &Arc<Exchange>,
    timeouts: Timeouts,
) -> Result<(Response<Incoming>, Lease), Error> {
    let connect_by = deadline(timeouts.connect);
    let can_repeat = head.parts.method.is_idempotent() && http_body::Body::is_end_stream(&body);
    let mut lease = client
        .lease(&head.destination, Rested::Allowed, connect_by)
        .await?;
    let request = head.request(lease.protocol(), body)?;
    let mut failure = match attempt(&mut lease, request, exchange, timeouts.first_byte).await? {
        Ok(response) => return Ok((response, lease)),
        Err(failure) => failure,
    };
    let body = match failure.take_message() {
        _ if !lease.is_reused() => None,
        Some(unsent) => Some(unsent.into_body()),
        None if can_repeat && closed_unanswered(failure.error()) => Some(empty_body(exchange, head)),
        None => None,
    };
    let Some(body) = body else {
        return Err(exchange.reason(failure.error(), Phase::Head));
    };
    lease.retire();
    let mut lease = client
        .lease(&head.destination, Rested::Refused, connect_by)
        .await?;
    let request = head.request(lease.protocol(), body)?;
    match attempt(&mut lease, request, exchange, timeouts.first_byte).await? {
        Ok(response) => Ok((response, lease)),
        Err(failure) => Err(exchange.reason(failure.error(), Phase::Head)),
    }
}

fn closed_unanswered(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_canceled() || error.is_closed()
}

fn empty_body(exchange: &Arc<Exchange>, head: &Head) -> RequestBody {
    debug_assert!(
        head.parts
            .headers
            .get(CONTENT_LENGTH)
            .is_none_or(|length| length == "0")
    );
    exchange.request(
        Empty::<Bytes>::new().map_err(Error::from).boxed_unsync(),
        &head.parts.headers,
    )
}

/// Sends once. The time to the first byte counts from the last piece of the request that was taken, so that a
/// long upload is not cut while it moves.
async fn attempt(
    lease: &mut Lease,
    request: Request<RequestBody>,
    exchange: &Exchange,
    first_byte: Duration,
) -> Result<Result<Response<Incoming>, TrySendError<Request<RequestBody>>>, Error> {
    let started = Instant::now();
    let mut sending = pin!(lease.try_send(request));
    let mut silence = pin!(sleep(first_byte));
    poll_fn(|context| {
        if let Poll::Ready(outcome) = sending.as_mut().poll(context) {
            return Poll::Ready(Ok(outcome));
        }
        while silence.as_mut().poll(context).is_ready() {
            let quiet = exchange.request_moved().max(started).elapsed();
            let Some(left) = first_byte.checked_sub(quiet).filter(|left| !left.is_zero()) else {
                return Poll::Ready(Err(Error::ConnectionReadTimeout));
            };
            silence.as_mut().reset(deadline(left));
        }
        Poll::Pending
    })
    .await
}
