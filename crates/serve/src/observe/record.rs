//! What is noted about one request while it is worked on, and written down when its response has ended.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::access_log::{Line, LogSender};
use super::metrics::{CLIENT_GONE, RouteCounts, ThreadCounts};
use crate::admission::Permit;
use crate::connection::Link;
use crate::handler::Fault;
use crate::settings::{Notice, Notify};

/// Where one thread writes things down.
pub(crate) struct Books {
    pub(crate) thread: usize,
    pub(crate) counts: Arc<ThreadCounts>,
    pub(crate) log: Option<LogSender>,
    pub(crate) notify: Notify,
}

/// Where the requests of a site are counted: a thread's own table, so that looking something up in it touches
/// nothing that another thread writes.
#[derive(Debug)]
pub(crate) struct RouteTable {
    routes: Vec<Arc<RouteCounts>>,
    /// For requests that no route is for.
    nowhere: Arc<RouteCounts>,
}

impl RouteTable {
    pub(crate) fn new(routes: Vec<Arc<RouteCounts>>, nowhere: Arc<RouteCounts>) -> Rc<Self> {
        Rc::new(Self { routes, nowhere })
    }

    fn of(&self, route: Option<usize>) -> &RouteCounts {
        route
            .and_then(|route| self.routes.get(route))
            .unwrap_or(&self.nowhere)
    }
}

/// One request. When it is dropped, the request has ended.
pub(crate) struct Record {
    books: Rc<Books>,
    link: Rc<Link>,
    begun: Instant,
    routes: Rc<RouteTable>,
    route: Option<usize>,
    /// What the log will say, where there is one.
    line: Option<Box<Line>>,
    status: u16,
    bytes: u64,
    is_complete: bool,
    permits: [Option<Permit>; 2],
    is_http2: bool,
    id: crate::handler::RequestId,
}

impl Record {
    pub(crate) fn begin(
        books: &Rc<Books>,
        link: &Rc<Link>,
        routes: &Rc<RouteTable>,
        id: crate::handler::RequestId,
        begun: Instant,
    ) -> Self {
        books.counts.requests_begun.add(1);
        Self {
            books: Rc::clone(books),
            link: Rc::clone(link),
            begun,
            routes: Rc::clone(routes),
            route: None,
            line: None,
            status: CLIENT_GONE,
            bytes: 0,
            is_complete: false,
            permits: [None, None],
            is_http2: false,
            id,
        }
    }

    pub(crate) fn set_line(&mut self, line: Box<Line>) {
        self.line = Some(line);
    }

    pub(crate) fn set_http2(&mut self) {
        self.is_http2 = true;
    }

    pub(crate) fn set_route(&mut self, route: usize, name: &str) {
        self.route = Some(route);
        if let Some(line) = &mut self.line {
            name.clone_into(&mut line.route);
        }
    }

    pub(crate) fn set_status(&mut self, status: http::StatusCode) {
        self.status = status.as_u16();
    }

    /// Keeps the right to be worked on until the response has ended.
    pub(crate) fn keep(&mut self, permits: [Option<Permit>; 2]) {
        self.permits = permits;
    }

    pub(crate) fn note_frame(&self) {
        if self.is_http2 {
            self.link.note_move();
        }
    }

    pub(crate) fn count_bytes(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    pub(crate) fn complete(&mut self) {
        self.is_complete = true;
    }

    /// Notes what went wrong, for the log and never for the client.
    pub(crate) fn fail(&self, fault: &Fault) {
        (self.books.notify)(Notice::RequestFailed {
            id: self.id,
            fault: fault.clone(),
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let now = Instant::now();
        let latency = now.saturating_duration_since(self.begun);
        self.books.counts.count_latency(latency);
        self.books.counts.requests_ended.add(1);
        self.routes.of(self.route).count(self.books.thread, self.status);
        if !self.is_complete {
            self.link.is_broken.set(true);
        }
        if let Some(mut line) = self.line.take()
            && let Some(log) = &self.books.log
        {
            line.status = self.status;
            line.bytes = self.bytes;
            line.latency = latency;
            line.is_complete = self.is_complete;
            log.send(line);
        }
        self.link.finish(now);
    }
}
