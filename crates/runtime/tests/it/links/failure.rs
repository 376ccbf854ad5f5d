//! A callee that fails, and what its caller sees.

use std::time::{Duration, Instant};

use weft_app::cell::CellSettings;
use weft_app::link::{Isolation, OnFailure};

use super::kit::{Callee, Linked, is_success, reason, trapping, with_time};

const TIME: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_call_gives_what_the_callee_returns() {
    for callee in Callee::ALL {
        let linked = Linked::new(callee, CellSettings::default(), trapping());
        let outcome = linked
            .run("(i32.ne (call $double (i32.const 21)) (i32.const 42))")
            .await;
        assert!(is_success(&outcome), "{callee:?}: {outcome:?}");
        assert_eq!(linked.instances_and_failures(), (1, 0));
    }
}

#[tokio::test]
async fn a_trap_names_the_callee_its_function_and_the_reason() {
    for callee in Callee::ALL {
        let linked = Linked::new(callee, CellSettings::default(), trapping());
        let said = reason(linked.run("(call $trap (i32.const 1))").await);
        for word in ["`callee`", "t:t/callee#trap", "unreachable"] {
            assert!(said.contains(word), "{callee:?}: {said}");
        }
        assert_eq!(linked.told.lock().len(), 1);
    }
}

fn answering(value: &str) -> Isolation {
    Isolation {
        on_failure: OnFailure::Trap,
        functions: ["trap", "spin", "eat", "dive", "double"]
            .map(|name| (name.to_owned(), OnFailure::Value(value.to_owned())))
            .into(),
        ..trapping()
    }
}

/// The caller goes on, and the callee is there again.
#[tokio::test]
async fn a_callee_that_fails_fails_alone() {
    for callee in [Callee::Counted, Callee::Epochs] {
        for name in ["trap", "spin", "eat", "dive"] {
            let linked = Linked::new(callee, with_time(Some(TIME), None), answering("7"));
            let body = format!(
                "(if (i32.ne (call ${name} (i32.const 0)) (i32.const 7)) (then (return (i32.const 1))))
                 (i32.ne (call $double (i32.const 4)) (i32.const 8))"
            );
            let started = Instant::now();
            let outcome = linked.run(&body).await;
            assert!(
                is_success(&outcome),
                "{callee:?} {name}: {outcome:?} {:?}",
                linked.told.lock()
            );
            assert_eq!(linked.instances_and_failures(), (2, 1), "{callee:?} {name}");
            assert!(started.elapsed() < Duration::from_secs(20), "{callee:?} {name}");
        }
    }
}

#[tokio::test]
async fn what_failed_is_told_with_its_limit() {
    for (name, settings, words) in [
        ("spin", with_time(Some(TIME), None), "ran for 50 ms"),
        (
            "spin",
            with_time(None, Some(TIME)),
            "used 50 ms of processor time",
        ),
        ("eat", CellSettings::default(), "of memory; its limit is 4 MiB"),
        ("dive", CellSettings::default(), "of stack, its limit"),
    ] {
        let linked = Linked::new(Callee::Counted, settings, answering("7"));
        let outcome = linked
            .run(&format!("(i32.ne (call ${name} (i32.const 0)) (i32.const 7))"))
            .await;
        assert!(is_success(&outcome), "{outcome:?}");
        let told = linked.told.lock().join(", ");
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn a_limit_of_time_needs_code_that_is_interrupted() {
    let plan = super::kit::plan;
    let engine = weft_runtime::Engine::new(
        weft_runtime::Profile::Command(weft_runtime::Concurrency::Off),
        weft_runtime::EngineOptions::default(),
    );
    let plan = plan(&engine.unwrap(), "(component)", with_time(Some(TIME), None));
    let error = weft_runtime::Cells::link(vec![plan], None).unwrap_err();
    assert!(error.to_string().contains("limit of time"), "{error}");
}

#[tokio::test]
async fn the_error_of_a_function_can_be_the_answer() {
    let isolation = Isolation {
        functions: [("try".to_owned(), OnFailure::Error("33".to_owned()))].into(),
        ..trapping()
    };
    for callee in Callee::ALL {
        let linked = Linked::new(callee, CellSettings::default(), isolation.clone());
        let body = "(call $try (i32.const 0) (i32.const 16))
            (if (i32.ne (i32.load8_u (i32.const 16)) (i32.const 1)) (then (return (i32.const 1))))
            (if (i32.ne (i32.load (i32.const 20)) (i32.const 33)) (then (return (i32.const 1))))
            (call $try (i32.const 5) (i32.const 16))
            (if (i32.ne (i32.load8_u (i32.const 16)) (i32.const 0)) (then (return (i32.const 1))))
            (i32.ne (i32.load (i32.const 20)) (i32.const 5))";
        let outcome = linked.run(body).await;
        assert!(is_success(&outcome), "{callee:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn what_may_be_called_again_is_tried_again() {
    let isolation = |retries| Isolation {
        retries,
        ..trapping()
    };
    // Each try finds a fresh instance, so the first count is all there ever is.
    let body = "(i32.ne (call $fail-until (i32.const 2)) (i32.const 2))";
    for (retries, instances) in [(0, 1), (3, 4)] {
        let linked = Linked::new(Callee::Direct, CellSettings::default(), isolation(retries));
        assert!(!is_success(&linked.run(body).await));
        assert_eq!(linked.instances_and_failures().0, instances);
    }
    let named = Isolation {
        idempotent: weft_app::link::Idempotent::Named(["double".to_owned()].into()),
        ..isolation(3)
    };
    let linked = Linked::new(Callee::Direct, CellSettings::default(), named);
    assert!(!is_success(&linked.run(body).await));
    assert_eq!(
        linked.instances_and_failures().0,
        1,
        "it was not said that it may be called again"
    );
}

/// Ending the run ends whoever was called in it.
#[tokio::test]
async fn a_callee_ends_when_its_caller_is_told_to() {
    let linked = Linked::new(Callee::Counted, CellSettings::default(), trapping());
    let stop = weft_runtime::Stop::new();
    let asks = stop.clone();
    let asked = tokio::spawn(async move {
        tokio::time::sleep(TIME).await;
        asks.request(weft_runtime::StopReason::Signal(15));
    });
    let started = Instant::now();
    let body = "(call $spin (i32.const 0))";
    let outcome = linked.run_component(&super::kit::caller(body), stop).await;
    asked.await.unwrap();
    assert!(
        matches!(outcome, weft_runtime::Outcome::Signal(15)),
        "{outcome:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(10));
}
