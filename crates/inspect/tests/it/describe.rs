//! What a description says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use weft_inspect::kind::Kind;
use weft_inspect::{Authority, Description, Group, Role, describe, json};

use crate::samples;

fn group(description: &Description, authority: Authority) -> &Group {
    description
        .imports
        .iter()
        .find(|group| group.authority == authority)
        .unwrap()
}

#[test]
fn a_command_shows_what_it_asks_for_and_which_flag_grants_it() {
    let wasm = samples::binary(samples::COMMAND);
    let description = describe(&wasm).unwrap();
    assert_eq!(description.kind, Kind::Component);
    assert_eq!(
        description.roles,
        [Role::Command {
            version: "0.2.3".to_owned()
        }]
    );
    assert_eq!(description.undecoded, None);
    let environment = group(&description, Authority::Environment);
    assert_eq!(environment.flags, ["--env NAME=VALUE"]);
    assert_eq!(
        environment.imports[0].functions[0].signature,
        "func() -> list<tuple<string, string>>"
    );
    let sockets = group(&description, Authority::Sockets);
    assert_eq!(
        sockets.flags,
        ["--tcp HOST[:PORT]", "--tcp-listen ADDRESS[:PORT]"]
    );
    assert!(group(&description, Authority::Harmless).flags.is_empty());
    let service = group(&description, Authority::Service);
    assert_eq!(service.service.as_deref(), Some("acme:billing"));
    assert_eq!(
        service.imports[0].functions[0].signature,
        "func(amount: u64) -> result<_, string>"
    );
}

#[test]
fn a_command_shows_its_export_its_parts_and_their_memories() {
    let description = describe(&samples::binary(samples::COMMAND)).unwrap();
    let export = &description.exports[0];
    assert_eq!(
        (export.name.as_str(), export.kind),
        ("wasi:cli/run@0.2.3", "instance")
    );
    assert_eq!(export.functions[0].name, "run");
    assert_eq!(export.functions[0].signature, "func() -> result");
    assert_eq!(description.root.name.as_deref(), Some("greeter"));
    let module = &description.root.parts[0];
    assert_eq!(module.name.as_deref(), Some("main"));
    assert_eq!(module.memories[0].bytes_min, 65536);
    assert_eq!(module.memories[0].bytes_max, Some(4 * 65536));
    assert_eq!(
        (module.tables[0].elements_min, module.tables[0].elements_max),
        (2, Some(10))
    );
    assert_eq!(description.sizes.functions, 1);
    assert_eq!(description.sizes.memory_bytes_min, 65536);
    assert!(description.sizes.code_bytes > 0 && description.sizes.data_bytes > 5);
}

#[test]
fn the_functions_of_preview_one_are_grouped_by_authority() {
    let description = describe(&samples::binary(samples::PREVIEW_ONE)).unwrap();
    assert_eq!(description.roles, [Role::PreviewOneCommand]);
    let names: Vec<(Authority, &str)> = description
        .imports
        .iter()
        .flat_map(|group| {
            group
                .imports
                .iter()
                .map(|import| (group.authority, import.name.as_str()))
        })
        .collect();
    assert_eq!(
        names,
        [
            (Authority::Filesystem, "path_open"),
            (Authority::Environment, "environ_get"),
            (Authority::Sockets, "sock_accept"),
            (Authority::Clocks, "clock_time_get"),
            (Authority::Random, "random_get"),
            (Authority::Stdio, "fd_write"),
            (Authority::Harmless, "proc_exit"),
        ]
    );
    let open = &group(&description, Authority::Filesystem).imports[0];
    assert_eq!(
        open.functions[0].signature,
        "(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> (i32)"
    );
}

#[test]
fn a_module_that_is_to_become_a_component_shows_the_same_authorities() {
    let text = r#"(module (import "wasi:cli/environment@0.2.3" "get-environment" (func (param i32))))"#;
    let description = describe(&samples::binary(text)).unwrap();
    assert_eq!(description.imports[0].authority, Authority::Environment);
    assert_eq!(description.roles, [Role::ForeignModule]);
}

#[test]
fn producers_and_languages_are_read() {
    let description = describe(&samples::binary(samples::PREVIEW_ONE)).unwrap();
    let producers: Vec<&str> = description
        .producers
        .iter()
        .map(|tool| tool.name.as_str())
        .collect();
    assert_eq!(producers, ["C11", "clang"]);
    let languages: Vec<(&str, &str)> = description
        .languages
        .iter()
        .map(|it| (it.name.as_str(), it.sign.as_str()))
        .collect();
    assert_eq!(languages, [("C", "producers")]);
}

#[test]
fn a_name_gives_a_language_away_where_no_producer_does() {
    for (text, language) in [
        (
            r#"(module (@custom "go:buildid" "x") (func $__wasm_call_ctors))"#,
            "Go",
        ),
        (r#"(module (func $~lib/rt/itcms/__new))"#, "AssemblyScript"),
        (
            r#"(module (func $__wasm_call_ctors))"#,
            "C or another language through LLVM",
        ),
    ] {
        let found = describe(&samples::binary(text)).unwrap().languages;
        let found: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(found, [language]);
    }
}

#[test]
fn roles_follow_from_exports_and_imports() {
    let role = |text: &str| describe(&samples::binary(text)).unwrap().roles;
    assert_eq!(role(samples::BARE), [Role::BareModule]);
    assert_eq!(role("(component)"), [Role::Library]);
    assert_eq!(
        role(r#"(module (import "env" "f" (func)))"#),
        [Role::ForeignModule]
    );
    let reactor = r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32))))"#;
    assert_eq!(role(reactor), [Role::PreviewOneReactor]);
    let proxy = r#"(component (instance $i) (export "wasi:http/incoming-handler@0.2.3" (instance $i)))"#;
    assert_eq!(
        role(proxy),
        [Role::HttpProxy {
            version: "0.2.3".to_owned()
        }]
    );
    let service = r#"(component (instance $i) (export "wasi:http/handler@0.3.0" (instance $i)))"#;
    assert_eq!(
        role(service),
        [Role::HttpService {
            version: "0.3.0".to_owned()
        }]
    );
}

#[test]
fn text_is_described_as_what_it_stands_for() {
    let description = describe(samples::BARE.as_bytes()).unwrap();
    assert!(description.is_text);
    assert_eq!(description.kind, Kind::CoreModule);
    assert_eq!(description.bytes, samples::BARE.len());
    assert!(description.root.memories[0].is_64);
    assert!(description.features.contains("memory64"));
    assert_eq!(
        description.exports[0].functions[0].signature,
        "(i32, i32) -> (i32)"
    );
}

#[test]
fn the_digest_is_that_of_the_file() {
    let description = describe(b"(module)").unwrap();
    assert_eq!(
        description.digest,
        "sha256:1885772b94ca41b360d9bd07535547f4c8ef16cbe7e49d2c8e9780247e26c4de"
    );
}

#[test]
fn an_import_cannot_hide_behind_many_others() {
    let mut text = String::from("(module");
    for _ in 0..50_001 {
        text.push_str("(import \"\" \"\" (func))");
    }
    text.push(')');
    let message = describe(&samples::binary(&text)).unwrap_err().to_string();
    assert_eq!(message, "there are more than 50000 imports");
}

#[test]
fn a_component_that_wit_cannot_express_still_shows_its_structure() {
    let text = r#"(component (core module $m) (export "m" (core module $m)))"#;
    let description = describe(&samples::binary(text)).unwrap();
    assert!(description.undecoded.is_some());
    assert_eq!(description.exports[0].kind, "module");
}

#[test]
fn programs_get_the_same_facts() {
    let description = describe(&samples::binary(samples::COMMAND)).unwrap();
    let value = json::description(&description);
    assert_eq!(value["kind"], "component");
    assert_eq!(value["roles"][0]["id"], "command");
    assert_eq!(value["imports"][0]["authority"], "environment");
    assert_eq!(value["imports"][0]["flags"][0], "--env NAME=VALUE");
    assert_eq!(value["root"]["parts"][0]["memories"][0]["bytes_max"], 4 * 65536);
}
