//! Attacks of one component of an app on its neighbours, on its user and on Weft itself. Each test is named after
//! the attempt.
//!
//! The attacker, `evil`, decides about every byte of its component. The victim, `vault`, runs: it has a secret in
//! its environment and calls the attacker, and the app ends with 1 where that answers anything but 0, which is
//! how an attack says that it got something.

mod bytes;
mod files;
mod handles;
mod limits;
mod names;
mod neighbours;

use weft_testing::Scratch;
use weft_testing::weft::{Outcome, Run};

/// What nobody but the victim may ever see.
const SECRET: &str = "tell-nobody-7391";

/// A component with these pieces in it, and memory for what the host hands in.
fn component(pieces: &[&str]) -> String {
    format!("(component\n{LIBRARY}\n{}\n)", pieces.join("\n"))
}

const LIBRARY: &str = r#"
  (core module $library
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $library (instantiate $library))"#;

/// Imports the environment under any name, and lowers it as `$get`.
fn environment(name: &str) -> String {
    format!(
        r#"(import "{name}" (instance $environment
            (export "get-environment" (func (result (list (tuple string string)))))))
        (core func $get (canon lower (func $environment "get-environment")
            (memory $library "memory") (realloc (func $library "realloc"))))"#
    )
}

const ENVIRONMENT: &str = "wasi:cli/environment@0.2.3";

/// Exports the attack: how long the list is that `$get` gives.
const COUNT: &str = r#"
  (core module $attack
    (import "host" "get" (func $get (param i32)))
    (import "library" "memory" (memory 1))
    (func (export "go") (result i32)
      (call $get (i32.const 16))
      (i32.load (i32.const 20))))
  (core instance $attack (instantiate $attack
    (with "host" (instance (export "get" (func $get))))
    (with "library" (instance $library))))"#;

/// Exports a core function `go` of `$attack` as what the victim calls.
const GO: &str = r#"
  (func $go (result u32) (canon lift (core func $attack "go")))
  (instance $offered (export "go" (func $go)))
  (export "shop:evil/attack" (instance $offered))"#;

/// An attack that does nothing when it is called.
const IDLE: &str = r#"
  (core module $attack (func (export "go") (result i32) (i32.const 0)))
  (core instance $attack (instantiate $attack))"#;

/// The victim. It trusts its environment to have the one variable that it was granted.
fn vault(pieces: &[&str]) -> String {
    let environment = environment(ENVIRONMENT);
    let mut all = vec![
        environment.as_str(),
        r#"(import "shop:evil/attack" (instance $evil (export "go" (func (result u32)))))
        (core func $ask (canon lower (func $evil "go")))"#,
    ];
    all.extend(pieces);
    all.push(
        r#"(core module $main
            (import "host" "get" (func $get (param i32)))
            (import "evil" "go" (func $go (result i32)))
            (import "library" "memory" (memory 1))
            (func (export "run") (result i32)
              (call $get (i32.const 16))
              (if (i32.ne (i32.load (i32.const 20)) (i32.const 1)) (then unreachable))
              (i32.ne (call $go) (i32.const 0))))
        (core instance $main (instantiate $main
          (with "host" (instance (export "get" (func $get))))
          (with "evil" (instance (export "go" (func $ask))))
          (with "library" (instance $library))))
        (func $run (result (result)) (canon lift (core func $main "run")))
        (instance $command (export "run" (func $run)))
        (export "wasi:cli/run@0.2.3" (instance $command))"#,
    );
    component(&all)
}

const VAULT: &str = r#"[component.vault]
source = "vault.wat"
grants = { env = ["SECRET"] }

[component.evil]
source = "evil.wat"
"#;

/// The line of the attacker in the manifest.
const EVIL_LINE: usize = 5;

/// The victim's app with an attacker in it.
struct Attack {
    app: Scratch,
}

/// An attack by these pieces; `rest` is more of the attacker's lines in the manifest.
fn attack(pieces: &[&str], rest: &str) -> Attack {
    attack_by(component(pieces), rest)
}

/// The same, by any bytes at all.
fn attack_by(evil: impl AsRef<[u8]>, rest: &str) -> Attack {
    let app = Scratch::new();
    app.file("weft.toml", format!("{VAULT}{rest}"));
    app.file("vault.wat", vault(&[]));
    app.file("evil.wat", evil);
    Attack { app }
}

impl Attack {
    fn weft(&self, command: &str) -> Run {
        crate::weft()
            .arg(command)
            .arg(self.app.path())
            .env("SECRET", SECRET)
    }

    fn up(&self) -> Outcome {
        quiet(self.weft("up").run())
    }

    /// It is refused by every command that would do something with it, before anything runs.
    #[track_caller]
    fn is_refused(&self, parts: &[&str]) {
        let whole = self.app.path().join("whole.wasm");
        let check = self.weft("check").run();
        let compose = self.weft("compose").arg("-o").arg(&whole).run();
        for outcome in [check, compose, self.weft("up").run()] {
            let said = quiet(outcome).with_code(2).stderr();
            for part in parts {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
        assert!(!whole.exists());
    }

    /// The same, at the attacker's place in the manifest.
    #[track_caller]
    fn is_refused_at_its_line(&self, parts: &[&str]) {
        let place = format!("weft.toml:{EVIL_LINE}:");
        let mut parts = parts.to_vec();
        parts.extend(["`evil`", place.as_str()]);
        self.is_refused(&parts);
    }

    /// It starts, and the first call that it makes of what it may not ends the app.
    #[track_caller]
    fn ends_the_app(&self, parts: &[&str]) {
        let said = self.up().with_code(134).stderr();
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    /// It runs, and gets nothing.
    #[track_caller]
    fn finds_nothing(&self) {
        self.up().with_code(0);
    }
}

/// Checks that an outcome gives no secret away and does nothing to a terminal.
#[track_caller]
fn quiet(outcome: Outcome) -> Outcome {
    for said in [&outcome.stdout_bytes, &outcome.stderr_bytes] {
        let text = String::from_utf8_lossy(said);
        assert!(!text.contains(SECRET), "{outcome}");
        assert!(!text.contains('\x1b'), "{outcome}");
        assert!(said.len() < 20_000, "{} bytes were said", said.len());
    }
    outcome
}

#[test]
fn doing_nothing_is_no_attack() {
    // What every other test is measured against: the app itself is fine.
    attack(&[IDLE, GO], "").finds_nothing();
    let one = "(core module $attack (func (export \"go\") (result i32) (i32.const 1))) \
               (core instance $attack (instantiate $attack))";
    attack(&[one, GO], "").up().with_code(1);
}
