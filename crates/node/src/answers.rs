//! What answers the requests of a served app: for each route its component.
//!
//! The border between the front (`weft_serve`), which knows no WebAssembly, and the ways into guests
//! (`weft_runtime::entry::http`), which know no routes. A failure of a guest becomes a kind, by which the front picks
//! a status, and a text for the log that names the component and where it was.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use weft_app::Name;
use weft_runtime::Cells;
use weft_runtime::bridge::{CellState, Circuit};
use weft_runtime::entry::http::{BodyError, Failure, GuestBody, HttpProgram, Transport};
use weft_runtime::trap::TrapReport;
use weft_serve::{About, Fault, FaultKind, Handler, RequestBody};

use crate::functions::Functions;

/// Functions of a guest's stack that the log gets.
const FRAMES_MAX: usize = 32;

/// The components behind the routes of an app, in the order of its routes.
#[derive(Debug, Clone)]
pub struct Answers {
    routes: Arc<[Answer]>,
    /// The cells that the components call.
    cells: Cells,
}

/// What answers the requests of one route.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A component.
    Component {
        /// Its name, for the log.
        name: Name,
        /// The component.
        program: HttpProgram,
    },
    /// The function that the path names.
    Functions(Functions),
    /// The front itself, from files.
    Files,
    /// Nobody: what should answer could not be put together.
    Broken {
        /// Why, for whoever develops the app.
        detail: String,
    },
}

impl Answers {
    /// What answers, for each route of an app in their order.
    #[must_use]
    pub fn new(routes: Vec<Answer>) -> Self {
        Self {
            routes: routes.into(),
            cells: Cells::default(),
        }
    }

    /// The same, with the cells that the components call: their numbers are shown.
    #[must_use]
    pub fn calling(mut self, cells: Cells) -> Self {
        self.cells = cells;
        self
    }

    /// The same routes, each of which says what is wrong.
    #[must_use]
    pub fn broken(&self, detail: &str) -> Self {
        let broken = |answer: &Answer| match answer {
            Answer::Files => Answer::Files,
            Answer::Component { .. } | Answer::Functions(_) | Answer::Broken { .. } => Answer::Broken {
                detail: detail.to_owned(),
            },
        };
        Self {
            routes: self.routes.iter().map(broken).collect(),
            cells: self.cells.clone(),
        }
    }

    /// Ends instances that were kept for longer than they may. Call it from time to time.
    pub fn sweep(&self) {
        for answer in self.routes.iter() {
            match answer {
                Answer::Component { program, .. } => program.sweep(),
                Answer::Functions(functions) => functions.sweep(),
                Answer::Files | Answer::Broken { .. } => {}
            }
        }
    }
}

impl Handler for Answers {
    type Body = AnswerBody;

    async fn handle(
        &self,
        request: Request<RequestBody>,
        about: &About,
    ) -> Result<Response<AnswerBody>, Fault> {
        let (name, program) = match self.routes.get(about.route) {
            Some(Answer::Component { name, program }) => (name, program),
            Some(Answer::Functions(functions)) => {
                let (name, program) = function(functions, request.uri().path()).await?;
                return respond(&name, &program, request, about).await;
            }
            Some(Answer::Broken { detail }) => return Err(platform(detail.clone())),
            Some(Answer::Files) | None => {
                return Err(platform(format!("route {} has no component", about.route)));
            }
        };
        respond(name, program, request, about).await
    }

    fn numbers(&self) -> String {
        numbers(&self.cells.states())
    }
}

/// A number by its name, its kind, what it is, and where it stands.
type Shown = (&'static str, &'static str, &'static str, fn(&CellState) -> u64);

/// What is shown of cells.
const NUMBERS: [Shown; 4] = [
    (
        "weft_cell_calls_total",
        "counter",
        "Calls over isolated links that have ended, callers by callers.",
        |cell| cell.calls,
    ),
    (
        "weft_cell_failures_total",
        "counter",
        "Calls over isolated links that failed.",
        |cell| cell.failures,
    ),
    (
        "weft_cell_instances_total",
        "counter",
        "Instances that were made.",
        |cell| cell.instances,
    ),
    (
        "weft_cell_circuit_open",
        "gauge",
        "Whether calls fail at once, because it failed too often.",
        |cell| u64::from(cell.circuit != Circuit::Closed),
    ),
];

/// The numbers of cells, as lines for Prometheus.
fn numbers(states: &[CellState]) -> String {
    let mut out = String::new();
    if states.is_empty() {
        return out;
    }
    for (name, kind, help, value) in NUMBERS {
        // Writing to text cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for cell in states {
            let _ = writeln!(out, "{name}{{cell=\"{}\"}} {}", cell.name, value(cell));
        }
    }
    out
}

async fn respond(
    name: &Name,
    program: &HttpProgram,
    request: Request<RequestBody>,
    about: &About,
) -> Result<Response<AnswerBody>, Fault> {
    let transport = if about.encrypted {
        Transport::Encrypted
    } else {
        Transport::Plain
    };
    let request = request.map(|body| body.map_err(for_guest));
    match program.handle(request, transport).await {
        Ok(response) => Ok(response.map(|body| AnswerBody {
            body,
            component: name.clone(),
        })),
        Err(failure) => Err(fault(name, &failure)),
    }
}

async fn function(functions: &Functions, path: &str) -> Result<(Name, HttpProgram), Fault> {
    let absent = || Fault {
        kind: FaultKind::NotFound,
        detail: "no function has the name in the path".to_owned(),
    };
    let name = Functions::name_in(path).ok_or_else(absent)?;
    match functions.find(&name).await {
        Ok(program) => program.map(|program| (name, program)).ok_or_else(absent),
        Err(why) => Err(platform(format!("function `{name}` cannot be loaded: {why}"))),
    }
}

/// The body of a response, whose failures name the component.
#[derive(Debug)]
pub struct AnswerBody {
    body: GuestBody,
    component: Name,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map_err(|failure| fault(&self.component, &failure))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the guest is told of a failure of the body that it reads.
fn for_guest(fault: Fault) -> BodyError {
    match fault.kind {
        FaultKind::TooLarge => BodyError::TooLarge,
        FaultKind::ClientTooSlow => BodyError::TooSlow,
        _ => BodyError::Broken,
    }
}

fn platform(detail: String) -> Fault {
    Fault {
        kind: FaultKind::Platform,
        detail,
    }
}

fn fault(component: &Name, failure: &Failure) -> Fault {
    let kind = match failure {
        Failure::Trap(_) | Failure::Exit(_) | Failure::NoResponse | Failure::Refused(_) => FaultKind::Guest,
        Failure::Limit(..) => FaultKind::Limit,
        Failure::BadResponse(_) => FaultKind::BadResponse,
        Failure::NoRoom(_) => FaultKind::Busy,
        Failure::Platform(_) => FaultKind::Platform,
    };
    let mut detail = format!("component `{component}`: {failure}");
    if let Failure::Trap(trap) | Failure::Limit(_, Some(trap)) = failure {
        show_stack(&mut detail, trap);
    }
    Fault { kind, detail }
}

fn show_stack(out: &mut String, trap: &TrapReport) {
    for (number, frame) in trap.frames.iter().take(FRAMES_MAX).enumerate() {
        let module = frame
            .module
            .as_deref()
            .map_or(String::new(), |module| format!("{module}!"));
        // Writing to text cannot fail.
        let _ = write!(out, "\n  {number:>3}: {module}{}", frame.function);
        for place in &frame.source {
            let _ = write!(out, "\n         at {place}");
        }
    }
}
