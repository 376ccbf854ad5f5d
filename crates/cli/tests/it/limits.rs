//! Every limit: hit, and told with the number that was hit and the flag that sets it.

use weft_testing::Scratch;

use crate::{dir, run, weft};

fn assert_limit(outcome: weft_testing::weft::Outcome, number: &str, flag: &str) {
    let outcome = outcome.with_code(124);
    let stderr = outcome.stderr();
    assert!(stderr.contains(number) && stderr.contains(flag), "{stderr}");
}

#[test]
fn memory_is_limited() {
    for probe in ["probe.p1", "probe.p2"] {
        // The probe notices that it gets no memory, and ends by itself: its code counts, with a warning.
        let outcome = run(["--memory", "32MiB"], probe, ["memory", "100"])
            .run()
            .with_code(1);
        let stderr = outcome.stderr();
        assert!(
            stderr.contains("32 MiB") && stderr.contains("--memory"),
            "{probe}: {stderr}"
        );
    }
    assert_limit(run([], "huge-memory.wat", []).run(), "1 GiB", "--memory");
    assert_limit(
        run(["--memory", "1MiB"], "grow-memory.wat", []).run(),
        "1 MiB",
        "--memory",
    );
    run(["--memory", "300MiB"], "probe.p2", ["memory", "100"])
        .run()
        .with_code(0);
}

#[test]
fn tables_are_limited() {
    assert_limit(run([], "huge-table.wat", []).run(), "1000000", "--tables");
    assert_limit(
        run(["--tables", "100"], "grow-table.wat", []).run(),
        "100",
        "--tables",
    );
}

#[test]
fn wall_clock_time_is_limited_while_computing_and_while_waiting() {
    assert_limit(
        run(["--timeout", "300ms"], "probe.p1", ["loop"]).run(),
        "300 ms",
        "--timeout",
    );
    assert_limit(
        run(["--timeout", "300ms"], "probe.p2", ["sleep", "60000"]).run(),
        "300 ms",
        "--timeout",
    );
    assert_limit(
        run(["--timeout", "300ms"], "probe_p3", ["sleep", "60000"]).run(),
        "300 ms",
        "--timeout",
    );
    assert_limit(
        run(["--timeout", "300ms"], "start-loop.wat", []).run(),
        "300 ms",
        "--timeout",
    );
}

#[test]
fn processor_time_is_limited_and_waiting_costs_none() {
    assert_limit(
        run(["--cpu-time", "200ms"], "loop-forever.wat", []).run(),
        "200 ms",
        "--cpu-time",
    );
    assert_limit(
        run(["--cpu-time", "200ms"], "probe.p1", ["loop"]).run(),
        "200 ms",
        "--cpu-time",
    );
    assert_limit(
        run(["--cpu-time", "200ms"], "start-loop.wat", []).run(),
        "200 ms",
        "--cpu-time",
    );
    run(["--cpu-time", "5s"], "probe.p2", ["sleep", "300"])
        .run()
        .with_code(0);
}

#[test]
fn fuel_ends_a_run_at_the_same_instruction_each_time() {
    assert_limit(
        run(["--fuel", "1_000_000"], "probe.p1", ["loop"]).run(),
        "1000000",
        "--fuel",
    );
    let last = |fuel: &str| {
        let outcome = run(
            ["--fuel", fuel, "--clock", "fixed", "--random", "fixed"],
            "probe.p1",
            ["output", "100000"],
        )
        .run();
        (outcome.code, outcome.stdout_bytes.len())
    };
    assert_eq!(last("20000"), last("20000"));
    run(["--fuel", "100_000_000"], "probe.p2", ["args"])
        .run()
        .with_code(0);
}

#[test]
fn the_stack_is_limited() {
    assert_limit(run([], "recurse.wat", []).run(), "1 MiB", "--stack");
    assert_limit(
        run(["--stack", "64KiB"], "recurse.wat", []).run(),
        "64 KiB",
        "--stack",
    );
}

#[test]
fn open_handles_are_limited() {
    let scratch = Scratch::new();
    scratch.file("file", "contents");
    let grant = dir(scratch.path(), "::/data");
    for probe in ["probe.p1", "probe.p2"] {
        let outcome = run(
            ["--dir", &grant, "--handles", "50"],
            probe,
            ["open-many", "/data/file", "200"],
        )
        .run();
        assert_limit(outcome, "50", "--handles");
        run(["--dir", &grant], probe, ["open-many", "/data/file", "200"])
            .run()
            .with_code(0);
    }
}

#[test]
fn output_is_limited_and_what_fits_is_written() {
    for probe in ["probe.p1", "probe.p2", "probe_p3"] {
        let outcome = run(["--output-bytes", "1000"], probe, ["output", "5000"]).run();
        assert_eq!(outcome.stdout_bytes.len(), 1000, "{probe}");
        assert_limit(outcome, "1000 B", "--output-bytes");
    }
}

#[test]
fn a_program_larger_than_allowed_is_refused() {
    let outcome = run(["--program-size", "10KB"], "probe.p2", []).run().with_code(1);
    assert!(
        outcome.stderr().contains("--program-size"),
        "{}",
        outcome.stderr()
    );
}

#[test]
fn compilation_is_bounded_in_time_and_memory() {
    for (flag, value) in [("--compile-time", "1ms"), ("--compile-memory", "1MiB")] {
        let outcome = run([flag, value, "--no-cache"], "probe.p2", ["args"])
            .run()
            .with_code(1);
        assert!(outcome.stderr().contains(flag), "{}", outcome.stderr());
    }
}

#[test]
fn limits_that_do_not_read_are_refused() {
    for (flag, value) in [
        ("--memory", "much"),
        ("--timeout", "-1s"),
        ("--stack", "1KiB"),
        ("--stack", "1GiB"),
        ("--handles", "3"),
        ("--fuel", "1.5"),
    ] {
        weft().args(["run", flag, value, "x.wasm"]).run().with_code(2);
    }
}
