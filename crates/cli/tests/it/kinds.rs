//! What `weft run` takes: every kind of program, told by its content.

use weft_testing::{Scratch, guest};

use crate::{run, weft};

#[test]
fn every_kind_of_program_runs() {
    for name in ["hello.p1", "hello.p2", "hello.wat"] {
        let outcome = run([], name, []).run().with_code(0);
        assert!(
            outcome.stdout().to_lowercase().contains("hello"),
            "{name}: {}",
            outcome.stdout()
        );
    }
    for name in ["probe.p1", "probe.p2", "probe_p3"] {
        let outcome = run([], name, ["args", "one", "two words"]).run().with_code(0);
        assert!(
            outcome.stdout().contains("two words"),
            "{name}: {}",
            outcome.stdout()
        );
    }
    run([], "command-component.wat", []).run().with_code(0);
    run([], "failing-component.wat", []).run().with_code(1);
}

#[test]
fn a_program_is_told_by_its_content_not_its_name() {
    let scratch = Scratch::new();
    let bytes = fs_err::read(guest("hello.p2")).unwrap();
    for name in ["program", "program.wat", "program.txt", "program.cwasm"] {
        let file = scratch.file(name, &bytes);
        weft().arg("run").arg(file).run().with_code(0);
    }
}

#[test]
fn a_program_can_come_from_standard_input() {
    let bytes = fs_err::read(guest("hello.p1")).unwrap();
    let outcome = weft().args(["run", "-"]).stdin(bytes).run().with_code(0);
    assert!(outcome.stdout().to_lowercase().contains("hello"));
}

#[test]
fn everything_after_the_file_is_the_guests() {
    let outcome = run(
        ["--env", "A=1"],
        "probe.p2",
        ["args", "--env", "B=2", "--help", "-x", "--"],
    )
    .run()
    .with_code(0);
    for argument in ["--env", "B=2", "--help", "-x"] {
        assert!(outcome.stdout().contains(argument), "{}", outcome.stdout());
    }
}

#[test]
fn the_guest_sees_only_the_name_of_its_file() {
    let name = |flags: &[&str]| {
        let run = crate::weft()
            .arg("run")
            .args(flags)
            .arg(guest("probe.p1"))
            .arg("own-name");
        run.run().with_code(0).stdout()
    };
    assert_eq!(name(&[]), "ok probe.p1.wasm\n");
    assert_eq!(name(&["--argv0", "other"]), "ok other\n");
}

#[test]
fn the_guests_exit_code_is_wefts() {
    run([], "probe.p1", ["exit", "3"]).run().with_code(3);
    run([], "probe_p3", ["exit", "3"]).run().with_code(3);
    // A command of 0.2 that uses `exit` knows only success and failure.
    run([], "probe.p2", ["exit", "3"]).run().with_code(1);
    run([], "exit.wat", []).run().with_code(7);
    run([], "probe_p3", ["error"]).run().with_code(1);
}

#[test]
fn standard_streams_stream() {
    for name in ["probe.p1", "probe.p2", "probe_p3"] {
        let mut running = run([], name, ["echo"]).start();
        for line in ["first\n", "second\n"] {
            running.write_stdin(line.as_bytes());
            running.wait_for_stdout(line);
        }
        running.close_stdin();
        running.finish().with_code(0);
    }
}

#[test]
fn a_library_says_how_to_call_it() {
    run([], "library-component.wat", []).run().with_code(1);
    let outcome = run([], "arithmetic.wat", []).run().with_code(1);
    assert!(
        outcome.stderr().contains("--invoke") && outcome.stderr().contains("`add`"),
        "{}",
        outcome.stderr()
    );
}
