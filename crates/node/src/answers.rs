//! What answers the requests of a served app: for each route its component.
//!
//! The border between the front (`weft_serve`), which knows no WebAssembly, and the ways into guests
//! (`weft_runtime::entry::http`), which know no routes. What went wrong in a guest is told here once, to whoever
//! keeps the log; the front gets only what kind of failure it was.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use weft_runtime::entry::http::{BodyError, Failure, GuestBody, HttpProgram, Transport};
use weft_serve::{About, Fault, FaultKind, Handler};

/// Told about every failure of a guest, with the name of the route and what is known about the request.
pub type Tell = Arc<dyn Fn(&About, &str, &Failure) + Send + Sync>;

/// The components behind the routes of an app, in the order of its routes.
#[derive(Clone)]
pub struct Answers {
    routes: Arc<[Answer]>,
    tell: Tell,
}

/// What answers the requests of one route.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The name of its component, for the log.
    pub component: String,
    /// The component; none where the route leads to files, which the front serves itself.
    pub program: Option<HttpProgram>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").field("routes", &self.routes).finish_non_exhaustive()
    }
}

impl Answers {
    /// What answers, for each route of an app in their order.
    #[must_use]
    pub fn new(routes: Vec<Answer>, tell: Tell) -> Self {
        Self {
            routes: routes.into(),
            tell,
        }
    }

    /// Ends instances that were kept for longer than they may. Call it from time to time.
    pub fn sweep(&self) {
        for program in self.routes.iter().filter_map(|answer| answer.program.as_ref()) {
            program.sweep();
        }
    }
}
