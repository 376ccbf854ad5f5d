//! Cells: who shares a fate with whom, and what is said where that cannot be.

use weft_app::cell::{CellSettings, Lifetime};
use weft_app::link::{Idempotent, Isolation, OnFailure};
use weft_compose::Reason;

use crate::crossing::{exports_function, function};
use crate::parts::*;

const RENDER: &str = "docs:markup/render@1.0.0";
const WORDS: &str = "docs:markup/words@1.0.0";

fn main() -> Vec<u8> {
    component(&[&import(RENDER), &command("0.2.3")])
}

/// The plan's cells: who is called, and who is in it.
fn cells(app: &TestApp) -> Vec<(String, Vec<String>)> {
    let plan = app.plan();
    let name = |index: &usize| plan.components()[*index].name.to_string();
    let of_cell = |cell: &weft_compose::PlannedCell| {
        let members = cell.entry.members.iter().map(name).collect();
        (name(&cell.root), members)
    };
    plan.cells().iter().map(of_cell).collect()
}

fn fuse_cells(app: &TestApp) -> Vec<weft_compose::Fused> {
    let plan = app.plan();
    let fuse =
        |cell: &weft_compose::PlannedCell| weft_compose::fuse(&plan, &cell.entry, &app.parts()).unwrap();
    plan.cells().iter().map(fuse).collect()
}

#[test]
fn an_isolated_link_makes_two_artifacts_of_two_components() {
    let app = app(vec![
        piece("main", main()).isolated("docs:markup", "md"),
        piece("md", component(&[&export(RENDER)])),
    ]);
    assert_eq!(cells(&app), [("md".to_owned(), vec!["md".to_owned()])]);
    let main = app.fuse();
    assert_eq!(imports_of(&main.bytes), ["main:docs-markup/render@1.0.0"]);
    let link = main.imports[0].link.clone().unwrap();
    assert_eq!(
        (link.cell, link.export.as_str()),
        (0, "md:docs-markup/render@1.0.0")
    );
    let cells = fuse_cells(&app);
    assert_eq!(exports_of(&cells[0].bytes), ["md:docs-markup/render@1.0.0"]);
    assert!(imports_of(&cells[0].bytes).is_empty());
}

#[test]
fn what_is_fused_with_the_callee_is_in_its_cell() {
    let app = app(vec![
        piece("main", main()).isolated("docs:markup", "md"),
        piece("md", component(&[&import(WORDS), &export(RENDER)])),
        piece("words", component(&[&export(WORDS)])),
    ]);
    let members = vec!["md".to_owned(), "words".to_owned()];
    assert_eq!(cells(&app), [("md".to_owned(), members)]);
    assert!(imports_of(&fuse_cells(&app)[0].bytes).is_empty());
}

#[test]
fn a_cell_that_calls_another_imports_it_under_its_own_name() {
    let app = app(vec![
        piece("main", main()).isolated("docs:markup", "md"),
        piece("md", component(&[&import(WORDS), &export(RENDER)])).isolated(WORDS, "words"),
        piece("words", component(&[&export(WORDS)])),
    ]);
    assert_eq!(cells(&app).len(), 2);
    let fused = fuse_cells(&app);
    assert_eq!(imports_of(&fused[0].bytes), ["md:docs-markup/words@1.0.0"]);
    assert_eq!(fused[0].imports[0].link.as_ref().unwrap().cell, 1);
}

#[test]
fn two_callers_of_one_callee_have_imports_of_their_own() {
    let app = app(vec![
        piece(
            "main",
            component(&[&import(RENDER), &import("docs:app/page"), &command("0.2.3")]),
        )
        .isolated(RENDER, "md"),
        piece("page", component(&[&import(RENDER), &export("docs:app/page")])).isolated(RENDER, "md"),
        piece("md", component(&[&export(RENDER)])),
    ]);
    let mut imports = imports_of(&app.fuse().bytes);
    imports.sort();
    assert_eq!(
        imports,
        ["main:docs-markup/render@1.0.0", "page:docs-markup/render@1.0.0"]
    );
    assert_eq!(cells(&app).len(), 1, "it is one cell for both");
}

#[test]
fn plain_functions_can_be_called_in_another_cell() {
    let caller = r#"(import "render" (func (param "it" u32) (result u32)))"#;
    let callee = r#"(core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
        (core instance $m (instantiate $m))
        (func (export "render") (param "it" u32) (result u32) (canon lift (core func $m "f")))"#;
    let app = app(vec![
        piece("main", component(&[caller, &command("0.2.3")])).isolated("render", "md"),
        piece("md", component(&[callee])),
    ]);
    assert_eq!(imports_of(&app.fuse().bytes), ["main-render"]);
    assert_eq!(exports_of(&fuse_cells(&app)[0].bytes), ["md-render"]);
}

#[test]
fn components_that_fused_links_join_cannot_be_isolated_from_each_other() {
    let app = app(vec![
        piece(
            "main",
            component(&[&import(RENDER), &import(WORDS), &command("0.2.3")]),
        )
        .isolated(RENDER, "md"),
        piece("md", component(&[&import("docs:app/theme"), &export(RENDER)])),
        piece("theme", component(&[&import(WORDS), &export("docs:app/theme")])),
        piece("words", component(&[&export(WORDS)])),
    ]);
    let problem = app.problem();
    assert_eq!(
        problem.to_string(),
        "the link of `main` to `md` for `docs:markup/render@1.0.0` is isolated, but fused links make one cell of both: `main` – `words` – `theme` – `md`"
    );
}

#[test]
fn cells_that_call_each_other_in_a_circle_are_told() {
    let back = "docs:app/back";
    let app = app(vec![
        piece(
            "main",
            component(&[&import(RENDER), &import("docs:app/helper"), &command("0.2.3")]),
        )
        .isolated(RENDER, "md"),
        piece("md", component(&[&import(back), &export(RENDER)])).isolated(back, "helper"),
        piece("helper", component(&[&export(back), &export("docs:app/helper")])),
    ]);
    let problem = app.problem();
    assert_eq!(
        problem.to_string(),
        "cells call each other in a circle: `main` calls `md`, fused with what `md` calls `helper`"
    );
}

#[test]
fn one_cell_has_one_way_to_live() {
    let shared = CellSettings {
        lifetime: Lifetime::Shared,
        ..CellSettings::default()
    };
    let app = app(vec![
        piece(
            "main",
            component(&[&import(RENDER), &import(WORDS), &command("0.2.3")]),
        )
        .isolated(RENDER, "md")
        .isolated(WORDS, "words"),
        piece("md", component(&[&import(WORDS), &export(RENDER)])).cell(shared),
        piece("words", component(&[&export(WORDS)])),
    ]);
    let problem = app.problem();
    assert!(
        matches!(problem.reason, Reason::TwoCellSettings { .. }),
        "{problem}"
    );
}

#[test]
fn what_is_said_of_a_cell_that_nobody_calls_is_told() {
    let pooled = CellSettings {
        depth_max: 3,
        ..CellSettings::default()
    };
    let app = app(vec![
        piece("main", main()),
        piece("md", component(&[&export(RENDER)])).cell(pooled),
    ]);
    let warnings = app.plan();
    let warnings: Vec<String> = warnings.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["component `md` has `cell`, and no isolated link leads to it"]
    );
}

fn failing(on_failure: OnFailure) -> Isolation {
    Isolation {
        on_failure,
        ..Isolation::default()
    }
}

/// What is said of an answer for a function of this result.
fn answer(result: &str, isolation: Isolation) -> Result<(), String> {
    let function = format!(r#"(export "call" (func (result {result})))"#);
    let caller = format!(r#"(import "a:b/c" (instance {function}))"#);
    let callee = format!(
        r#"(core module $m (memory (export "m") 1)
            (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "call") (result i32) unreachable))
        (core instance $m (instantiate $m))
        (func $f (result {result}) (canon lift (core func $m "call") (memory (core memory $m "m")) (realloc (core func $m "r"))))
        (instance $i (export "call" (func $f))) (export "a:b/c" (instance $i))"#
    );
    let app = app(vec![
        piece("main", component(&[&caller, &command("0.2.3")])).isolated_with("a:b/c", "other", isolation),
        piece("other", component(&[&callee])),
    ]);
    match weft_compose::plan(&app.app, &app.parts()) {
        Ok(_) => Ok(()),
        Err(problems) => Err(show(&problems)),
    }
}

#[test]
fn what_stands_for_a_result_must_be_one() {
    let error = |text: &str| failing(OnFailure::Error(text.to_owned()));
    let value = |text: &str| failing(OnFailure::Value(text.to_owned()));
    for (result, isolation) in [
        ("(result u32 (error string))", error("\"it failed\"")),
        ("(result u32)", error("")),
        ("(result (error u8))", error("7")),
        ("u32", value("7")),
        ("(list string)", value("[]")),
        ("(result u32 (error string))", value("ok(3)")),
        ("(option u8)", value("none")),
    ] {
        answer(result, isolation).unwrap();
    }
    for (result, isolation, words) in [
        ("(result u32 (error string))", error("7"), "it must be a `string`"),
        (
            "u32",
            error("7"),
            "the function returns no `result`, so it has no error",
        ),
        (
            "(result u32)",
            error("7"),
            "the error of the function carries nothing",
        ),
        ("u32", value("\"seven\""), "it must be a `u32`"),
        ("u8", value("256"), "it must be a `u8`"),
    ] {
        let said = answer(result, isolation).unwrap_err();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn functions_that_a_link_speaks_of_must_be_there() {
    let isolation = Isolation {
        functions: [("cal".to_owned(), OnFailure::Trap)].into(),
        ..Isolation::default()
    };
    let said = answer("u32", isolation).unwrap_err();
    assert!(
        said.contains("the link for `a:b/c` speaks of `cal`, which is no function of it"),
        "{said}"
    );
    let isolation = Isolation {
        idempotent: Idempotent::Named(["other".to_owned()].into()),
        ..Isolation::default()
    };
    assert!(answer("u32", isolation).is_err());
}

#[test]
fn an_app_with_isolated_links_has_no_standard_form() {
    let app = app(vec![
        piece("main", main()).isolated("docs:markup", "md"),
        piece("md", component(&[&export(RENDER)])),
    ]);
    let plan = app.plan();
    let error = weft_compose::standard(&app.app, &plan, &plan.entries()[0], &app.parts()).unwrap_err();
    assert!(error.to_string().contains("calls another cell"), "{error}");
}

#[test]
fn drawings_tell_isolated_links_from_fused_ones() {
    let app = app(vec![
        piece(
            "main",
            component(&[&import(RENDER), &import(WORDS), &command("0.2.3")]),
        )
        .isolated(RENDER, "md"),
        piece("md", component(&[&export(RENDER)])),
        piece("words", component(&[&export(WORDS)])),
    ]);
    let graph = weft_compose::graph::Graph::new(&app.app, &app.plan());
    assert!(
        graph
            .text()
            .contains("──┃▶ md   docs:markup/render@1.0.0 (isolated)"),
        "{}",
        graph.text()
    );
    assert!(
        graph.text().contains("cell: an instance of its own"),
        "{}",
        graph.text()
    );
    assert_eq!(graph.mermaid().matches("==>").count(), 1);
    assert_eq!(graph.dot().matches("style=bold").count(), 1);
    assert_eq!(graph.svg().matches("class=\"link isolated\"").count(), 1);
}

#[test]
fn what_is_said_of_a_function_stands_for_its_link() {
    let isolation = Isolation {
        functions: [("render".to_owned(), OnFailure::Value("7".to_owned()))].into(),
        retries: 2,
        idempotent: Idempotent::Named(["render".to_owned()].into()),
        ..Isolation::default()
    };
    let app = app(vec![
        piece("main", component(&[&function("render"), &command("0.2.3")]))
            .isolated_with("render", "md", isolation),
        piece("md", exports_function("render")),
    ]);
    let link = app.fuse().imports[0].link.clone().unwrap().isolation;
    let seven = OnFailure::Value("7".to_owned());
    assert_eq!((&link.on_failure, link.retries_of("md-render")), (&seven, 2));
}

#[test]
fn a_link_for_a_package_may_speak_of_functions_of_one_of_its_interfaces() {
    let one = |name: &str| {
        format!(r#"(import "docs:markup/{name}" (instance (export "{name}" (func (result u32)))))"#)
    };
    let offers = |name: &str| {
        format!(
            r#"(func ${name} (result u32) (canon lift (core func $library "number")))
            (instance ${name} (export "{name}" (func ${name})))
            (export "docs:markup/{name}" (instance ${name}))"#
        )
    };
    let with = |function: &str| {
        let isolation = Isolation {
            functions: [(function.to_owned(), OnFailure::Value("7".to_owned()))].into(),
            ..Isolation::default()
        };
        app(vec![
            piece(
                "main",
                component(&[&one("title"), &one("words"), &command("0.2.3")]),
            )
            .isolated_with("docs:markup", "md", isolation),
            piece("md", component(&[&offers("title"), &offers("words")])),
        ])
    };
    with("title").plan();
    let problem = with("titel").problem();
    assert_eq!(
        problem.to_string(),
        "the link for `docs:markup/title` and `docs:markup/words` speaks of `titel`, which is no function of it"
    );
    assert_eq!(problem.hint.as_deref(), Some("there is `title` and `words`"));
}

#[test]
fn a_value_that_is_far_too_deep_or_long_is_refused_in_few_words() {
    for text in ["[".repeat(16_000), "some(".repeat(3200)] {
        let said = answer("(list u8)", failing(OnFailure::Value(text))).unwrap_err();
        assert!(said.len() < 1000, "{} bytes", said.len());
    }
}
