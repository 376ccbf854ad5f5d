//! What a component might try, and why it gets nowhere. Each test is named after the attempt.

use weft_app::grant::GrantKind;
use weft_compose::{Access, Owner, Reason};

use crate::parts::*;

/// A victim with rights, and an attacker that is linked to it and has none.
fn against(attacker: &[&str]) -> TestApp {
    let kinds = [GrantKind::Environment, GrantKind::Stdio, GrantKind::Directories];
    let victim = component(&[
        &environment("0.2.3"),
        &streams("0.2.3"),
        &stdout("0.2.3"),
        &export("shop:auth/check"),
    ]);
    let mut pieces = attacker.to_vec();
    let (ask, run) = (import("shop:auth/check"), command("0.2.3"));
    pieces.extend([ask.as_str(), run.as_str()]);
    app(vec![
        piece("auth", victim).grant(&kinds),
        piece("evil", component(&pieces)),
    ])
}

#[test]
fn reading_the_environment_of_a_neighbour() {
    let problem = against(&[&environment("0.2.3")]).problem();
    assert_eq!(
        problem.to_string(),
        "component `evil` imports `wasi:cli/environment@0.2.3`, which nothing grants: it needs a grant for environment"
    );
    assert_eq!(
        problem.hint.as_deref(),
        Some(
            "add `env = { NAME = \"value\" }` under `[component.evil.grants]`, or `grant-on-use = \"trap\"` under `[component.evil]` if it is never called"
        )
    );
}

#[test]
fn writing_to_the_standard_output_of_a_neighbour() {
    let problem = against(&[&streams("0.2.3"), &stdout("0.2.3")]).problem();
    assert!(
        matches!(
            problem.reason,
            Reason::NotGranted {
                kind: GrantKind::Stdio,
                ..
            }
        ),
        "{problem}"
    );
}

#[test]
fn listing_the_directories_of_a_neighbour() {
    let preopens =
        r#"(import "wasi:filesystem/preopens@0.2.3" (instance (export "get-directories" (func))))"#;
    let problem = against(&[preopens]).problem();
    assert!(
        matches!(
            problem.reason,
            Reason::NotGranted {
                kind: GrantKind::Directories,
                ..
            }
        ),
        "{problem}"
    );
}

#[test]
fn calling_what_traps_is_no_way_to_the_rights_of_a_neighbour() {
    let mut app = against(&[&environment("0.2.3")]);
    app.app.components[1].grant_on_use = weft_app::GrantOnUse::Trap;
    let fused = app.fuse();
    let of = |name: &str| fused.imports.iter().find(|import| import.name == name).unwrap();
    assert_eq!(of("evil:wasi-cli/environment@0.2.3").access, Access::Trap);
    assert_eq!(of("evil:wasi-cli/environment@0.2.3").owner, Owner::Component(1));
    assert_eq!(of("auth:wasi-cli/environment@0.2.3").access, Access::Granted);
    assert_eq!(of("auth:wasi-cli/environment@0.2.3").owner, Owner::Component(0));
}

#[test]
fn squatting_on_the_scope_of_a_neighbour() {
    let squat = environment_as("auth:wasi-cli/environment@0.2.3");
    let problem = against(&[&squat]).problem();
    assert!(matches!(problem.reason, Reason::NoProvider { .. }), "{problem}");
    // Where it may import what it likes, the name it spelt is nobody's.
    let mut app = against(&[&squat]);
    app.app.components[1].grant_on_use = weft_app::GrantOnUse::Trap;
    let fused = app.fuse();
    assert!(scoped(&fused).contains(&"evil:auth-wasi-cli/environment@0.2.3".to_owned()));
    assert!(!scoped(&fused).contains(&"auth:wasi-cli/environment@0.2.3".to_owned()));
    assert!(scoped(&fused).contains(&"auth-scope:wasi-cli/environment@0.2.3".to_owned()));
}

#[test]
fn squatting_on_the_scope_of_a_group() {
    let squat = environment_as("g1-shared:wasi-io/streams@0.2.3");
    let fused = app(vec![
        piece("log", component(&[&streams("0.2.3"), SINK])),
        piece(
            "g1-shared",
            component(&[&squat, &streams("0.2.3"), SINK_IMPORT, &command("0.2.3")]),
        )
        .trap(),
    ])
    .fuse();
    assert_eq!(
        scoped(&fused),
        [
            "g1-shared-scope-scope:wasi-io/error@0.2.3",
            "g1-shared-scope-scope:wasi-io/streams@0.2.3",
            "g1-shared-scope:g1-shared-wasi-io/streams@0.2.3",
        ]
    );
}

#[test]
fn being_named_like_a_namespace_of_the_host() {
    let fused = app(vec![
        piece("wasi", component(&[&environment("0.2.3"), &command("0.2.3")]))
            .grant(&[GrantKind::Environment]),
    ])
    .fuse();
    assert_eq!(scoped(&fused), ["wasi-scope:wasi-cli/environment@0.2.3"]);
}

#[test]
fn asking_for_a_second_version_of_what_a_neighbour_was_granted() {
    // The tool that joins components merges versions of one track.
    let problem = against(&[&environment("0.2.0")]).problem();
    assert!(matches!(problem.reason, Reason::NotGranted { .. }), "{problem}");
    let mut app = against(&[&environment("0.2.0"), &environment("0.2.6")]);
    app.app.components[1].grant_on_use = weft_app::GrantOnUse::Trap;
    let names = scoped(&app.fuse());
    assert!(
        names.contains(&"evil:wasi-cli/environment@0.2.0".to_owned()),
        "{names:?}"
    );
    assert!(
        names.contains(&"evil:wasi-cli-x2/environment@0.2.6".to_owned()),
        "{names:?}"
    );
}

#[test]
fn using_a_handle_that_belongs_to_a_neighbour() {
    // Both have streams, and no link carries any: a number from one table means nothing in the other's type.
    let fused = against(&[&streams("0.2.3")]).fuse();
    let owners: Vec<_> = fused
        .imports
        .iter()
        .filter(|import| import.interface.starts_with("wasi:io/streams"))
        .map(|import| import.owner.clone())
        .collect();
    assert_eq!(owners, [Owner::Component(0), Owner::Component(1)]);
}

#[test]
fn hiding_an_import_behind_the_type_of_another() {
    let twins = r#"(type $both (instance (export "get-arguments" (func (result (list string))))))
      (import "wasi:cli/environment@0.2.3" (instance (type $both)))
      (import "evil:cli/environment@0.2.3" (instance (type $both)))"#;
    let mut app = against(&[twins]);
    app.app.components[1].grant_on_use = weft_app::GrantOnUse::Trap;
    let problem = app.problem();
    assert_eq!(
        problem.to_string(),
        "component `evil` imports `wasi:cli/environment@0.2.3` and `evil:cli/environment@0.2.3` by one and the same type, and they could not be kept apart"
    );
}

#[test]
fn importing_more_in_a_new_version() {
    let before = against(&[]);
    before.fuse();
    let after = against(&[&environment("0.2.3")]);
    assert!(matches!(after.problem().reason, Reason::NotGranted { .. }));
    // And the bytes that were looked at are the bytes that are joined.
    let plan = before.plan();
    let swapped = weft_compose::fuse(&plan, &plan.entries()[0], &after.parts()).unwrap_err();
    assert_eq!(
        swapped.to_string(),
        "component `evil` is not the one that the plan was made from"
    );
}

#[test]
fn growing_memory_beyond_ones_own_limit() {
    let hog = r#"(core module (memory 1 60000)) (component (core module (memory 1)))"#;
    let fused = app(vec![
        piece("hog", component(&[hog, &command("0.2.3")])).limits(1 << 20, 7),
    ])
    .fuse();
    let mut seen = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&fused.bytes) {
        if let wasmparser::Payload::MemorySection(section) = payload.unwrap() {
            for memory in section {
                assert_eq!(memory.unwrap().maximum, Some(16));
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn beginning_with_more_memory_than_ones_own_limit() {
    let hog = r#"(core module (memory 17))"#;
    let problem = app(vec![
        piece("hog", component(&[hog, &command("0.2.3")])).limits(1 << 20, 7),
    ])
    .problem();
    assert_eq!(
        show(&[problem]),
        "component `hog` does not fit its limits: one of its memories begins with 1.1 MiB, its limit is 1 MiB\n"
    );
}

#[test]
fn exporting_a_name_that_shadows_that_of_another() {
    let run = command("0.2.3");
    let fused = app(vec![
        piece("main", component(&[&import("shop:auth/check"), &run])),
        piece("evil", component(&[&export("shop:auth/check"), &run])),
    ])
    .run("main")
    .fuse();
    assert_eq!(exports_of(&fused.bytes), ["wasi:cli/run@0.2.3"]);
    // Without a trigger nobody is preferred.
    let app = app(vec![
        piece("main", component(&[&run])),
        piece("evil", component(&[&run])),
    ]);
    assert!(matches!(app.problem().reason, Reason::SeveralRun { .. }));
}

#[test]
fn offering_what_the_host_offers_so_that_neighbours_call_it() {
    let fused = app(vec![
        piece(
            "main",
            component(&[
                &environment("0.2.3"),
                &import("shop:auth/check"),
                &command("0.2.3"),
            ]),
        )
        .grant(&[GrantKind::Environment]),
        piece(
            "evil",
            component(&[&export("shop:auth/check"), &export("wasi:cli/environment@0.2.3")]),
        ),
    ])
    .fuse();
    assert_eq!(scoped(&fused), ["main:wasi-cli/environment@0.2.3"]);
}

#[test]
fn nesting_types_until_a_reader_runs_out_of_stack() {
    let mut types = vec![1];
    for _ in 0..1_000_000 {
        types.extend([0x41, 1, 1]);
    }
    let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
    let mut length = types.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(types);
    let problem = app(vec![piece("deep", bytes)]).problem();
    assert!(matches!(problem.reason, Reason::Unusable { .. }), "{problem}");
}

#[test]
fn cutting_a_component_off_or_flipping_its_bits() {
    let whole = component(&[
        &environment("0.2.3"),
        &streams("0.2.3"),
        &stdout("0.2.3"),
        SINK,
        &command("0.2.3"),
    ]);
    let attempt = |bytes: Vec<u8>| {
        let kinds = [GrantKind::Environment, GrantKind::Stdio];
        let app = app(vec![piece("main", bytes).grant(&kinds)]);
        if let Ok(plan) = weft_compose::plan(&app.app, &app.parts()) {
            // Whatever can be planned is joined or refused.
            for entry in plan.entries() {
                let _ = weft_compose::fuse(&plan, entry, &app.parts());
            }
        }
    };
    for at in 0..whole.len() {
        attempt(whole[..at].to_vec());
        for bit in [0, 3, 7] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            attempt(flipped);
        }
    }
}
