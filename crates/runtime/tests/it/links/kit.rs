//! A caller and a callee, each in a cell of its own.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use weft_app::cell::CellSettings;
use weft_app::grant::ClockGrant;
use weft_app::link::{Idempotent, Isolation, OnFailure};
use weft_app::{Grants, Limits};
use weft_runtime::bridge::{CellPlan, Tell};
use weft_runtime::cache::Digest;
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::http::{Background, ServedPrincipal};
use weft_runtime::entry::{Entry, Observe};
use weft_runtime::{
    Cells, Concurrency, Engine, EngineOptions, Imports, Interruption, LinkPlan, Links, Outcome,
    PrincipalSetup, Profile, Program, Setup, Stop, Thread,
};
use weft_testing::guest;

/// The functions of the callee, as a component exports and imports them.
const FUNCTIONS: &str = r#"
    (export "double" (func (param "it" u32) (result u32)))
    (export "count" (func (param "it" u32) (result u32)))
    (export "trap" (func (param "it" u32) (result u32)))
    (export "spin" (func (param "it" u32) (result u32)))
    (export "eat" (func (param "it" u32) (result u32)))
    (export "dive" (func (param "it" u32) (result u32)))
    (export "fail-until" (func (param "it" u32) (result u32)))
    (export "try" (func (param "it" u32) (result (result u32 (error u32)))))"#;

const NAMES: [&str; 7] = ["double", "count", "trap", "spin", "eat", "dive", "fail-until"];

/// What the callee does.
const CALLEE: &str = r#"
    (memory (export "memory") 1)
    (global $calls (mut i32) (i32.const 0))
    (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "count") (param i32) (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))
    (func (export "trap") (param i32) (result i32) unreachable)
    (func (export "spin") (param i32) (result i32) (loop $on (br $on)) unreachable)
    (func (export "eat") (param i32) (result i32)
      (loop $on (br_if $on (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable)
    (func $dive (export "dive") (param i32) (result i32)
      (i32.add (call $dive (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
    (func (export "fail-until") (param i32) (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (if (i32.lt_u (global.get $calls) (local.get 0)) (then unreachable)) (global.get $calls))
    (func (export "try") (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then unreachable))
      (i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (local.get 0)) (i32.const 16))"#;

fn callee() -> String {
    let lift = |name: &&str| {
        format!(r#"(func $c-{name} (param "it" u32) (result u32) (canon lift (core func $m "{name}")))"#)
    };
    let export = |name: &&str| format!(r#"(export "{name}" (func $c-{name}))"#);
    format!(
        r#"(component
  (core module $m {CALLEE})
  (core instance $m (instantiate $m))
  {}
  (func $c-try (param "it" u32) (result (result u32 (error u32)))
    (canon lift (core func $m "try") (memory (core memory $m "memory"))))
  (instance $all {} (export "try" (func $c-try)))
  (export "t:t/callee" (instance $all)))"#,
        NAMES.iter().map(lift).collect::<String>(),
        NAMES.iter().map(export).collect::<String>(),
    )
}

/// A component whose `run` is this body: zero is success. `$try` puts what it returns at address 16.
pub(crate) fn caller(body: &str) -> String {
    let alias = |name: &&str| format!(r#"(core func $l-{name} (canon lower (func $t "{name}")))"#);
    let pass = |name: &&str| format!(r#"(export "{name}" (func $l-{name}))"#);
    let import = |name: &&str| format!(r#"(import "t" "{name}" (func ${name} (param i32) (result i32)))"#);
    format!(
        r#"(component
  (import "t:t/callee" (instance $t {FUNCTIONS}))
  (core module $store (memory (export "memory") 1))
  (core instance $store (instantiate $store))
  {}
  (core func $l-try (canon lower (func $t "try") (memory (core memory $store "memory"))))
  (core module $m
    (import "store" "memory" (memory 1))
    {}
    (import "t" "try" (func $try (param i32 i32)))
    (func (export "run") (result i32) (local $i i32) {body}))
  (core instance $m (instantiate $m
    (with "store" (instance $store))
    (with "t" (instance {} (export "try" (func $l-try))))))
  (func $run (result (result)) (canon lift (core func $m "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $run)))"#,
        NAMES.iter().map(alias).collect::<String>(),
        NAMES.iter().map(import).collect::<String>(),
        NAMES.iter().map(pass).collect::<String>(),
    )
}

/// How the callee's code is made to look up, and so on whose stack it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee {
    /// Not at all: on its caller's.
    Direct,
    /// It counts: on one of its own.
    Counted,
    /// It checks epochs.
    Epochs,
}

impl Callee {
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Counted, Self::Epochs];

    fn engine(self) -> Engine {
        let interruption = match self {
            Self::Direct => Interruption::None,
            Self::Counted => Interruption::Counted,
            Self::Epochs => Interruption::Epochs,
        };
        let options = EngineOptions {
            interruption: Some(interruption),
            ..EngineOptions::default()
        };
        Engine::new(Profile::Command(Concurrency::Off), options).unwrap()
    }
}

/// A callee, linked, and what was told of it.
pub(crate) struct Linked {
    pub(crate) cells: Cells,
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    isolation: Isolation,
    engine: Engine,
    _clock: Background,
}

pub(crate) fn trapping() -> Isolation {
    Isolation {
        on_failure: OnFailure::Trap,
        functions: Default::default(),
        retries: 0,
        idempotent: Idempotent::All,
    }
}

pub(crate) fn small_limits() -> Limits {
    Limits {
        memory_bytes_max: Some(4 << 20),
        ..Limits::default()
    }
}

pub(crate) fn principal() -> ServedPrincipal {
    ServedPrincipal {
        grants: Grants::nothing().into(),
        arguments: [].into(),
        http: None,
        services: weft_runtime::Services::default(),
        denials: DenialLog::default(),
    }
}

pub(crate) fn plan(engine: &Engine, text: &str, settings: CellSettings) -> CellPlan {
    let program = Program::compile(engine, &wat::parse_str(text).unwrap()).unwrap();
    plan_of(program, settings)
}

fn plan_of(program: Program, settings: CellSettings) -> CellPlan {
    CellPlan {
        name: "callee".to_owned(),
        program,
        identity: Digest::of(&[]),
        principals: vec![principal()],
        imports: Imports::Scoped([].into()),
        limits: small_limits(),
        heap_bytes_max: None,
        settings,
        links: Vec::new(),
        tell: Tell::default(),
    }
}

impl Linked {
    pub(crate) fn new(callee: Callee, settings: CellSettings, isolation: Isolation) -> Self {
        Self::of(callee, &self::callee(), settings, isolation)
    }

    pub(crate) fn of(callee: Callee, text: &str, settings: CellSettings, isolation: Isolation) -> Self {
        let engine = callee.engine();
        let plan = plan(&engine, text, settings);
        Self::link(engine, plan, isolation)
    }

    fn link(engine: Engine, mut plan: CellPlan, isolation: Isolation) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = told.clone();
        plan.tell = Tell::through(move |told| {
            let function = told.function.as_deref().unwrap_or("alone");
            hears.lock().push(format!("{function}: {}", told.fate));
        });
        Self {
            cells: Cells::link(vec![plan], None).unwrap(),
            told,
            isolation,
            _clock: Background::start(1, vec![engine.clone()]).unwrap(),
            engine,
        }
    }

    /// Runs a caller with this body.
    pub(crate) async fn run(&self, body: &str) -> Outcome {
        self.run_component(&caller(body), Stop::new()).await
    }

    pub(crate) async fn run_component(&self, text: &str, stop: Stop) -> Outcome {
        let program = Program::compile(&self.engine, &wat::parse_str(text).unwrap()).unwrap();
        let nothing = Imports::Scoped([].into());
        self.run_program(&program, "t:t/callee", (principal(), nothing), stop)
            .await
    }

    async fn run_program(
        &self,
        program: &Program,
        interface: &str,
        (own, imports): (ServedPrincipal, Imports),
        stop: Stop,
    ) -> Outcome {
        let link = LinkPlan {
            import: interface.to_owned(),
            cell: 0,
            export: interface.to_owned(),
            isolation: self.isolation.clone(),
        };
        let setup = Setup {
            principals: vec![PrincipalSetup {
                grants: own.grants,
                arguments: own.arguments,
                http: None,
                services: weft_runtime::Services::default(),
                denials: own.denials,
            }],
            imports,
            links: Links {
                cells: self.cells.clone(),
                links: [link].into(),
            },
            limits: Limits::default(),
            heap_bytes_max: None,
            stop,
            thread: Thread::Own,
        };
        weft_runtime::run(program, &Entry::Command, setup, Observe::default())
            .await
            .unwrap()
            .outcome
    }

    /// Instances of the callee that were made, and calls that failed.
    pub(crate) fn instances_and_failures(&self) -> (u64, u64) {
        let states = self.cells.states();
        (states[0].instances, states[0].failures)
    }
}

/// The guests `flows_caller` and `flows`, linked.
pub(crate) struct Flows {
    linked: Linked,
    caller: Program,
}

impl Flows {
    pub(crate) fn new(settings: CellSettings, isolation: Isolation) -> Self {
        let engine = Engine::new(
            Profile::Command(Concurrency::On),
            EngineOptions {
                interruption: Some(Interruption::Epochs),
                ..EngineOptions::default()
            },
        )
        .unwrap();
        let compile = |name| Program::compile(&engine, &fs_err::read(guest(name)).unwrap()).unwrap();
        let caller = compile("flows_caller");
        let callee = CellPlan {
            imports: Imports::Own,
            ..plan_of(compile("flows"), settings)
        };
        Self {
            linked: Linked::link(engine, callee, isolation),
            caller,
        }
    }

    /// Runs the caller with this argument; what became of it where that is no success.
    pub(crate) async fn run(&self, what: &str) -> Result<(), Outcome> {
        const FLOWS: &str = "test:flows/flows@1.0.0";
        let own = ServedPrincipal {
            arguments: ["flows_caller".to_owned(), what.to_owned()].into(),
            grants: Grants {
                clock: ClockGrant::Real,
                ..Grants::nothing()
            }
            .into(),
            ..principal()
        };
        let outcome = self
            .linked
            .run_program(&self.caller, FLOWS, (own, Imports::Own), Stop::new())
            .await;
        if is_success(&outcome) {
            Ok(())
        } else {
            Err(outcome)
        }
    }

    pub(crate) fn instances_and_failures(&self) -> (u64, u64) {
        self.linked.instances_and_failures()
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.linked.told.lock().clone()
    }
}

/// Settings with so much time for a call.
pub(crate) fn with_time(wall: Option<Duration>, cpu: Option<Duration>) -> CellSettings {
    CellSettings {
        wall_time_max: wall,
        cpu_time_max: cpu,
        ..CellSettings::default()
    }
}

pub(crate) fn is_success(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Exit(0))
}

/// Why a run trapped.
pub(crate) fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Trap(trap) => trap.reason,
        other => panic!("it did not trap: {other:?}"),
    }
}
