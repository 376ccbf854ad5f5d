//! Apps with isolated links, served and run: a component that fails, and everybody else who does not notice.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use weft_testing::{Scratch, guest};

use crate::serve::Served;

/// An app that answers by calling another component with the last digit of the path.
fn app(link: &str, callee: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.file(
        "weft.toml",
        format!(
            "[component.front]\nsource = '{}'\ngrant-on-use = \"trap\"\n\
             [component.front.links.\"test:cell/callee\"]\ncomponent = \"callee\"\n{link}\n\
             [component.callee]\nsource = '{}'\n{callee}\n\
             [trigger.http]\nlisten = \"127.0.0.1:0\"\n[trigger.http.limits]\nresponse-timeout = \"20s\"\n",
            guest("http-calls.wat").display(),
            guest("callee.wat").display(),
        ),
    );
    scratch
}

fn served(app: &Scratch) -> Served {
    Served::listening(crate::weft().arg("up").arg(app.path()).start())
}

const ISOLATED: &str = "mode = \"isolated\"\non-failure = { value = \"9\" }";
const HOSTILE: [(&str, &str); 6] = [
    ("1", "unreachable"),
    ("2", "processor time"),
    ("3", "of memory"),
    ("4", "stack"),
    ("6", "table elements"),
    ("7", "out of bounds"),
];

#[test]
fn whatever_a_callee_does_its_caller_answers() {
    let app = app(
        ISOLATED,
        "limits = { memory = \"4MiB\" }\ncell = { cpu-time = \"50ms\" }",
    );
    let served = served(&app);
    for (what, _) in HOSTILE {
        assert_eq!(served.get(&format!("/{what}")).status, 200, "{what}");
        assert_eq!(served.get("/0").status, 200, "after {what}");
    }
    let said = served.end().stderr();
    for (what, words) in HOSTILE.into_iter().take(1) {
        assert!(said.contains("component `callee` failed"), "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
    }
}

#[test]
fn without_an_answer_the_caller_fails_and_the_next_request_does_not() {
    let app = app("mode = \"isolated\"", "cell = { timeout = \"100ms\" }");
    let served = served(&app);
    for (what, _) in HOSTILE {
        assert_eq!(served.get(&format!("/{what}")).status, 500, "{what}");
        assert_eq!(served.get("/0").status, 200, "after {what}");
    }
    let said = served.end().stderr();
    assert!(said.contains("isolated link to `callee`"), "{said}");
}

#[test]
fn one_word_makes_the_difference() {
    for (mode, status) in [
        ("fused", 500),
        ("isolated\"\non-failure = { value = \"9\" }\n#", 200),
    ] {
        let app = app(&format!("mode = \"{mode}\""), "");
        let served = served(&app);
        assert_eq!(served.get("/1").status, status, "{mode}");
        served.end();
    }
}

/// The numbers of an app that shows them at a socket in its folder.
fn numbers(app: &Scratch) -> String {
    let mut admin = UnixStream::connect(app.path().join("admin.sock")).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    admin.write_all(request).unwrap();
    let mut numbers = String::new();
    admin.read_to_string(&mut numbers).unwrap();
    numbers
}

fn with_admin(app: &Scratch) {
    let manifest = app.read("weft.toml");
    let admin = "[trigger.http]\nadmin = \"unix:admin.sock\"\n";
    app.file("weft.toml", manifest.replace("[trigger.http]\n", admin));
}

#[test]
fn a_cell_that_fails_too_often_is_left_alone_and_the_numbers_say_so() {
    let app = app(
        ISOLATED,
        "cell = { lifetime = \"shared\", restarts = 1, period = \"60s\" }",
    );
    with_admin(&app);
    let served = served(&app);
    for path in ["/0", "/1", "/1", "/1", "/0"] {
        assert_eq!(served.get(path).status, 200);
    }
    let numbers = numbers(&app);
    for line in [
        "weft_cell_circuit_open{cell=\"callee\"} 1",
        "weft_cell_instances_total{cell=\"callee\"} 2",
    ] {
        assert!(numbers.contains(line), "{numbers}");
    }
    served.end();
}

/// A changed callee takes the place of the old one; one that did not change goes on with what it knows.
#[test]
fn a_cell_that_did_not_change_outlives_a_reload_and_one_that_did_does_not() {
    let app = app(ISOLATED, "cell = { lifetime = \"shared\" }");
    with_admin(&app);
    let mut served = served(&app);
    let name = served.running.stderr().split('`').nth(1).unwrap().to_owned();
    let mut told = String::new();
    let mut calls_after = |change: (&str, &str), expected: u32| {
        let manifest = app.read("weft.toml");
        app.file("weft.toml", manifest.replace(change.0, change.1));
        served.running.hang_up();
        told += &format!("reloaded `{name}`\n");
        served.running.wait_for_stderr(&told);
        assert_eq!(served.get("/5").status, 200);
        let line = format!("weft_cell_calls_total{{cell=\"callee\"}} {expected}\n");
        assert!(numbers(&app).contains(&line), "{}", numbers(&app));
    };
    calls_after(("", ""), 1);
    calls_after(("response-timeout = \"20s\"", "response-timeout = \"20s\" "), 2);
    calls_after(("cell = {", "limits = { memory = \"8MiB\" }\ncell = {"), 1);
    served.end();
}

#[test]
fn the_cells_of_an_app_are_shown_before_it_runs() {
    let app = app(ISOLATED, "cell = { lifetime = \"pooled\", timeout = \"1s\" }");
    let check = |flags: &[&str]| {
        let run = crate::weft().arg("check").args(flags).arg(app.path()).run();
        run.with_code(0).stdout()
    };
    let said = check(&[]);
    assert!(
        said.contains("cell `callee`, called by `front`: pooled instances, 1000 uses each"),
        "{said}"
    );
    let said = check(&["--explain", "callee"]);
    assert!(
        said.contains("called over isolated links: pooled instances, 1000 uses each, time of a call 1 s"),
        "{said}"
    );
    let drawn = crate::weft()
        .arg("graph")
        .arg(app.path())
        .run()
        .with_code(0)
        .stdout();
    assert!(drawn.contains("callee   test:cell/callee (isolated)"), "{drawn}");
}

#[test]
fn what_the_manifest_says_of_failures_is_checked() {
    let app = app("mode = \"isolated\"\non-failure = { value = \"nine\" }", "");
    let said = crate::weft()
        .arg("check")
        .arg(app.path())
        .run()
        .with_code(2)
        .stderr();
    assert!(
        said.contains("`nine` cannot stand for the results of `call`"),
        "{said}"
    );
    let app = self::app(
        "mode = \"isolated\"",
        "cell = { timeout = \"1s\" }\ninterruption = \"none\"",
    );
    let said = crate::weft()
        .arg("up")
        .arg(app.path())
        .run()
        .with_code(1)
        .stderr();
    assert!(
        said.contains("has a limit of time, and its code is not interrupted"),
        "{said}"
    );
}

/// A command that asks another cell for a pen with the number 7, and hands it to a component that it is fused with.
const PAINTER: &str = r#"(component
  (import "art:tools/pens" (instance $pens
    (export "pen" (type $pen (sub resource)))
    (export "[constructor]pen" (func (param "number" u32) (result (own $pen))))))
  (alias export $pens "pen" (type $pen))
  (import "art:page/draw" (instance $draw
    (alias outer 1 $pen (type $outer)) (export "pen" (type $inner (eq $outer)))
    (export "draw" (func (param "it" (own $inner)) (result u32)))))
  (core func $new (canon lower (func $pens "[constructor]pen")))
  (core func $draw (canon lower (func $draw "draw")))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "draw" (func $draw (param i32) (result i32)))
    (func (export "run") (result i32) (i32.ne (call $draw (call $new (i32.const 7))) (i32.const 7))))
  (core instance $m (instantiate $m (with "" (instance
    (export "new" (func $new)) (export "draw" (func $draw))))))
  (func $run (result (result)) (canon lift (core func $m "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $run)))"#;

/// Says what the number of a pen is.
const PAGE: &str = r#"(component
  (import "art:tools/pens" (instance $pens
    (export "pen" (type $pen (sub resource)))
    (export "[method]pen.number" (func (param "self" (borrow $pen)) (result u32)))))
  (alias export $pens "pen" (type $pen))
  (core func $number (canon lower (func $pens "[method]pen.number")))
  (core func $drop (canon resource.drop $pen))
  (core module $m
    (import "" "number" (func $number (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "draw") (param i32) (result i32)
      (call $number (local.get 0))
      (call $drop (local.get 0))))
  (core instance $m (instantiate $m (with "" (instance
    (export "number" (func $number)) (export "drop" (func $drop))))))
  (func $draw (param "it" (own $pen)) (result u32) (canon lift (core func $m "draw")))
  (component $shape
    (import "pen" (type $pen (sub resource)))
    (import "draw" (func $draw (param "it" (own $pen)) (result u32)))
    (export $shown "pen" (type $pen))
    (export "draw" (func $draw) (func (param "it" (own $shown)) (result u32))))
  (instance $draw (instantiate $shape (with "pen" (type $pen)) (with "draw" (func $draw))))
  (export "art:page/draw" (instance $draw)))"#;

/// Makes pens, each of which knows its number.
const PENS: &str = r#"(component
  (type $pen (resource (rep i32)))
  (core func $new (canon resource.new $pen))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (func (export "new") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "number") (param i32) (result i32) (local.get 0)))
  (core instance $m (instantiate $m (with "" (instance (export "new" (func $new))))))
  (func $make (param "number" u32) (result (own $pen)) (canon lift (core func $m "new")))
  (func $number (param "self" (borrow $pen)) (result u32) (canon lift (core func $m "number")))
  (component $shape
    (import "pen" (type $pen (sub resource)))
    (import "make" (func $make (param "number" u32) (result (own $pen))))
    (import "number" (func $number (param "self" (borrow $pen)) (result u32)))
    (export $shown "pen" (type $pen))
    (export "[constructor]pen" (func $make) (func (param "number" u32) (result (own $shown))))
    (export "[method]pen.number" (func $number) (func (param "self" (borrow $shown)) (result u32))))
  (instance $pens (instantiate $shape
    (with "pen" (type $pen)) (with "make" (func $make)) (with "number" (func $number))))
  (export "art:tools/pens" (instance $pens)))"#;

#[test]
fn a_handle_of_another_cell_can_be_handed_on_within_a_cell() {
    let scratch = Scratch::new();
    let mut manifest = String::new();
    for (name, text) in [("painter", PAINTER), ("page", PAGE), ("pens", PENS)] {
        scratch.file(format!("{name}.wat"), text);
        manifest.push_str(&format!("[component.{name}]\nsource = '{name}.wat'\n"));
        if name != "pens" {
            manifest.push_str("links.\"art:tools/pens\" = { component = \"pens\", mode = \"isolated\" }\n");
        }
    }
    scratch.file("weft.toml", manifest);
    crate::weft().arg("run").arg(scratch.path()).run().with_code(0);
}

#[test]
fn what_a_function_gives_that_fails_stands_at_its_link() {
    let scratch = Scratch::new();
    scratch.file(
        "asker.wat",
        r#"(component
          (import "ask" (func $ask (result u32)))
          (core func $ask (canon lower (func $ask)))
          (core module $m
            (import "" "ask" (func $ask (result i32)))
            (func (export "run") (result i32) (i32.ne (call $ask) (i32.const 7))))
          (core instance $m (instantiate $m (with "" (instance (export "ask" (func $ask))))))
          (func $run (result (result)) (canon lift (core func $m "run")))
          (instance $run (export "run" (func $run)))
          (export "wasi:cli/run@0.2.3" (instance $run)))"#,
    );
    scratch.file(
        "answerer.wat",
        r#"(component
          (core module $m (func (export "ask") (result i32) unreachable))
          (core instance $m (instantiate $m))
          (func (export "ask") (result u32) (canon lift (core func $m "ask"))))"#,
    );
    let run = |value: &str| {
        scratch.file(
            "weft.toml",
            format!(
                "[component.asker]\nsource = 'asker.wat'\n\
                 [component.asker.links.ask]\ncomponent = 'answerer'\nmode = 'isolated'\n\
                 functions = {{ ask = {{ on-failure = {{ value = '{value}' }} }} }}\n\
                 [component.answerer]\nsource = 'answerer.wat'\n"
            ),
        );
        crate::weft().arg("run").arg(scratch.path()).run()
    };
    run("7").with_code(0);
    run("8").with_code(1);
}
