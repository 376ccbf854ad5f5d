//! The text of `--invoke`: a call of an exported function, with its arguments.

use std::sync::LazyLock;

use weft_inspect::text::to_binary;
use weft_runtime::entry::{CheckedCall, EntryError, check_call};
use weft_runtime::wave::Call;
use weft_runtime::{Concurrency, Engine, EngineOptions, Profile, Program};

/// A component with functions of every type there is. None of them can be run: each one traps.
const COMPONENT: &str = include_str!("invoke/component.wat");

/// A core module with functions of every core type.
const MODULE: &str = include_str!("invoke/module.wat");

static PROGRAMS: LazyLock<[Program; 2]> = LazyLock::new(|| {
    let engine = Engine::new(Profile::Command(Concurrency::On), EngineOptions::default());
    let engine = engine.expect("an engine with the settings of every run");
    [COMPONENT, MODULE].map(|text| {
        let wasm = to_binary(text.as_bytes()).expect("the text of a program that never changes");
        Program::compile(&engine, &wasm).expect("a program that never changes")
    })
});

/// Reads a call and checks it against a component and a core module, without running them.
///
/// # Panics
/// Where a call that was accepted does not show as the text of an equal call.
pub fn invoke(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let call = match Call::parse(text) {
        Ok(call) => call,
        Err(error) => return check_message(&error.to_string(), data.len()),
    };
    assert!(!call.function.is_empty());
    for program in &*PROGRAMS {
        match check_call(program, &call) {
            Ok(checked) => reads_back(program, &checked),
            Err(error) => {
                assert!(
                    !matches!(error, EntryError::Setup(_) | EntryError::Profile { .. }),
                    "reading a call needs nothing set up: {error}"
                );
                check_message(&error.to_string(), data.len());
            }
        }
    }
}

fn reads_back(program: &Program, checked: &CheckedCall) {
    let shown = checked.to_string();
    let call = Call::parse(&shown).unwrap_or_else(|error| panic!("`{shown}` was accepted, but: {error}"));
    let again = check_call(program, &call);
    let again = again.unwrap_or_else(|error| panic!("`{shown}` was accepted, but: {error}"));
    assert_eq!(again, *checked, "`{shown}` is another call");
}

/// Messages go to a terminal: no control characters, and no longer than what they are about.
fn check_message(message: &str, text_bytes: usize) {
    assert!(!message.is_empty());
    assert!(
        message.len() <= 8000 + 4 * text_bytes,
        "a message of {} bytes about a text of {text_bytes}",
        message.len()
    );
}
