//! What is written, read back, compared and refused.

use super::*;

fn component(digest: char, imports: &[&str], exports: &[&str]) -> LockedComponent {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    LockedComponent {
        digest: format!("sha256:{}", digest.to_string().repeat(64)),
        imports: names(imports),
        exports: names(exports),
    }
}

fn lock(components: &[(&str, LockedComponent)]) -> Lock {
    let components = components
        .iter()
        .map(|(name, component)| (name.parse().unwrap(), component.clone()))
        .collect();
    Lock { components }
}

#[test]
fn what_is_written_is_sorted_and_reads_back() {
    let lock = lock(&[
        ("parser", component('b', &[], &["docs:markup/render@1.0.0"])),
        (
            "main",
            component(
                'a',
                &["wasi:io/streams@0.2.3", "docs:markup/render@1.0.0"],
                &["odd \"\\\u{1}ä"],
            ),
        ),
    ]);
    let text = lock.write();
    let a = "a".repeat(64);
    let b = "b".repeat(64);
    let expected = format!(
        r#"{HEADER}version = 1

[[component]]
name = "main"
digest = "sha256:{a}"
imports = [
    "docs:markup/render@1.0.0",
    "wasi:io/streams@0.2.3",
]
exports = [
    "odd \"\\\U00000001ä",
]

[[component]]
name = "parser"
digest = "sha256:{b}"
imports = []
exports = [
    "docs:markup/render@1.0.0",
]
"#
    );
    assert_eq!(text, expected);
    assert_eq!(Lock::read(&text), Ok(lock));
    assert_eq!(Lock::read(&Lock::default().write()), Ok(Lock::default()));
}

#[test]
fn only_a_wider_surface_needs_consent() {
    let before = lock(&[
        ("gone", component('a', &[], &[])),
        ("rebuilt", component('a', &["x"], &["e"])),
        ("same", component('a', &["x"], &["e"])),
        ("surface", component('a', &["x", "old"], &["e"])),
    ]);
    let after = lock(&[
        ("new", component('a', &["anything"], &[])),
        ("rebuilt", component('b', &["x"], &["e"])),
        ("same", component('a', &["x"], &["e"])),
        ("surface", component('b', &["x", "more", "much-more"], &["f"])),
    ]);
    let changes = before.difference(&after);
    let told: Vec<(String, bool)> = changes
        .iter()
        .map(|change| (change.to_string(), change.needs_consent()))
        .collect();
    let expected = [
        ("component `gone` is gone", false),
        ("component `new` is new", false),
        (
            "component `rebuilt` has other bytes, and asks for the same",
            false,
        ),
        (
            "component `surface` now also imports `more` and `much-more`",
            true,
        ),
        ("component `surface` no longer imports `old`", false),
        ("component `surface` now exports `f`, and no longer `e`", false),
    ];
    assert_eq!(told, expected.map(|(text, consent)| (text.to_owned(), consent)));
    assert!(before.difference(&before).is_empty());
}

#[test]
fn another_version_of_an_import_is_another_import() {
    let before = lock(&[("a", component('a', &["wasi:io/streams@0.2.3"], &[]))]);
    let after = lock(&[("a", component('b', &["wasi:io/streams@0.2.6"], &[]))]);
    assert!(before.difference(&after).iter().any(Change::needs_consent));
}

#[test]
fn a_lock_file_that_is_wrong_says_where() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let entry = |name: &str| {
        format!("[[component]]\nname = \"{name}\"\ndigest = \"{digest}\"\nimports = []\nexports = []\n")
    };
    for (text, expected) in [
        (String::new(), "1:1: the lock file has no `version`".to_owned()),
        (
            "version = 2\n[[new]]\n".to_owned(),
            "1:11: the lock file has version 2; this Weft reads version 1".to_owned(),
        ),
        (
            format!("version = 1\n{}{}", entry("a"), entry("a")),
            "7:1: component `a` is locked twice".to_owned(),
        ),
        (
            format!("version = 1\n{}", entry("A")),
            "3:8: `A` is not a name: at most 64 lower-case letters, digits and single hyphens, each word beginning with a letter".to_owned(),
        ),
        (
            "version = 1\n[[component]]\nname = \"a\"\ndigest = \"sha256:12\"\nimports = []\nexports = []\n".to_owned(),
            "4:10: `sha256:12` is not a digest: `sha256:` and 64 hexadecimal digits".to_owned(),
        ),
        (
            format!("version = 1\n[[component]]\nname = \"a\"\ndigest = \"{digest}\"\nexports = []\n"),
            "2:1: the component has no `imports`".to_owned(),
        ),
        (
            format!("version = 1\n{}more = 1\n", entry("a")),
            "7:1: unknown key `more`".to_owned(),
        ),
        (
            format!("version = 1\n[[component]]\nname = \"a\"\ndigest = \"{digest}\"\nimports = [1]\nexports = 2\n"),
            "5:12: `imports` must be a list of text, not of a whole number\n6:11: `exports` must be a list of text, not a whole number".to_owned(),
        ),
        (
            "version = 1\n[component]\n".to_owned(),
            "2:1: components are written `[[component]]`".to_owned(),
        ),
        ("version = ".to_owned(), "1:11: a key without a value".to_owned()),
    ] {
        let problems = Lock::read(&text).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.join("\n"), expected, "{text}");
    }
    assert!(Lock::read(&"#".repeat(LOCK_BYTES_MAX + 1)).is_err());
}
