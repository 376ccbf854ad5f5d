//! What is wrong with a manifest, where, and what would mend it.

use std::fmt::{self, Write as _};

use crate::Position;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The manifest is refused.
    Error,
    /// The manifest is accepted; its author probably meant something else.
    Warning,
}

/// One problem, with its place where it has one and the likely cure where it is known.
///
/// Later stages make diagnostics of their own, with places that they ask [`crate::Positions`] for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// Lines that belong to the message, such as what is asked for.
    pub excerpt: Vec<String>,
    /// Where.
    pub position: Option<Position>,
    /// Other places that belong to the problem, such as the first of two declarations.
    pub notes: Vec<Note>,
    /// What would mend it.
    pub hint: Option<String>,
}

/// Another place that belongs to a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is there.
    pub message: String,
    /// Where.
    pub position: Position,
}

/// Characters of a source line that are shown.
const WIDTH_MAX: usize = 120;

impl Diagnostic {
    /// An error without a place.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            excerpt: Vec::new(),
            position: None,
            notes: Vec::new(),
            hint: None,
        }
    }

    /// A warning without a place.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(message)
        }
    }

    /// The same, at this place.
    #[must_use]
    pub fn at(mut self, position: impl Into<Option<Position>>) -> Self {
        self.position = position.into();
        self
    }

    /// The same, with lines that belong to the message; each is shown indented, whatever is in it.
    #[must_use]
    pub fn excerpt(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.excerpt.extend(lines);
        self
    }

    /// The same, with another place that belongs to it.
    #[must_use]
    pub fn note(mut self, message: impl Into<String>, position: Position) -> Self {
        self.notes.push(Note {
            message: message.into(),
            position,
        });
        self
    }

    /// The same, with its likely cure.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The problem as a person reads it: message, excerpt, place, the line with the place underlined, notes, hint; plain
    /// text that ends in a line break. `file` is how the text is called, `text` is all of it.
    ///
    /// Control characters of the text are shown as `\u{fffd}`, so that no manifest drives somebody's terminal.
    #[must_use]
    pub fn render(&self, file: &str, text: &str) -> String {
        let mut out = format!("{}: {}\n", self.severity, printable(&self.message));
        for line in &self.excerpt {
            let _ = writeln!(out, "  {}", printable(line));
        }
        if let Some(position) = &self.position {
            out.push_str(&snippet(file, text, position, '^'));
        }
        for note in &self.notes {
            let _ = writeln!(out, "note: {}", printable(&note.message));
            out.push_str(&snippet(file, text, &note.position, '-'));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "hint: {}", printable(hint));
        }
        out
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Diagnostic {
    /// One line without the source: `LINE:COLUMN: message`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(out, "{position}: ")?;
        }
        out.write_str(&printable(&self.message))
    }
}

/// `FILE:LINE:COLUMN`, the line, and what of it is meant, underlined.
fn snippet(file: &str, text: &str, position: &Position, underline: char) -> String {
    let number = position.line.to_string();
    let gutter = " ".repeat(number.len());
    let line = text.lines().nth(position.line.saturating_sub(1)).unwrap_or("");
    // A long line is shown around its place.
    let skipped = if position.column > WIDTH_MAX {
        position.column.saturating_sub(WIDTH_MAX / 4)
    } else {
        0
    };
    let shown: String = line.chars().skip(skipped).take(WIDTH_MAX).collect();
    let before = position.column.saturating_sub(1).saturating_sub(skipped);
    let room = shown.chars().count().saturating_sub(before).max(1);
    let marks: String = std::iter::repeat_n(underline, position.length.clamp(1, room)).collect();
    format!(
        "{gutter}--> {file}:{position}\n{gutter} |\n{number} | {line}\n{gutter} | {blank}{marks}\n",
        line = printable(&shown).trim_end(),
        blank = " ".repeat(before),
    )
}

/// The text with every control character replaced, character by character, so that columns stay.
fn printable(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if is_hidden(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// What a person wrote, in backticks, cut where it is long.
pub(crate) fn quote(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Lines;

    #[test]
    fn a_problem_shows_its_line_and_what_of_it_is_meant() {
        let text = "[app]\n\tname = \"Ä b\"\n";
        let lines = Lines::new(text);
        let start = text.find('"').unwrap();
        let shown = Diagnostic::error("`Ä b` is not a name")
            .at(lines.position(start..start + 6))
            .note("within this table", lines.position(0..5))
            .hint("call it `b`")
            .render("weft.toml", text);
        let expected = "\
error: `Ä b` is not a name
 --> weft.toml:2:9
  |
2 |  name = \"Ä b\"
  |         ^^^^^
note: within this table
 --> weft.toml:1:1
  |
1 | [app]
  | -----
hint: call it `b`
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("x = \"{}\" y", "a".repeat(5000));
        let at = text.len() - 1;
        let shown = Diagnostic::error("m")
            .at(Lines::new(&text).position(at..at + 1))
            .render("f", &text);
        let widths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width < 140), "{shown}");
        let [line, marks] = [3, 4].map(|index| shown.lines().nth(index).unwrap());
        assert_eq!(line.find('y'), marks.find('^'), "{shown}");
    }

    #[test]
    fn nothing_in_a_manifest_drives_the_terminal() {
        let shown = Diagnostic::error("`\u{1b}[2J`")
            .at(Lines::new("a\u{1b}[2J\u{202e}").position(0..1))
            .hint("\u{7}")
            .render("f", "a\u{1b}[2J\u{202e}");
        assert!(
            shown.chars().all(|c| c == '\n' || !c.is_control()) && !shown.contains('\u{202e}'),
            "{shown:?}"
        );
    }
}
