//! What crosses isolated links, and under which names.

use weft_app::cell::{CellSettings, Lifetime};
use weft_app::link::Isolation;

use crate::parts::*;

/// A component that exports an interface of one function, and one that imports it.
fn pair(ty: &str) -> (Vec<u8>, Vec<u8>) {
    // The text format does not take one stream directly within another: a named one stands for it.
    let flow = "(type $flow (stream u8))";
    let function = format!(r#"(export "call" (func (param "it" {ty})))"#);
    let caller = format!(r#"(import "a:b/c" (instance {flow} {function}))"#);
    let core = r#"(core module $m (memory (export "m") 1)
          (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable)
          (func (export "one") (param i32)) (func (export "two") (param i32 i32)))
        (core instance $m (instantiate $m))"#;
    let two = ["(list", "string", "(tuple", "(option"]
        .iter()
        .any(|two| ty.starts_with(two));
    let callee = format!(
        r#"{core} {flow} (func $f (param "it" {ty}) (canon lift (core func $m "{}") (memory (core memory $m "m")) (realloc (core func $m "r"))))
        (instance $i (export "call" (func $f))) (export "a:b/c" (instance $i))"#,
        if two { "two" } else { "one" }
    );
    (component(&[&caller, &command("0.2.3")]), component(&[&callee]))
}

#[test]
fn values_cross_and_streams_of_values_do() {
    for (ty, obstacle) in [
        ("u32", None),
        ("string", None),
        ("(list (option string))", None),
        ("(tuple char u32)", None),
        ("(option u8)", None),
        ("(stream u8)", None),
        ("(stream)", None),
        ("(future u32)", None),
        ("(future)", None),
        ("(stream (option string))", None),
        ("(list (stream u8))", None),
        ("(stream $flow)", Some("a stream of a stream")),
        ("(future (list (future u8)))", Some("a future of a future")),
    ] {
        let (caller, callee) = pair(ty);
        let app = app(vec![
            piece("main", caller).isolated("a:b/c", "other"),
            piece("other", callee),
        ]);
        match obstacle {
            None => drop(app.plan()),
            Some(what) => assert_eq!(
                app.problem().to_string(),
                format!(
                    "`a:b/c` of component `main` cannot be linked to `other` by an isolated link: `call` takes or gives {what}, which cannot cross it"
                ),
            ),
        }
    }
}

#[test]
fn nothing_flows_to_a_shared_cell() {
    let (caller, callee) = pair("(stream u8)");
    let shared = CellSettings {
        lifetime: Lifetime::Shared,
        ..CellSettings::default()
    };
    let app = app(vec![
        piece("main", caller).isolated("a:b/c", "other"),
        piece("other", callee).cell(shared),
    ]);
    let problem = app.problem().to_string();
    assert!(
        problem.contains("`call` takes or gives a stream of a shared cell, which cannot cross it"),
        "{problem}"
    );
}

#[test]
fn handles_of_the_host_do_not_cross() {
    let app = app(vec![
        piece(
            "main",
            component(&[&streams("0.2.3"), SINK_IMPORT, &command("0.2.3")]),
        )
        .isolated("test:peer/sink", "log"),
        piece("log", component(&[&streams("0.2.3"), SINK])),
    ]);
    let problem = app.problem().to_string();
    assert!(
        problem.contains("a handle of `output-stream`, which is not a resource of this interface"),
        "{problem}"
    );
}

/// Imports a record, and an interface that speaks of it.
const DOC_IMPORTS: &str = r#"
  (import "docs:markup/types" (instance $types
    (type $d (record (field "a" u32))) (export "doc" (type (eq $d)))))
  (alias export $types "doc" (type $doc))
  (import "docs:markup/render" (instance
    (alias outer 1 $doc (type $outer)) (export "doc" (type $inner (eq $outer)))
    (export "call" (func (param "it" $inner)))))"#;

/// Exports an interface that speaks of a record which is there as `$doc`.
const DOC_RENDER: &str = r#"
  (func $render (param "it" $doc) (canon lift (core func $library "take")))
  (instance $render (export "doc" (type $doc)) (export "call" (func $render)))
  (export "docs:markup/render" (instance $render))"#;

/// Exports the record.
const DOC_TYPES: &str = r#"
  (type $d (record (field "a" u32)))
  (instance $types (export "doc" (type $d)))
  (export $shown "docs:markup/types" (instance $types))
  (alias export $shown "doc" (type $doc))"#;

/// Imports the record.
const DOC_TYPES_IMPORT: &str = r#"
  (import "docs:markup/types" (instance $types
    (type $d (record (field "a" u32))) (export "doc" (type (eq $d)))))
  (alias export $types "doc" (type $doc))"#;

/// What becomes of each way in and of each cell: the imports and exports of each.
fn all(app: &TestApp) -> Vec<(Vec<String>, Vec<String>)> {
    let plan = app.plan();
    let cells = plan.cells().iter().map(|cell| &cell.entry);
    let fuse = |entry| {
        let fused = weft_compose::fuse(&plan, entry, &app.parts()).unwrap();
        let mut imports = imports_of(&fused.bytes);
        imports.sort();
        (imports, exports_of(&fused.bytes))
    };
    plan.entries().iter().chain(cells).map(fuse).collect()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn records_of_another_interface_come_from_wherever_that_interface_does() {
    let main = || piece("main", component(&[DOC_IMPORTS, &command("0.2.3")]));
    let exports_both = || piece("md", component(&[DOC_TYPES, DOC_RENDER]));
    let imports_types = || piece("md", component(&[DOC_TYPES_IMPORT, DOC_RENDER]));
    let types = |name: &str| piece(name, component(&[DOC_TYPES]));
    let run = || names(&["wasi:cli/run@0.2.3"]);
    let both = || names(&["main:docs-markup/render", "main:docs-markup/types"]);
    let render = || names(&["md:docs-markup/render"]);

    let one_callee = app(vec![main().isolated("docs:markup", "md"), exports_both()]);
    let exports = names(&["md:docs-markup/render", "md:docs-markup/types"]);
    assert_eq!(all(&one_callee), [(both(), run()), (Vec::new(), sorted(exports))]);

    let nobody = app(vec![main().isolated("docs:markup/render", "md"), imports_types()]);
    let imports = names(&["md:docs-markup/types"]);
    assert_eq!(all(&nobody), [(both(), run()), (imports, render())]);

    let fused_twice = app(vec![
        main()
            .isolated("docs:markup/render", "md")
            .link("docs:markup/types", "types"),
        imports_types().link("docs:markup/types", "more"),
        types("types"),
        types("more"),
    ]);
    let imports = names(&["main:docs-markup/render"]);
    assert_eq!(all(&fused_twice), [(imports, run()), (Vec::new(), render())]);
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort_by_key(|name| name.contains("render"));
    list
}

pub(crate) fn function(name: &str) -> String {
    format!(r#"(import "{name}" (func (param "it" u32) (result u32)))"#)
}

pub(crate) fn exports_function(name: &str) -> Vec<u8> {
    let text = format!(
        r#"(core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
        (core instance $m (instantiate $m))
        (func (export "{name}") (param "it" u32) (result u32) (canon lift (core func $m "f")))"#
    );
    component(&[&text])
}

#[test]
fn functions_of_two_components_never_become_one_import() {
    let main = component(&[&function("b-c"), &import("x:y/z"), &command("0.2.3")]);
    let app = app(vec![
        piece("a", main).isolated("b-c", "one"),
        piece("a-b", component(&[&function("c"), &export("x:y/z")])).isolated("c", "two"),
        piece("one", exports_function("b-c")),
        piece("two", exports_function("c")),
    ]);
    let fused = app.fuse();
    let leads = |name: &str| {
        let import = fused.imports.iter().find(|import| import.name == name).unwrap();
        import.link.clone().unwrap().export
    };
    assert_eq!(imports_of(&fused.bytes).len(), 2);
    assert_eq!(
        (leads("a-b-c"), leads("a-b-c-x")),
        ("one-b-c".to_owned(), "two-c".to_owned())
    );
}

#[test]
fn an_interface_without_a_namespace_can_be_called_in_another_cell() {
    let app = app(vec![
        piece("main", component(&[&import("thing"), &command("0.2.3")])).isolated("thing", "one"),
        piece("one", component(&[&export("thing")])),
    ]);
    let (run, export) = (names(&["wasi:cli/run@0.2.3"]), names(&["one-thing"]));
    assert_eq!(all(&app), [(names(&["main-thing"]), run), (Vec::new(), export)]);
}

/// Imports an interface with a resource.
const PEN: &str = r#"
  (import "art:tools/pens" (instance $pens
    (export "pen" (type $pen (sub resource)))
    (export "[constructor]pen" (func (result (own $pen))))))
  (alias export $pens "pen" (type $pen))"#;

/// Imports an interface that takes the resource.
const DRAW_IMPORT: &str = r#"
  (import "art:page/draw" (instance
    (alias outer 1 $pen (type $outer)) (export "pen" (type $inner (eq $outer)))
    (export "draw" (func (param "it" (own $inner))))))"#;

const DRAW: &str = r#"
  (func $draw (param "it" (own $pen)) (canon lift (core func $library "take")))
  (component $shape
    (import "pen" (type $pen (sub resource)))
    (import "draw" (func $draw (param "it" (own $pen))))
    (export $shown "pen" (type $pen))
    (export "draw" (func $draw) (func (param "it" (own $shown)))))
  (instance $draw (instantiate $shape (with "pen" (type $pen)) (with "draw" (func $draw))))
  (export "art:page/draw" (instance $draw))"#;

/// Exports an interface with a resource of its own.
const PENS: &str = r#"
  (type $pen (resource (rep i32)))
  (core func $new (canon resource.new $pen))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (func (export "new") (result i32) (call $new (i32.const 1))))
  (core instance $m (instantiate $m (with "" (instance (export "new" (func $new))))))
  (func $make (result (own $pen)) (canon lift (core func $m "new")))
  (component $shape
    (import "pen" (type $pen (sub resource)))
    (import "make" (func $make (result (own $pen))))
    (export $shown "pen" (type $pen))
    (export "[constructor]pen" (func $make) (func (result (own $shown)))))
  (instance $pens (instantiate $shape (with "pen" (type $pen)) (with "make" (func $make))))
  (export "art:tools/pens" (instance $pens))"#;

/// Two components that hand each other handles of a third, which is in another cell.
fn painters(of_the_second: Isolation) -> TestApp {
    app(vec![
        piece("main", component(&[PEN, DRAW_IMPORT, &command("0.2.3")])).isolated("art:tools/pens", "maker"),
        piece("page", component(&[PEN, DRAW])).isolated_with("art:tools/pens", "maker", of_the_second),
        piece("maker", component(&[PENS])),
    ])
}

#[test]
fn components_that_hand_on_a_handle_of_another_cell_share_their_link() {
    let app = painters(Isolation::default());
    let fused = app.fuse();
    assert_eq!(imports_of(&fused.bytes), ["g1-shared:art-tools/pens"]);
    let shared = &fused.imports[0];
    assert_eq!(shared.link.as_ref().unwrap().export, "maker:art-tools/pens");
    assert!(matches!(&shared.owner, weft_compose::Owner::Group { members, .. } if *members == [0, 1]));
}

#[test]
fn a_shared_link_cannot_fail_in_two_ways() {
    let retries = Isolation {
        retries: 1,
        ..Isolation::default()
    };
    let problem = painters(retries).problem();
    assert_eq!(
        problem.to_string(),
        "over the link of `main` to `page` for `art:page/draw` flow handles of type `pen`, which come over the isolated link of `main` for `art:tools/pens` on one end and come over the isolated link of `page` for `art:tools/pens` on the other"
    );
    assert!(problem.hint.unwrap().contains("say the same of calls that fail"));
}
