//! Ways into an app: what is entered, by what, and what comes along.

use weft_app::grant::GrantKind;
use weft_app::trigger::http::{ListenAddress, RouteTarget};
use weft_app::{Trigger, trigger::http::Route};
use weft_compose::{EntryKind, Handler, Reason, explain, standard};

use crate::parts::*;

/// A handler of 0.2 with an environment and a library.
fn site(library: &str) -> Vec<u8> {
    component(&[
        &http_types("0.2.3", ""),
        &environment("0.2.3"),
        &import(library),
        &handler("0.2.3"),
    ])
}

/// Two sites and a command, all linked to one library.
fn shop() -> TestApp {
    let environment_too = [GrantKind::Environment];
    app(vec![
        piece("site", site("shop:store/users")).grant(&environment_too),
        piece("api", site("shop:store/users")).grant(&environment_too),
        piece(
            "store",
            component(&[&environment("0.2.3"), &export("shop:store/users")]),
        )
        .grant(&environment_too),
        piece(
            "task",
            component(&[&import("shop:store/users"), &command("0.2.3")]),
        ),
    ])
    .run("task")
    .serve(&[
        ("all", "/*", "site"),
        ("api", "/api/*", "api"),
        ("old", "/v1/*", "api"),
    ])
}

#[test]
fn each_component_that_is_entered_becomes_an_artifact_of_its_own() {
    let app = shop();
    let plan = app.plan();
    let entered: Vec<_> = plan
        .entries()
        .iter()
        .map(|entry| (entry.component, entry.kind, entry.members.clone()))
        .collect();
    let http = EntryKind::Http(Handler::P2);
    assert_eq!(
        entered,
        [
            (3, EntryKind::Command, vec![2, 3]),
            (0, http, vec![0, 2]),
            (1, http, vec![1, 2]),
        ]
    );
    let fused = app.fuse_all();
    let of = |index: usize| (scoped(&fused[index]), exports_of(&fused[index].bytes));
    let store = "store:wasi-cli/environment@0.2.3";
    let handler = "wasi:http/incoming-handler@0.2.3";
    assert_eq!(of(0), (vec![store.into()], vec!["wasi:cli/run@0.2.3".into()]));
    let (imports, exports) = of(2);
    assert_eq!(exports, [handler]);
    assert!(imports.contains(&store.to_owned()));
    assert!(imports.contains(&"api:wasi-cli/environment@0.2.3".to_owned()));
    assert!(
        imports.iter().all(|import| !import.starts_with("site:")),
        "{imports:?}"
    );
}

#[test]
fn each_way_in_has_a_form_for_other_hosts() {
    let app = shop();
    let plan = app.plan();
    for (entry, export) in plan
        .entries()
        .iter()
        .zip(["wasi:cli/run@0.2.3", "wasi:http/incoming-handler@0.2.3"])
    {
        let bytes = standard(&app.app, &plan, entry, &app.parts()).unwrap();
        assert_eq!(exports_of(&bytes), [export]);
        assert!(imports_of(&bytes).iter().all(|name| name.starts_with("wasi:")));
    }
}

#[test]
fn components_that_meet_in_no_artifact_need_no_equal_grants() {
    // Handles flow from the log to both, but never from one to the other.
    let log = || component(&[&streams("0.2.3"), &stdout("0.2.3"), SINK]);
    let asker = |exported: &str| component(&[&streams("0.2.3"), &stdout("0.2.3"), SINK_IMPORT, exported]);
    let app = app(vec![
        piece("log", log()).grant(&[GrantKind::Stdio]),
        piece("task", asker(&command("0.2.3"))).grant(&[GrantKind::Stdio]),
        piece(
            "site",
            component(&[
                &http_types("0.2.3", ""),
                &streams_of_http(),
                SINK_IMPORT,
                &handler("0.2.3"),
            ]),
        ),
    ])
    .run("task")
    .serve(&[("all", "/*", "site")]);
    let plan = app.plan();
    let groups: Vec<Vec<String>> = plan
        .entries()
        .iter()
        .map(|entry| {
            let imports = entry.imports().into_iter().map(|import| import.name);
            imports.filter(|name| name.contains("wasi-io/streams")).collect()
        })
        .collect();
    let one = vec!["g1-shared:wasi-io/streams@0.2.3".to_owned()];
    assert_eq!(groups, [one.clone(), one]);
    for fused in app.fuse_all() {
        scoped(&fused);
    }
}

/// Streams for a component that has the types of HTTP, and with them the type of errors.
fn streams_of_http() -> String {
    r#"(import "wasi:io/streams@0.2.3" (instance $streams
        (alias outer 1 $error (type $outer))
        (export "error" (type $inner (eq $outer)))
        (export "output-stream" (type $stream (sub resource)))))
      (alias export $streams "output-stream" (type $stream))"#
        .to_owned()
}

#[test]
fn without_a_trigger_a_command_is_run_and_else_requests_are_answered() {
    let handler = component(&[&http_types("0.2.3", ""), &handler("0.2.3")]);
    let both = app(vec![
        piece("site", handler.clone()),
        piece("task", component(&[&command("0.2.3")])),
    ]);
    let plan = both.plan();
    assert!(matches!(plan.triggers(), [Trigger::Command { component, .. }] if component.as_str() == "task"));

    let plan = app(vec![piece("site", handler.clone())]).plan();
    let [Trigger::Http(http)] = plan.triggers() else {
        panic!("{:?}", plan.triggers())
    };
    assert_eq!(http.routes, [Route::everything(&name("site"))]);
    let address: ListenAddress = "127.0.0.1:8080".parse().unwrap();
    assert_eq!(http.listeners[0].address, address);

    let two = app(vec![piece("site", handler.clone()), piece("api", handler)]);
    assert_eq!(
        two.problem().to_string(),
        "`site` and `api` export a handler of HTTP, and no route says which of them is to answer"
    );
    let none = app(vec![piece("library", component(&[&export("shop:store/users")]))]);
    assert!(matches!(none.problem().reason, Reason::NothingRuns));
}

#[test]
fn a_trigger_that_names_nobody_means_the_one_component_that_answers() {
    let handler = component(&[&http_types("0.2.3", ""), &handler("0.2.3")]);
    let other = component(&[&export("shop:store/users")]);
    let plan = app(vec![piece("store", other.clone()), piece("site", handler)])
        .serve(&[])
        .plan();
    let [Trigger::Http(http)] = plan.triggers() else {
        panic!("{:?}", plan.triggers())
    };
    assert_eq!(http.routes[0].target, RouteTarget::Component(name("site")));
    let problem = app(vec![piece("store", other)]).serve(&[]).problem();
    assert!(matches!(problem.reason, Reason::NothingAnswers), "{problem}");
}

#[test]
fn files_alone_enter_no_component() {
    let mut app =
        app(vec![piece("store", component(&[&export("shop:store/users")]))]).serve(&[("all", "/*", "store")]);
    let Trigger::Http(http) = &mut app.app.triggers[0] else {
        unreachable!()
    };
    http.routes[0].target = RouteTarget::Files("public".into());
    let plan = app.plan();
    assert!(plan.entries().is_empty());
    assert!(matches!(plan.warnings()[0].reason, Reason::Unreachable { .. }));
}

#[test]
fn a_route_to_what_answers_nothing_is_refused() {
    let problem = app(vec![piece("store", component(&[&export("shop:store/users")]))])
        .serve(&[("api", "/api/*", "store")])
        .problem();
    assert_eq!(
        problem.to_string(),
        "route `api` leads to component `store`, which answers no HTTP requests: it exports neither `wasi:http/incoming-handler` (WASI 0.2) nor `wasi:http/handler` (0.3)"
    );
    let candidate = component(&[&export("wasi:http/handler@0.3.0-rc-2026-01-06")]);
    let problem = app(vec![piece("site", candidate)])
        .serve(&[("all", "/*", "site")])
        .problem();
    assert!(
        problem.to_string().starts_with(
            "component `site` exports `wasi:http/handler@0.3.0-rc-2026-01-06`; requests are handed to"
        ),
        "{problem}"
    );
}

#[test]
fn the_newer_of_two_handlers_is_entered() {
    let both = component(&[
        &http_types("0.2.3", ""),
        &handler("0.2.3"),
        &export("wasi:http/handler@0.3.0"),
        &export("wasi:http/handler@0.3.1"),
    ]);
    let app = app(vec![piece("site", both)]).serve(&[]);
    let plan = app.plan();
    assert_eq!(plan.entries()[0].kind, EntryKind::Http(Handler::P3));
    assert_eq!(exports_of(&app.fuse().bytes), ["wasi:http/handler@0.3.1"]);
}

#[test]
fn several_requests_at_a_time_are_for_components_of_0_3() {
    let old = component(&[&http_types("0.2.3", ""), &handler("0.2.3")]);
    let problem = app(vec![piece("site", old.clone()).reuse(100, 4)])
        .serve(&[])
        .problem();
    assert_eq!(
        problem.to_string(),
        "component `site` exports `wasi:http/incoming-handler@0.2.3`, and an instance of WASI 0.2 answers one request at a time, not 4"
    );
    app(vec![piece("site", old).reuse(100, 1)]).serve(&[]).plan();
    app(vec![
        piece("site", component(&[&handler_p3(false)])).reuse(100, 4),
    ])
    .serve(&[])
    .plan();
}

#[test]
fn reuse_of_what_no_request_enters_is_warned_of() {
    let app = app(vec![
        piece(
            "task",
            component(&[&import("shop:store/users"), &command("0.2.3")]),
        ),
        piece("store", component(&[&export("shop:store/users")])).reuse(9, 1),
    ]);
    let plan = app.plan();
    assert_eq!(plan.warnings().len(), 1);
    assert!(
        plan.warnings()[0]
            .to_string()
            .starts_with("component `store` has `reuse`, and no route leads to it"),
        "{}",
        plan.warnings()[0]
    );
}

#[test]
fn handlers_of_0_3_stand_in_front_of_each_other() {
    let relay = || component(&[&handler_p3(true)]);
    let app = app(vec![
        piece("first", relay()).link("wasi:http/handler", "second"),
        piece("second", relay()).link("wasi:http/handler", "site"),
        piece("site", component(&[&handler_p3(false)])),
    ])
    .serve(&[("all", "/*", "first"), ("direct", "/direct/*", "site")]);
    let fused = app.fuse_all();
    assert_eq!(scoped(&fused[0]), ["g1-shared:wasi-http/types@0.3.0"]);
    assert_eq!(exports_of(&fused[0].bytes), ["wasi:http/handler@0.3.0"]);
    // By itself it shares with nobody.
    assert_eq!(scoped(&fused[1]), ["site:wasi-http/types@0.3.0"]);
}

#[test]
fn the_one_that_stands_behind_is_found_where_there_is_one() {
    let relay = component(&[&handler_p3(true)]);
    let site = component(&[&handler_p3(false)]);
    let two = app(vec![piece("front", relay.clone()), piece("site", site.clone())])
        .serve(&[("all", "/*", "front")]);
    assert_eq!(two.plan().entries()[0].members, [0, 1]);
    let alone = app(vec![piece("front", relay)]).serve(&[]).problem();
    assert!(matches!(alone.reason, Reason::NoProvider { .. }), "{alone}");
}

#[test]
fn requests_that_go_out_are_no_requests_that_come_in() {
    let outgoing = r#"(import "wasi:http/outgoing-handler@0.2.3" (instance (export "handle" (func))))"#;
    let site = || piece("site", component(&[&http_types("0.2.3", ""), &handler("0.2.3")]));
    let front = || {
        piece(
            "front",
            component(&[&http_types("0.2.3", ""), outgoing, &handler("0.2.3")]),
        )
    };
    let incoming = "wasi:http/incoming-handler@0.2.3";
    for front in [
        front().link("wasi:http/outgoing-handler", "site"),
        front().link_to("wasi:http/outgoing-handler", "site", incoming),
    ] {
        let problem = app(vec![front, site()])
            .serve(&[("all", "/*", "front")])
            .problem();
        let hint = problem.hint.unwrap();
        assert!(
            hint.contains("by importing `wasi:http/incoming-handler` itself"),
            "{hint}"
        );
    }
}

#[test]
fn one_mistake_on_two_ways_is_told_once() {
    let own = r#"(type $stream (resource (rep i32)))"#;
    let asker = |exported: &str| component(&[&streams("0.2.3"), SINK_IMPORT, exported]);
    let middle = asker(&export("test:peer/middle"));
    let app = app(vec![
        piece("log", component(&[own, SINK])),
        piece("middle", middle),
        piece(
            "task",
            component(&[&import("test:peer/middle"), &command("0.2.3")]),
        ),
        piece(
            "site",
            component(&[
                &http_types("0.2.3", ""),
                &import("test:peer/middle"),
                &handler("0.2.3"),
            ]),
        ),
    ])
    .run("task")
    .serve(&[("all", "/*", "site")]);
    let problem = app.problem();
    assert!(
        matches!(problem.reason, Reason::ForeignHandle { .. }),
        "{problem}"
    );
}

#[test]
fn an_explanation_says_who_calls_from_outside() {
    let app = shop();
    let plan = app.plan();
    let text = explain(&app.app, &plan, &name("api")).unwrap().to_string();
    assert!(
        text.contains(
            "  entered by\n    HTTP requests for /api/* (route `api`)\n    HTTP requests for /v1/* (route `old`)\n  with a fresh instance for every request\n"
        ),
        "{text}"
    );
    let text = explain(&app.app, &plan, &name("store")).unwrap().to_string();
    assert!(
        text.contains("in instances of its own for each of `task`, `site` and `api`"),
        "{text}"
    );
}
