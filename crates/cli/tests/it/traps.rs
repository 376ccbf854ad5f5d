//! Traps that help: the reason, the stack with names and lines, core dumps, profiles.

use weft_testing::Scratch;

use crate::run;

#[test]
fn a_trap_names_its_reason() {
    for (function, reason) in [
        ("unreachable", "unreachable"),
        ("divide-by-zero", "divide by zero"),
        ("integer-overflow", "integer overflow"),
        ("bad-conversion", "invalid conversion"),
        ("memory-out-of-bounds", "out of bounds memory"),
        ("table-out-of-bounds", "out of bounds table"),
        ("null-function", "uninitialized element"),
        ("wrong-function", "indirect call type mismatch"),
    ] {
        let outcome = run(["--invoke", function], "traps.wat", []).run().with_code(134);
        assert!(
            outcome.stderr().contains(reason),
            "{function}: {}",
            outcome.stderr()
        );
    }
}

#[test]
fn the_guests_stack_is_shown_with_function_names_and_lines() {
    for probe in ["probe.p1", "probe.p2"] {
        let stderr = run([], probe, ["trap"]).run().with_code(134).stderr();
        assert!(stderr.contains("probe::"), "{probe}: {stderr}");
        assert!(stderr.contains(".rs:"), "{probe}: {stderr}");
    }
}

#[test]
fn a_core_dump_is_written_when_asked_for() {
    let scratch = Scratch::new();
    let file = scratch.path().join("core");
    run(["--coredump", &file.display().to_string()], "probe.p1", ["trap"])
        .run()
        .with_code(134);
    let dump = fs_err::read(&file).unwrap();
    assert!(dump.starts_with(b"\0asm"));
    assert!(dump.windows(9).any(|bytes| bytes == b"corestack"));
}

#[test]
fn a_profile_and_a_flame_graph_show_where_the_time_went() {
    let scratch = Scratch::new();
    let profile = scratch.path().join("profile.json");
    let graph = scratch.path().join("graph.svg");
    let flags = [
        "--profile",
        &profile.display().to_string(),
        "--flamegraph",
        &graph.display().to_string(),
    ];
    let flags = [flags[0], flags[1], flags[2], flags[3], "--invoke", "fib(32)"];
    run(flags, "arithmetic.wat", []).run().with_code(0);
    let profile: String = fs_err::read_to_string(profile).unwrap();
    assert!(profile.starts_with('{') && profile.contains("\"threads\""));
    let graph = fs_err::read_to_string(graph).unwrap();
    assert!(
        graph.contains("<svg") && graph.contains("fib"),
        "{}",
        &graph[..500]
    );
}

#[test]
fn a_profile_survives_a_time_limit() {
    let scratch = Scratch::new();
    let graph = scratch.path().join("graph.svg");
    let flags = ["--timeout", "300ms", "--flamegraph", &graph.display().to_string()];
    run(flags, "probe.p1", ["loop"]).run().with_code(124);
    assert!(fs_err::read_to_string(graph).unwrap().contains("<svg"));
}
