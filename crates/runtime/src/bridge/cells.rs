//! The cells of an app that others call, linked once.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};
use weft_app::cell::{CellSettings, Lifetime};
use weft_app::link::Isolation;
use weft_app::{Interruption, Limits};

use super::invocation::Live;
use super::shared::Shared;
use super::signature;
use super::tell::{Tell, Telling};
use crate::cache::Digest;
use crate::cell::{Cell, Setup, Thread};
use crate::engine::{Concurrency, Engine};
use crate::entry::http::ServedPrincipal;
use crate::error::SetupError;
use crate::link::{self, Imports, Linking};
use crate::prepared;
use crate::program::{Code, Program};
use crate::stop::Stop;

/// A cell that others call, before it is linked.
#[derive(Debug, Clone)]
pub struct CellPlan {
    /// What it is called in messages: the component that is called first.
    pub name: String,
    /// Its code: everything that is fused with that component.
    pub program: Program,
    /// What makes it the same as one of another version of the app: a digest of everything that it was made from.
    pub identity: Digest,
    /// On whose behalf it acts: the components it was made of. Never empty.
    pub principals: Vec<ServedPrincipal>,
    /// Whose import is whose.
    pub imports: Imports,
    /// What one instance may spend.
    pub limits: Limits,
    /// As [`Setup::heap_bytes_max`].
    pub heap_bytes_max: Option<u64>,
    /// How long instances live, and what one call may spend.
    pub settings: CellSettings,
    /// Its own calls of other cells.
    pub links: Vec<LinkPlan>,
    /// Who hears of calls that fail.
    pub tell: Tell,
}

/// An import that another cell satisfies.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkPlan {
    /// The import, by its name in the program.
    pub import: String,
    /// The cell, by its place among those of the app.
    pub cell: usize,
    /// The export that satisfies it, by its name in that cell's program.
    pub export: String,
    /// What the caller sees of a call that fails.
    pub isolation: Isolation,
}

/// The links of one program, and the cells they lead to. The default has none.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// The cells of the app.
    pub cells: Cells,
    /// The links, by the names of imports.
    pub links: Arc<[LinkPlan]>,
}

/// The cells of an app that others call. Clones are the same cells.
#[derive(Debug, Clone, Default)]
pub struct Cells(Arc<[Arc<Callee>]>);

/// Cells that cannot be linked.
#[derive(Debug, thiserror::Error)]
pub enum CellsError {
    /// One of them is a core module.
    #[error("cell `{cell}` is a core module, not a component")]
    Module {
        /// The cell.
        cell: String,
    },
    /// One of them cannot be linked.
    #[error("cell `{cell}` cannot be linked")]
    Link {
        /// The cell.
        cell: String,
        /// Why.
        #[source]
        source: Box<SetupError>,
    },
    /// They call each other in a circle.
    #[error("cell `{cell}` calls itself, by way of others")]
    Circle {
        /// One of them.
        cell: String,
    },
    /// Nothing makes its code look up, so no time can be kept.
    #[error("cell `{cell}` has a limit of time, and its code is not interrupted (`interruption = \"none\"`)")]
    NotInterrupted {
        /// The cell.
        cell: String,
    },
}

/// How a cell fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellState {
    /// What it is called.
    pub name: String,
    /// Calls of it so far.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Instances that were made.
    pub instances: u64,
    /// Whether it is called at all; always closed where it is not shared.
    pub circuit: Circuit,
}

/// Whether a cell is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// It is.
    Closed,
    /// It failed too often: calls fail at once until this time has passed.
    Open(Duration),
}

/// A cell that is called.
pub(super) struct Callee {
    pub(super) plan: CellPlan,
    pub(super) engine: Engine,
    pub(super) links: Links,
    pub(super) linked: InstancePre<Cell>,
    pub(super) functions: Vec<Export>,
    by_name: HashMap<(String, String), usize>,
    /// Whether its functions are called on the stack of their caller: nothing in it waits or gives its thread back.
    pub(super) is_direct: bool,
    /// Whether an instance goes on by itself between calls: what a call began may still be written or read.
    pub(super) is_driven: bool,
    /// Instances that wait for their next caller, where it has those.
    pub(super) idle: Mutex<Vec<Live>>,
    /// The one instance, where there is one for all.
    pub(super) shared: Option<Arc<Shared>>,
    pub(super) counts: Arc<Counts>,
    pub(super) telling: Telling,
}

/// What has happened to a cell so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) calls: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) instances: AtomicU64,
}

/// A function that others call.
pub(super) struct Export {
    pub(super) index: ComponentExportIndex,
    pub(super) ty: ComponentFunc,
    /// Core values that it returns, one where it returns the place of more.
    pub(super) results: usize,
}

impl fmt::Debug for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callee")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl Cells {
    /// Links the cells of an app. Those that are the same as among `before`, together with all that they call, are kept
    /// with their instances and what those know.
    ///
    /// # Errors
    /// When one of them imports what nothing provides, or they call each other in a circle.
    ///
    /// # Authority
    /// An instance may do exactly what the grants of its principals name, whoever calls it.
    pub fn link(plans: Vec<CellPlan>, before: Option<&Self>) -> Result<Self, CellsError> {
        let mut linking = LinkingCells {
            plans,
            done: HashMap::new(),
            under_way: Vec::new(),
            before,
        };
        let cells = (0..linking.plans.len()).map(|index| linking.callee(index));
        Ok(Self(cells.collect::<Result<_, _>>()?))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How each of them fares.
    pub fn states(&self) -> Vec<CellState> {
        let state = |callee: &Arc<Callee>| CellState {
            name: callee.plan.name.clone(),
            calls: callee.counts.calls.load(Ordering::Relaxed),
            failures: callee.counts.failures.load(Ordering::Relaxed),
            instances: callee.counts.instances.load(Ordering::Relaxed),
            circuit: callee
                .shared
                .as_ref()
                .map_or(Circuit::Closed, |shared| shared.circuit()),
        };
        self.0.iter().map(state).collect()
    }

    pub(super) fn callee(&self, index: usize) -> Option<&Arc<Callee>> {
        self.0.get(index)
    }
}

struct LinkingCells<'a> {
    plans: Vec<CellPlan>,
    done: HashMap<usize, Arc<Callee>>,
    under_way: Vec<usize>,
    before: Option<&'a Cells>,
}

impl LinkingCells<'_> {
    fn callee(&mut self, index: usize) -> Result<Arc<Callee>, CellsError> {
        if let Some(done) = self.done.get(&index) {
            return Ok(done.clone());
        }
        let Some(plan) = self.plans.get(index).cloned() else {
            let cell = format!("number {index}");
            let source = Box::new(SetupError::CellUnknown { cell: index });
            return Err(CellsError::Link { cell, source });
        };
        if self.under_way.contains(&index) {
            return Err(CellsError::Circle { cell: plan.name });
        }
        self.under_way.push(index);
        // Those that it calls are linked first; its links lead to them by their places.
        let mut of_it: Vec<Option<Arc<Callee>>> = vec![None; self.plans.len()];
        for link in &plan.links {
            let callee = self.callee(link.cell)?;
            if let Some(place) = of_it.get_mut(link.cell) {
                *place = Some(callee);
            }
        }
        self.under_way.pop();
        let callee = match self.kept(&plan, &of_it) {
            Some(kept) => kept,
            None => Arc::new(Callee::new(plan, of_it)?),
        };
        self.done.insert(index, callee.clone());
        Ok(callee)
    }

    /// The same cell of before, if it is the same and calls the same.
    fn kept(&self, plan: &CellPlan, callees: &[Option<Arc<Callee>>]) -> Option<Arc<Callee>> {
        let is_same = |old: &&Arc<Callee>| {
            old.plan.identity == plan.identity
                && old.plan.name == plan.name
                && old.plan.links.len() == plan.links.len()
                && old.plan.links.iter().zip(&plan.links).all(|(old_link, link)| {
                    let now = callees.get(link.cell).and_then(Option::as_ref);
                    let then = old.links.cells.callee(old_link.cell);
                    old_link.import == link.import
                        && old_link.export == link.export
                        && old_link.isolation == link.isolation
                        && matches!((now, then), (Some(now), Some(then)) if Arc::ptr_eq(now, then))
                })
        };
        self.before?.0.iter().find(is_same).cloned()
    }
}

/// Interfaces whose functions never wait: a guest that imports only these can be called on its caller's stack.
const NEVER_WAITING: [&str; 16] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/wall-clock",
    "wasi:clocks/monotonic-clock",
    "wasi:io/error",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
];

/// The longest that a call of a cell takes that is there for all, where nothing else is said.
const SHARED_WALL_TIME: Duration = Duration::from_secs(30);

impl Callee {
    fn new(mut plan: CellPlan, callees: Vec<Option<Arc<Callee>>>) -> Result<Self, CellsError> {
        let engine = plan.program.engine().clone();
        if matches!(plan.settings.lifetime, Lifetime::Shared) && engine.interruption() != Interruption::None {
            // A call that has begun goes on without its caller, and must end all the same.
            plan.settings.wall_time_max.get_or_insert(SHARED_WALL_TIME);
        }
        let Code::Component(component) = &plan.program.code else {
            return Err(CellsError::Module { cell: plan.name });
        };
        let settings = &plan.settings;
        let keeps_time = settings.wall_time_max.is_some() || settings.cpu_time_max.is_some();
        if keeps_time && engine.interruption() == Interruption::None {
            return Err(CellsError::NotInterrupted { cell: plan.name });
        }
        let links = renumber(&plan.links, &callees);
        let failed = |source| CellsError::Link {
            cell: plan.name.clone(),
            source: Box::new(source),
        };
        let linking = Linking::of(&setup(&plan, &links, Stop::new(), Thread::Shared));
        let linked = prepared::link(&engine, component, &linking).map_err(failed)?;
        let (functions, by_name) = exports(&engine, component);
        let is_driven = functions
            .iter()
            .any(|function| signature::has_streams(&function.ty));
        let is_direct = !is_driven
            && engine.profile().concurrency() == Concurrency::Off
            && engine.interruption() == Interruption::None
            && component
                .component_type()
                .imports(engine.wasmtime())
                .all(|(name, item)| never_waits(&plan.imports, name, &item.ty, &engine));
        let shared =
            matches!(settings.lifetime, Lifetime::Shared).then(|| Arc::new(Shared::new(settings.restarts)));
        Ok(Self {
            linked,
            functions,
            by_name,
            is_direct,
            is_driven,
            links,
            engine,
            plan,
            idle: Mutex::default(),
            shared,
            counts: Arc::default(),
            telling: Telling::default(),
        })
    }

    pub(super) fn setup(&self, stop: Stop, thread: Thread) -> Setup {
        setup(&self.plan, &self.links, stop, thread)
    }

    /// The function of an export, by its name and, where that is an interface, the function's.
    pub(super) fn function(&self, export: &str, function: &str) -> Option<usize> {
        self.by_name
            .get(&(export.to_owned(), function.to_owned()))
            .copied()
    }

    /// Whether instances are kept when their caller is done.
    pub(super) fn pool(&self) -> Option<(u32, usize)> {
        match self.plan.settings.lifetime {
            Lifetime::Pooled { uses_max, idle_max } => Some((uses_max, idle_max as usize)),
            Lifetime::Request | Lifetime::Shared => None,
        }
    }
}

/// Gives a cell's links a list of callees of their own, which is as long as it calls cells.
fn renumber(links: &[LinkPlan], callees: &[Option<Arc<Callee>>]) -> Links {
    let mut of_cell = Vec::new();
    let mut places = Vec::new();
    let mut renumbered = Vec::new();
    for link in links {
        let place = places.iter().position(|cell| *cell == link.cell);
        let place = place.unwrap_or_else(|| {
            places.push(link.cell);
            of_cell.extend(callees.get(link.cell).cloned().flatten());
            places.len() - 1
        });
        renumbered.push(LinkPlan {
            cell: place,
            ..link.clone()
        });
    }
    Links {
        cells: Cells(of_cell.into()),
        links: renumbered.into(),
    }
}

fn setup(plan: &CellPlan, links: &Links, stop: Stop, thread: Thread) -> Setup {
    let mut limits = plan.limits.clone();
    limits.handles_max = plan.settings.handles_max;
    Setup {
        principals: plan.principals.iter().map(ServedPrincipal::setup).collect(),
        imports: plan.imports.clone(),
        links: links.clone(),
        limits,
        heap_bytes_max: plan.heap_bytes_max,
        stop,
        thread,
    }
}

type ByName = HashMap<(String, String), usize>;

/// Every function that a component exports, by the name of the export and its own.
fn exports(engine: &Engine, component: &Component) -> (Vec<Export>, ByName) {
    let mut functions = Vec::new();
    let mut by_name = HashMap::new();
    let mut found = |export: &str, name: &str, ty: ComponentFunc, index: Option<ComponentExportIndex>| {
        let Some(index) = index else { return };
        by_name.insert((export.to_owned(), name.to_owned()), functions.len());
        functions.push(Export {
            results: super::link::returned(&ty),
            index,
            ty,
        });
    };
    let wasmtime = engine.wasmtime();
    for (export, item) in component.component_type().exports(wasmtime) {
        match item.ty {
            ComponentItem::ComponentFunc(ty) => {
                found(export, "", ty, component.get_export_index(None, export));
            }
            ComponentItem::ComponentInstance(instance) => {
                let parent = component.get_export_index(None, export);
                for (name, item) in instance.exports(wasmtime) {
                    if let ComponentItem::ComponentFunc(ty) = item.ty {
                        found(
                            export,
                            name,
                            ty,
                            component.get_export_index(parent.as_ref(), name),
                        );
                    }
                }
            }
            _ => {}
        }
    }
    (functions, by_name)
}

fn never_waits(imports: &Imports, name: &str, item: &ComponentItem, engine: &Engine) -> bool {
    let interface = match imports {
        Imports::Own => Some(name),
        Imports::Scoped(scoped) => {
            let import = scoped.iter().find(|import| import.name == name);
            import.map(|import| import.interface.as_str())
        }
    };
    let path = interface.map(|interface| interface.split('@').next().unwrap_or_default());
    link::holds_only_types(item, engine.wasmtime()) || path.is_some_and(|path| NEVER_WAITING.contains(&path))
}
