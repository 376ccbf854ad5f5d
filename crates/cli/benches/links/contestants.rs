//! The ways to join and run a caller and its callee.

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use wac_graph::{CompositionGraph, EncodeOptions, plug, types::Package};
use weft_app::cell::CellSettings;
use weft_app::link::Isolation;
use weft_app::{Grants, Limits};
use weft_runtime::bridge::{CellPlan, Tell};
use weft_runtime::cache::Digest;
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::http::ServedPrincipal;
use weft_runtime::entry::{Entry, Observe, Outcome};
use weft_runtime::{
    Cells, Concurrency, Engine, EngineOptions, Imports, LinkPlan, Links, PrincipalSetup, Profile, Program,
    Setup, Stop, Thread,
};

use crate::shapes::Shape;

/// A way to call.
pub(crate) trait Contestant {
    /// Runs the caller, with all its calls or without any.
    fn run(&self, with_calls: bool) -> Result<()>;
}

/// Whether the callee runs on its caller's stack, or on one that it can be taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    Callers,
    Own,
}

/// A program, and what it is linked to.
pub(crate) struct Weft {
    with_calls: Program,
    without: Program,
    links: Links,
}

impl Weft {
    /// Both in one component.
    pub(crate) fn fused(shape: &Shape) -> Result<Self> {
        let engine = engine(Stack::Callers)?;
        let make = |calls| -> Result<_> {
            let bytes = plugged(
                wat::parse_str(shape.caller(calls))?,
                wat::parse_str(shape.callee())?,
            )?;
            Ok(Program::compile(&engine, &bytes)?)
        };
        Ok(Self {
            with_calls: make(shape.calls)?,
            without: make(0)?,
            links: Links::default(),
        })
    }

    /// Each in a cell of its own.
    pub(crate) fn isolated(shape: &Shape, stack: Stack) -> Result<Self> {
        let engine = engine(stack)?;
        let make =
            |calls| -> Result<_> { Ok(Program::compile(&engine, &wat::parse_str(shape.caller(calls))?)?) };
        let callee = CellPlan {
            name: "callee".to_owned(),
            program: Program::compile(&engine, &wat::parse_str(shape.callee())?)?,
            identity: Digest::of(&[]),
            principals: vec![ServedPrincipal {
                grants: Grants::nothing().into(),
                arguments: [].into(),
                http: None,
                services: weft_runtime::Services::default(),
                denials: DenialLog::default(),
            }],
            imports: Imports::Scoped([].into()),
            limits: Limits::default(),
            heap_bytes_max: None,
            settings: CellSettings::default(),
            links: Vec::new(),
            tell: Tell::default(),
        };
        let link = LinkPlan {
            import: "bench:links/callee".to_owned(),
            cell: 0,
            export: "bench:links/callee".to_owned(),
            isolation: Isolation::default(),
        };
        Ok(Self {
            with_calls: make(shape.calls)?,
            without: make(0)?,
            links: Links {
                cells: Cells::link(vec![callee], None)?,
                links: [link].into(),
            },
        })
    }
}

impl Contestant for Weft {
    fn run(&self, with_calls: bool) -> Result<()> {
        let program = if with_calls {
            &self.with_calls
        } else {
            &self.without
        };
        let setup = Setup {
            principals: vec![PrincipalSetup {
                grants: Grants::nothing().into(),
                arguments: [].into(),
                http: None,
                services: weft_runtime::Services::default(),
                denials: DenialLog::default(),
            }],
            imports: Imports::Scoped([].into()),
            links: self.links.clone(),
            limits: Limits::default(),
            heap_bytes_max: None,
            stop: Stop::new(),
            thread: Thread::Own,
        };
        // Nothing in it waits, so the future is ready at once.
        let report = weft_runtime::run(program, &Entry::Command, setup, Observe::default())
            .now_or_never()
            .context("a call had to wait")??;
        let is_fine = matches!(report.outcome, Outcome::Exit(0));
        ensure!(is_fine, "the calls failed: {:?}", report.outcome);
        Ok(())
    }
}

fn engine(stack: Stack) -> Result<Engine> {
    let profile = match stack {
        Stack::Callers => Profile::Command(Concurrency::Off),
        Stack::Own => Profile::Serving(Concurrency::Off),
    };
    Ok(Engine::new(profile, EngineOptions::default())?)
}

fn plugged(caller: Vec<u8>, callee: Vec<u8>) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let callee = Package::from_bytes("bench:callee", None, callee, graph.types_mut())?;
    let callee = graph.register_package(callee)?;
    let caller = Package::from_bytes("bench:caller", None, caller, graph.types_mut())?;
    let caller = graph.register_package(caller)?;
    plug(&mut graph, vec![callee], caller)?;
    Ok(graph.encode(EncodeOptions::default())?)
}

/// Two stores, and the engine's own dynamic values between them.
pub(crate) struct Dynamic {
    engine: wasmtime::Engine,
    with_calls: wasmtime::component::Component,
    without: wasmtime::component::Component,
    callee: wasmtime::component::Component,
}

/// What the host function of the caller needs.
struct Called {
    store: wasmtime::Store<()>,
    function: wasmtime::component::Func,
}

impl Dynamic {
    pub(crate) fn new(shape: &Shape) -> Result<Self> {
        let mut config = wasmtime::Config::new();
        config.concurrency_support(false);
        let engine = wasmtime::Engine::new(&config)?;
        let compile = |text: String| -> Result<_> {
            Ok(wasmtime::component::Component::from_binary(
                &engine,
                &wat::parse_str(text)?,
            )?)
        };
        Ok(Self {
            with_calls: compile(shape.caller(shape.calls))?,
            without: compile(shape.caller(0))?,
            callee: compile(shape.callee())?,
            engine,
        })
    }
}

impl Contestant for Dynamic {
    fn run(&self, with_calls: bool) -> Result<()> {
        use wasmtime::component::Linker;
        let caller = if with_calls {
            &self.with_calls
        } else {
            &self.without
        };
        let mut store = wasmtime::Store::new(&self.engine, ());
        let callee = Linker::new(&self.engine).instantiate(&mut store, &self.callee)?;
        let interface = callee.get_export_index(&mut store, None, "bench:links/callee");
        let function = callee
            .get_export_index(&mut store, interface.as_ref(), "call")
            .and_then(|index| callee.get_func(&mut store, index))
            .context("there is no `call`")?;
        let mut linker = Linker::<Called>::new(&self.engine);
        linker
            .instance("bench:links/callee")?
            .func_new("call", |mut caller, _, arguments, results| {
                let called = caller.data_mut();
                called.function.call(&mut called.store, arguments, results)
            })?;
        let mut store = wasmtime::Store::new(&self.engine, Called { store, function });
        let instance = linker.instantiate(&mut store, caller)?;
        let interface = instance.get_export_index(&mut store, None, "wasi:cli/run@0.2.3");
        let run = instance
            .get_export_index(&mut store, interface.as_ref(), "run")
            .context("there is no `run`")?;
        let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut store, run)?;
        let (result,) = run.call(&mut store, ())?;
        ensure!(result.is_ok(), "the calls failed");
        Ok(())
    }
}
