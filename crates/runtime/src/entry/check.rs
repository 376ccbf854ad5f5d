//! A call looked at without making it: the function is found and its arguments are read, and that is all.

use std::fmt;

use wasmtime::component::Val;

use super::{EntryError, component, module};
use crate::program::{Code, Program};
use crate::wave::{self, Call};

/// A call that a program can be entered with: its function exists, and its arguments are of the right types.
///
/// It shows as the text of a call that means the same.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedCall {
    function: String,
    arguments: Arguments,
}

#[derive(Debug, Clone, PartialEq)]
enum Arguments {
    Component(Vec<Val>),
    /// As text, which tells core values apart and hides only which of the many not-a-numbers one is.
    Module(Vec<String>),
}

impl fmt::Display for CheckedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match &self.arguments {
            Arguments::Component(values) => f.write_str(&wave::show_arguments(values)),
            Arguments::Module(values) => write!(f, "({})", values.join(", ")),
        }
    }
}

/// Checks a call as far as that is possible without running any of the program.
///
/// # Errors
/// No such function is exported, several are, it takes or returns what has no text form, or the arguments do
/// not fit its parameters.
///
/// # Limits
/// Time and memory in proportion to the text and the types of the function.
pub fn check_call(program: &Program, call: &Call) -> Result<CheckedCall, EntryError> {
    match &program.code {
        Code::Component(code) => {
            let ready = component::Prepared::new(program.engine(), code, call)?;
            Ok(CheckedCall {
                function: ready.function,
                arguments: Arguments::Component(ready.arguments),
            })
        }
        Code::Module(code) => {
            let arguments = module::read_arguments(code, call)?;
            Ok(CheckedCall {
                function: call.full_name(),
                arguments: Arguments::Module(arguments.iter().map(wave::show_core_value).collect()),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Concurrency, Engine, EngineOptions, Profile};
    use crate::wave::WaveError;

    fn check(program: &str, call: &str) -> Result<CheckedCall, EntryError> {
        let engine = Engine::new(Profile::Command(Concurrency::Off), EngineOptions::default()).unwrap();
        let program = Program::compile(&engine, &wat::parse_str(program).unwrap()).unwrap();
        check_call(&program, &Call::parse(call).unwrap())
    }

    #[test]
    fn a_checked_call_shows_its_full_name_and_its_arguments_in_one_spelling() {
        const ADD: &str = r#"(component
            (core module $m (func (export "f") (param i32 i32)))
            (core instance $i (instantiate $m))
            (func $f (param "a" u8) (param "b" char) (canon lift (core func $i "f")))
            (component $c (import "f" (func $f (param "a" u8) (param "b" char))) (export "g" (func $f)))
            (instance $x (instantiate $c (with "f" (func $f))))
            (export "a:b/c@1.0.0" (instance $x)))"#;
        let checked = check(ADD, " g( 1 ,'\\u{61}')").unwrap();
        assert_eq!(checked.to_string(), "a:b/c@1.0.0#g(1, 'a')");
        assert_eq!(checked, check(ADD, &checked.to_string()).unwrap());
        assert_ne!(checked, check(ADD, "g(2, 'a')").unwrap());
    }

    #[test]
    fn the_arguments_of_a_module_are_checked_by_its_types() {
        const MODULE: &str = r#"(module (func (export "f") (param i32 f64)) (memory (export "m") 1))"#;
        assert_eq!(check(MODULE, "f(0x10, 1e2)").unwrap().to_string(), "f(16, 100)");
        assert!(matches!(check(MODULE, "f(1)"), Err(EntryError::Arguments(_))));
        for unknown in ["m()", "a:b/c#f(1, 2)"] {
            assert!(matches!(
                check(MODULE, unknown),
                Err(EntryError::FunctionUnknown { .. })
            ));
        }
    }

    #[test]
    fn a_message_does_not_grow_with_a_type_that_is_used_again_and_again() {
        let tuple =
            |inner: &str| format!("(tuple {inner} {inner} {inner} {inner} {inner} {inner} {inner} {inner})");
        let record = format!(r#"(type $r (record (field "{}" u8)))"#, "a".repeat(1000));
        let program = format!(
            r#"(component {record} (export $r2 "r" (type $r)) (type $s {}) (type $t {}) (type $u {})
            (core module $m (memory (export "m") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                (func (export "f") (param i32)))
            (core instance $i (instantiate $m))
            (func (export "f") (param "a" $u)
                (canon lift (core func $i "f") (memory $i "m") (realloc (func $i "realloc")))))"#,
            tuple("$r2"),
            tuple("$s"),
            tuple("$t"),
        );
        match check(&program, "f(1)") {
            Err(EntryError::Arguments(WaveError::Misfit { signature, .. })) => {
                assert!(signature.len() < 3000 && signature.ends_with("…)"), "{signature}");
            }
            other => panic!("{other:?}"),
        }
    }
}
