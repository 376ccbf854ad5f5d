//! Names that are meant to be taken for others: scopes, versions, spellings, exports that shadow.

use super::{COUNT, ENVIRONMENT, GO, IDLE, attack, component, environment, quiet, vault};

/// Exports an environment of seven variables under this name.
fn false_environment(name: &str) -> String {
    format!(
        r#"(core module $liar
          (memory (export "memory") 1)
          (func (export "get") (result i32) (i32.store (i32.const 12) (i32.const 7)) (i32.const 8)))
        (core instance $liar (instantiate $liar))
        (func $lie (result (list (tuple string string)))
          (canon lift (core func $liar "get") (memory $liar "memory")))
        (instance $false (export "get-environment" (func $lie)))
        (export "{name}" (instance $false))"#
    )
}

#[test]
fn squatting_on_the_scope_of_a_neighbour() {
    for name in [
        "vault:wasi-cli/environment@0.2.3",
        "vault-scope:wasi-cli/environment@0.2.3",
        "vault:wasi-cli/environment@0.2.12",
        "g1-shared:wasi-cli/environment@0.2.3",
    ] {
        let pieces = [&environment(name), COUNT, GO];
        attack(&pieces, "").is_refused_at_its_line(&[name]);
        attack(&pieces, "grant-on-use = \"trap\"\n").ends_the_app(&["component `evil` was refused", name]);
        // A grant for the interface that the name resembles gives nothing.
        attack(&pieces, "grants = { env = { OWN = \"x\" } }\n").is_refused(&[name, "`evil`"]);
    }
}

#[test]
fn offering_an_interface_under_a_neighbours_scope() {
    for name in [
        "vault:wasi-cli/environment@0.2.3",
        "vault-scope:wasi-cli/environment@0.2.3",
    ] {
        attack(&[&false_environment(name), IDLE, GO], "").finds_nothing();
    }
}

#[test]
fn offering_what_the_host_offers_so_that_a_neighbour_calls_it() {
    for name in [
        ENVIRONMENT,
        "wasi:cli/environment@0.2.12",
        "wasi:cli/environment@0.3.0",
    ] {
        attack(&[&false_environment(name), IDLE, GO], "").finds_nothing();
    }
    // Where the manifest itself says so, it is what was asked for; the vault then notices.
    let asked = format!("[component.vault.links]\n\"{ENVIRONMENT}\" = \"evil\"\n");
    attack(&[&false_environment(ENVIRONMENT), IDLE, GO], &asked)
        .up()
        .with_code(134);
}

#[test]
fn spelling_the_name_of_an_interface_in_another_way() {
    for name in [
        "wasi:cli/environment",
        "wasi:cli/environment@0.2.99",
        "wasi:cli/environment@0.2.3-rc.1",
        "wasi:cli/environment@0.3.0-draft",
        "wasi:cli/environment@1.0.0",
        "wasi:cli/environment@0.2.3+evil",
        "wasi:cli/ENVIRONMENT@0.2.3",
        "wasi-cli:cli/environment@0.2.3",
    ] {
        let pieces = [&environment(name), COUNT, GO];
        attack(&pieces, "").is_refused_at_its_line(&[name]);
        let outcome = attack(&pieces, "grant-on-use = \"trap\"\n").up();
        assert_ne!(outcome.code, Some(1), "{name}: {outcome}");
        assert_ne!(outcome.code, Some(0), "{name}: {outcome}");
    }
    for name in [
        "WASI:cli/environment@0.2.3",
        "wasi:CLI/environment@0.2.3",
        "wasi:cli/environment@0.2",
    ] {
        // Upper case stands for acronyms, and in parts of names; whatever it is, it is not the host's.
        let outcome = attack(&[&environment(name), COUNT, GO], "").weft("check").run();
        quiet(outcome).with_code(2);
    }
}

#[test]
fn importing_two_names_that_become_one() {
    let two = |first: &str, second: &str| {
        format!(
            r#"(import "{first}" (instance (export "get-environment" (func (result (list (tuple string string)))))))
            {}"#,
            environment(second)
        )
    };
    for (first, second) in [
        (
            "wasi-cli:evil/environment@0.2.3",
            "wasi:cli-evil/environment@0.2.3",
        ),
        (ENVIRONMENT, "wasi:cli/environment@0.2.4"),
        (ENVIRONMENT, "wasi:cli/ENVIRONMENT@0.2.3"),
        ("evil:wasi-cli/environment@0.2.3", ENVIRONMENT),
    ] {
        let pieces = [&two(first, second), COUNT, GO];
        let attack = attack(&pieces, "grant-on-use = \"trap\"\n");
        let outcome = attack.up();
        assert!(
            matches!(outcome.code, Some(2 | 134)),
            "{first}, {second}: {outcome}"
        );
    }
}

#[test]
fn running_in_the_place_of_a_neighbour() {
    let command = r#"(core module $own (func (export "run") (result i32) (i32.const 0)))
      (core instance $own (instantiate $own))
      (func $own-run (result (result)) (canon lift (core func $own "run")))
      (instance $own-command (export "run" (func $own-run)))
      (export "wasi:cli/run@0.2.3" (instance $own-command))"#;
    attack(&[command, IDLE, GO], "").is_refused(&["`vault` and `evil`", "`wasi:cli/run`"]);
    attack(&[command, IDLE, GO], "[trigger.command]\ncomponent = \"vault\"\n").finds_nothing();
}

#[test]
fn exporting_a_name_that_shadows_that_of_another() {
    let attack = attack(&[IDLE, GO], "[component.other]\nsource = \"other.wat\"\n");
    attack.app.file("other.wat", component(&[IDLE, GO]));
    attack.is_refused(&["`evil` and `other`", "shop:evil/attack", "`vault`"]);
}

#[test]
fn exporting_more_in_a_new_version_so_that_a_neighbour_calls_it() {
    let charge = r#"(import "docs:pay/charge" (instance (export "go" (func (result u32)))))"#;
    let attack = attack(&[IDLE, GO], "");
    attack.app.file("vault.wat", vault(&[charge]));
    let manifest = attack.app.read("weft.toml");
    let trapping = manifest.replacen("grants", "grant-on-use = \"trap\"\ngrants", 1);
    attack.app.file("weft.toml", &trapping);
    attack.finds_nothing();
    let lock = attack.app.read("weft.lock");

    let wider = component(&[IDLE, GO, r#"(export "docs:pay/charge" (instance $offered))"#]);
    attack.app.file("evil.wat", wider);
    attack.is_refused(&[
        "component `evil` now also exports `docs:pay/charge`",
        "component `vault`",
        "weft.toml:6:",
        "weft update",
    ]);
    assert_eq!(attack.app.read("weft.lock"), lock);
    // A line that says so is consent, and so is an update.
    attack.app.file(
        "weft.toml",
        format!("{trapping}[component.vault.links]\n\"docs:pay/charge\" = \"evil\"\n"),
    );
    quiet(attack.weft("check").run()).with_code(0);
    attack.app.file("weft.toml", &trapping);
    quiet(attack.weft("update").run()).with_code(0);
    attack.finds_nothing();
}

#[test]
fn importing_more_in_a_new_version() {
    let attack = attack(&[IDLE, GO], "grants = { env = { OWN = \"x\" } }\n");
    attack.finds_nothing();
    let lock = attack.app.read("weft.lock");
    attack
        .app
        .file("evil.wat", component(&[&environment(ENVIRONMENT), COUNT, GO]));
    attack.is_refused_at_its_line(&["now also imports", ENVIRONMENT, "weft update"]);
    assert_eq!(attack.app.read("weft.lock"), lock);
}
