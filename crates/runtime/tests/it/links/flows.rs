//! Streams and futures between cells leave nothing behind, however they end.

use std::time::{Duration, Instant};

use weft_app::cell::{CellSettings, Lifetime};
use weft_app::link::{Isolation, OnFailure};

use super::kit::{Flows, trapping};

/// Rounds of everything that flows and of every way in which it ends.
const ROUNDS: usize = 25;

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Ends that come after a run has: instances are let go of by their own tasks.
async fn settles(what: &str, is_settled: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_settled() {
        assert!(Instant::now() < until, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn nothing_is_left_of_streams_that_ended_in_any_way() {
    let flows = Flows::new(CellSettings::default(), trapping());
    let before = tasks();
    for _ in 0..ROUNDS {
        for (what, is_success) in [
            ("values", true),
            ("reader-leaves", true),
            ("writer-hears", true),
            ("cancel", true),
            ("unread", true),
            ("trap-mid-stream", false),
            ("trap-later", false),
        ] {
            let outcome = flows.run(what).await;
            assert_eq!(outcome.is_ok(), is_success, "{what}: {outcome:?}");
        }
    }
    // Each instance that goes on has a task, and lives as long as it does.
    settles("tasks are left", || tasks() <= before).await;
}

#[tokio::test]
async fn a_pooled_instance_is_used_again_only_when_nothing_flows_any_more() {
    let pooled = CellSettings {
        lifetime: Lifetime::Pooled {
            uses_max: 1000,
            idle_max: 4,
        },
        ..CellSettings::default()
    };
    let flows = Flows::new(pooled, trapping());
    for _ in 0..10 {
        flows.run("values").await.unwrap();
        // It comes to rest by itself.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (instances, _) = flows.instances_and_failures();
    assert!(instances <= 5, "{instances} instances: none was used again");
    flows.run("reader-leaves").await.unwrap();
    flows.run("values").await.unwrap();
    for _ in 0..3 {
        flows.run("trap-mid-stream").await.unwrap_err();
        flows.run("values").await.unwrap();
    }
    let (_, failures) = flows.instances_and_failures();
    assert_eq!(failures, 3);
}

#[tokio::test]
async fn a_failure_between_calls_is_told_and_counted_once() {
    let isolation = Isolation {
        on_failure: OnFailure::Trap,
        ..Isolation::default()
    };
    let flows = Flows::new(CellSettings::default(), isolation);
    flows.run("trap-mid-stream").await.unwrap_err();
    let (_, failures) = flows.instances_and_failures();
    assert_eq!(failures, 1);
    let told = flows.told();
    assert!(
        told.len() == 1 && told[0].starts_with("alone: it trapped"),
        "{told:?}"
    );
}
