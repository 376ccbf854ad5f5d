//! Where a broken rule is, and why.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use weft_inspect::validate::{Error, Into, Invalid, validate};
use weft_inspect::{json, text};

use crate::samples;

fn invalid(text: &str) -> Invalid {
    match validate(text.as_bytes()) {
        Err(Error::Invalid(invalid)) => invalid,
        other => panic!("expected a broken rule, found {other:?}"),
    }
}

#[test]
fn a_valid_file_is_counted() {
    let summary = validate(&samples::binary(samples::COMMAND)).unwrap();
    assert_eq!(
        (summary.components, summary.modules, summary.functions),
        (1, 1, 1)
    );
    assert!(validate(samples::PREVIEW_ONE.as_bytes()).is_ok());
    assert!(validate(samples::BARE.as_bytes()).is_ok());
}

#[test]
fn a_fault_is_placed_in_component_module_and_function() {
    let fault = invalid(
        r#"(component
            (core module)
            (component $inner
              (core module $first)
              (core module $second
                (import "a" "b" (func))
                (func $good)
                (func $bad (result i32)))))"#,
    );
    let steps: Vec<_> = fault
        .path
        .iter()
        .map(|step| (step.into, step.index, step.name.as_deref()))
        .collect();
    assert_eq!(
        steps,
        [
            (Into::Component, 0, Some("inner")),
            (Into::Module, 1, Some("second")),
            (Into::Function, 2, Some("bad")),
        ]
    );
    let message = fault.to_string();
    assert!(
        message.contains("in component 0 `inner`, core module 1 `second`, function 2 `bad`: type mismatch"),
        "{message}"
    );
    assert!(message.starts_with(&format!(
        "invalid at offset {:#x} ({})",
        fault.offset, fault.offset
    )));
}

#[test]
fn a_fault_outside_functions_has_an_offset_inside_the_file() {
    let wasm = samples::binary(r#"(module (func $f) (export "a" (func $f)) (export "a" (func $f)))"#);
    let Err(Error::Invalid(fault)) = validate(&wasm) else {
        panic!("should be invalid")
    };
    assert!(fault.path.is_empty());
    assert!(fault.offset > 8 && fault.offset < wasm.len());
    assert!(fault.reason.contains("duplicate export name"), "{}", fault.reason);
}

#[test]
fn text_that_does_not_read_is_placed_by_line_and_column() {
    let Err(Error::Unreadable(text::Error::Syntax { line, column, reason })) =
        validate(b"(module\n  (func\n    i32.const oops))")
    else {
        panic!("should not read")
    };
    assert_eq!((line, column), (3, 15));
    assert!(reason.contains("expected a i32"), "{reason}");
}

#[test]
fn features_of_the_engine_are_allowed_and_others_are_not() {
    for text in [
        "(module (memory 1 2 shared) (func (drop (i32.atomic.load (i32.const 0)))))",
        "(module (func (drop (v128.const i64x2 0 0))))",
        "(module (memory i64 1) (memory 1))",
        "(module (tag) (func (throw 0)))",
        "(module (type (struct (field i32))))",
        "(module (func (return_call 0)))",
    ] {
        assert!(validate(text.as_bytes()).is_ok(), "{text}");
    }
    let fault = invalid("(module (memory 1 (pagesize 1)))");
    assert!(fault.reason.contains("custom page sizes"), "{}", fault.reason);
}

#[test]
fn programs_get_position_and_reason() {
    let value = json::validation(&validate(b"(module (func (result i32)))"));
    assert_eq!(value["valid"], false);
    assert_eq!(value["error"]["path"][0]["into"], "function");
    assert!(value["error"]["offset"].is_u64());
    assert_eq!(json::validation(&validate(b"(module)"))["valid"], true);
}

#[test]
fn the_surface_is_checked_without_the_bodies_of_functions() {
    let wrong_body = samples::binary("(component (core module (func (result i32))))");
    assert!(weft_inspect::validate::surface(&wrong_body).is_ok());
    assert!(weft_inspect::validate::validate(&wrong_body).is_err());
    let wrong_type = samples::component_with_section(7, &[1, 0x70, 0x55]);
    assert!(weft_inspect::validate::surface(&wrong_type).is_err());
}
