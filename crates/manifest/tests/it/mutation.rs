//! Texts that nobody would write: whatever they are, reading ends in a value or in diagnostics that can be shown.

use std::time::Duration;

use weft_manifest::{Lock, Severity};

use crate::ui::{manifests, read};

/// Numbers that look random and are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// Reads a text and looks at everything that comes of it.
fn survive(text: &str) {
    match read(text) {
        Ok(manifest) => {
            let warnings = manifest.warnings;
            assert!(
                warnings
                    .iter()
                    .all(|warning| warning.severity == Severity::Warning),
                "{text}"
            );
            for component in &manifest.app.components {
                assert!(manifest.positions.component(&component.name).is_some(), "{text}");
                for link in &component.links {
                    assert!(manifest.app.component(&link.provider).is_some(), "{text}");
                    assert!(
                        manifest.positions.link(&component.name, &link.imports).is_some(),
                        "{text}"
                    );
                }
            }
        }
        Err(problems) => {
            assert!(
                problems.iter().any(|problem| problem.severity == Severity::Error),
                "{text}"
            );
            for problem in problems {
                assert!(!problem.message.is_empty(), "{text}");
                let shown = problem.render("weft.toml", text);
                assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            }
        }
    }
}

fn corpus() -> Vec<String> {
    let valid = manifests("valid").into_iter();
    valid.chain(manifests("invalid")).map(|(_, text)| text).collect()
}

#[test]
fn every_beginning_of_a_manifest_survives() {
    for text in corpus() {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            survive(&text[..end]);
        }
    }
}

#[test]
fn changed_manifests_survive() {
    const PIECES: [&str; 24] = [
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "\n",
        "#",
        "\\",
        "\u{0}",
        "\u{1b}",
        "ä",
        "[[",
        "]]",
        "'''",
        "\"\"\"",
        "-1",
        "9999999999999999999",
        "1e999",
        "component",
        "\r",
    ];
    let corpus = corpus();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        let mut text: Vec<char> = corpus[numbers.below(corpus.len())].chars().collect();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(text.len());
            match numbers.below(4) {
                0 => drop(text.drain(at..(at + numbers.below(12)).min(text.len()))),
                1 => {
                    let piece = PIECES[numbers.below(PIECES.len())];
                    text.splice(at..at, piece.chars());
                }
                2 => {
                    let end = (at + numbers.below(60)).min(text.len());
                    let copy: Vec<char> = text[at..end].to_vec();
                    let to = numbers.below(text.len());
                    text.splice(to..to, copy);
                }
                _ => {
                    if let Some(c) = text.get_mut(at) {
                        *c = char::from_u32(u32::try_from(numbers.below(0x180)).unwrap()).unwrap();
                    }
                }
            }
        }
        survive(&text.into_iter().collect::<String>());
    }
}

#[test]
fn changed_lock_files_survive() {
    let text = format!(
        "version = 1\n[[component]]\nname = \"a\"\ndigest = \"sha256:{}\"\nimports = [\"x\"]\nexports = []\n",
        "0".repeat(64)
    );
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for _ in 0..10_000 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len());
            bytes[at] = u8::try_from(numbers.below(128)).unwrap();
        }
        let text = String::from_utf8(bytes).unwrap();
        match Lock::read(&text) {
            Ok(lock) => assert_eq!(Lock::read(&lock.write()).as_ref(), Ok(&lock), "{text}"),
            Err(problems) => assert!(!problems.is_empty(), "{text}"),
        }
    }
}

fn unknown_links() -> String {
    (0..100)
        .map(|number| format!("k{number}='{}{number}'\n", "y".repeat(55)))
        .collect()
}

/// Texts of the largest size that is read, made to cost as much as they can.
#[test]
fn the_largest_manifests_are_read_in_bounded_time() {
    const SIZE: usize = 1 << 20;
    let fill = |begin: &str, piece: &str| {
        let mut text = begin.to_owned();
        while text.len() + piece.len() < SIZE {
            text.push_str(piece);
        }
        text
    };
    let numbered = |begin: &str, piece: &dyn Fn(usize) -> String| {
        let mut text = begin.to_owned();
        for number in 0.. {
            let piece = piece(number);
            if text.len() + piece.len() >= SIZE {
                break;
            }
            text.push_str(&piece);
        }
        text
    };
    let texts = [
        fill("", "=\n"),
        fill("", "["),
        fill("x = ", "["),
        fill("x = ", "{a="),
        fill("", "a."),
        fill("", "x\n"),
        fill("x = \"", "\\q"),
        fill("x = [", "1,"),
        fill("x = [", "\"a\","),
        fill("", "\""),
        fill("", "x=1\n"),
        fill("", "[a]\n"),
        numbered("", &|number| format!("k{number}=1\n")),
        numbered("", &|number| format!("[component.c{number}]\nsource=\"x\"\n")),
        numbered("", &|number| {
            format!("[component.c{number}.links]\nx=\"c{number}\"\n")
        }),
        numbered("[component.a]\nsource='x'\n[component.a.links]\n", &|number| {
            format!("k{number}='zz'\n")
        }),
        numbered(
            "[component.a]\nsource='x'\n[component.a.grants]\ndir=[",
            &|number| format!("'x{number}',"),
        ),
        "a.b.c.d.e.f.g.h = 1\n".to_owned() + &numbered("", &|number| format!("[a.b.c.d.e.f.g.k{number}]\n")),
        numbered("", &|number| {
            let name = format!("c{number}{}", "x".repeat(50));
            if number < 256 {
                format!("[component.{name}]\nsource='x'\n")
            } else {
                format!(
                    "[component.c{}{}.links]\n{}",
                    number - 256,
                    "x".repeat(50),
                    unknown_links()
                )
            }
        }),
        fill("[component.a]\nsource = \"", "ä") + "\"",
    ];
    for text in texts {
        let begin: String = text.chars().take(60).collect();
        let started = std::time::Instant::now();
        survive(&text);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(10), "{begin:?} took {took:?}");
    }
    assert!(read(&"#".repeat(SIZE + 1)).is_err());
}

#[test]
fn what_is_beyond_a_bound_is_told() {
    let first = |text: &str| read(text).unwrap_err()[0].to_string();
    let main = "[component.main]\nsource = \"main.wasm\"\n[component.main.grants]\n";
    let long = "x".repeat(20_000);
    assert_eq!(
        first(&format!("{main}config = {{ key = \"{long}\" }}\n")),
        "4:18: the value has 20000 bytes, more than the 16384 allowed"
    );
    let many: String = (0..1025)
        .map(|number| format!("\"h{number}.example.com\","))
        .collect();
    assert_eq!(
        first(&format!("{main}dns = [{many}]\n")),
        "4:1: `component.main.grants.dns` has 1025 entries, more than the 1024 allowed"
    );
    let many: String = (0..1025).map(|number| format!("k{number} = \"x\"\n")).collect();
    assert_eq!(
        first(&format!("{main}[component.main.grants.config]\n{many}")),
        "4:1: `component.main.grants.config` has 1025 entries, more than the 1024 allowed"
    );
}
