//! Secrets in configuration: their component reads them, and nobody else sees them.

use weft_testing::weft::Run;
use weft_testing::{Scratch, guest, guests};

const SECRET: &str = "hush-hush";

/// A command that asks another component for the value of `api-key`, and succeeds when it is the secret.
const ASKER: &str = r#"(component
  (import "value" (func $value (param "key" string) (result (option string))))
  (core module $memory
    (memory (export "memory") 1)
    (data (i32.const 0) "api-keyhush-hush")
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      global.get $next
      (global.set $next (i32.add (global.get $next) (local.get 3)))))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $bytes))
  (core func $value (canon lower (func $value) (memory $bytes) (realloc (core func $memory "realloc"))))
  (core module $code
    (import "other" "value" (func $value (param i32 i32 i32)))
    (import "memory" "memory" (memory 1))
    (func (export "run") (result i32) (local $at i32)
      (call $value (i32.const 0) (i32.const 7) (i32.const 64))
      (if (i32.ne (i32.load8_u (i32.const 64)) (i32.const 1)) (then (return (i32.const 1))))
      (if (i32.ne (i32.load (i32.const 72)) (i32.const 9)) (then (return (i32.const 1))))
      (loop $on
        (if (i32.ne
              (i32.load8_u (i32.add (i32.load (i32.const 68)) (local.get $at)))
              (i32.load8_u (i32.add (i32.const 7) (local.get $at))))
          (then (return (i32.const 1))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $on (i32.lt_u (local.get $at) (i32.const 9))))
      i32.const 0))
  (core instance $code (instantiate $code
    (with "other" (instance (export "value" (func $value))))
    (with "memory" (instance $memory))))
  (func $run (result (result)) (canon lift (core func $code "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $run)))"#;

/// An app whose component `settings` has this for a secret.
fn app(secret: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.file("asker.wat", ASKER);
    scratch.file(
        "weft.toml",
        format!(
            "[component.asker]\nsource = \"asker.wat\"\n[component.settings]\nsource = '{}'\n\
             [component.settings.grants.config]\ngreeting = \"hello\"\napi-key = {secret}\n",
            guest("config-component.wat").display(),
        ),
    );
    scratch
}

fn weft(words: &[&str], app: &Scratch) -> Run {
    crate::weft().args(words).arg(app.path()).env("API_KEY", SECRET)
}

#[test]
fn a_component_reads_the_secret_that_it_is_granted() {
    let from_variable = app("{ variable = \"API_KEY\" }");
    weft(&["up"], &from_variable).run().with_code(0);
    let from_file = app("{ file = \"api-key\" }");
    for text in ["hush-hush", "hush-hush\n", "hush-hush\r\n"] {
        from_file.file("api-key", text);
        weft(&["up"], &from_file).run().with_code(0);
    }
    // No more than one line end is taken off, and the value of today is read and not the one of before.
    for text in ["hush-hush\n\n", "another", ""] {
        from_file.file("api-key", text);
        weft(&["up"], &from_file).run().with_code(1);
    }
}

#[test]
fn no_command_shows_a_secret_or_writes_it_down() {
    let app = app("{ variable = \"API_KEY\" }");
    for words in [
        &["up", "--verbose"][..],
        &["check"],
        &["check", "--explain", "settings"],
        &["graph"],
        &["graph", "--format", "svg"],
        &["graph", "--format", "mermaid"],
        &["compose", "--output", "composed.wasm"],
    ] {
        let outcome = weft(words, &app).current_dir(app.path()).run().with_code(0);
        for said in [outcome.stdout(), outcome.stderr()] {
            assert!(!said.contains(SECRET), "{words:?}: {said}");
        }
    }
    let said = weft(&["check", "--explain", "settings"], &app).run().stdout();
    assert!(said.contains("api-key (secret)"), "{said}");
    for file in fs_err::read_dir(app.path()).unwrap() {
        let file = file.unwrap().path();
        let bytes = fs_err::read(&file).unwrap();
        let is_there = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        // The asker holds what it compares with.
        let is_asker = file.ends_with("asker.wat") || file.ends_with("composed.wasm");
        assert_eq!(is_there, is_asker, "{}", file.display());
    }
}

#[test]
fn a_secret_that_cannot_be_read_is_told_before_anything_runs() {
    for (secret, contents, told) in [
        (
            "{ variable = \"NOT_SET\" }",
            None,
            "there is no variable `NOT_SET`",
        ),
        (
            "{ file = \"absent\" }",
            None,
            "the secret in `absent` cannot be read",
        ),
        (
            "{ file = \"large\" }",
            Some(vec![b'a'; 70_000]),
            "more than 64 KiB",
        ),
        (
            "{ file = \"bytes\" }",
            Some(vec![0xff, b'h', b'u', b's', b'h']),
            "not UTF-8",
        ),
        ("{ file = \"/dev/zero\" }", None, "not a regular file"),
    ] {
        let app = app(secret);
        if let Some(contents) = contents {
            app.file(if told.contains("UTF") { "bytes" } else { "large" }, contents);
        }
        let said = weft(&["up"], &app).run().with_code(2).stderr();
        assert!(said.contains(told), "{secret}: {said}");
    }
}

#[test]
fn another_component_has_no_secret() {
    let app = app("{ variable = \"API_KEY\" }");
    let manifest = fs_err::read_to_string(app.path().join("weft.toml")).unwrap();
    let moved = manifest.replace(
        "[component.settings.grants.config]",
        "[component.asker.grants.config]",
    );
    app.file("weft.toml", moved);
    let said = weft(&["up"], &app).run().with_code(2).stderr();
    assert!(said.contains("wasi:config/store"), "{said}");
}

#[test]
fn the_interface_has_its_earlier_name_too() {
    let app = app("{ variable = \"API_KEY\" }");
    let text = fs_err::read_to_string(guests::text("config-component")).unwrap();
    let earlier = text.replace("wasi:config/store@0.2.0-rc.1", "wasi:config/runtime@0.2.0-draft");
    assert_ne!(text, earlier);
    app.file("earlier.wat", earlier);
    let manifest = fs_err::read_to_string(app.path().join("weft.toml")).unwrap();
    let source = guest("config-component.wat").display().to_string();
    app.file("weft.toml", manifest.replace(&source, "earlier.wat"));
    weft(&["up"], &app).run().with_code(0);
}

/// What a program that is in no app has for `api-key`.
fn value(flags: &[&str]) -> Run {
    let run = crate::weft().arg("run").args(flags);
    let run = run.args(["--verbose", "--invoke", r#"value("api-key")"#]);
    run.arg(guest("config-component.wat")).env("API_KEY", SECRET)
}

#[test]
fn a_program_that_is_in_no_app_reads_the_secrets_that_its_flags_name() {
    let scratch = Scratch::new();
    scratch.file("api-key", "hush-hush\n");
    let file = format!("api-key=file:{}", scratch.path().join("api-key").display());
    for secret in ["api-key=variable:API_KEY", file.as_str()] {
        let outcome = value(&["--secret", secret, "--config", "other=1"])
            .run()
            .with_code(0);
        assert_eq!(outcome.stdout(), "some(\"hush-hush\")\n");
        assert!(!outcome.stderr().contains(SECRET), "{}", outcome.stderr());
    }
    let outcome = value(&[]).run().with_code(0);
    assert_eq!(outcome.stdout(), "none\n");
}

#[test]
fn a_flag_that_names_no_secret_is_a_mistake_and_is_not_repeated() {
    let scratch = Scratch::new();
    scratch.file("large", vec![b'a'; 70_000]);
    scratch.file("bytes", [0xff]);
    let file = |name: &str| format!("api-key=file:{}", scratch.path().join(name).display());
    for (secret, told) in [
        ("api-key=hush-hush".to_owned(), "does not say where the secret is"),
        (
            "api-key=env:hush-hush".to_owned(),
            "does not say where the secret is",
        ),
        ("hush-hush".to_owned(), "has no key"),
        ("=variable:hush-hush".to_owned(), "has no key"),
        (
            "api-key=variable:NOT_SET".to_owned(),
            "there is no variable `NOT_SET`",
        ),
        (file("absent"), "absent` cannot be read"),
        (file("large"), "more than 64 KiB"),
        (file("bytes"), "not UTF-8"),
        ("api-key=file:/dev/zero".to_owned(), "not a regular file"),
    ] {
        let outcome = value(&["--secret", &secret]).run().with_code(2);
        let said = outcome.stderr();
        assert!(said.contains(told) && !said.contains(SECRET), "{secret}: {said}");
    }
    let secret = "api-key=variable:API_KEY";
    for other in [["--secret", secret], ["--config", "api-key=1"]] {
        let outcome = value(&["--secret", secret, other[0], other[1]])
            .run()
            .with_code(2);
        assert!(outcome.stderr().contains("given twice"), "{}", outcome.stderr());
    }
}

#[test]
fn secrets_of_an_app_stand_in_its_manifest() {
    let app = app("{ variable = \"API_KEY\" }");
    let run = crate::weft().args(["run", "--secret", "more=variable:API_KEY"]);
    let said = run
        .arg(app.path())
        .env("API_KEY", SECRET)
        .run()
        .with_code(2)
        .stderr();
    assert!(
        said.contains("stands in its manifest") && !said.contains(SECRET),
        "{said}"
    );
}
