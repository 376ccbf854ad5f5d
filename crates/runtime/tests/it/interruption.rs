//! Guests that never end by themselves, in every shape that code can have: each gives the thread back to its neighbour
//! at every tick, and ends when it is told to.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at any surprise"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use weft_app::{Grants, Limits};
use weft_runtime::entry::{Entry, Observe};
use weft_runtime::{
    Concurrency, Engine, EngineOptions, Imports, Interruption, LimitHit, Outcome, PrincipalSetup, Profile,
    Program, Setup, Stop, StopReason, Thread,
};

/// Core modules whose `_start`, or whose start function, goes on for ever or for longer than anybody waits.
const ENDLESS: &[(&str, &str)] = &[
    (
        "a loop",
        r#"(memory 1) (func (export "_start") (loop $on (br $on)))"#,
    ),
    (
        "no memory at all",
        r#"(func (export "_start") (loop $on (br $on)))"#,
    ),
    (
        "a loop with floating-point numbers in it",
        r#"(memory 1) (global $sum (mut f64) (f64.const 0))
        (func (export "_start") (local $x f64) (local $y f64) (local.set $x (f64.const 1)) (loop $on
            (local.set $y (f64.add (local.get $x) (local.get $y)))
            (local.set $x (f64.div (local.get $y) (f64.const 3)))
            (global.set $sum (local.get $x)) (br $on)))"#,
    ),
    (
        "loops in a loop",
        r#"(memory 1) (func (export "_start") (local $i i32) (loop $on (local.set $i (i32.const 3))
            (loop $in (br_if $in (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) (br $on)))"#,
    ),
    (
        "a loop that takes and leaves values",
        r#"(memory 1) (func (export "_start") (i32.const 0)
            (loop $on (param i32) (result i32) (i32.add (i32.const 1)) (br $on)) (drop))"#,
    ),
    (
        "a loop left and entered through a table of jumps",
        r#"(memory 1) (func (export "_start") (local $i i32) (loop $on (block $c (block $b (block $a
            (br_table $a $b $c $on (i32.and (local.get $i) (i32.const 7))))
            (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $on))
            (local.set $i (i32.add (local.get $i) (i32.const 3))) (br $on))
            (local.set $i (i32.const 0)) (br $on)))"#,
    ),
    (
        "a loop that calls tiny functions",
        r#"(memory 1) (func $tiny (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func (export "_start") (local $i i32) (loop $on (local.set $i (call $tiny (local.get $i))) (br $on)))"#,
    ),
    (
        "a loop that calls short loops",
        r#"(memory 1) (func $short (local $i i32) (local.set $i (i32.const 5))
            (loop $in (br_if $in (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
        (func (export "_start") (loop $on (call $short) (br $on)))"#,
    ),
    (
        "a recursion that branches",
        r#"(memory 1) (func $f (param i32) (if (local.get 0) (then
            (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "_start") (call $f (i32.const 60)))"#,
    ),
    (
        "a recursion through a table",
        r#"(memory 1) (type $t (func (param i32))) (table funcref (elem $f $g))
        (func $f (type $t) (if (local.get 0) (then
            (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1))
            (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))))
        (func $g (type $t) (call_indirect (type $t) (local.get 0) (i32.const 0)))
        (func (export "_start") (call $f (i32.const 60)))"#,
    ),
    (
        "a recursion through references",
        r#"(memory 1) (type $t (func (param i32))) (global $g (mut (ref null $t)) (ref.null $t))
        (func $f (type $t) (if (local.get 0) (then
            (call_ref $t (i32.sub (local.get 0) (i32.const 1)) (global.get $g))
            (call_ref $t (i32.sub (local.get 0) (i32.const 1)) (global.get $g)))))
        (elem declare func $f)
        (func (export "_start") (global.set $g (ref.func $f)) (call $f (i32.const 60)))"#,
    ),
    (
        "calls that double without any recursion",
        r#"(memory 1) DOUBLING (func (export "_start") (call $d59))"#,
    ),
    (
        "a tail call to itself",
        r#"(memory 1) (func $f (param i32) (return_call $f (i32.add (local.get 0) (i32.const 1))))
        (func (export "_start") (call $f (i32.const 0)))"#,
    ),
    (
        "tail calls through a table",
        r#"(memory 1) (type $t (func)) (table funcref (elem $f $g))
        (func $f (type $t) (return_call_indirect (type $t) (i32.const 1)))
        (func $g (type $t) (return_call_indirect (type $t) (i32.const 0)))
        (func (export "_start") (call $f))"#,
    ),
    (
        "tail calls through references",
        r#"(memory 1) (type $t (func)) (elem declare func $f)
        (func $f (type $t) (return_call_ref $t (ref.func $f)))
        (func (export "_start") (return_call $f))"#,
    ),
    (
        "a loop in the handler of an exception",
        r#"(memory 1) (tag $e) (func (export "_start")
            (block $caught (try_table (catch $e $caught) (throw $e))) (loop $on (br $on)))"#,
    ),
    (
        "a loop that throws and catches",
        r#"(memory 1) (tag $e) (func $throw (throw $e)) (func (export "_start")
            (loop $on (block $caught (try_table (catch_all $caught) (call $throw))) (br $on)))"#,
    ),
    (
        "a handler that is a loop",
        r#"(memory 1) (tag $e) (func $throw (throw $e)) (func (export "_start")
            (loop $on (try_table (catch $e $on) (call $throw))))"#,
    ),
    (
        "short loops that end by an exception",
        r#"(memory 1) (tag $e) (func $throw (local $i i32) (local.set $i (i32.const 5)) (loop $in
            (br_if $in (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) (throw $e))
        (func $pass (call $throw)) (func (export "_start")
            (loop $on (block $caught (try_table (catch_all $caught) (call $pass))) (br $on)))"#,
    ),
    (
        "a memory of 64 bits",
        r#"(memory i64 1) (func (export "_start") (loop $on
            (i64.store (i64.const 8) (i64.add (i64.load (i64.const 8)) (i64.const 1))) (br $on)))"#,
    ),
    (
        "many memories",
        r#"(memory i64 1) (memory 1) (memory i64 1) (memory 1)
        (func (export "_start") (loop $on (br $on)))"#,
    ),
    (
        "an imported table and a long line of code",
        r#"(table 1 funcref) (func (export "_start") (local $i i32) (loop $on LINE (br $on)))"#,
    ),
    (
        "filling and copying memory",
        r#"(memory 256) (func (export "_start") (loop $on
            (memory.fill (i32.const 0) (i32.const 7) (i32.const 8000000))
            (memory.copy (i32.const 1) (i32.const 0) (i32.const 8000000)) (br $on)))"#,
    ),
    (
        "filling memory of 64 bits without a loop",
        r#"(memory i64 256) (func $f (memory.fill (i64.const 0) (i32.const 7) (i64.const 8000000)) (return_call $f))
        (func (export "_start") (call $f))"#,
    ),
    (
        "making objects",
        r#"(type $s (struct (field i32))) (type $a (array (mut i32))) (func (export "_start") (loop $on
            (drop (struct.new $s (i32.const 1))) (drop (array.new $a (i32.const 0) (i32.const 1000))) (br $on)))"#,
    ),
    (
        "a start function",
        r#"(memory 1) (func $f (loop $on (br $on))) (start $f)"#,
    ),
    (
        "conditional jumps on references",
        r#"(memory 1) (func (export "_start") (local $r externref) (loop $on
            (block $null (br_on_null $null (local.get $r)) (drop)) (br $on)))"#,
    ),
];

fn module(code: &str) -> Vec<u8> {
    let doubling = (1..60).map(|n| format!("(func $d{n} (call $d{0}) (call $d{0}))", n - 1));
    let doubling = doubling.fold("(func $d0)".to_owned(), |code, function| code + &function);
    let line = "(local.set $i (i32.mul (i32.add (local.get $i) (i32.const 3)) (i32.const 5)))".repeat(10_000);
    let code = code.replace("DOUBLING", &doubling).replace("LINE", &line);
    wat::parse_str(format!("(module {code})")).unwrap()
}

fn setup(stop: Stop) -> Setup {
    let principal = PrincipalSetup {
        grants: Grants::default().into(),
        arguments: [].into(),
        http: None,
        services: weft_runtime::Services::default(),
        denials: Default::default(),
    };
    Setup {
        principals: vec![principal],
        imports: Imports::Own,
        links: weft_runtime::Links::default(),
        limits: Limits::default(),
        stop,
        heap_bytes_max: None,
        thread: Thread::Own,
    }
}

fn engine(interruption: Interruption) -> Engine {
    let options = EngineOptions {
        interruption: Some(interruption),
        ..EngineOptions::default()
    };
    Engine::new(Profile::Command(Concurrency::Off), options).unwrap()
}

/// Ends the ticks of an engine until it is dropped.
struct Ticks(Arc<AtomicBool>);

impl Ticks {
    fn start(engine: &Engine) -> Self {
        let (engine, ended) = (engine.clone(), Arc::new(AtomicBool::new(false)));
        let flag = ended.clone();
        std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
                engine.advance_epoch();
            }
        });
        Self(ended)
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const REASON: LimitHit = LimitHit::WallTime(Duration::from_millis(50));

/// Runs a guest beside a neighbour on one thread, until the neighbour has had it fifty times. Gives the longest time
/// that the neighbour waited.
fn run_beside_a_neighbour(engine: &Engine, wasm: &[u8]) -> (Outcome, Duration) {
    let program = Program::compile(engine, wasm).unwrap();
    let stop = Stop::new();
    let neighbour = async {
        let mut longest = Duration::ZERO;
        for _ in 0..50 {
            let before = Instant::now();
            tokio::task::yield_now().await;
            longest = longest.max(before.elapsed());
        }
        stop.request(StopReason::Limit(REASON));
        longest
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let guest = weft_runtime::run(&program, &Entry::Command, setup(stop.clone()), Observe::default());
    let (report, longest) = runtime.block_on(async { tokio::join!(guest, neighbour) });
    (report.unwrap().outcome, longest)
}

/// What nobody should have to wait on a machine where other tests run as well; the usual is a tick or two.
const PATIENCE: Duration = Duration::from_millis(500);

fn all_share_and_end(interruption: Interruption) {
    let engine = engine(interruption);
    let _ticks = Ticks::start(&engine);
    for (name, code) in ENDLESS {
        let (outcome, longest) = run_beside_a_neighbour(&engine, &module(code));
        assert!(
            matches!(&outcome, Outcome::Limit(hit, _) if *hit == REASON),
            "{name}: {outcome:?}"
        );
        assert!(longest < PATIENCE, "{name}: the neighbour waited {longest:?}");
    }
}

#[test]
fn a_counted_guest_shares_its_thread_and_ends_when_told() {
    all_share_and_end(Interruption::Counted);
}

#[test]
fn a_guest_that_checks_epochs_shares_its_thread_and_ends_when_told() {
    all_share_and_end(Interruption::Epochs);
}

/// Two modules that only call each other, through a table that neither of them filled.
const BETWEEN_MODULES: &str = r#"(component
    (core module $table (table (export "t") 2 funcref))
    (core module $side
        (type $f (func (param i32))) (import "" "t" (table 2 funcref)) (import "" "n" (global $n i32))
        (func $call (type $f) (if (local.get 0) (then
            (call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (i32.sub (i32.const 1) (global.get $n)))
            (call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (i32.sub (i32.const 1) (global.get $n))))))
        (elem (global.get $n) func $call)
        (func (export "run") (result i32) (call $call (i32.const 60)) (i32.const 0)))
    (core module $zero (global (export "n") i32 (i32.const 0)))
    (core module $one (global (export "n") i32 (i32.const 1)))
    (core instance $t (instantiate $table))
    (core instance $zero (instantiate $zero))
    (core instance $one (instantiate $one))
    (core instance $a (instantiate $side (with "" (instance (export "t" (table $t "t")) (export "n" (global $zero "n"))))))
    (core instance $b (instantiate $side (with "" (instance (export "t" (table $t "t")) (export "n" (global $one "n"))))))
    (func $run (result (result)) (canon lift (core func $a "run")))
    (instance (export "wasi:cli/run@0.2.6") (export "run" (func $run))))"#;

#[test]
fn modules_of_a_component_that_only_call_each_other_share_their_thread() {
    let engine = engine(Interruption::Counted);
    let _ticks = Ticks::start(&engine);
    let (outcome, longest) = run_beside_a_neighbour(&engine, &wat::parse_str(BETWEEN_MODULES).unwrap());
    assert!(
        matches!(&outcome, Outcome::Limit(hit, _) if *hit == REASON),
        "{outcome:?}"
    );
    assert!(longest < PATIENCE, "the neighbour waited {longest:?}");
}

#[test]
fn a_guest_that_asks_for_the_impossible_itself_is_told_no() {
    let code = r#"(memory 1 2) (table 1 funcref) (func (export "_start")
        (if (i32.ne (memory.grow (i32.const -1)) (i32.const -1)) (then unreachable))
        (if (i32.ne (table.grow (ref.null func) (i32.const -1)) (i32.const -1)) (then unreachable))
        (if (i32.ne (memory.grow (i32.const 1)) (i32.const 1)) (then unreachable)))"#;
    let engine = engine(Interruption::Counted);
    let (outcome, _) = run_beside_a_neighbour(&engine, &module(code));
    assert!(matches!(outcome, Outcome::Exit(0)), "{outcome:?}");
}

#[test]
fn a_guest_cannot_name_the_countdown() {
    // The global and the variable that are added have these numbers.
    for code in [
        r#"(memory 1) (func (export "_start") (loop $on (global.set 0 (i32.const 9)) (br $on)))"#,
        r#"(memory 1) (func (export "_start") (loop $on (local.set 0 (i32.const 9)) (br $on)))"#,
    ] {
        let compiled = Program::compile(&engine(Interruption::Counted), &module(code));
        assert!(compiled.is_err());
    }
}

#[test]
fn functions_keep_their_names_and_lose_their_lines() {
    let code = r#"(memory 1) (func $well_named (loop $on (br_if $on (i32.const 0))) unreachable)
        (func (export "_start") (call $well_named))"#;
    let (outcome, _) = run_beside_a_neighbour(&engine(Interruption::Counted), &module(code));
    let Outcome::Trap(trap) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(format!("{trap:?}").contains("well_named"), "{trap:?}");
}

#[test]
fn artifacts_are_not_shared_between_ways_of_interruption() {
    let numbers = Interruption::ALL.map(|one| engine(one).compatibility());
    assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2] && numbers[0] != numbers[2]);
}
