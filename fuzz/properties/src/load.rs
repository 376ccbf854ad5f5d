//! Files: whatever a person hands to a command.

use std::io::{self, Write};

use serde_json::Value;
use weft_inspect::kind::{self, Kind, Unrecognised};
use weft_inspect::print::{self, Detail, Options, Shape};
use weft_inspect::structure::PartKind;
use weft_inspect::validate::{self, Summary, validate};
use weft_inspect::wit::{self, Selection};
use weft_inspect::{Description, bounds, describe, json, text};

/// How much of a file a command reads to tell what it is.
const HEAD_BYTES: usize = 4096;

/// The longest file whose text is read again.
const REREAD_BYTES_MAX: usize = 64 << 10;

/// The longest text that is read again, and after how much of a longer one the reader goes away.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Looks at a file in every way there is.
///
/// # Panics
/// Where two ways of looking at the same bytes disagree, or the text of a valid file is not that file.
pub fn load(data: &[u8]) {
    let recognised = kind::recognise(data);
    head_tells_the_same(data, &recognised);
    let valid = validate(data);
    let described = describe(data);
    check_json(&valid, described.as_ref().ok());
    check_wit(data, &recognised);
    let printed = check_printing(data, &recognised);
    match &recognised {
        Err(_) | Ok(Kind::Artifact) => {
            assert!(valid.is_err() && described.is_err(), "nothing can be read of it");
        }
        Ok(Kind::Component | Kind::CoreModule) => {
            // The walk over a file that does not read ends early, so only one direction can be checked.
            assert!(
                valid.is_err() || bounds::check(data).is_ok(),
                "valid beyond bounds"
            );
        }
        Ok(Kind::Text) => {}
    }
    let Ok(summary) = valid else { return };
    if data.len() > REREAD_BYTES_MAX {
        return;
    }
    let description = described.unwrap_or_else(|error| panic!("valid, but has no description: {error}"));
    agree(&summary, &description);
    let reads_again = |text: &Vec<u8>| !has_linking_section(&description) && !has_invented_name(text);
    if let Some(text) = printed.filter(reads_again) {
        text_means_the_same(&text, &summary, &description);
    }
}

/// A command decides what a file is before it has read all of it.
fn head_tells_the_same(data: &[u8], whole: &Result<Kind, Unrecognised>) {
    let head = data.get(..HEAD_BYTES).unwrap_or(data);
    if let Ok(kind) = whole {
        assert_eq!(
            kind::recognise(head).as_ref(),
            Ok(kind),
            "the head tells otherwise"
        );
    }
}

fn check_json(valid: &Result<Summary, validate::Error>, description: Option<&Description>) {
    let shown = json::validation(valid);
    assert_eq!(
        shown.get("valid").and_then(Value::as_bool),
        Some(valid.is_ok()),
        "{shown}"
    );
    if let Some(description) = description {
        let shown = json::description(description);
        let bytes = shown.get("bytes").and_then(Value::as_u64);
        assert_eq!(bytes, Some(description.bytes as u64), "{shown}");
        assert!(!shown.to_string().is_empty());
    }
}

fn check_wit(data: &[u8], recognised: &Result<Kind, Unrecognised>) {
    let everything = wit::world(data, Selection::Everything);
    let world = wit::world(data, Selection::WorldOnly);
    assert_eq!(
        everything.is_ok(),
        world.is_ok(),
        "a part of the WIT without the rest"
    );
    if let (Ok(everything), Ok(world)) = (everything, world) {
        assert!(recognised.is_ok() && world.len() <= everything.len());
    }
}

/// Prints in every shape; gives the flat text if it is whole.
fn check_printing(data: &[u8], recognised: &Result<Kind, Unrecognised>) -> Option<Vec<u8>> {
    let mut whole = None;
    for (detail, shape) in [
        (Detail::Whole, Shape::Flat),
        (Detail::Whole, Shape::Folded),
        (Detail::Skeleton, Shape::Flat),
    ] {
        let mut reader = Reader::default();
        let printed = print::text(data, Options { detail, shape }, &mut reader);
        assert!(recognised.is_ok() || printed.is_err(), "text of what is nothing");
        let is_whole = printed.is_ok() && detail == Detail::Whole && shape == Shape::Flat;
        whole = whole.or(is_whole.then_some(reader.0));
    }
    whole
}

/// Somebody who reads so much and no more.
#[derive(Default)]
struct Reader(Vec<u8>);

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > TEXT_BYTES_MAX {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Two readers of the same valid file counted the same things.
fn agree(summary: &Summary, description: &Description) {
    assert_eq!(summary.kind, description.kind);
    assert_eq!(summary.functions, description.sizes.functions, "functions");
    let mut parts = 0;
    description.root.each(&mut |_| parts += 1);
    assert_eq!(summary.components + summary.modules, parts, "parts");
    assert!(!description.roles.is_empty(), "made to be nothing");
}

/// Whether a component has the section that says how core modules are linked. The printer writes it as it does
/// in a module, where alone the text format knows it.
fn has_linking_section(description: &Description) -> bool {
    let mut has_one = false;
    description.root.each(&mut |part| {
        has_one |= part.kind == PartKind::Component && part.custom_sections.contains_key("dylink.0");
    });
    has_one
}

/// Whether the printer made up a name for a label or for a component that parts inside refer to, since its own
/// is empty or not alone. It then repeats an annotation where the name is used, which does not read.
fn has_invented_name(text: &[u8]) -> bool {
    const USES: [&[u8]; 2] = [b"$\"#label", b"alias outer $\"#"];
    USES.iter()
        .any(|name| text.windows(name.len()).any(|window| window == *name))
}

fn text_means_the_same(printed: &[u8], summary: &Summary, description: &Description) {
    let shown = || String::from_utf8_lossy(printed);
    match validate(printed) {
        Ok(again) => {
            let counts = |summary: &Summary| {
                (
                    summary.kind,
                    summary.components,
                    summary.modules,
                    summary.functions,
                )
            };
            assert_eq!(
                counts(&again),
                counts(summary),
                "the text is another program:\n{}",
                shown()
            );
        }
        Err(validate::Error::Unreadable(
            text::Error::TooManyParentheses { .. } | text::Error::TooLong { .. },
        )) => return,
        Err(error) => panic!("the text of a valid file is refused: {error}\n{}", shown()),
    }
    let again = describe(printed).unwrap_or_else(|error| panic!("{error}\n{}", shown()));
    assert_eq!(again.imports, description.imports, "other imports:\n{}", shown());
    assert_eq!(again.exports, description.exports, "other exports:\n{}", shown());
}
