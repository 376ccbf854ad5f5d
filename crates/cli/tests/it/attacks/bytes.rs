//! Bytes that are meant to exhaust, crash or mislead whoever only looks at them.

use std::time::Duration;

use super::{Attack, GO, IDLE, attack, attack_by, component};

/// Refused, in the time and memory that a check may take on a slow machine.
#[track_caller]
fn is_refused_soon(attack: &Attack, parts: &[&str]) {
    let outcome = attack.weft("check").timeout(Duration::from_secs(60)).run();
    let said = super::quiet(outcome).with_code(2).stderr();
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_hundred_thousand_imports() {
    for count in [1_001, 99_000, 100_001, 1_000_000] {
        let mut imports = number(count);
        for index in 0..count {
            let name = format!("a:b/c{index}");
            imports.push(0);
            imports.extend(text(&name));
            imports.extend([5, 0]);
        }
        is_refused_soon(
            &attack_by(imports_of(&imports), ""),
            &["component `evil`", "weft.toml:5:"],
        );
    }
}

#[test]
fn names_of_a_megabyte() {
    for bytes in [2_000, 90_000, 1_000_000] {
        let import = format!("(import \"a:b/c{}\" (instance))", "c".repeat(bytes));
        is_refused_soon(
            &attack(&[&import, IDLE, GO], ""),
            &["component `evil`", "weft.toml:5:"],
        );
    }
}

#[test]
fn names_that_do_something_to_a_terminal() {
    for name in [
        "\\1b[2J",
        "a:b/c\\0a",
        "\\u{202e}cba",
        "a:b/c\\7f",
        "a:b/c@1.0.0-\\1b",
    ] {
        let import = format!("(import \"{name}\" (instance))");
        is_refused_soon(
            &attack(&[&import, IDLE, GO], ""),
            &["component `evil`", "weft.toml:5:"],
        );
    }
}

#[test]
fn types_nested_a_thousand_deep() {
    let chain = |depth: usize, link: fn(usize) -> String| {
        let mut types = "(type $t0 (list u8))".to_owned();
        for index in 1..=depth {
            types.push_str(&format!("(type $t{index} {})", link(index - 1)));
        }
        format!(
            "{types} (import \"a:b/c\" (instance (alias outer 1 $t{depth} (type $t)) \
             (export \"f\" (func (param \"x\" $t)))))"
        )
    };
    let list: fn(usize) -> String = |before| format!("(list $t{before})");
    let pair: fn(usize) -> String = |before| format!("(tuple $t{before} $t{before})");
    for (depth, link) in [(1_000, list), (50_000, list), (1_000, pair), (19, pair)] {
        is_refused_soon(
            &attack(&[&chain(depth, link), IDLE, GO], ""),
            &["component `evil`"],
        );
    }
}

#[test]
fn types_nested_deep_on_both_ends_of_a_link() {
    let mut types = "(type $t0 (list u8))".to_owned();
    for index in 1..=50_000 {
        types.push_str(&format!("(type $t{index} (list $t{}))", index - 1));
    }
    let import = format!(
        "{types} (import \"a:b/c\" (instance (alias outer 1 $t50000 (type $t)) \
         (export \"f\" (func (param \"x\" $t)))))"
    );
    let export = format!(
        r#"{types} (core module $deep (func (export "f") (param i32 i32)))
        (core instance $deep (instantiate $deep))
        (func $f (param "x" $t50000) (canon lift (core func $deep "f")
          (memory $library "memory") (realloc (func $library "realloc"))))
        (instance $deep-offered (export "f" (func $f)))
        (export "a:b/c" (instance $deep-offered))"#
    );
    let attack = attack(&[&import, IDLE, GO], "[component.deep]\nsource = \"deep.wat\"\n");
    attack.app.file("deep.wat", component(&[&export]));
    let outcome = attack.weft("up").timeout(Duration::from_secs(60)).run();
    // Whether it is too deep or not, it ends with a message or runs; it does not crash.
    let outcome = super::quiet(outcome);
    assert!(matches!(outcome.code, Some(0..=2)), "{outcome}");
}

#[test]
fn modules_and_components_where_interfaces_are_expected() {
    for import in [
        r#"(import "wasi:cli/environment@0.2.3" (core module))"#,
        r#"(import "wasi:cli/environment@0.2.3" (component))"#,
        r#"(import "wasi:cli/environment@0.2.3" (instance (export "m" (core module))))"#,
        r#"(import "wasi:cli/environment@0.2.3" (instance (export "inner" (instance (export "get-environment" (func))))))"#,
        r#"(import "get-environment" (func))"#,
    ] {
        attack(&[import, IDLE, GO], "").is_refused_at_its_line(&[]);
    }
}

/// A component of this section of imports, behind the type of an instance without exports.
fn imports_of(section: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend([7, 3, 1, 0x42, 0, 10]);
    bytes.extend(number(section.len()));
    bytes.extend(section);
    bytes
}

/// A number in LEB128.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A text behind its length.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = number(text.len());
    bytes.extend(text.as_bytes());
    bytes
}

/// One import, whose name is given as its bytes.
fn import_of(name: &[u8]) -> Vec<u8> {
    let mut section = vec![1];
    section.extend(name);
    section.extend([5, 0]);
    imports_of(&section)
}

#[test]
fn attributes_of_a_name_that_claim_another() {
    // A name says that it is followed by attributes: here what it implements, a suffix of its version, another id.
    for attribute in 0..4_u8 {
        let mut name = vec![2];
        name.extend(text("harmless"));
        name.extend([1, attribute]);
        name.extend(text("wasi:cli/environment@0.2.3"));
        attack_by(import_of(&name), "").is_refused(&["component `evil`", "weft.toml:"]);
    }
    // Forms of names that are no longer, or not yet, part of the component model.
    for name in [
        "url=<https://example.com/>",
        "locked-dep=<wasi:cli@0.2.3>",
        "unlocked-dep=<wasi:cli@{>=0.2.3}>",
        "integrity=<sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=>",
        "wasi:cli:environment/environment@0.2.3",
        "wasi:cli/environment/environment@0.2.3",
    ] {
        let mut bytes = vec![0];
        bytes.extend(text(name));
        attack_by(import_of(&bytes), "").is_refused(&["component `evil`", "weft.toml:"]);
    }
}
