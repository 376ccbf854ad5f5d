//! WebAssembly text, as a person writes it.

use weft_inspect::describe;
use weft_inspect::kind::{self, Kind};
use weft_inspect::text::{self as source, Error};
use weft_inspect::validate::{self, validate};

use crate::load;

/// Turns text into a binary, and looks at the binary in every way there is.
///
/// # Panics
/// Where the text and its binary are not the same program, or a fault lies outside the text.
pub fn text(data: &[u8]) {
    if kind::recognise(data) != Ok(Kind::Text) {
        assert!(
            !matches!(source::to_binary(data), Err(Error::Syntax { .. })),
            "a fault in the syntax of what is no text"
        );
        return;
    }
    let binary = match source::to_binary(data) {
        Ok(binary) => binary,
        Err(error) => return check_fault(data, &error),
    };
    // `(module binary "…")` stands for whatever bytes it likes.
    match kind::recognise(&binary) {
        Ok(Kind::Component | Kind::CoreModule) => {}
        found => {
            assert!(
                validate(data).is_err() && describe(data).is_err(),
                "read as {found:?}"
            );
            return load(&binary);
        }
    }
    match (validate(data), validate(&binary)) {
        (Ok(text), Ok(binary)) => assert_eq!(text, binary),
        (Err(validate::Error::Invalid(text)), Err(validate::Error::Invalid(binary))) => {
            assert_eq!(text, binary);
        }
        (Err(_), Err(_)) => {}
        (text, binary) => panic!("text and binary differ: {text:?} and {binary:?}"),
    }
    if let Ok(description) = describe(data) {
        assert!(description.is_text && description.bytes == data.len());
    }
    load(&binary);
}

/// A fault is told with a place that an editor can go to.
fn check_fault(data: &[u8], error: &Error) {
    let Error::Syntax { line, column, reason } = error else {
        return;
    };
    assert!(!reason.is_empty());
    let found = data.split(|byte| *byte == b'\n').nth(line.wrapping_sub(1));
    let found = found.unwrap_or_else(|| panic!("there is no line {line}: {reason}"));
    assert!(
        (1..=found.len() + 1).contains(column),
        "line {line} has no column {column}: {reason}"
    );
}
