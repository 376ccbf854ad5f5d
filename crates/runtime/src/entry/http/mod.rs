//! Answering HTTP requests: a request goes into a guest, a response comes out of it.
//!
//! [`HttpProgram`] is a component that exports `wasi:http/incoming-handler` (WASI 0.2) or `wasi:http/handler`
//! (0.3), linked once. Each request gets an instance, a fresh one unless [`Reuse`] says otherwise, and runs on the
//! thread of whoever polls the response: there is no task and no queue between a connection and its guest. A guest
//! that computes for longer than a tick goes on elsewhere (`work.rs`), so that the thread serves others.
//!
//! What always holds: no request sees what another left behind, unless [`Reuse`] allows it; a guest ends when the
//! response, or the future that would become it, is dropped.

mod body;
mod failure;
mod instances;
mod p2;
mod p3;
mod pressure;
mod shared;
mod work;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::{Component, types::ComponentItem};
use wasmtime_wasi_http::WasiHttpHooks;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use weft_app::trigger::http::Reuse;
use weft_app::{Grants, Limits};

use crate::cell::{self, Cell, PrincipalSetup, Setup, Thread};
use crate::denial::DenialLog;
use crate::engine::{Concurrency, Engine};
use crate::link::{Imports, Linking};
use crate::prepared::{self, PrepareError};
use crate::program::{Code, Program};
use crate::stop::Stop;

pub use body::{BodyError, GuestBody};
pub use failure::Failure;
use instances::Instances;
pub use pressure::Background;
pub(crate) use pressure::Pressure;
use shared::Shared;
use work::Work;

/// The interfaces by which a component answers requests, without their versions.
const HANDLERS: [&str; 2] = ["wasi:http/incoming-handler", "wasi:http/handler"];

/// Makes what sends the outgoing requests of one component, for each instance anew.
pub type HttpClients = Arc<dyn Fn() -> Box<dyn WasiHttpHooks> + Send + Sync>;

/// Everything that decides what instances may do and spend.
#[derive(Debug, Clone)]
pub struct Serving {
    /// On whose behalf the guest acts: the components it was made of. Never empty.
    pub principals: Vec<ServedPrincipal>,
    /// Whose import is whose.
    pub imports: Imports,
    /// What one instance may spend. Time is the caller's to watch.
    pub limits: Limits,
    /// As [`Setup::heap_bytes_max`], for one instance.
    pub heap_bytes_max: Option<u64>,
    /// How long instances live.
    pub reuse: Reuse,
}

/// What one component of a served program may do.
#[derive(Clone)]
pub struct ServedPrincipal {
    /// What it may use.
    pub grants: Grants,
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Outgoing HTTP; without it every request is denied.
    pub http: Option<HttpClients>,
    /// Where refusals are noted.
    pub denials: DenialLog,
}

impl fmt::Debug for ServedPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedPrincipal")
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}

impl Serving {
    /// What a new instance is opened with.
    fn setup(&self) -> Setup {
        let principal = |principal: &ServedPrincipal| PrincipalSetup {
            grants: principal.grants.clone(),
            arguments: principal.arguments.clone(),
            http: principal.http.as_ref().map(|make| make()),
            denials: principal.denials.clone(),
        };
        Setup {
            principals: self.principals.iter().map(principal).collect(),
            imports: self.imports.clone(),
            limits: self.limits.clone(),
            heap_bytes_max: self.heap_bytes_max,
            stop: Stop::new(),
            thread: Thread::Shared,
        }
    }
}

/// A component that answers requests, linked with what it was granted. Clones are the same program.
#[derive(Clone)]
pub struct HttpProgram(Arc<Inner>);

struct Inner {
    engine: Engine,
    serving: Serving,
    linked: Linked,
    background: Background,
    instances: Instances,
    shared: Shared,
}

/// By which interface the component is entered.
enum Linked {
    P2(ProxyPre<Cell>),
    P3(ServicePre<Cell>),
}

impl fmt::Debug for HttpProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProgram")
            .field("engine", &self.0.engine)
            .field("serving", &self.0.serving)
            .finish_non_exhaustive()
    }
}

/// A component that cannot answer requests.
#[derive(Debug, thiserror::Error)]
pub enum HttpProgramError {
    /// It cannot be linked.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// It exports no handler.
    #[error(
        "the component answers no HTTP requests: it exports neither `wasi:http/incoming-handler` (WASI 0.2) nor \
         `wasi:http/handler` (WASI 0.3)"
    )]
    NoHandler,
    /// Its handler is of a version that is not known.
    #[error("the component exports `{export}`, which is not the handler of a release of WASI")]
    HandlerUnknown {
        /// The export.
        export: String,
    },
    /// A component of WASI 0.2 answers one request at a time.
    #[error("an instance of a WASI 0.2 component answers one request at a time, and {wanted} were asked for")]
    OneAtATime {
        /// What the manifest or a flag says.
        wanted: u32,
    },
}

/// How a request reached the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In the clear.
    Plain,
    /// Encrypted.
    Encrypted,
}

impl HttpProgram {
    /// Links a component with what it is granted.
    ///
    /// # Errors
    /// When the program does not answer requests, or imports what nothing here provides.
    ///
    /// # Authority
    /// Every instance may do exactly what the grants of its principals name.
    pub fn new(
        program: &Program,
        serving: Serving,
        background: Background,
    ) -> Result<Self, HttpProgramError> {
        let Code::Component(component) = &program.code else {
            return Err(PrepareError::Module.into());
        };
        let engine = program.engine().clone();
        let linked = link(&engine, component, &serving)?;
        if matches!(linked, Linked::P2(_)) && serving.reuse.concurrent_max > 1 {
            return Err(HttpProgramError::OneAtATime {
                wanted: serving.reuse.concurrent_max,
            });
        }
        let instances = Instances::new(serving.reuse);
        Ok(Self(Arc::new(Inner {
            engine,
            serving,
            linked,
            background,
            instances,
            shared: Shared::default(),
        })))
    }

    /// Answers one request.
    ///
    /// The response is there when the guest says so; its body goes on driving the guest. Where the guest was done
    /// by then, the body is known as a whole, and has a length.
    ///
    /// # Errors
    /// When no instance can be had, or the guest ends without a response.
    ///
    /// # Limits
    /// Everything but time, which the caller bounds: dropping the future or the body ends the guest.
    pub async fn handle<B>(
        &self,
        request: Request<B>,
        transport: Transport,
    ) -> Result<Response<GuestBody>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let only_head = request.method() == Method::HEAD;
        if self.0.serving.reuse.concurrent_max > 1 {
            return self.handle_shared(request, transport, only_head).await;
        }
        let (answer, answered) = oneshot::channel();
        let mut work = self.work(request, transport, answer);
        let response = work.until_answered(answered).await?;
        let (parts, body) = response.into_parts();
        let body = GuestBody::new(body, work);
        if only_head {
            body.finish_unread();
            return Ok(Response::from_parts(parts, GuestBody::empty()));
        }
        Ok(Response::from_parts(parts, body))
    }

    /// As [`HttpProgram::handle`], by an instance that answers others at the same time.
    async fn handle_shared<B>(
        &self,
        request: Request<B>,
        transport: Transport,
        only_head: bool,
    ) -> Result<Response<GuestBody>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let request = p3::complete(request, transport).map(|body| body::for_guest(body).boxed_unsync());
        let (response, ticket) = self.0.shared.answer(&self.0, request).await?;
        let (parts, body) = response.into_parts();
        let body = GuestBody::of_shared(body, ticket);
        if only_head {
            body.finish_unread();
            return Ok(Response::from_parts(parts, GuestBody::empty()));
        }
        Ok(Response::from_parts(parts, body))
    }

    fn work<B>(&self, request: Request<B>, transport: Transport, answer: work::Answer) -> Work
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let inner = self.0.clone();
        let pressure = inner.background.pressure();
        let seen = pressure.clone();
        match &self.0.linked {
            Linked::P2(_) => Work::new(
                p2::answer(inner, request, transport, answer, seen),
                pressure,
                self.0.background.clone(),
            ),
            Linked::P3(_) => Work::new(
                p3::answer(inner, request, transport, answer, seen),
                pressure,
                self.0.background.clone(),
            ),
        }
    }

    /// Ends instances that nobody has used for as long as they may be kept. Call it from time to time.
    pub fn sweep(&self) {
        self.0.instances.sweep();
    }
}

/// Opens a store for a new instance.
fn open(inner: &Inner, pressure: Pressure) -> Result<Store<Cell>, Failure> {
    let mut store = cell::open(&inner.engine, inner.serving.setup())
        .map_err(|error| Failure::platform(error.to_string()))?;
    store.data_mut().pressure = pressure;
    Ok(store)
}

/// Links a component by the newest handler that it exports and the engine can enter.
fn link(engine: &Engine, component: &Component, serving: &Serving) -> Result<Linked, HttpProgramError> {
    let export = handler_of(engine, component).ok_or(HttpProgramError::NoHandler)?;
    let linking = Linking::of(&serving.setup());
    let linked = prepared::link(engine, component, &linking).map_err(PrepareError::from)?;
    let unknown = |_| HttpProgramError::HandlerUnknown {
        export: export.clone(),
    };
    if export.starts_with("wasi:http/incoming-handler@") {
        ProxyPre::new(linked).map(Linked::P2).map_err(unknown)
    } else {
        ServicePre::new(linked).map(Linked::P3).map_err(unknown)
    }
}

/// The export by which a component answers requests; the newer one where there are two and it can be entered.
fn handler_of(engine: &Engine, component: &Component) -> Option<String> {
    let wasmtime = engine.wasmtime();
    let ty = component.component_type();
    let found = |interface: &str| {
        ty.exports(wasmtime).find_map(|(name, item)| {
            let is_it = matches!(item.ty, ComponentItem::ComponentInstance(_))
                && name.split_once('@').is_some_and(|(path, _)| path == interface);
            is_it.then(|| name.to_owned())
        })
    };
    let [older, newer] = HANDLERS;
    match engine.profile().concurrency() {
        Concurrency::On => found(newer).or_else(|| found(older)),
        Concurrency::Off => found(older).or_else(|| found(newer)),
    }
}

/// Whether a component answers HTTP requests, by the names of what it exports.
#[must_use]
pub fn is_handler(export: &str) -> bool {
    export
        .split_once('@')
        .is_some_and(|(path, _)| HANDLERS.contains(&path))
}
