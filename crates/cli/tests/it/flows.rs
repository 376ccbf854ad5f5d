//! Streams and futures between two components, fused and isolated: what flows, who waits, and who hears of an end.

use std::time::{Duration, Instant};

use weft_testing::weft::Outcome;
use weft_testing::{Scratch, guest};

/// An app of a caller and of what it calls.
fn app(link: &str, callee: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.file(
        "weft.toml",
        format!(
            "[component.main]\nsource = '{}'\ngrant-on-use = \"trap\"\n\
             grants = {{ stdio = \"all\", env = [], clock = \"real\" }}\n\
             [component.main.links.\"test:flows/flows\"]\ncomponent = \"callee\"\n{link}\n\
             [component.callee]\nsource = '{}'\ngrant-on-use = \"trap\"\n{callee}\n",
            guest("flows_caller").display(),
            guest("flows").display(),
        ),
    );
    scratch
}

fn run(app: &Scratch, what: &[&str]) -> Outcome {
    crate::weft().arg("up").arg(app.path()).arg("--").args(what).run()
}

const ISOLATED: &str = "mode = \"isolated\"";
const POOLED: &str = "cell = { lifetime = \"pooled\", uses = 3 }";

#[test]
fn everything_that_flows_comes_through_as_over_a_fused_link() {
    for (link, callee) in [
        ("mode = \"fused\"", ""),
        (ISOLATED, ""),
        (ISOLATED, POOLED),
        (ISOLATED, "cell = { cpu-time = \"20s\", timeout = \"60s\" }"),
    ] {
        let outcome = run(&app(link, callee), &["values"]);
        assert_eq!(
            outcome.with_code(0).stdout(),
            "ok all as it should be\n",
            "{link} {callee}"
        );
    }
}

#[test]
fn whoever_is_slow_slows_the_other_down_and_whoever_leaves_is_missed() {
    for link in ["mode = \"fused\"", ISOLATED] {
        let app = app(link, "");
        for (what, told) in [
            ("back-pressure", "ok it waited\n"),
            ("reader-leaves", "ok it was told\n"),
            ("writer-hears", "ok it heard\n"),
            ("cancel", "ok it let go\n"),
            ("beside", "ok through both\n"),
            ("unread", "ok forgotten\n"),
        ] {
            let outcome = run(&app, &[what, "3"]);
            assert_eq!(outcome.with_code(0).stdout(), told, "{what} {link}");
        }
    }
}

#[test]
fn a_callee_that_fails_while_it_writes_ends_its_reader_with_its_name() {
    let app = app(ISOLATED, "");
    for (what, function) in [("trap-mid-stream", "trap-after"), ("trap-later", "trap-later")] {
        let said = run(&app, &[what]).with_code(134).stderr();
        assert!(
            said.contains("component `callee`, called over an isolated link") && said.contains(function),
            "{said}"
        );
        assert!(
            said.contains("component `callee` failed while nobody waited for it: it trapped"),
            "{said}"
        );
    }
}

#[test]
fn where_a_failure_has_an_answer_a_stream_just_ends() {
    let link = "mode = \"isolated\"\nfunctions = { risky = { on-failure = { error = '\"broken\"' } } }";
    let outcome = run(&app(link, ""), &["risky"]).with_code(0);
    assert_eq!(outcome.stdout(), "ok 100000 bytes, and an end\n");
    let said = outcome.stderr();
    assert!(said.contains("component `callee` failed in"), "{said}");
}

#[test]
fn a_call_that_waits_for_a_stream_has_no_more_time_than_another() {
    let started = Instant::now();
    let said = run(&app(ISOLATED, "cell = { timeout = \"200ms\" }"), &["wait"])
        .with_code(134)
        .stderr();
    assert!(said.contains("ran for 200 ms"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_cannot_flow_is_refused_before_anything_runs() {
    let check = |app: &Scratch| {
        let outcome = crate::weft().arg("check").arg(app.path()).run();
        outcome.with_code(2).stderr()
    };
    let said = check(&app(ISOLATED, "cell = { lifetime = \"shared\" }"));
    assert!(said.contains("a stream of a shared cell"), "{said}");
    let said = check(&app(
        "mode = \"isolated\"\nretry = 2\nidempotent = [\"echo\"]",
        "",
    ));
    assert!(said.contains("calls of `echo`"), "{said}");
}
