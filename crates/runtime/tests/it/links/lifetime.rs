//! How long a callee's instance lives, and what it keeps from one call to the next.

use std::time::Duration;

use weft_app::cell::{CellSettings, Lifetime, Restarts};
use weft_app::link::{Isolation, OnFailure};
use weft_runtime::bridge::Circuit;

use super::kit::{Callee, Linked, is_success, reason, trapping};

fn lifetime(lifetime: Lifetime) -> CellSettings {
    CellSettings {
        lifetime,
        ..CellSettings::default()
    }
}

/// Counts how often it was called, and is content if that is as it should be.
fn counts(expected: u32) -> String {
    format!("(i32.ne (call $count (i32.const 0)) (i32.const {expected}))")
}

#[tokio::test]
async fn of_a_request_the_callee_keeps_its_state_until_the_request_is_over() {
    for callee in Callee::ALL {
        let linked = Linked::new(callee, lifetime(Lifetime::Request), trapping());
        let twice = format!("(drop (call $count (i32.const 0))) {}", counts(2));
        for _ in 0..3 {
            let outcome = linked.run(&twice).await;
            assert!(is_success(&outcome), "{callee:?}: {outcome:?}");
        }
        assert_eq!(linked.instances_and_failures(), (3, 0));
    }
}

#[tokio::test]
async fn a_pooled_callee_is_somebody_elses_next_and_new_after_its_uses() {
    for callee in Callee::ALL {
        let pooled = Lifetime::Pooled {
            uses_max: 2,
            idle_max: 1,
        };
        let linked = Linked::new(callee, lifetime(pooled), trapping());
        for expected in [1, 2, 1, 2] {
            let outcome = linked.run(&counts(expected)).await;
            assert!(is_success(&outcome), "{callee:?} {expected}: {outcome:?}");
        }
        assert_eq!(linked.instances_and_failures(), (2, 0));
    }
}

#[tokio::test]
async fn a_pooled_callee_that_failed_is_nobodys() {
    let pooled = Lifetime::Pooled {
        uses_max: 100,
        idle_max: 1,
    };
    let linked = Linked::new(Callee::Direct, lifetime(pooled), trapping());
    assert!(is_success(&linked.run(&counts(1)).await));
    assert!(!is_success(&linked.run("(call $trap (i32.const 0))").await));
    assert!(is_success(&linked.run(&counts(1)).await));
}

#[tokio::test]
async fn a_shared_callee_is_one_for_all() {
    for callee in Callee::ALL {
        let linked = Linked::new(callee, lifetime(Lifetime::Shared), trapping());
        for expected in 1..=4 {
            let outcome = linked.run(&counts(expected)).await;
            assert!(is_success(&outcome), "{callee:?} {expected}: {outcome:?}");
        }
        assert_eq!(linked.instances_and_failures(), (1, 0));
    }
}

#[tokio::test]
async fn a_shared_callee_is_started_anew_and_left_alone_when_that_does_not_help() {
    let restarts = Restarts {
        intensity: 2,
        period: Duration::from_millis(400),
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(400),
    };
    let settings = CellSettings {
        restarts,
        ..lifetime(Lifetime::Shared)
    };
    let linked = Linked::new(Callee::Direct, settings, trapping());
    let trap = "(call $trap (i32.const 0))";
    // After the first failure it is there at once.
    assert!(!is_success(&linked.run(trap).await));
    assert!(is_success(&linked.run(&counts(1)).await));
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(!is_success(&linked.run(trap).await));
    }
    assert!(matches!(linked.cells.states()[0].circuit, Circuit::Open(_)));
    let said = reason(linked.run(&counts(1)).await);
    assert!(said.contains("failed too often"), "{said}");
    let instances = linked.instances_and_failures().0;
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(linked.cells.states()[0].circuit, Circuit::Closed);
    assert!(is_success(&linked.run(&counts(1)).await));
    assert_eq!(linked.instances_and_failures().0, instances + 1);
}

#[tokio::test]
async fn an_open_circuit_answers_as_any_failure_does() {
    let isolation = Isolation {
        on_failure: OnFailure::Trap,
        functions: [("double".to_owned(), OnFailure::Value("9".to_owned()))].into(),
        ..trapping()
    };
    let restarts = Restarts {
        intensity: 0,
        period: Duration::from_secs(60),
        backoff_min: Duration::from_secs(60),
        backoff_max: Duration::from_secs(60),
    };
    let settings = CellSettings {
        restarts,
        ..lifetime(Lifetime::Shared)
    };
    let linked = Linked::new(Callee::Direct, settings, isolation);
    assert!(!is_success(&linked.run("(call $trap (i32.const 0))").await));
    let outcome = linked
        .run("(i32.ne (call $double (i32.const 1)) (i32.const 9))")
        .await;
    assert!(is_success(&outcome), "{outcome:?}");
}
