//! `wasi:logging`: absent, denied and narrowed; what a line looks like, and that no guest can write another's.

use weft_testing::weft::Run;
use weft_testing::{Scratch, guests};

use crate::serve::Served;

/// Both names of the interface.
const NAMES: [&str; 2] = ["wasi:logging/logging", "wasi:logging/logging@0.1.0-draft"];

/// A command that says something at every level, in the order of the levels.
fn logger(interface: &str, message: &str) -> String {
    let length = message.len();
    let bytes: String = message.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        r#"(component
  (type $level (enum "trace" "debug" "info" "warn" "error" "critical"))
  (import "{interface}" (instance $log
    (type $levels (enum "trace" "debug" "info" "warn" "error" "critical"))
    (export "level" (type $level (eq $levels)))
    (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
  (core module $memory
    (memory (export "memory") 1)
    (data (i32.const 0) "till")
    (data (i32.const 64) "{bytes}"))
  (core instance $memory (instantiate $memory))
  (core func $log (canon lower (func $log "log") (memory $memory "memory")))
  (core module $main
    (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
    (func (export "run") (result i32) (local $level i32)
      (loop $on
        (call $log (local.get $level) (i32.const 0) (i32.const 4) (i32.const 64) (i32.const {length}))
        (local.set $level (i32.add (local.get $level) (i32.const 1)))
        (br_if $on (i32.lt_u (local.get $level) (i32.const 6))))
      i32.const 0))
  (core instance $main (instantiate $main (with "host" (instance (export "log" (func $log))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $run)))"#
    )
}

/// The lines of a run, each without its time.
fn lines(run: Run) -> Vec<String> {
    let told = run.run().with_code(0).stderr();
    let without_time = |line: &str| {
        let (time, rest) = line.split_once(' ').unwrap_or_default();
        let is_time = time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z');
        assert!(is_time, "{line}");
        rest.to_owned()
    };
    told.lines().map(without_time).collect()
}

fn program(message: &str, interface: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.file("logger.wat", logger(interface, message));
    scratch
}

fn logging(scratch: &Scratch, flags: &[&str]) -> Run {
    crate::weft()
        .arg("run")
        .args(flags)
        .arg(scratch.path().join("logger.wat"))
}

#[test]
fn a_program_logs_from_info_on_unless_it_is_told_otherwise() {
    for interface in NAMES {
        let scratch = program("low on tea", interface);
        let line = |level: &str| format!("{level:<8} logger.wat [till]: low on tea");
        for (flags, levels) in [
            (&[][..], &["info", "warn", "error", "critical"][..]),
            (
                &["--logging", "trace"],
                &["trace", "debug", "info", "warn", "error", "critical"],
            ),
            (&["--logging", "critical"], &["critical"]),
            (&["--logging", "none"], &[]),
        ] {
            let expected: Vec<String> = levels.iter().map(|level| line(level)).collect();
            assert_eq!(lines(logging(&scratch, flags)), expected, "{interface} {flags:?}");
        }
    }
}

#[test]
fn what_is_refused_is_told_to_whoever_asks() {
    let scratch = program("low on tea", NAMES[0]);
    let told = logging(&scratch, &["--verbose", "--logging", "none"])
        .run()
        .with_code(0)
        .stderr();
    assert!(
        told.contains(
            "the program was refused: write to the log (wasi:logging/logging); grant it with `--logging"
        ),
        "{told}"
    );
    let told = logging(&scratch, &["--logging", "loud"])
        .run()
        .with_code(2)
        .stderr();
    assert!(told.contains("`loud` is not `trace`, `debug`"), "{told}");
}

#[test]
fn a_line_is_one_line_whatever_the_guest_writes() {
    let scratch = program(
        "a\n2026-01-01T00:00:00.000Z info     other: b\r\u{1b}[31m",
        NAMES[0],
    );
    let told = lines(logging(&scratch, &["--logging", "critical"]));
    assert_eq!(
        told,
        ["critical logger.wat [till]: a\\n2026-01-01T00:00:00.000Z info     other: b\\r\\u{1b}[31m"]
    );
}

#[test]
fn programs_read_lines_as_json() {
    let scratch = program("low on \"tea\"\n", NAMES[1]);
    let json = |format: &str| logging(&scratch, &["--logging", "error"]).env("WEFT_LOG_FORMAT", format);
    let told = json("json").run().with_code(0).stderr();
    let lines: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [error, critical] = &lines[..] else {
        panic!("{told}")
    };
    assert_eq!(
        (&error["level"], &critical["level"]),
        (&"error".into(), &"critical".into())
    );
    assert_eq!(error["component"], "logger.wat");
    assert_eq!(error["context"], "till");
    assert_eq!(error["message"], "low on \"tea\"\n");
    let told = json("xml").run().with_code(2).stderr();
    assert!(
        told.contains("`WEFT_LOG_FORMAT` is `xml`, expected `text` or `json`"),
        "{told}"
    );
}

#[test]
fn a_component_of_an_app_logs_what_its_manifest_grants() {
    let scratch = program("low on tea", NAMES[0]);
    let manifest = |grants: &str| {
        scratch.file(
            "weft.toml",
            format!("[component.keeper]\nsource = \"logger.wat\"\n{grants}"),
        );
        crate::weft().arg("up").arg(scratch.path())
    };
    let told = manifest("").run().with_code(2).stderr();
    assert!(told.contains("logging = \"info\""), "{told}");
    assert_eq!(
        lines(manifest("grants = { logging = \"error\" }\n")),
        [
            "error    keeper [till]: low on tea",
            "critical keeper [till]: low on tea"
        ]
    );
    assert!(lines(manifest("grants = { logging = \"none\" }\n")).is_empty());
    let explained = crate::weft()
        .args(["check", "--explain", "keeper"])
        .arg(scratch.path())
        .run()
        .with_code(0)
        .stdout();
    assert!(explained.contains("logging"), "{explained}");
    let told = manifest("grants = { logging = \"warning\" }\n")
        .run()
        .with_code(2)
        .stderr();
    assert!(told.contains("`warn`"), "{told}");
}

/// What answers requests, and says so at the level `info` first.
fn answering() -> String {
    let text = fs_err::read_to_string(guests::text("http-hello")).unwrap();
    let import = r#"(component
  (import "wasi:logging/logging" (instance $log
    (type $levels (enum "trace" "debug" "info" "warn" "error" "critical"))
    (export "level" (type $level (eq $levels)))
    (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))"#;
    [
        ("(component", import),
        (
            "  (core func $drop-request",
            "  (core func $say (canon lower (func $log \"log\") (memory $memory \"memory\")))\n  (core func $drop-request",
        ),
        (
            "    (import \"memory\" \"memory\" (memory 1))",
            "    (import \"wasi\" \"say\" (func $say (param i32 i32 i32 i32 i32)))\n    (import \"memory\" \"memory\" (memory 1))",
        ),
        (
            "      (call $drop-request (local.get $request))",
            "      (call $drop-request (local.get $request))\n      (call $say (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 11))",
        ),
        (
            "    (export \"fields\" (func $fields))",
            "    (export \"say\" (func $say))\n    (export \"fields\" (func $fields))",
        ),
    ]
    .into_iter()
    .fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn what_answers_requests_logs_and_nothing_is_lost_at_the_end() {
    let scratch = Scratch::new();
    scratch.file("answering.wat", answering());
    let served = Served::start(&scratch.path().join("answering.wat"), &[]);
    const REQUESTS: usize = 200;
    for _ in 0..REQUESTS {
        assert_eq!(served.get("/").body, "hello world");
    }
    let told = served.end().with_code(0).stderr();
    let lines = told
        .lines()
        .filter(|line| line.ends_with("info     answering: hello world"));
    assert_eq!(lines.count(), REQUESTS, "{told}");
}

#[test]
fn inspect_says_what_the_interface_is_for() {
    let scratch = program("", NAMES[0]);
    let told = crate::weft()
        .arg("inspect")
        .arg(scratch.path().join("logger.wat"))
        .run()
        .with_code(0)
        .stdout();
    assert!(
        told.contains("logging") && told.contains("--logging LEVEL"),
        "{told}"
    );
}
