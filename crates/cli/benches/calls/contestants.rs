//! The two ways to join and run a caller and its callee.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use wac_graph::{CompositionGraph, EncodeOptions, plug, types::Package};
use weft_app::{App, Component, ComponentLimits, GrantOnUse, Grants, Limits, Name, Source};
use weft_compose::Part;
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::{Entry, Observe, Outcome};
use weft_runtime::program::guess_concurrency;
use weft_runtime::{
    Concurrency, Engine, EngineOptions, Imports, Inlining, PrincipalSetup, Profile, Program, Setup, Stop,
    Thread,
};

use crate::shapes::Shape;

/// `wac plug`, and wasmtime as it comes.
pub(crate) struct Stock {
    with_calls: wasmtime::component::Component,
    without: wasmtime::component::Component,
}

impl Stock {
    pub(crate) fn new(shape: &Shape) -> Result<Self> {
        let engine = wasmtime::Engine::default();
        let compile = |calls| -> Result<_> {
            let bytes = plugged(
                wat::parse_str(shape.caller(calls))?,
                wat::parse_str(&shape.callee)?,
            )?;
            Ok(wasmtime::component::Component::from_binary(&engine, &bytes)?)
        };
        Ok(Self {
            with_calls: compile(shape.calls)?,
            without: compile(0)?,
        })
    }

    pub(crate) fn run(&self, with_calls: bool) -> Result<()> {
        let component = if with_calls {
            &self.with_calls
        } else {
            &self.without
        };
        let engine = component.engine();
        let mut store = wasmtime::Store::new(engine, ());
        let linker = wasmtime::component::Linker::new(engine);
        let instance = linker.instantiate(&mut store, component)?;
        let interface = instance.get_export_index(&mut store, None, "wasi:cli/run@0.2.3");
        let run = instance
            .get_export_index(&mut store, interface.as_ref(), "run")
            .context("there is no `run`")?;
        let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut store, run)?;
        let (result,) = run.call(&mut store, ())?;
        ensure!(result.is_ok(), "the results of the calls are wrong");
        Ok(())
    }
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

/// Plan, joining and engine of `weft up`.
pub(crate) struct Weft {
    with_calls: Program,
    without: Program,
}

impl Weft {
    pub(crate) fn new(shape: &Shape) -> Result<Self> {
        let callee = wat::parse_str(&shape.callee)?;
        let make = |calls| -> Result<_> { load(&joined(&wat::parse_str(shape.caller(calls))?, &callee)?) };
        let (with_calls, without) = (make(shape.calls)?, make(0)?);
        let found = with_calls.engine().profile().concurrency();
        ensure!(found == shape.concurrency, "it runs with concurrency {found:?}");
        Ok(Self { with_calls, without })
    }

    pub(crate) fn run(&self, with_calls: bool) -> Result<()> {
        let program = if with_calls {
            &self.with_calls
        } else {
            &self.without
        };
        let setup = Setup {
            principals: vec![principal(), principal()],
            imports: Imports::Scoped([].into()),
            links: weft_runtime::Links::default(),
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
        ensure!(
            is_fine,
            "the results of the calls are wrong: {:?}",
            report.outcome
        );
        Ok(())
    }
}

fn principal() -> PrincipalSetup {
    PrincipalSetup {
        grants: Grants::nothing().into(),
        arguments: [].into(),
        http: None,
        services: weft_runtime::Services::default(),
        denials: DenialLog::default(),
    }
}

fn joined(caller: &[u8], callee: &[u8]) -> Result<Vec<u8>> {
    let (caller_name, callee_name): (Name, Name) = ("caller".parse()?, "callee".parse()?);
    let app = App {
        name: "bench".parse()?,
        components: vec![described(&caller_name), described(&callee_name)],
        triggers: Vec::new(),
        limits: Limits::default(),
    };
    let part = |component, bytes| Part { component, bytes };
    let parts = [part(&caller_name, caller), part(&callee_name, callee)];
    let plan = weft_compose::plan(&app, &parts).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let [entry] = plan.entries() else {
        anyhow::bail!("the caller is not all that is entered")
    };
    let fused = weft_compose::fuse(&plan, entry, &parts)?;
    ensure!(fused.imports.is_empty(), "the callee is not linked");
    Ok(fused.bytes)
}

fn described(name: &Name) -> Component {
    Component {
        name: name.clone(),
        source: Source::File(format!("{name}.wasm").into()),
        grants: Grants::nothing(),
        granted: BTreeSet::new(),
        grant_on_use: GrantOnUse::Refuse,
        limits: ComponentLimits::default(),
        links: Vec::new(),
        reuse: weft_app::trigger::http::Reuse::default(),
        interruption: None,
        cell: Default::default(),
    }
}

/// As `weft up` does it: without concurrency if the program can do without.
fn load(bytes: &[u8]) -> Result<Program> {
    let options = EngineOptions {
        inlining: Inlining::for_program(bytes.len()),
        ..EngineOptions::default()
    };
    let compile = |concurrency| -> Result<Program> {
        let engine = Engine::new(Profile::Command(concurrency), options)?;
        Ok(Program::compile(&engine, bytes)?)
    };
    compile(guess_concurrency(bytes)).or_else(|_| compile(Concurrency::On))
}
