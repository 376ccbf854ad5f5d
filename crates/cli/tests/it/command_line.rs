//! Help, completions, the manual, and how much is said.

use crate::{run, weft};

const COMMANDS: [&str; 19] = [
    "new",
    "run",
    "serve",
    "up",
    "reload",
    "check",
    "graph",
    "compose",
    "update",
    "compile",
    "inspect",
    "wit",
    "print",
    "validate",
    "schema",
    "cache",
    "data",
    "completions",
    "man",
];

#[test]
fn every_command_has_help_with_an_example() {
    let help = weft().arg("--help").run().with_code(0).stdout();
    for command in COMMANDS {
        assert!(help.contains(command), "{command}");
        let own = weft().args([command, "--help"]).run().with_code(0).stdout();
        assert!(
            own.contains("Example") && own.contains(&format!("weft {command}")),
            "{command}: {own}"
        );
    }
    weft().arg("--version").run().with_code(0);
}

#[test]
fn a_wrong_command_line_is_usage() {
    weft().run().with_code(2);
    weft().arg("walk").run().with_code(2);
    weft().args(["run", "--no-such-flag", "x"]).run().with_code(2);
    weft().arg("run").run().with_code(2);
}

#[test]
fn completions_and_manual_pages_are_made() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            weft()
                .args(["completions", shell])
                .run()
                .with_code(0)
                .stdout()
                .contains("weft"),
            "{shell}"
        );
    }
    assert!(weft().arg("man").run().with_code(0).stdout().starts_with(".ie"));
    assert!(
        weft()
            .args(["man", "run"])
            .run()
            .with_code(0)
            .stdout()
            .contains("dangerously")
    );
    weft().args(["man", "nothing"]).run().with_code(2);
}

#[test]
fn nothing_but_the_guest_is_heard_when_all_goes_well() {
    let outcome = run([], "hello.p1", []).run().with_code(0);
    assert_eq!(outcome.stderr(), "");
    let outcome = run([], "hello.p1", [])
        .env("WEFT_LOG", "weft_runtime=trace")
        .run()
        .with_code(0);
    assert!(!outcome.stderr().contains('\x1b'));
}

#[test]
fn denials_can_be_silenced_and_errors_cannot() {
    let quiet = |arguments: &[&str]| {
        let run = weft()
            .args(["--quiet", "run"])
            .arg(weft_testing::guest("probe.p1"))
            .args(arguments);
        run.run().stderr()
    };
    assert!(!quiet(&["read", "/x"]).contains("denied"));
    assert!(quiet(&["trap"]).contains("error: "));
}

#[test]
fn control_characters_of_a_guest_do_not_reach_the_terminal_through_messages() {
    let name = "bad\u{1b}[2Jname";
    let outcome = weft().arg("run").arg(name).run().with_code(1);
    assert!(!outcome.stderr().contains('\u{1b}'), "{:?}", outcome.stderr());
}
