//! The WIT of files.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use weft_inspect::wit::{Error, Selection, world};
use weft_inspect::{Role, describe};
use wit_component::StringEncoding;
use wit_parser::Resolve;

use crate::samples;

const PACKAGE: &str = "
package acme:shop@1.0.0;
interface prices { price: func(article: string) -> option<u32>; }
world till { import prices; export open: func(); }
";

#[test]
fn a_component_shows_its_world_and_the_packages_it_uses() {
    let wasm = samples::binary(samples::COMMAND);
    let all = world(&wasm, Selection::Everything).unwrap();
    assert!(all.contains("world root {"), "{all}");
    assert!(all.contains("import wasi:cli/environment@0.2.3;"), "{all}");
    assert!(all.contains("package acme:billing@1.0.0 {"), "{all}");
    assert!(
        all.contains("post: func(amount: u64) -> result<_, string>;"),
        "{all}"
    );
    let only = world(&wasm, Selection::WorldOnly).unwrap();
    assert!(only.contains("export wasi:cli/run@0.2.3;"), "{only}");
    assert!(!only.contains("package acme:billing"), "{only}");
}

#[test]
fn text_shows_the_wit_of_what_it_stands_for() {
    assert!(world(samples::COMMAND.as_bytes(), Selection::WorldOnly).is_ok());
}

#[test]
fn a_wit_package_in_binary_form_is_shown_and_recognised() {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("shop.wit", PACKAGE).unwrap();
    let wasm = wit_component::encode(&resolve, package).unwrap();
    let text = world(&wasm, Selection::Everything).unwrap();
    assert!(text.contains("package acme:shop@1.0.0;"), "{text}");
    assert!(
        text.contains("price: func(article: string) -> option<u32>;"),
        "{text}"
    );
    assert_eq!(describe(&wasm).unwrap().roles, [Role::WitPackage]);
}

#[test]
fn a_core_module_is_refused_unless_it_carries_its_wit() {
    let mut module = samples::binary("(module)");
    assert!(matches!(
        world(&module, Selection::Everything),
        Err(Error::CoreModule)
    ));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("shop.wit", PACKAGE).unwrap();
    let till = resolve.select_world(&[package], Some("till")).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, till, StringEncoding::UTF8).unwrap();
    let text = world(&module, Selection::Everything).unwrap();
    assert!(text.contains("price: func(article: string)"), "{text}");
}

#[test]
fn types_that_double_at_every_level_are_refused() {
    let mut text = String::from("(component (type $t0 (tuple u8 u8))");
    for level in 1..16 {
        let below = level - 1;
        text.push_str(&format!("(type $t{level} (tuple $t{below} $t{below}))"));
    }
    for name in 0..4 {
        text.push_str(&format!("(import \"f{name}\" (func (param \"p\" $t15)))"));
    }
    text.push(')');
    let wasm = samples::binary(&text);
    let refused = world(&wasm, Selection::Everything);
    assert!(matches!(refused, Err(Error::TooLong { .. })), "{refused:?}");
    let description = describe(&wasm).unwrap();
    assert!(description.imports.iter().all(|group| {
        group
            .imports
            .iter()
            .all(|import| import.functions.iter().all(|it| it.signature.len() < 3000))
    }));
}

#[test]
fn an_instance_type_imported_many_times_is_refused() {
    let mut text = String::from("(component (type $i (instance");
    for name in 0..2000 {
        text.push_str(&format!("(export \"f{name}\" (func))"));
    }
    text.push_str("))");
    for name in 0..100 {
        text.push_str(&format!("(import \"a:b/i{name}\" (instance (type $i)))"));
    }
    text.push(')');
    let wasm = samples::binary(&text);
    assert!(matches!(
        world(&wasm, Selection::Everything),
        Err(Error::Undecodable { .. })
    ));
    let reason = describe(&wasm).unwrap().undecoded.unwrap();
    assert!(reason.contains("more than the 100000 allowed"), "{reason}");
}

#[test]
fn one_import_or_export_is_written_alone() {
    use weft_inspect::wit::{Side, item};
    let component = samples::binary(
        r#"(component
            (import "docs:markup/render@1.0.0" (instance
                (export "call" (func (param "n" u32) (result string)))))
            (import "plain" (func (param "n" u32))))"#,
    );
    assert_eq!(
        item(&component, Side::Import, "docs:markup/render@1.0.0").unwrap(),
        "interface docs:markup/render@1.0.0 {\n  call: func(n: u32) -> string;\n}\n"
    );
    assert_eq!(
        item(&component, Side::Import, "plain").unwrap(),
        "plain: func(n: u32);\n"
    );
    assert!(item(&component, Side::Export, "plain").is_err());
    assert!(item(b"\0asm", Side::Import, "plain").is_err());
}
