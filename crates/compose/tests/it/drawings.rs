//! What people are shown of a plan.

use std::time::Duration;

use weft_app::cell::{CellSettings, Lifetime};
use weft_app::grant::{ClockGrant, GrantKind, StdioGrant};
use weft_app::trigger::http::{AccessLog, RouteTarget};
use weft_compose::explain;
use weft_compose::graph::Graph;

use crate::golden;
use crate::parts::*;

fn one() -> TestApp {
    app(vec![
        piece(
            "hello",
            component(&[&streams("0.2.3"), &stdout("0.2.3"), &command("0.2.3")]),
        )
        .grant(&[GrantKind::Stdio])
        .grants(|grants| grants.stdio = StdioGrant::default()),
    ])
}

/// Six components: a chain, a diamond, shared handles, a trap, and one that is left out.
fn shop() -> TestApp {
    app(vec![
        piece(
            "web",
            component(&[
                &streams("0.2.3"),
                &stdout("0.2.3"),
                SINK_IMPORT,
                &import("shop:auth/check@1.0.0"),
                &import("docs:markup/render@1.2.0"),
                &command("0.2.3"),
            ]),
        )
        .link("docs:markup", "markdown")
        .grant(&[GrantKind::Stdio])
        .grants(|grants| grants.stdio.output = true),
        piece(
            "auth",
            component(&[
                &environment("0.2.6"),
                &import("shop:store/users"),
                &import("shop:store/sessions"),
                &export("shop:auth/check@1.1.0"),
            ]),
        )
        .grant(&[GrantKind::Environment])
        .grants(|grants| grants.environment.set("AUTH_KEY", "a secret")),
        piece(
            "markdown",
            component(&[&environment("0.2.0"), &export("docs:markup/render@1.2.0")]),
        )
        .trap(),
        piece(
            "store",
            component(&[
                r#"(import "wasi:filesystem/preopens@0.2.3" (instance (export "get-directories" (func))))"#,
                r#"(import "wasi:clocks/wall-clock@0.2.3" (instance (export "now" (func))))"#,
                &export("shop:store/users"),
                &export("shop:store/sessions"),
            ]),
        )
        .grant(&[GrantKind::Directories, GrantKind::Clock])
        .grants(|grants| {
            grants.clock = ClockGrant::Real;
            grants.directories = vec!["data<&>::/data:rw".parse().unwrap()];
        })
        .limits(64 << 20, 1000),
        piece("log", component(&[&streams("0.2.3"), &stdout("0.2.3"), SINK]))
            .grant(&[GrantKind::Stdio])
            .grants(|grants| grants.stdio.error = true),
        piece("idle", component(&[&export("shop:idle/wait")])),
    ])
}

fn check(name: &str, app: &TestApp) {
    let graph = Graph::new(&app.app, &app.plan());
    golden::check(&format!("graph/{name}.txt"), &graph.text());
    golden::check(&format!("graph/{name}.mmd"), &graph.mermaid());
    golden::check(&format!("graph/{name}.dot"), &graph.dot());
    golden::check(&format!("graph/{name}.svg"), &graph.svg());
}

#[test]
fn one_component_is_drawn_in_every_form() {
    check("one", &one());
}

#[test]
fn six_components_are_drawn_in_every_form() {
    check("shop", &shop());
}

/// A front, what stands behind it, a component beside them, files, and a command.
fn served() -> TestApp {
    let mut app = app(vec![
        piece("front", component(&[&handler_p3(true)]))
            .link("wasi:http/handler", "site")
            .reuse(128, 16),
        piece("site", component(&[&handler_p3(false)])),
        piece("api", component(&[&http_types("0.2.3", ""), &handler("0.2.3")])),
        piece("task", component(&[&command("0.2.3")])),
    ])
    .run("task")
    .serve(&[
        ("rest", "/*", "front"),
        ("api", "/api/*", "api"),
        ("old", "/v1", "api"),
        ("public", "/public/*", "api"),
    ]);
    if let Some(weft_app::Trigger::Http(http)) = app.app.triggers.last_mut() {
        http.routes[3].target = RouteTarget::Files("site/public".into());
        http.routes[1].hosts = vec!["example.com".parse().unwrap()];
        http.routes[1].methods = vec!["GET".to_owned(), "POST".to_owned()];
        http.admin = Some("127.0.0.1:9090".parse().unwrap());
        http.access_log = AccessLog::Json;
    }
    app
}

#[test]
fn routes_and_who_answers_them_are_drawn_in_every_form() {
    check("served", &served());
}

#[test]
fn twelve_components_in_a_chain_are_drawn_in_every_form() {
    let names: Vec<String> = (0..12_u8)
        .map(|index| format!("part-{}", char::from(b'a' + index)))
        .collect();
    let pieces = names.iter().enumerate().map(|(index, name)| {
        let mut texts = vec![match index {
            0 => command("0.2.3"),
            _ => export(&format!("chain:of/step{index}")),
        }];
        if index < 11 {
            texts.push(import(&format!("chain:of/step{}", index + 1)));
        }
        if index % 3 == 0 && index < 9 {
            texts.push(import(&format!("chain:of/step{}", index + 3)));
        }
        let texts: Vec<&str> = texts.iter().rev().map(String::as_str).collect();
        piece(name, component(&texts))
    });
    check("chain", &app(pieces.collect()));
}

/// A page that calls a renderer and a search in cells of their own, each with what it needs, and both of them a store.
fn isolated() -> TestApp {
    let pooled = CellSettings {
        lifetime: Lifetime::Pooled {
            uses_max: 1000,
            idle_max: 32,
        },
        wall_time_max: Some(Duration::from_secs(1)),
        ..CellSettings::default()
    };
    let shared = CellSettings {
        lifetime: Lifetime::Shared,
        ..CellSettings::default()
    };
    app(vec![
        piece(
            "page",
            component(&[
                &import("docs:theme/look"),
                &import("docs:markup/render@1.0.0"),
                &import("docs:search/find"),
                &http_types("0.2.3", ""),
                &handler("0.2.3"),
            ]),
        )
        .isolated("docs:markup", "markdown")
        .isolated("docs:search", "search"),
        piece("theme", component(&[&export("docs:theme/look")])),
        piece(
            "markdown",
            component(&[
                &import("docs:code/colour"),
                &import("docs:store/entries"),
                &export("docs:markup/render@1.2.0"),
            ]),
        )
        .isolated("docs:store", "store")
        .limits(64 << 20, 1000)
        .cell(pooled),
        piece("colours", component(&[&export("docs:code/colour")])),
        piece(
            "search",
            component(&[&import("docs:store/entries"), &export("docs:search/find")]),
        )
        .isolated("docs:store", "store"),
        piece(
            "store",
            component(&[
                r#"(import "wasi:clocks/wall-clock@0.2.3" (instance (export "now" (func))))"#,
                &export("docs:store/entries"),
            ]),
        )
        .grant(&[GrantKind::Clock])
        .grants(|grants| grants.clock = ClockGrant::Real)
        .cell(shared),
    ])
}

#[test]
fn cells_are_framed_in_every_form() {
    check("isolated", &isolated());
}

#[test]
fn what_shares_a_fate_is_told_where_the_worst_is() {
    let app = isolated();
    golden::check("explain/isolated.txt", &explain_all(&app));
}

fn explain_all(app: &TestApp) -> String {
    let plan = app.plan();
    let of_one = |component: &weft_app::Component| {
        let explanation = explain(&app.app, &plan, &component.name).unwrap();
        format!("{explanation}\n")
    };
    app.app.components.iter().map(of_one).collect()
}

#[test]
fn values_of_variables_are_in_no_drawing() {
    let shop = shop();
    let graph = Graph::new(&shop.app, &shop.plan());
    for drawing in [graph.text(), graph.mermaid(), graph.dot(), graph.svg()] {
        assert!(!drawing.contains("a secret"));
        assert!(drawing.contains("AUTH_KEY"));
    }
}

#[test]
fn the_worst_that_each_component_could_do_is_told() {
    let shop = shop();
    let plan = shop.plan();
    golden::check("explain/shop.txt", &explain_all(&shop));
    assert_eq!(explain(&shop.app, &plan, &name("nobody")), None);
}
