//! How imports find their exports, and what is said where they do not.

use weft_app::grant::GrantKind;
use weft_compose::{Chosen, Reason, Subject, Target};

use crate::parts::*;

fn render(version: &str) -> Vec<u8> {
    component(&[&export(&format!("docs:markup/render{version}"))])
}

fn main(version: &str) -> Vec<u8> {
    component(&[
        &import(&format!("docs:markup/render{version}")),
        &command("0.2.3"),
    ])
}

fn target(app: &TestApp, component: usize, import: usize) -> Target {
    app.plan().components()[component].imports[import].target.clone()
}

fn link(provider: usize, export: &str, chosen: Chosen) -> Target {
    Target::Link {
        provider,
        export: export.to_owned(),
        chosen,
        cell: None,
    }
}

#[test]
fn the_only_component_that_exports_what_is_asked_is_chosen_and_named() {
    let app = app(vec![piece("main", main("@1.0.0")), piece("md", render("@1.2.0"))]);
    assert_eq!(
        target(&app, 0, 0),
        link(1, "docs:markup/render@1.2.0", Chosen::Automatic)
    );
    app.fuse();
}

#[test]
fn several_that_export_it_are_ambiguous_until_a_rule_decides() {
    let both = |rule: Option<(&str, &str)>| {
        let mut main = piece("main", main("@1.0.0"));
        if let Some((imports, provider)) = rule {
            main = main.link(imports, provider);
        }
        app(vec![
            main,
            piece("md", render("@1.0.0")),
            piece("rst", render("@1.0.0")),
        ])
    };
    let problem = both(None).problem();
    assert_eq!(
        problem.to_string(),
        "component `main` asks for `docs:markup/render@1.0.0`, which `md` and `rst` export"
    );
    assert_eq!(
        problem.hint.as_deref(),
        Some("say which: `\"docs:markup/render@1.0.0\" = \"md\"` under `[component.main.links]`")
    );
    assert_eq!(problem.wit.len(), 3);
    assert_eq!(
        problem.wit[0].text,
        "interface docs:markup/render@1.0.0 {\n  call: func();\n}\n"
    );
    for imports in [
        "docs:markup/render",
        "docs:markup/render@1.0.0",
        "docs:markup",
        "*",
    ] {
        let app = both(Some((imports, "rst")));
        let expected = link(2, "docs:markup/render@1.0.0", Chosen::Rule(0));
        assert_eq!(target(&app, 0, 0), expected, "{imports}");
    }
}

#[test]
fn the_narrower_of_two_rules_decides_and_equals_are_refused() {
    let rules = |first: &str, second: &str| {
        app(vec![
            piece("main", main("@1.0.0"))
                .link(first, "md")
                .link(second, "rst"),
            piece("md", render("@1.0.0")),
            piece("rst", render("@1.0.0")),
        ])
    };
    let narrow = rules("*", "docs:markup/render");
    let expected = link(2, "docs:markup/render@1.0.0", Chosen::Rule(1));
    assert_eq!(target(&narrow, 0, 0), expected);
    let problem = rules("docs:markup", "docs:markup").problem();
    assert!(matches!(problem.reason, Reason::TwoLinks { .. }), "{problem}");
}

#[test]
fn an_earlier_version_or_another_track_does_not_fit() {
    for offered in ["@1.0.0", "@2.0.0", ""] {
        let problem = app(vec![piece("main", main("@1.1.0")), piece("md", render(offered))]).problem();
        assert!(
            matches!(problem.reason, Reason::VersionMismatch { .. }),
            "{problem}"
        );
        assert_eq!(problem.wit.len(), 2, "{offered}");
        assert_eq!(
            problem.to_string(),
            format!(
                "component `main` asks for `docs:markup/render@1.1.0`; there is `docs:markup/render{offered}` of `md`, which is no later version of the same track"
            )
        );
    }
}

#[test]
fn a_rule_may_name_an_export_of_another_name_or_version() {
    let app = app(vec![
        piece("main", main("@1.1.0")).link_to("docs:markup/render", "md", "docs:markup/render@1.0.0"),
        piece("md", render("@1.0.0")),
    ]);
    assert_eq!(
        target(&app, 0, 0),
        link(1, "docs:markup/render@1.0.0", Chosen::Rule(0))
    );
    app.fuse();
}

#[test]
fn functions_are_linked_by_plain_names() {
    let asks = component(&[r#"(import "format" (func (param "n" u32)))"#, &command("0.2.3")]);
    let offers =
        r#"(func $f (param "n" u32) (canon lift (core func $library "take"))) (export "format" (func $f))"#;
    let app = app(vec![
        piece("main", asks).link("format", "fmt"),
        piece("fmt", component(&[offers])),
    ]);
    assert_eq!(scoped(&app.fuse()), Vec::<String>::new());
}

#[test]
fn a_function_that_nobody_exports_cannot_be_the_hosts() {
    let asks = component(&[r#"(import "format" (func))"#, &command("0.2.3")]);
    for piece in [piece("main", asks.clone()), piece("main", asks).trap()] {
        let problem = app(vec![piece]).problem();
        assert_eq!(
            problem.to_string(),
            "component `main` imports the function `format`, which only a link could satisfy"
        );
    }
}

#[test]
fn types_that_differ_are_told_with_the_wit_of_both() {
    let asks = r#"(import "docs:markup/render" (instance (export "call" (func (param "n" u32)))))"#;
    let offers = r#"(func $f (param "n" s32) (canon lift (core func $library "take")))
      (instance $i (export "call" (func $f))) (export "docs:markup/render" (instance $i))"#;
    let problem = app(vec![
        piece("main", component(&[asks, &command("0.2.3")])),
        piece("md", component(&[offers])),
    ])
    .problem();
    assert_eq!(
        problem.to_string(),
        "import `docs:markup/render` of component `main` and export `docs:markup/render` of `md` differ: mismatched type for export `call`: mismatched type for function parameter `n`: expected u32, found s32"
    );
    let wit: Vec<_> = problem
        .wit
        .iter()
        .map(|excerpt| (excerpt.of.as_str(), excerpt.text.as_str()))
        .collect();
    assert_eq!(
        wit,
        [
            (
                "component `main` asks for",
                "interface docs:markup/render {\n  call: func(n: u32);\n}\n"
            ),
            (
                "component `md` offers",
                "interface docs:markup/render {\n  call: func(n: s32);\n}\n"
            ),
        ]
    );
}

#[test]
fn a_circle_is_told_link_by_link() {
    let problem = app(vec![
        piece(
            "a",
            component(&[&import("x:y/a"), &export("x:y/c"), &command("0.2.3")]),
        ),
        piece("b", component(&[&import("x:y/b"), &export("x:y/a")])),
        piece("c", component(&[&import("x:y/c"), &export("x:y/b")])),
    ])
    .problem();
    assert_eq!(
        problem.to_string(),
        "the links lead in a circle: `a` asks for `x:y/a` of `b` asks for `x:y/b` of `c` asks for `x:y/c` of `a`"
    );
    assert_eq!(problem.wit.len(), 6);
}

#[test]
fn what_nobody_exports_is_told_with_its_wit() {
    let problem = app(vec![piece("main", main("@1.0.0"))]).problem();
    assert_eq!(
        problem.to_string(),
        "component `main` imports `docs:markup/render@1.0.0`, which no other component exports and the host does not offer"
    );
    assert_eq!(problem.wit.len(), 1);
    assert_eq!(
        problem.subject,
        Subject::Import {
            component: name("main"),
            import: "docs:markup/render@1.0.0".to_owned()
        }
    );
}

#[test]
fn links_that_lead_nowhere_are_told_one_by_one() {
    let reasons = |piece: Piece| app(vec![piece, self::piece("md", render(""))]).problems();
    let problems = reasons(piece("main", main("")).link("docs:markup", "gone"));
    assert!(
        matches!(problems[0].reason, Reason::UnknownProvider { .. }),
        "{}",
        show(&problems)
    );
    let problems = reasons(piece("main", main("")).link("docs:markup", "main"));
    assert!(
        matches!(problems[0].reason, Reason::LinkedToItself { .. }),
        "{}",
        show(&problems)
    );
    let problems = reasons(piece("main", main("")).link("docs:other", "md"));
    assert!(
        matches!(problems[0].reason, Reason::UnusedLink { .. }),
        "{}",
        show(&problems)
    );
    let problems = reasons(piece("main", main("")).link_to("docs:markup/render", "md", "docs:markup/parse"));
    assert!(
        matches!(problems[0].reason, Reason::ExportMissing { .. }),
        "{}",
        show(&problems)
    );
    assert_eq!(
        problems[0].hint.as_deref(),
        Some("`md` exports `docs:markup/render`")
    );
}

#[test]
fn a_component_may_stand_in_for_the_host_where_a_rule_says_so() {
    let fake = r#"(type $list (list string))
      (core module $m (memory (export "memory") 1) (func (export "f") (result i32) unreachable)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
      (core instance $m (instantiate $m))
      (func $f (result $list) (canon lift (core func $m "f") (memory (core memory $m "memory"))
        (realloc (core func $m "realloc"))))
      (instance $i (export "get-arguments" (func $f)))
      (export "wasi:cli/environment@0.2.6" (instance $i))"#;
    let app = app(vec![
        piece("main", component(&[&environment("0.2.3"), &command("0.2.3")]))
            .link("wasi:cli", "fake")
            .grant(&[GrantKind::Environment]),
        piece("fake", component(&[fake])),
    ]);
    assert_eq!(scoped(&app.fuse()), Vec::<String>::new());
    // The grant is of no use then.
    assert_eq!(
        show(app.plan().warnings()),
        "component `main` is granted environment, and imports nothing that needs it\n"
    );
}

#[test]
fn what_nothing_leads_to_is_left_out_with_a_warning() {
    let app = app(vec![
        piece("main", component(&[&command("0.2.3")])),
        piece("idle", component(&[&environment("0.2.3")])).grant(&[GrantKind::Environment]),
    ]);
    assert_eq!(
        show(app.plan().warnings()),
        "component `idle` is left out: no trigger runs it, and nothing that runs is linked to it\n"
    );
    assert_eq!(scoped(&app.fuse()), Vec::<String>::new());
}

#[test]
fn a_version_of_the_host_that_does_not_exist_is_told() {
    let problem = app(vec![
        piece("main", component(&[&environment("0.2.13"), &command("0.2.3")]))
            .grant(&[GrantKind::Environment]),
    ])
    .problems();
    assert_eq!(
        show(&problem),
        "component `main` imports `wasi:cli/environment@0.2.13`; the host has version 0.2.0 to 0.2.12 and 0.3 of it\n"
    );
}

#[test]
fn equal_inputs_make_equal_bytes() {
    let make = || {
        app(vec![
            piece("log", component(&[&streams("0.2.3"), &stdout("0.2.3"), SINK])).grant(&[GrantKind::Stdio]),
            piece(
                "web",
                component(&[&streams("0.2.6"), SINK_IMPORT, &command("0.2.3")]),
            ),
        ])
        .fuse()
    };
    let first = make();
    for _ in 0..20 {
        assert_eq!(make(), first);
    }
}
