//! `--invoke`: every type of value, nested interfaces, modules, and calls that do not fit.

use crate::run;

fn call(guest: &str, call: &str) -> String {
    run(["--invoke", call], guest, [])
        .run()
        .with_code(0)
        .stdout()
        .trim_end()
        .to_owned()
}

#[test]
fn every_type_of_value_crosses_both_ways() {
    for (function, value) in [
        ("identity-bool", "true"),
        ("identity-u8", "255"),
        ("identity-u16", "65535"),
        ("identity-u32", "4294967295"),
        ("identity-u64", "18446744073709551615"),
        ("identity-s8", "-128"),
        ("identity-s16", "-32768"),
        ("identity-s32", "-2147483648"),
        ("identity-s64", "-9223372036854775808"),
        ("identity-f32", "1.5"),
        ("identity-f64", "nan"),
        ("identity-char", "'ß'"),
        ("identity-string", r#""a \"quoted\" word, ünïcode""#),
        ("identity-bytes", "[0, 127, 255]"),
    ] {
        assert_eq!(
            call("values", &format!("{function}({value})")),
            value,
            "{function}"
        );
    }
}

#[test]
fn functions_of_interfaces_are_called_by_their_full_name() {
    for name in ["weft:values/shapes@1.0.0#area", "weft:values/shapes#area", "area"] {
        assert_eq!(
            call("values", &format!("{name}(rectangle((2.0, 3.5)))")),
            "7",
            "{name}"
        );
    }
}

#[test]
fn asynchronous_functions_are_called_like_others() {
    assert_eq!(call("values_p3", "add-slowly(1, 2, 5)"), "3");
}

#[test]
fn functions_of_core_modules_take_numbers() {
    assert_eq!(call("arithmetic.wat", "add(40, 2)"), "42");
    assert_eq!(call("arithmetic.wat", "add(-1, 0x2)"), "1");
    assert_eq!(call("arithmetic.wat", "add(4294967295, 0)"), "-1");
}

#[test]
fn a_reactor_is_initialised_before_it_is_called() {
    let outcome = run(["--invoke", "count"], "reactor.wat", []).run();
    assert!(outcome.code == Some(0), "{}", outcome.stderr());
}

#[test]
fn a_call_that_does_not_fit_says_why() {
    for (text, part) in [
        ("nothing-like-this(1)", "identity-u8"),
        ("identity-u8(256)", "identity-u8"),
        ("identity-u8(1, 2)", "identity-u8"),
        ("identity-u8(\"one\")", "u8"),
        ("identity-bool(", "parenthesis"),
        ("weft:other/shapes#area(nothing)", "weft:other/shapes#area"),
        ("make-counter(3)", "resource"),
    ] {
        let outcome = run(["--invoke", text], "values", []).run();
        assert!(matches!(outcome.code, Some(1 | 2)), "{text}: {:?}", outcome.code);
        assert!(outcome.stderr().contains(part), "{text}: {}", outcome.stderr());
    }
    run(["--invoke", "add(1)"], "arithmetic.wat", [])
        .run()
        .with_code(1);
    run(["--invoke", "add(4294967296, 0)"], "arithmetic.wat", [])
        .run()
        .with_code(1);
}

#[test]
fn hostile_nesting_ends_in_a_message() {
    for (open, close) in [("[", "]"), ("some(", ")"), ("{a: ", "}"), ("(", ")")] {
        let text = format!("identity-u8({}1{})", open.repeat(20_000), close.repeat(20_000));
        let outcome = run(["--invoke", &text], "values", []).run().with_code(2);
        assert!(
            outcome.stderr().contains("nest"),
            "{}",
            &outcome.stderr()[..200.min(outcome.stderr().len())]
        );
    }
}

#[test]
fn a_trap_in_a_called_function_is_a_trap() {
    let outcome = run(["--invoke", "trap()"], "values", []).run().with_code(134);
    assert!(outcome.stderr().contains("unreachable"), "{}", outcome.stderr());
}

#[test]
fn arguments_are_read_before_any_code_of_the_module_runs() {
    let scratch = weft_testing::Scratch::new();
    let module = scratch.file(
        "start-traps.wat",
        r#"(module (func $s unreachable) (start $s) (func (export "f") (param i32)))"#,
    );
    let outcome = crate::weft().args(["run", "--invoke", "f(x)"]).arg(module).run();
    assert!(
        outcome.stderr().contains("`x` is not of type i32"),
        "{}",
        outcome.stderr()
    );
}
