//! Binaries as text.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io;

use weft_inspect::print::{Detail, Error, Options, Shape, text};
use weft_inspect::validate::validate;

use crate::samples;

fn printed(wasm: &[u8], options: Options) -> String {
    let mut output = Vec::new();
    text(wasm, options, &mut output).unwrap();
    String::from_utf8(output).unwrap()
}

const FOLDED: Options = Options {
    detail: Detail::Whole,
    shape: Shape::Folded,
};

#[test]
fn a_binary_comes_back_as_text_for_the_same_binary() {
    for sample in [samples::COMMAND, samples::PREVIEW_ONE, samples::BARE] {
        let wasm = samples::binary(sample);
        assert_eq!(samples::binary(&printed(&wasm, Options::default())), wasm);
        assert_eq!(samples::binary(&printed(&wasm, FOLDED)), wasm);
    }
}

#[test]
fn a_skeleton_leaves_out_bodies_and_a_folded_text_puts_operands_inside() {
    let wasm = samples::binary(samples::BARE);
    let skeleton = printed(
        &wasm,
        Options {
            detail: Detail::Skeleton,
            shape: Shape::Flat,
        },
    );
    assert!(
        skeleton.contains("...") && !skeleton.contains("i32.add"),
        "{skeleton}"
    );
    assert!(!printed(&wasm, Options::default()).contains("(i32.add"));
    assert!(printed(&wasm, FOLDED).contains("(i32.add"));
}

#[test]
fn the_deepest_code_that_may_be_folded_does_not_exhaust_the_stack() {
    let deep = |count: usize| {
        let body = "i32.eqz ".repeat(count);
        samples::binary(&format!("(module (func (result i32) i32.const 0 {body}))"))
    };
    let mut output = io::sink();
    assert!(text(&deep(128 * 1024 - 16), FOLDED, &mut output).is_ok());
    let refused = text(&deep(128 * 1024), FOLDED, &mut output);
    assert!(matches!(refused, Err(Error::TooLongToFold { .. })), "{refused:?}");
    let constant = format!(
        "(module (global i32 i32.const 0 {}))",
        "i32.const 0 i32.add ".repeat(50_000)
    );
    assert!(matches!(
        text(&samples::binary(&constant), FOLDED, &mut output),
        Err(Error::TooLongToFold { .. })
    ));
}

#[test]
fn an_output_that_fails_is_told_from_a_binary_that_does_not_read() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let wasm = samples::binary(samples::BARE);
    assert!(matches!(
        text(&wasm, Options::default(), &mut Full),
        Err(Error::Output(_))
    ));
    let cut = wasm.get(..wasm.len() - 3).unwrap();
    let refused = text(cut, Options::default(), &mut io::sink());
    assert!(matches!(refused, Err(Error::Unprintable { .. })), "{refused:?}");
}

#[test]
fn names_in_comments_cannot_reach_the_terminal_or_hide_from_a_reader() {
    let name = "language\0\u{1b}[2J\r\u{202e}\u{9b}";
    let mut contents = b"\x09producers\x01".to_vec();
    contents.extend(samples::number(name.len()));
    contents.extend_from_slice(name.as_bytes());
    contents.push(0);
    let mut module = samples::binary("(module)");
    module.push(0);
    module.extend(samples::number(contents.len()));
    module.extend(contents);
    let printed = printed(&module, Options::default());
    assert!(
        printed.contains(r"language\u{0}\u{1b}[2J\u{d}\u{202e}\u{9b}"),
        "{printed}"
    );
    assert!(
        !printed.contains(|c: char| c.is_control() && c != '\n'),
        "{printed}"
    );
    assert!(validate(printed.as_bytes()).is_ok(), "{printed}");
}
