//! What answers requests, seen from the front.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};

use crate::request::RequestBody;

/// Answers requests.
///
/// It is called on the thread of the connection and must not block it. The future stays on that thread.
pub trait Handler: Send + Sync + 'static {
    /// A body of a response.
    type Body: http_body::Body<Data = Bytes, Error = Fault> + Send + 'static;

    /// Answers one request. The response may begin before its body is there.
    ///
    /// # Errors
    /// A [`Fault`], which the front turns into a status; its detail goes to the log and never to the client.
    ///
    /// # Limits
    /// The front bounds the time: it drops the future, or the body, when the request's time is over or its client
    /// is gone. Whatever works on the request must end with it.
    fn handle(
        &self,
        request: Request<RequestBody>,
        about: &About,
    ) -> impl Future<Output = Result<Response<Self::Body>, Fault>>;

    /// Numbers of its own, as lines for Prometheus, which stand behind those of the front.
    fn numbers(&self) -> String {
        String::new()
    }
}

/// What is known about a request beside what the client wrote.
#[derive(Debug, Clone)]
pub struct About {
    /// Its id, the same in the log and in the response.
    pub id: RequestId,
    /// Who sent it; not known on a Unix socket without a proxy that says so.
    pub client: Option<SocketAddr>,
    /// Whether it came encrypted.
    pub encrypted: bool,
    /// The number of the route that was chosen, in the order of the app's routes.
    pub route: usize,
}

/// Names one request: 128 bits, unlikely to be anybody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub u128);

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// Why there is no response, or no whole one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    /// What it means for the client.
    pub kind: FaultKind,
    /// For the log: what happened, who is at fault.
    pub detail: String,
}

/// What a fault means for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The guest failed: it trapped, or ended without a response. 500.
    Guest,
    /// The guest reached one of its limits. 500.
    Limit,
    /// The guest took longer than it may. 504.
    Deadline,
    /// There is no room for the request now. 503, with the advice to try again.
    Busy,
    /// What the guest answered is no response that could be sent. 502.
    BadResponse,
    /// The client sent something that is no request, or went on badly. 400.
    BadRequest,
    /// The client sent more than it may. 413.
    TooLarge,
    /// The client took too long. 408.
    ClientTooSlow,
    /// Nothing answers this path. 404.
    NotFound,
    /// Weft failed. 500.
    Platform,
}
