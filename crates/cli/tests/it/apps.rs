//! Apps: manifests, links, grants for every component, the lock file, drawings.

use weft_testing::Scratch;
use weft_testing::weft::Run;

/// A library that adds one, of an interface that the command below imports.
const ADDER: &str = r#"(component
  (core module $code (func (export "add-one") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
  (core instance $code (instantiate $code))
  (func $add (param "n" u32) (result u32) (canon lift (core func $code "add-one")))
  (instance $api (export "add-one" (func $add)))
  (export "docs:numbers/add@1.0.0" (instance $api)))"#;

/// A command that succeeds when the library answers 42 to 41.
const ASKER: &str = r#"(component
  (import "docs:numbers/add@1.0.0" (instance $add (export "add-one" (func (param "n" u32) (result u32)))))
  (core func $add (canon lower (func $add "add-one")))
  (core module $code
    (import "add" "one" (func $add (param i32) (result i32)))
    (func (export "run") (result i32) (i32.ne (call $add (i32.const 41)) (i32.const 42))))
  (core instance $code (instantiate $code (with "add" (instance (export "one" (func $add))))))
  (func $run (result (result)) (canon lift (core func $code "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $run)))"#;

const PAIR: &str = "[component.asker]\nsource = \"asker.wat\"\n[component.adder]\nsource = \"adder.wat\"\n";

fn app(manifest: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.file("weft.toml", manifest);
    scratch.file("asker.wat", ASKER);
    scratch.file("adder.wat", ADDER);
    scratch
}

fn weft(command: &str, app: &Scratch) -> Run {
    crate::weft().arg(command).arg(app.path())
}

/// An app of the one guest that does as it is told.
fn probe(rest: &str) -> Scratch {
    let source = weft_testing::guest("probe.p2");
    app(&format!(
        "[component.probe]\nsource = '{}'\n{rest}",
        source.display()
    ))
}

/// Everything that a program made by Rust asks for, so that a test can leave one thing out.
const ORDINARY: &str =
    "grant-on-use = \"trap\"\n[component.probe.grants]\nstdio = \"all\"\nenv = []\ndir = []\n";

#[test]
fn two_components_are_linked_by_what_one_of_them_alone_offers() {
    let app = app(PAIR);
    let said = weft("check", &app).run().with_code(0).stdout();
    assert!(
        said.contains("`docs:numbers/add@1.0.0` of component `asker` comes from"),
        "{said}"
    );
    weft("up", &app).run().with_code(0);
    weft("run", &app).run().with_code(0);
}

#[test]
fn a_component_that_is_linked_without_being_told_counts_as_used() {
    let trigger = "[trigger.command]\ncomponent = \"asker\"\n";
    let used = app(&format!("{PAIR}{trigger}"));
    let said = weft("check", &used).run().with_code(0).stderr();
    assert!(!said.contains("warning"), "{said}");
    let spare = app(&format!(
        "{PAIR}[component.spare]\nsource = \"asker.wat\"\n{trigger}"
    ));
    let said = weft("check", &spare).run().with_code(0).stderr();
    assert!(
        said.contains("warning") && said.contains("`spare`") && said.contains("weft.toml:5:"),
        "{said}"
    );
    assert!(!said.contains("`adder`"), "{said}");
}

#[test]
fn a_manifest_of_four_lines_runs() {
    let app = app(&format!(
        "{PAIR}[component.asker.links]\n\"docs:numbers/add\" = \"adder\"\n"
    ));
    weft("up", &app).run().with_code(0);
}

#[test]
fn a_link_that_nobody_can_satisfy_is_told_with_its_line() {
    let app = app("[component.asker]\nsource = \"asker.wat\"\n");
    let outcome = weft("up", &app).run().with_code(2);
    let said = outcome.stderr();
    for part in ["`docs:numbers/add@1.0.0`", "`asker`", "weft.toml:1:"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn an_import_without_a_grant_is_refused_before_anything_runs() {
    let app = probe("[component.probe.grants]\nenv = []\n");
    let said = weft("up", &app).run().with_code(2).stderr();
    for part in [
        "component `probe`",
        "wasi:cli/stdout@",
        "stdio = ",
        "[component.probe.grants]",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn grants_of_a_manifest_give_what_they_name_and_no_more() {
    let app = probe(&format!("{ORDINARY}config = {{ a = \"b\" }}\n"));
    let up = |words: &[&str]| weft("up", &app).arg("--").args(words).run();
    assert_eq!(up(&["env-all"]).with_code(0).stdout().trim(), "ok []");
    let refused = up(&["read", "/data/a"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr().contains("under `[component.probe.grants]`"),
        "{}",
        refused.stderr()
    );

    let app = probe(
        &ORDINARY
            .replace("env = []", "env = [\"NAME=value\"]")
            .replace("dir = []", "dir = [\"data::/data\"]"),
    );
    app.folder("data");
    app.file("data/a", "text");
    let up = |words: &[&str]| weft("up", &app).arg("--").args(words).run();
    assert!(up(&["env", "NAME"]).with_code(0).stdout().contains("value"));
    assert!(up(&["read", "/data/a"]).with_code(0).stdout().contains("text"));
    up(&["write", "/data/a", "other"]).with_code(1);
    assert_eq!(app.read("data/a"), "text");
}

#[test]
fn what_is_granted_on_use_ends_the_app_when_it_is_used() {
    let app = probe(ORDINARY);
    let outcome = weft("up", &app).args(["--", "clock"]).run().with_code(134);
    assert!(
        outcome.stderr().contains("is not granted"),
        "{}",
        outcome.stderr()
    );
}

#[test]
fn a_component_that_asks_for_more_in_a_new_version_is_refused_until_it_is_accepted() {
    let app = app(PAIR);
    weft("up", &app).run().with_code(0);
    let before = app.read("weft.lock");
    let wider = ADDER.replacen(
        "(component",
        r#"(component (import "wasi:cli/environment@0.2.3" (instance (export "initial-cwd" (func (result (option string))))))"#,
        1,
    );
    app.file("adder.wat", wider);
    app.file("weft.toml", format!("{PAIR}[component.adder.grants]\nenv = []\n"));
    let said = weft("up", &app).run().with_code(2).stderr();
    assert!(
        said.contains("wasi:cli/environment@0.2.3") && said.contains("weft update"),
        "{said}"
    );
    assert_eq!(app.read("weft.lock"), before);
    let shown = weft("update", &app).arg("--dry-run").run().with_code(1).stdout();
    assert!(shown.contains("wasi:cli/environment@0.2.3"), "{shown}");
    weft("update", &app).run().with_code(0);
    weft("up", &app).run().with_code(0);
}

#[test]
fn a_component_that_only_changes_inside_is_written_down() {
    let app = app(PAIR);
    weft("up", &app).run().with_code(0);
    let before = app.read("weft.lock");
    app.file("adder.wat", ADDER.replace("(i32.const 1)", "(i32.const 2)"));
    weft("up", &app).run().with_code(1);
    assert_ne!(app.read("weft.lock"), before);
}

#[test]
fn a_component_grows_no_further_than_its_own_limit() {
    let limited = format!("{ORDINARY}[component.probe.limits]\nmemory = \"4MiB\"\n");
    let app = probe(&limited);
    weft("up", &app).args(["--", "memory", "1"]).run().with_code(0);
    let outcome = weft("up", &app).args(["--", "memory", "16"]).run();
    assert_ne!(outcome.code, Some(0), "{}", outcome.stdout());
}

#[test]
fn limits_of_the_whole_app_hold() {
    let app = probe(&format!("{ORDINARY}[limits]\ntimeout = \"200ms\"\n"));
    let outcome = weft("up", &app).args(["--", "loop"]).run().with_code(124);
    assert!(
        outcome.stderr().contains("`timeout` under `[limits]`"),
        "{}",
        outcome.stderr()
    );
}

#[test]
fn flags_that_a_manifest_decides_are_refused() {
    let app = app(PAIR);
    let outcome = crate::weft()
        .args(["run", "--env", "A=b"])
        .arg(app.path())
        .run()
        .with_code(2);
    assert!(
        outcome.stderr().contains("stands in its manifest"),
        "{}",
        outcome.stderr()
    );
}

#[test]
fn what_is_not_there_is_said_and_how_to_get_it() {
    let empty = Scratch::new();
    let said = weft("up", &empty).run().with_code(2).stderr();
    assert!(said.contains("there is no `weft.toml`"), "{said}");
    let app = app("[component.asker]\nsource = { package = \"docs:asker@1.0.0\" }\n");
    let said = weft("up", &app).run().with_code(2).stderr();
    assert!(said.contains("packages cannot be fetched yet"), "{said}");
    let app = self::app("[component.asker]\nsource = \"absent.wasm\"\n");
    let said = weft("check", &app).run().with_code(2).stderr();
    assert!(
        said.contains("absent.wasm") && said.contains("weft.toml:2:"),
        "{said}"
    );
}

#[test]
fn every_form_of_drawing_shows_both_components() {
    let app = app(PAIR);
    for (form, sign) in [
        ("text", "──▶ adder"),
        ("svg", "<svg"),
        ("mermaid", "flowchart"),
        ("dot", "digraph"),
    ] {
        let drawn = weft("graph", &app)
            .args(["--format", form])
            .run()
            .with_code(0)
            .stdout();
        assert!(
            drawn.contains(sign) && drawn.contains("asker") && drawn.contains("adder"),
            "{drawn}"
        );
    }
    let explained = weft("check", &app)
        .args(["--explain", "adder"])
        .run()
        .with_code(0)
        .stdout();
    assert!(
        explained.contains("what `adder` could do at worst"),
        "{explained}"
    );
    weft("check", &app)
        .args(["--explain", "nobody"])
        .run()
        .with_code(2);
}

#[test]
fn an_app_written_as_one_component_runs_by_itself() {
    let app = app(PAIR);
    for form in [&["--standard"][..], &[]] {
        let path = app.path().join("whole.wasm");
        weft("compose", &app)
            .args(form)
            .arg("-o")
            .arg(&path)
            .run()
            .with_code(0);
        let first = fs_err::read(&path).unwrap();
        crate::weft().arg("run").arg(&path).run().with_code(0);
        weft("compose", &app)
            .args(form)
            .arg("-o")
            .arg(&path)
            .run()
            .with_code(0);
        assert_eq!(
            fs_err::read(&path).unwrap(),
            first,
            "composition is deterministic"
        );
    }
}

#[test]
fn the_schema_that_editors_read_is_printed() {
    let printed = crate::weft().arg("schema").run().with_code(0).stdout();
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/weft.schema.json");
    assert_eq!(printed, fs_err::read_to_string(published).unwrap());
    // The line by which editors find it is none that `weft` minds.
    let app = app(&format!("#:schema weft.schema.json\n{PAIR}"));
    weft("check", &app).run().with_code(0);
}
