//! Resources of a callee, of which its caller holds handles.

use weft_app::cell::{CellSettings, Lifetime};
use weft_app::link::{Isolation, OnFailure};
use weft_runtime::{Outcome, Stop};

use super::kit::{Callee, Linked, is_success, reason, trapping};

const CALLEE: &str = r#"(component
  (core module $m
    (global $drops (mut i32) (i32.const 0))
    (func (export "drop") (param i32) (global.set $drops (i32.add (global.get $drops) (i32.const 1))))
    (func (export "drops") (result i32) (global.get $drops))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "fail") unreachable))
  (core instance $m (instantiate $m))
  (type $counter (resource (rep i32) (dtor (core func $m "drop"))))
  (core func $own (canon resource.new $counter))
  (core func $rep (canon resource.rep $counter))
  (core func $end (canon resource.drop $counter))
  (core module $maker
    (import "m" "own" (func $own (param i32) (result i32)))
    (import "m" "rep" (func $rep (param i32) (result i32)))
    (import "m" "end" (func $end (param i32)))
    (func (export "new") (param i32) (result i32) (call $own (local.get 0)))
    (func (export "take") (param i32) (result i32) (local $rep i32)
      (local.set $rep (call $rep (local.get 0))) (call $end (local.get 0)) (local.get $rep)))
  (core instance $maker (instantiate $maker (with "m" (instance
    (export "own" (func $own)) (export "rep" (func $rep)) (export "end" (func $end))))))
  (func $new (param "start" u32) (result (own $counter)) (canon lift (core func $maker "new")))
  (func $take (param "it" (own $counter)) (result u32) (canon lift (core func $maker "take")))
  (func $add (param "self" (borrow $counter)) (param "it" u32) (result u32) (canon lift (core func $m "add")))
  (func $drops (result u32) (canon lift (core func $m "drops")))
  (func $fail (canon lift (core func $m "fail")))
  (component $shape
    (import "counter" (type $counter (sub resource)))
    (import "new" (func $new (param "start" u32) (result (own $counter))))
    (import "take" (func $take (param "it" (own $counter)) (result u32)))
    (import "add" (func $add (param "self" (borrow $counter)) (param "it" u32) (result u32)))
    (import "drops" (func $drops (result u32)))
    (import "fail" (func $fail))
    (export $shown "counter" (type $counter))
    (export "[constructor]counter" (func $new) (func (param "start" u32) (result (own $shown))))
    (export "[method]counter.add" (func $add) (func (param "self" (borrow $shown)) (param "it" u32) (result u32)))
    (export "take" (func $take) (func (param "it" (own $shown)) (result u32)))
    (export "drops" (func $drops))
    (export "fail" (func $fail)))
  (instance $exported (instantiate $shape
    (with "counter" (type $counter)) (with "new" (func $new)) (with "take" (func $take)) (with "add" (func $add))
    (with "drops" (func $drops)) (with "fail" (func $fail))))
  (export "t:t/callee" (instance $exported)))"#;

fn caller(body: &str) -> String {
    format!(
        r#"(component
  (import "t:t/callee" (instance $t
    (export "counter" (type $counter (sub resource)))
    (export "[constructor]counter" (func (param "start" u32) (result (own $counter))))
    (export "[method]counter.add" (func (param "self" (borrow $counter)) (param "it" u32) (result u32)))
    (export "take" (func (param "it" (own $counter)) (result u32)))
    (export "drops" (func (result u32)))
    (export "fail" (func))))
  (alias export $t "counter" (type $counter))
  (alias export $t "[constructor]counter" (func $f-new))
  (alias export $t "[method]counter.add" (func $f-add))
  (alias export $t "take" (func $f-take))
  (alias export $t "drops" (func $f-drops))
  (alias export $t "fail" (func $f-fail))
  (core func $new (canon lower (func $f-new)))
  (core func $add (canon lower (func $f-add)))
  (core func $take (canon lower (func $f-take)))
  (core func $drops (canon lower (func $f-drops)))
  (core func $fail (canon lower (func $f-fail)))
  (core func $end (canon resource.drop $counter))
  (core module $m
    (import "t" "new" (func $new (param i32) (result i32)))
    (import "t" "add" (func $add (param i32 i32) (result i32)))
    (import "t" "take" (func $take (param i32) (result i32)))
    (import "t" "drops" (func $drops (result i32)))
    (import "t" "fail" (func $fail))
    (import "t" "end" (func $end (param i32)))
    (func $expect (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then unreachable)))
    (func (export "run") (result i32) (local $a i32) (local $b i32) (local $i i32) {body} (i32.const 0)))
  (core instance $m (instantiate $m (with "t" (instance
    (export "new" (func $new)) (export "add" (func $add)) (export "take" (func $take))
    (export "drops" (func $drops)) (export "fail" (func $fail)) (export "end" (func $end))))))
  (func $run (result (result)) (canon lift (core func $m "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $run)))"#
    )
}

fn linked(callee: Callee, lifetime: Lifetime, isolation: Isolation) -> Linked {
    let settings = CellSettings {
        lifetime,
        ..CellSettings::default()
    };
    Linked::of(callee, CALLEE, settings, isolation)
}

async fn run(linked: &Linked, body: &str) -> Outcome {
    linked.run_component(&caller(body), Stop::new()).await
}

const EVERY: [Lifetime; 3] = [
    Lifetime::Request,
    Lifetime::Pooled {
        uses_max: 10,
        idle_max: 2,
    },
    Lifetime::Shared,
];

#[tokio::test]
async fn a_handle_is_lent_given_away_and_dropped_as_over_a_fused_link() {
    for callee in Callee::ALL {
        for lifetime in EVERY {
            let linked = linked(callee, lifetime, trapping());
            let outcome = run(
                &linked,
                "(local.set $a (call $new (i32.const 40)))
                 (local.set $b (call $new (i32.const 7)))
                 (call $expect (call $add (local.get $a) (i32.const 2)) (i32.const 42))
                 (call $expect (call $add (local.get $b) (i32.const 2)) (i32.const 9))
                 (call $expect (call $drops) (i32.const 0))
                 (call $end (local.get $a))
                 (call $expect (call $drops) (i32.const 1))
                 (call $expect (call $take (local.get $b)) (i32.const 7))
                 (call $expect (call $drops) (i32.const 2))",
            )
            .await;
            assert!(is_success(&outcome), "{callee:?} {lifetime:?}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_handle_that_was_dropped_or_given_away_is_none() {
    let linked = linked(Callee::Direct, Lifetime::Request, trapping());
    for how in ["(call $end (local.get $a))", "(drop (call $take (local.get $a)))"] {
        let body = format!(
            "(local.set $a (call $new (i32.const 1))) {how} (drop (call $add (local.get $a) (i32.const 1)))"
        );
        let said = reason(run(&linked, &body).await);
        assert!(said.contains("handle"), "{said}");
    }
}

#[tokio::test]
async fn handles_of_an_instance_that_failed_are_gone_with_it() {
    let isolation = Isolation {
        functions: [(
            "[method]counter.add".to_owned(),
            OnFailure::Value("77".to_owned()),
        )]
        .into(),
        ..trapping()
    };
    for lifetime in [EVERY[0], EVERY[2]] {
        let linked = linked(Callee::Direct, lifetime, isolation.clone());
        // `fail` traps the caller too, so it is another run that finds out.
        let outcome = run(&linked, "(drop (call $new (i32.const 1))) (call $fail)").await;
        assert!(!is_success(&outcome));
        let outcome = run(
            &linked,
            "(local.set $a (call $new (i32.const 1)))
             (call $expect (call $add (local.get $a) (i32.const 1)) (i32.const 2))",
        )
        .await;
        assert!(is_success(&outcome), "{outcome:?}");
    }
}

/// Whoever is shared gets back what its callers left behind.
#[tokio::test]
async fn handles_end_with_their_caller() {
    let linked = linked(Callee::Counted, Lifetime::Shared, trapping());
    for round in 0..3 {
        let body = format!(
            "(call $expect (call $drops) (i32.const {}))
             (loop $more (drop (call $new (local.get $i)))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $more (i32.lt_u (local.get $i) (i32.const 5))))",
            round * 5
        );
        let outcome = run(&linked, &body).await;
        assert!(is_success(&outcome), "{outcome:?}");
        // They are ended by a task of their own.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(linked.instances_and_failures(), (1, 0));
}

#[tokio::test]
async fn a_pooled_instance_with_handles_left_is_nobodys_next() {
    let linked = linked(Callee::Direct, EVERY[1], trapping());
    for _ in 0..3 {
        let outcome = run(
            &linked,
            "(call $expect (call $drops) (i32.const 0)) (drop (call $new (i32.const 1)))",
        )
        .await;
        assert!(is_success(&outcome), "{outcome:?}");
    }
    assert_eq!(linked.instances_and_failures().0, 3);
}
