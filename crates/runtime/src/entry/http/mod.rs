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

use crate::bridge::Links;
use crate::cell::{self, Cell, PrincipalSetup, Setup, Thread};
use crate::denial::DenialLog;
use crate::engine::{Concurrency, Engine};
use crate::link::{Imports, Linking};
use crate::prepared::{self, PrepareError};
use crate::program::{Code, Program};
use crate::service::Services;
use crate::stop::Stop;

pub use body::{BodyError, GuestBody};
pub use failure::Failure;
use instances::{Instances, Way};
pub use pressure::Background;
pub(crate) use pressure::Pressure;
use shared::Shared;
use work::{Habit, Work};

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
    /// Imports that other cells satisfy.
    pub links: Links,
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
    pub grants: Arc<Grants>,
    /// Its arguments, its own name first.
    pub arguments: Arc<[String]>,
    /// Outgoing HTTP; without it every request is denied.
    pub http: Option<HttpClients>,
    /// Interfaces that are implemented outside of this crate, shared by all instances.
    pub services: Services,
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
    pub(super) fn setup(&self) -> Setup {
        Setup {
            principals: self.principals.iter().map(ServedPrincipal::setup).collect(),
            imports: self.imports.clone(),
            links: self.links.clone(),
            limits: self.limits.clone(),
            heap_bytes_max: self.heap_bytes_max,
            stop: Stop::new(),
            thread: Thread::Shared,
        }
    }
}

impl ServedPrincipal {
    /// The same for one instance.
    pub(crate) fn setup(&self) -> PrincipalSetup {
        PrincipalSetup {
            grants: self.grants.clone(),
            arguments: self.arguments.clone(),
            http: self.http.as_ref().map(|make| make()),
            services: self.services.clone(),
            denials: self.denials.clone(),
        }
    }
}

/// A component that answers requests, linked with what it was granted. Clones are the same program.
#[derive(Clone)]
pub struct HttpProgram(Entered);

/// By which interface the component is entered.
#[derive(Clone)]
enum Entered {
    P2(Arc<Inner<ProxyPre<Cell>>>),
    P3(Arc<Inner<ServicePre<Cell>>>),
    /// As before, by instances that answer several requests at the same time.
    Shared(Arc<Inner<ServicePre<Cell>>>, Arc<Shared>),
}

struct Inner<W: Way> {
    engine: Engine,
    serving: Serving,
    background: Background,
    habit: Arc<Habit>,
    way: W,
    instances: Instances<W::Proxy>,
}

impl<W: Way> Inner<W> {
    fn new(engine: Engine, serving: Serving, background: Background, way: W) -> Arc<Self> {
        Arc::new(Self {
            instances: Instances::new(serving.reuse),
            engine,
            serving,
            background,
            habit: Arc::default(),
            way,
        })
    }
}

impl fmt::Debug for HttpProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (engine, serving) = match &self.0 {
            Entered::P2(inner) => (&inner.engine, &inner.serving),
            Entered::P3(inner) | Entered::Shared(inner, _) => (&inner.engine, &inner.serving),
        };
        f.debug_struct("HttpProgram")
            .field("engine", engine)
            .field("serving", serving)
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
        let wanted = serving.reuse.concurrent_max;
        Ok(Self(match link(&engine, component, &serving)? {
            Linked::P2(_) if wanted > 1 => return Err(HttpProgramError::OneAtATime { wanted }),
            Linked::P2(way) => Entered::P2(Inner::new(engine, serving, background, way)),
            Linked::P3(way) if wanted > 1 => {
                Entered::Shared(Inner::new(engine, serving, background, way), Arc::default())
            }
            Linked::P3(way) => Entered::P3(Inner::new(engine, serving, background, way)),
        }))
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
        let response = match &self.0 {
            Entered::P2(inner) => {
                let guest =
                    |answer, pressure| p2::answer(inner.clone(), request, transport, answer, pressure);
                answered(inner.background.clone(), inner.habit.clone(), guest).await?
            }
            Entered::P3(inner) => {
                let guest =
                    |answer, pressure| p3::answer(inner.clone(), request, transport, answer, pressure);
                answered(inner.background.clone(), inner.habit.clone(), guest).await?
            }
            Entered::Shared(inner, shared) => {
                let request =
                    p3::complete(request, transport).map(|body| body::for_guest(body).boxed_unsync());
                shared.answer(inner, request).await?
            }
        };
        let (parts, body) = response.into_parts();
        if only_head {
            body.finish_unread();
            return Ok(Response::from_parts(parts, GuestBody::empty()));
        }
        Ok(Response::from_parts(parts, body))
    }

    /// Whether any instance may answer more than one request.
    pub fn keeps_instances(&self) -> bool {
        match &self.0 {
            Entered::P2(inner) => inner.instances.keeps(),
            Entered::P3(inner) | Entered::Shared(inner, _) => inner.instances.keeps(),
        }
    }

    /// Ends instances that nobody has used for as long as they may be kept. Call it from time to time.
    pub fn sweep(&self) {
        match &self.0 {
            Entered::P2(inner) => inner.instances.sweep(),
            Entered::P3(inner) => inner.instances.sweep(),
            // They end by themselves.
            Entered::Shared(..) => {}
        }
    }
}

/// Lets a guest work on the thread of whoever waits for it, until it answers.
async fn answered<F>(
    background: Background,
    habit: Arc<Habit>,
    guest: impl FnOnce(work::Answer, Pressure) -> F,
) -> Result<Response<GuestBody>, Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let pressure = Pressure::default();
    let mut work = Work::new(guest(answer, pressure.clone()), pressure, background, habit);
    let response = work.until_answered(answered).await?;
    Ok(response.map(|body| GuestBody::new(body, work)))
}

/// Opens a store for a new instance.
pub(super) fn open(engine: &Engine, serving: &Serving, pressure: Pressure) -> Result<Store<Cell>, Failure> {
    cell::open(engine, serving.setup(), pressure).map_err(|error| Failure::platform(error.to_string()))
}

/// A component that was linked, by the interface by which it is entered.
enum Linked {
    P2(ProxyPre<Cell>),
    P3(ServicePre<Cell>),
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
