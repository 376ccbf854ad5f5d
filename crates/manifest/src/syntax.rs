//! TOML's own rules: which problems a text has as TOML, with a hint where the mistake is a common one.

use std::ops::Range;

use toml_parser::parser::{Event, EventKind, RecursionGuard, ValidateWhitespace};
use toml_parser::{ErrorSink, Expected, ParseError, Source, Span};

use crate::bounds::{KEY_BYTES_MAX, KEY_PARTS_MAX, NESTING_MAX, PROBLEMS_KEPT_MAX};
use crate::problems::{Problem, Problems};

/// The text as events: every key and value in order, with its place. `None` where it is not TOML; then
/// `problems` says why.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Option<Vec<Event>> {
    let source = Source::new(text);
    let mut found = Found::default();
    let tokens = source.lex().into_vec();
    let mut events = Vec::new();
    {
        let mut checked = ValidateWhitespace::new(&mut events, source);
        let mut receiver = RecursionGuard::new(&mut checked, NESTING_MAX);
        toml_parser::parser::parse_document(&tokens, &mut receiver, &mut found);
    }
    decode_all(&source, &events, &mut found);
    if found.is_empty() {
        return Some(events);
    }
    let open = unclosed(text, &events);
    if let Some(span) = &open {
        let (bracket, closed_by) = match text.get(span.clone()) {
            Some("{") => ("{", "}"),
            _ => ("[", "]"),
        };
        problems.push(
            Problem::error(format!("`{bracket}` is never closed"))
                .at(span)
                .hint(format!("close it by `{closed_by}`")),
        );
    }
    // What follows a bracket that is never closed is read as something else than was meant.
    let end = open.map_or(usize::MAX, |span| span.start);
    for error in first_of_each_line(text, found.errors) {
        if error_span(text, &error).start < end {
            problems.push(explain(text, &error));
        }
    }
    for span in found.too_long {
        let message =
            format!("a key of more than {KEY_PARTS_MAX} parts, or a part of more than {KEY_BYTES_MAX} bytes");
        problems.push(Problem::error(message).at(&span));
    }
    None
}

/// What is wrong with a text as TOML, bounded.
#[derive(Default)]
struct Found {
    errors: Vec<ParseError>,
    too_long: Vec<Range<usize>>,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.too_long.is_empty()
    }
}

impl ErrorSink for Found {
    fn report_error(&mut self, error: ParseError) {
        if self.errors.len() < PROBLEMS_KEPT_MAX {
            self.errors.push(error);
        }
    }
}

/// Finds what is wrong within keys and values, whatever is wrong between them.
fn decode_all(source: &Source<'_>, events: &[Event], found: &mut Found) {
    let mut parts = 0;
    for event in events {
        let Some(raw) = source.get(event) else {
            continue;
        };
        match event.kind() {
            EventKind::SimpleKey => {
                parts += 1;
                raw.decode_key(&mut String::new(), found);
                let is_too_long = parts > KEY_PARTS_MAX || raw.len() > KEY_BYTES_MAX;
                if is_too_long && found.too_long.len() < PROBLEMS_KEPT_MAX {
                    found.too_long.push(range(event.span()));
                }
            }
            EventKind::KeySep | EventKind::Whitespace => {}
            EventKind::Scalar => {
                parts = 0;
                let _kind = raw.decode_scalar(&mut String::new(), found);
            }
            _ => parts = 0,
        }
    }
}

pub(crate) fn range(span: Span) -> Range<usize> {
    span.start()..span.end()
}

/// The first list or inline table that is opened and never closed; of several on one line the innermost, within
/// which the others could not be closed.
fn unclosed(text: &str, events: &[Event]) -> Option<Range<usize>> {
    let mut open: Vec<(EventKind, Range<usize>)> = Vec::new();
    for event in events {
        let opened_by = match event.kind() {
            kind @ (EventKind::ArrayOpen | EventKind::InlineTableOpen) => {
                open.push((kind, range(event.span())));
                continue;
            }
            // Where a bracket is missing, the parser makes one up, which has no length.
            _ if event.span().is_empty() => continue,
            EventKind::ArrayClose => EventKind::ArrayOpen,
            EventKind::InlineTableClose => EventKind::InlineTableOpen,
            _ => continue,
        };
        open.pop_if(|(kind, _)| *kind == opened_by);
    }
    let first = open.first()?.1.start;
    let line_end = text
        .get(first..)
        .and_then(|rest| rest.find('\n'))
        .map_or(text.len(), |length| first + length);
    let spans = open.into_iter().map(|(_, span)| span);
    spans.take_while(|span| span.start < line_end).last()
}

/// One mistake often makes several errors; the first on a line knows best.
fn first_of_each_line(text: &str, mut errors: Vec<ParseError>) -> Vec<ParseError> {
    errors.sort_by_key(|error| error_span(text, error).start);
    let mut kept: Vec<ParseError> = Vec::new();
    let mut last = None;
    for error in errors {
        let start = error_span(text, &error).start;
        let is_new_line = last.is_none_or(|last| {
            let between = text.get(last..start);
            between.is_none_or(|between| between.contains('\n'))
        });
        if is_new_line {
            last = Some(start);
            kept.push(error);
        }
    }
    kept
}

fn error_span(text: &str, error: &ParseError) -> Range<usize> {
    let span = error.unexpected().or(error.context()).map(range);
    span.unwrap_or(text.len()..text.len())
}

fn explain(text: &str, error: &ParseError) -> Problem {
    let span = error_span(text, error);
    let written = text.get(span.clone()).unwrap_or_default();
    let told = error.description();
    let mut message = match told {
        "string values must be quoted" if written.trim().is_empty() => "a key without a value",
        "string values must be quoted" => "text without quotes",
        "unquoted keys cannot be empty" => "a value without a key",
        "cannot recurse further; max recursion depth met" => "too many lists and tables within each other",
        other => other,
    }
    .to_owned();
    let expected = error
        .expected()
        .filter(|words| !words.is_empty() && message == told);
    if let Some(words) = expected {
        let words: Vec<String> = words.iter().map(expectation).collect();
        message = format!("{message}, expected {}", words.join(" or "));
    }
    Problem::error(message)
        .at(&span)
        .hint_maybe(syntax_hint(told, text, &span, written))
}

fn expectation(expected: &Expected) -> String {
    match expected {
        Expected::Literal("\n") => "the end of the line".to_owned(),
        Expected::Literal(text) => format!("`{text}`"),
        Expected::Description(text) => (*text).to_owned(),
        _ => "something else".to_owned(),
    }
}

/// The likely cure of a mistake against TOML, told from what stands on the line.
fn syntax_hint(description: &str, text: &str, span: &Range<usize>, written: &str) -> Option<String> {
    let line_start = text
        .get(..span.start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let line = text
        .get(line_start..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    let key = line.split('=').next().unwrap_or_default().trim();
    let key_needs_quotes = !key.starts_with(['"', '\'', '['])
        && key.contains([':', '/', '@', '*'])
        && span.start <= line_start + key.len() + (line.len() - line.trim_start().len());
    if key_needs_quotes && !key.contains(['"', '\n']) {
        return Some(format!("write the key in quotes: `\"{key}\"`"));
    }
    if description.contains("must be quoted") {
        let word = written.trim();
        return (!word.is_empty() && word.len() < 80 && !word.contains('"'))
            .then(|| format!("write it in quotes: `\"{word}\"`"));
    }
    if description == "unclosed table" {
        return Some("a header ends in `]`".to_owned());
    }
    if ["invalid basic string", "invalid literal string"].contains(&description) && written.is_empty() {
        return Some("the text begins with a quote and must end with one on the same line".to_owned());
    }
    None
}

/// A key as text. What is wrong with it was told by [`read`].
pub(crate) fn key_text(source: &Source<'_>, event: &Event) -> String {
    let mut decoded = String::new();
    if let Some(raw) = source.get(event) {
        raw.decode_key(&mut decoded, &mut ());
    }
    decoded
}
