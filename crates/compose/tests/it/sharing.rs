//! Handles that flow between components.

use weft_app::grant::{ClockGrant, GrantKind};
use weft_compose::{Owner, Reason};

use crate::parts::*;

#[test]
fn a_stream_flows_over_a_link_and_standard_outputs_stay_apart() {
    let fused = app(vec![
        piece("log", component(&[&streams("0.2.3"), &stdout("0.2.3"), SINK])).grant(&[GrantKind::Stdio]),
        piece(
            "web",
            component(&[
                &streams("0.2.3"),
                &stdout("0.2.3"),
                SINK_IMPORT,
                &command("0.2.3"),
            ]),
        )
        .grant(&[GrantKind::Stdio]),
    ])
    .fuse();
    assert_eq!(
        scoped(&fused),
        [
            "g1-shared:wasi-io/error@0.2.3",
            "g1-shared:wasi-io/streams@0.2.3",
            "log:wasi-cli/stdout@0.2.3",
            "web:wasi-cli/stdout@0.2.3",
        ]
    );
    let shared = fused
        .imports
        .iter()
        .find(|import| import.name.contains("streams"))
        .unwrap();
    assert_eq!(
        shared.owner,
        Owner::Group {
            members: vec![0, 1],
            principal: 0
        }
    );
    assert_eq!(exports_of(&fused.bytes), ["wasi:cli/run@0.2.3"]);
}

#[test]
fn components_of_different_patches_share_the_later_version() {
    let fused = app(vec![
        piece("log", component(&[&streams("0.2.0"), &stdout("0.2.0"), SINK])).grant(&[GrantKind::Stdio]),
        piece(
            "web",
            component(&[&streams("0.2.12"), SINK_IMPORT, &command("0.2.6")]),
        ),
    ])
    .fuse();
    assert_eq!(
        scoped(&fused),
        [
            "g1-shared:wasi-io/error@0.2.12",
            "g1-shared:wasi-io/streams@0.2.12",
            "log:wasi-cli/stdout@0.2.0",
        ]
    );
}

#[test]
fn without_a_flow_nothing_is_shared() {
    let fused = app(vec![
        piece("log", component(&[&streams("0.2.3"), &export("test:peer/log")])),
        piece(
            "web",
            component(&[&streams("0.2.3"), &import("test:peer/log"), &command("0.2.3")]),
        ),
    ])
    .fuse();
    assert!(scoped(&fused).iter().all(|name| !name.contains("shared")));
    assert_eq!(fused.imports.len(), 4);
}

const NOW: &str = r#"(export "now" (func (result u64)))"#;

fn middleware(clock_of_the_first: ClockGrant) -> TestApp {
    let version = "0.2.3";
    let (with_clock, without) = (http_types(version, NOW), http_types(version, ""));
    app(vec![
        piece(
            "edge",
            component(&[&with_clock, &handler_import(version), &command(version)]),
        )
        .link("wasi:http/incoming-handler", "auth")
        .grant(&[GrantKind::Clock])
        .grants(|grants| grants.clock = clock_of_the_first),
        piece(
            "auth",
            component(&[&without, &handler_import(version), &handler(version)]),
        ),
        piece("site", component(&[&with_clock, &handler(version)]))
            .grant(&[GrantKind::Clock])
            .grants(|grants| grants.clock = ClockGrant::Real),
    ])
}

fn linked(mut app: TestApp) -> TestApp {
    app.app.components[1].links.push(weft_app::LinkRule {
        imports: weft_app::ImportPattern::parse("wasi:http/incoming-handler"),
        provider: name("site"),
        export: None,
        mode: Default::default(),
    });
    app
}

#[test]
fn a_chain_of_http_middleware_shares_types_and_what_they_use() {
    let fused = linked(middleware(ClockGrant::Real)).fuse();
    assert_eq!(
        scoped(&fused),
        [
            "g1-shared:wasi-clocks/monotonic-clock@0.2.3",
            "g1-shared:wasi-http/types@0.2.3",
            "g1-shared:wasi-io/error@0.2.3",
        ]
    );
    let clock = fused
        .imports
        .iter()
        .find(|import| import.name.contains("clock"))
        .unwrap();
    // The one in the middle speaks of durations and never reads a clock: its missing grant is no obstacle.
    assert_eq!(
        clock.owner,
        Owner::Group {
            members: vec![0, 1, 2],
            principal: 0
        }
    );
}

#[test]
fn rights_that_differ_are_not_shared_even_where_types_must_be() {
    let problem = linked(middleware(ClockGrant::None)).problem();
    assert!(
        matches!(
            &problem.reason,
            Reason::UnequalGrants {
                kind: Some(GrantKind::Clock),
                ..
            }
        ),
        "{problem}"
    );
    assert_eq!(
        problem.to_string(),
        "handles flow between components `edge` and `site`, so they must share `wasi:clocks/monotonic-clock@0.2.3`, but they were not granted the same clocks"
    );
}

const SOCKETS_P3: &str = r#"(import "wasi:sockets/types@0.3.0" (instance $sockets
    (export "tcp-socket" (type $socket (sub resource)))
    (export "[static]tcp-socket.create" (func (result (own $socket))))))
  (alias export $sockets "tcp-socket" (type $stream))"#;

fn sockets(of_the_first: &str) -> TestApp {
    app(vec![
        piece("dialer", component(&[SOCKETS_P3, SINK]))
            .grant(&[GrantKind::Network])
            .grants(|grants| grants.network.tcp_connect = vec![of_the_first.parse().unwrap()]),
        piece("web", component(&[SOCKETS_P3, SINK_IMPORT, &command("0.3.0")]))
            .grant(&[GrantKind::Network])
            .grants(|grants| grants.network.tcp_connect = vec!["example.com:443".parse().unwrap()]),
    ])
}

#[test]
fn sockets_of_wasi_0_3_cross_a_link_only_between_equals() {
    let fused = sockets("example.com:443").fuse();
    assert_eq!(scoped(&fused), ["g1-shared:wasi-sockets/types@0.3.0"]);
    let problem = sockets("10.0.0.1:80").problem();
    assert!(
        matches!(problem.reason, Reason::UnequalGrants { .. }),
        "{problem}"
    );
}

#[test]
fn byte_streams_of_wasi_0_3_cross_links_without_sharing_anything() {
    let bytes = r#"(type $bytes (stream u8))
      (func $read (result $bytes) (canon lift (core func $library "number")))
      (instance $read (export "read" (func $read)))
      (export "test:peer/bytes@0.3.0" (instance $read))"#;
    let reader = r#"(import "test:peer/bytes@0.3.0" (instance
      (type $bytes (stream u8)) (export "read" (func (result $bytes)))))"#;
    let fused = app(vec![
        piece("store", component(&[bytes, &environment("0.3.0")])).grant(&[GrantKind::Environment]),
        piece("web", component(&[reader, &command("0.3.0")])),
    ])
    .fuse();
    assert_eq!(scoped(&fused), ["store:wasi-cli/environment@0.3.0"]);
}

#[test]
fn versions_of_wasi_live_side_by_side() {
    let fused = app(vec![
        piece(
            "old",
            component(&[&environment("0.2.0"), &export("test:peer/old")]),
        )
        .grant(&[GrantKind::Environment]),
        piece(
            "new",
            component(&[&environment("0.3.0"), &export("test:peer/new")]),
        )
        .grant(&[GrantKind::Environment]),
        piece(
            "main",
            component(&[
                &environment("0.2.12"),
                &import("test:peer/old"),
                &import("test:peer/new"),
                &command("0.2.12"),
            ]),
        )
        .grant(&[GrantKind::Environment]),
    ])
    .fuse();
    assert_eq!(
        scoped(&fused),
        [
            "main:wasi-cli/environment@0.2.12",
            "new:wasi-cli/environment@0.3.0",
            "old:wasi-cli/environment@0.2.0",
        ]
    );
}

#[test]
fn a_handle_that_is_the_hosts_on_one_end_only_is_refused_with_both_sides() {
    let own = r#"(type $stream (resource (rep i32)))"#;
    let problem = app(vec![
        piece("log", component(&[own, SINK])),
        piece(
            "web",
            component(&[&streams("0.2.3"), SINK_IMPORT, &command("0.2.3")]),
        ),
    ])
    .problem();
    assert_eq!(
        problem.to_string(),
        "over the link of `web` to `log` for `test:peer/sink` flow handles of type `output-stream`, which are those of the host's `wasi:io/streams@0.2.3` on one end and belong to a component on the other"
    );
    assert_eq!(problem.wit.len(), 2);
}
