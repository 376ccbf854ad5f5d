//! From a request to its response: which route, whether there is room, and how long it may take.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use weft_app::trigger::http::{Route, RouteTarget};

use super::body::RequestBody;
use super::response::{self, ResponseBody};
use super::{check, fault};
use crate::admission::{Door, Entry, Permit};
use crate::connection::{Link, Peer, Phase};
use crate::files::{self, FileBody};
use crate::handler::{About, Fault, FaultKind, Handler, RequestId};
use crate::ids;
use crate::observe::{Line, Record};
use crate::protocol::Refusal;
use crate::router::Found;
use crate::worker::{LocalSite, Worker};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a body is read on that a handler did not read to its end, and how far.
const HEAR_OUT: Duration = Duration::from_millis(50);
const HEAR_OUT_BYTES_MAX: usize = 64 << 10;

/// What answers a request.
enum Reply<B> {
    /// What a handler said, and the bytes that it promises.
    Handler(Response<B>, Option<u64>),
    File(Response<FileBody>),
    Text(Response<Bytes>),
}

/// Why nothing answers a request.
enum Trouble {
    /// It is none; its connection ends.
    Refused(Refusal),
    Fault(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Answers one request.
pub(crate) async fn answer<H: Handler>(
    worker: Rc<Worker<H>>,
    peer: Rc<Peer>,
    link: Rc<Link>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody<H::Body>>, Infallible> {
    let begun = Instant::now();
    let refusal = link.count_request();
    link.enter(Phase::Working, begun);
    link.wanted.set(None);
    let (id, id_text) = worker.ids.borrow_mut().next();
    let site = worker.site();
    let mut record = Record::begin(&worker.books, &link, site.counts(), id, begun);
    let (parts, body) = request.into_parts();
    let (method, version) = (parts.method.clone(), parts.version);
    if version == Version::HTTP_2 {
        record.set_http2();
    }
    link.takes_interim.set(version == Version::HTTP_11);
    if worker.books.log.is_some() && refusal.is_none() {
        record.set_line(Line::new(id, peer.client.map(|client| client.ip()), &parts));
    }
    let exchange = Exchange {
        worker: &worker,
        peer: &peer,
        link: &link,
        site: &site,
        id,
        begun,
    };
    let reply = match refusal {
        Some(refusal) => Err(Trouble::Refused(refusal)),
        None => exchange.reply(parts, body, &mut record).await,
    };
    let reply = reply.unwrap_or_else(|trouble| Reply::Text(exchange.apologise(trouble, &record)));
    let mut response = dress(reply, &method, record);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, ids::header(id_text));
    if version == Version::HTTP_2 {
        headers.remove(CONNECTION);
    } else if worker.draining.get().is_some() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if link.phase.get() == Phase::Working {
        // Where nobody had to wait, no time has passed.
        let has_waited = link.wanted.get().is_some();
        link.moved.set(if has_waited { Instant::now() } else { begun });
        link.phase.set(Phase::Responding);
    }
    Ok(response)
}

/// Puts the record, and whatever a request holds until it has ended, into the body.
fn dress<B>(reply: Reply<B>, method: &Method, mut record: Record) -> Response<ResponseBody<B>>
where
    B: http_body::Body<Data = Bytes, Error = Fault>,
{
    let status = match &reply {
        Reply::Handler(response, _) => response.status(),
        Reply::File(response) => response.status(),
        Reply::Text(response) => response.status(),
    };
    record.set_status(status);
    let response = match reply {
        Reply::Handler(response, left) => response.map(|body| ResponseBody::handler(body, left, record)),
        Reply::File(response) => response.map(|body| ResponseBody::file(body, record)),
        Reply::Text(response) => response.map(|body| ResponseBody::text(body, record)),
    };
    let has_body =
        method != Method::HEAD && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_body {
        response
    } else {
        response.map(ResponseBody::without_body)
    }
}

/// What is known while one request is answered.
struct Exchange<'a, H> {
    worker: &'a Worker<H>,
    peer: &'a Peer,
    link: &'a Link,
    site: &'a LocalSite<H>,
    id: RequestId,
    begun: Instant,
}

impl<H: Handler> Exchange<'_, H> {
    async fn reply(
        &self,
        mut parts: Parts,
        body: Incoming,
        record: &mut Record,
    ) -> Result<Reply<H::Body>, Trouble> {
        let limits = &self.worker.limits;
        if check::has_too_many_headers(&parts, limits.headers_max) {
            return Err(Trouble::Refused(Refusal::HeadTooLarge));
        }
        if parts.version == Version::HTTP_2 {
            check::join_cookies(&mut parts.headers);
        }
        let host = check::host(&parts, self.peer.is_encrypted).map_err(Trouble::Refused)?;
        let path = parts.uri.path();
        if path == "*" {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(Reply::Text(response));
        }
        let (number, route) = match self.site.installed().router.find(host, path, &parts.method) {
            Found::Route(number, route) => (number, route),
            Found::OtherMethods(allow) => {
                let mut response = fault::page(StatusCode::METHOD_NOT_ALLOWED, self.id);
                response.headers_mut().insert(ALLOW, allow);
                return Ok(Reply::Text(response));
            }
            Found::Nothing => return Ok(Reply::Text(fault::page(StatusCode::NOT_FOUND, self.id))),
        };
        record.set_route(number, route.name.as_str());
        record.keep(self.enter(number).await?);
        match &route.target {
            RouteTarget::Component(_) => {
                self.ask_handler(number, route, Request::from_parts(parts, body))
                    .await
            }
            RouteTarget::Files(_) => {
                // In a box of its own, so that other requests need not carry room for it.
                let finding = files::respond(&self.site.installed().folders, number, route, &parts);
                let found = Box::pin(finding).await;
                Ok(match found {
                    Ok(response) => Reply::File(response),
                    Err(status) => {
                        let mut response = fault::page(status, self.id);
                        files::explain(&mut response);
                        Reply::Text(response)
                    }
                })
            }
        }
    }

    /// Waits for the right to be worked on: of the route first, so that whoever waits there holds nobody up.
    async fn enter(&self, route: usize) -> Result<[Option<Permit>; 2], Trouble> {
        let of_route = match self.site.door(route) {
            Some(door) => Some(self.pass(door).await?),
            None => None,
        };
        Ok([of_route, Some(self.pass(&self.worker.door).await?)])
    }

    async fn pass(&self, door: &Door) -> Result<Permit, Trouble> {
        let counts = &self.worker.books.counts;
        let busy = |why: &str| {
            counts.shed.add(1);
            Trouble::Fault(Fault {
                kind: FaultKind::Busy,
                detail: why.to_owned(),
            })
        };
        let mut turn = match door.enter() {
            Entry::Entered(permit) => return Ok(permit),
            Entry::Full => return Err(busy("as many requests are worked on and wait as may")),
            Entry::Queued(turn) => turn,
        };
        counts.queued.add(1);
        let until = Instant::now() + self.worker.limits.queue_timeout;
        poll_fn(|context| {
            if let Poll::Ready(permit) = Pin::new(&mut turn).poll(context) {
                return Poll::Ready(Ok(permit));
            }
            if Instant::now() >= until {
                return Poll::Ready(Err(busy("its turn did not come in time")));
            }
            self.link.wanted.set(Some(until));
            Poll::Pending
        })
        .await
    }

    async fn ask_handler(
        &self,
        number: usize,
        route: &Route,
        request: Request<Incoming>,
    ) -> Result<Reply<H::Body>, Trouble> {
        let limits = &self.worker.limits;
        let method = request.method().clone();
        let is_http2 = request.version() == Version::HTTP_2;
        let request = request.map(|body| RequestBody::new(body, limits.body_bytes_max, self.begun));
        let watch = request.body().watch();
        if watch.is_some() {
            self.link.body.borrow_mut().clone_from(&watch);
        }
        let about = About {
            id: self.id,
            client: self.peer.client,
            encrypted: self.peer.is_encrypted,
            route: number,
        };
        let timeout = route.response_timeout.unwrap_or(limits.response_timeout);
        let has_waited = self.link.wanted.take().is_some();
        let from = if has_waited { Instant::now() } else { self.begun };
        let until = from + timeout.min(limits.total_timeout);
        let handler = &self.site.installed().handler;
        // In a box of its own: an idle connection must not have room for it.
        let mut future = Box::pin(handler.handle(request, &about));
        let answered = poll_fn(|context| {
            if let Some(why) = self.link.violation.get() {
                return Poll::Ready(Err(Trouble::Refused(why)));
            }
            if let Poll::Ready(answered) = future.as_mut().poll(context) {
                return Poll::Ready(answered.map_err(Trouble::Fault));
            }
            let now = Instant::now();
            let slow = watch.as_ref().and_then(|watch| watch.waiting_since());
            let slow = slow.map(|since| since + limits.body_timeout);
            if slow.is_some_and(|slow| now >= slow) {
                return Poll::Ready(Err(Trouble::Refused(Refusal::TooSlow)));
            }
            if now >= until {
                return Poll::Ready(Err(too_long(timeout).into()));
            }
            self.link
                .wanted
                .set(Some(slow.map_or(until, |slow| slow.min(until))));
            Poll::Pending
        })
        .await;
        match answered {
            Ok(mut response) => {
                if is_http2 && let Some(left) = watch.as_ref().and_then(|watch| watch.take_left()) {
                    Box::pin(self.hear_out(left)).await?;
                }
                let left = response::tidy(&mut response, &method)?;
                Ok(Reply::Handler(response, left))
            }
            Err(_) if watch.as_ref().is_some_and(|watch| watch.is_too_large()) => {
                Err(Trouble::Refused(Refusal::BodyTooLarge))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Reads on for a moment what a handler left of the body of a stream. A stream that is malformed shows it only
    /// at its end, and must be reset instead of answered; once the response is out, that is too late.
    async fn hear_out(&self, mut left: Incoming) -> Result<(), Trouble> {
        let until = Instant::now() + HEAR_OUT;
        let mut bytes = 0;
        poll_fn(|context| {
            loop {
                match Pin::new(&mut left).poll_frame(context) {
                    Poll::Ready(Some(Ok(frame))) => {
                        bytes += frame.data_ref().map_or(0, Bytes::len);
                        if bytes > HEAR_OUT_BYTES_MAX {
                            return Poll::Ready(Ok(()));
                        }
                    }
                    Poll::Ready(Some(Err(_))) => {
                        let why = Refusal::Malformed("the body of the request broke off");
                        return Poll::Ready(Err(Trouble::Refused(why)));
                    }
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending if Instant::now() >= until => return Poll::Ready(Ok(())),
                    Poll::Pending => {
                        self.link.wanted.set(Some(until));
                        return Poll::Pending;
                    }
                }
            }
        })
        .await
    }

    fn apologise(&self, trouble: Trouble, record: &Record) -> Response<Bytes> {
        match trouble {
            Trouble::Refused(refusal) => {
                self.worker.books.counts.refused.add(1);
                fault::refused(refusal, self.id)
            }
            Trouble::Fault(fault) => {
                record.fail(&fault);
                fault::response(&fault, self.id, self.worker.shared.pages)
            }
        }
    }
}

fn too_long(timeout: Duration) -> Fault {
    Fault {
        kind: FaultKind::Deadline,
        detail: format!("no response began within {timeout:?}"),
    }
}
