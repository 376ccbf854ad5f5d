//! Where something stands in a text.

use std::fmt;
use std::ops::Range;

use weft_app::grant::GrantKind;
use weft_app::{ImportPattern, Name, Trigger};

use crate::document::{Node, Table, Value};
use crate::schema;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The first byte of the place.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// Its line; the first is 1.
    pub line: usize,
    /// Its first character within the line; the first is 1.
    pub column: usize,
    /// Its characters on that line, at least 1.
    pub length: usize,
}

impl fmt::Display for Position {
    /// `LINE:COLUMN`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.line, self.column)
    }
}

/// A text and where its lines begin.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    text: String,
    starts: Vec<usize>,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            text: text.to_owned(),
            starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect(),
        }
    }

    /// The place of these bytes. Bytes beyond the text, or within a character, count as the character's begin.
    pub(crate) fn position(&self, bytes: Range<usize>) -> Position {
        let start = self.text.floor_char_boundary(bytes.start);
        let end = self.text.floor_char_boundary(bytes.end).max(start);
        let line = self.starts.partition_point(|line| *line <= start).max(1);
        let line_start = self.starts.get(line - 1).copied().unwrap_or(0);
        let line_end = self.starts.get(line).map_or(self.text.len(), |next| next - 1);
        let count = |range: Range<usize>| self.text.get(range).map_or(0, |part| part.chars().count());
        Position {
            start,
            end,
            line,
            column: count(line_start..start) + 1,
            length: count(start..end.min(line_end).max(start)).max(1),
        }
    }
}

/// The way to a value: `component.main.links."docs:markup/render"`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(Vec<Segment>);

/// One step of a [`KeyPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Into a table.
    Key(String),
    /// Into a list; the first is 0.
    Item(usize),
}

impl KeyPath {
    /// The way along these keys.
    #[must_use]
    pub fn of<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self(keys.into_iter().map(|key| Segment::Key(key.to_owned())).collect())
    }

    /// The same, one key further.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Segment::Key(key.to_owned()));
        self
    }

    /// The same, into an entry of a list.
    #[must_use]
    pub fn item(mut self, index: usize) -> Self {
        self.0.push(Segment::Item(index));
        self
    }

    pub(crate) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    /// Its steps.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Item(index) => write!(out, "[{index}]")?,
                Segment::Key(key) => {
                    let dot = if at == 0 { "" } else { "." };
                    write!(out, "{dot}{}", KeyText(key))?;
                }
            }
        }
        Ok(())
    }
}

/// A key as it is written in TOML: bare where that is allowed, else in quotes.
pub(crate) struct KeyText<'k>(pub(crate) &'k str);

impl fmt::Display for KeyText<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_bare = !self.0.is_empty()
            && self
                .0
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if is_bare {
            out.write_str(self.0)
        } else {
            write!(out, "\"{}\"", self.0.escape_debug())
        }
    }
}

/// The tables of a component to which a line may have to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `[component.NAME.grants]`
    Grants,
    /// `[component.NAME.limits]`
    Limits,
    /// `[component.NAME.links]`
    Links,
}

impl Section {
    /// The table's header for this component: `[component.main.grants]`.
    #[must_use]
    pub fn header(self, component: &Name) -> String {
        format!("[component.{component}.{}]", self.key())
    }

    /// The table's key.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Grants => "grants",
            Self::Limits => "limits",
            Self::Links => "links",
        }
    }
}

/// Where everything in a manifest stands, for those who find something wrong with it later.
#[derive(Debug, Clone)]
pub struct Positions {
    root: Table,
    lines: Lines,
}

impl Positions {
    pub(crate) fn new(root: Table, lines: Lines) -> Self {
        Self { root, lines }
    }

    /// Where a key stands, or the header of a table, or an entry of a list.
    #[must_use]
    pub fn of(&self, path: &KeyPath) -> Option<Position> {
        self.find(path).map(|(key, _)| self.lines.position(key))
    }

    /// Where the value of a key stands; of a table with a header, its header.
    #[must_use]
    pub fn of_value(&self, path: &KeyPath) -> Option<Position> {
        self.find(path)
            .map(|(_, node)| self.lines.position(node.span.clone()))
    }

    /// Where a component is declared.
    #[must_use]
    pub fn component(&self, name: &Name) -> Option<Position> {
        self.of(&component_path(name))
    }

    /// Where a component's source is given.
    #[must_use]
    pub fn source(&self, name: &Name) -> Option<Position> {
        self.of_value(&component_path(name).key("source"))
    }

    /// Where a rule of a component's links stands.
    #[must_use]
    pub fn link(&self, name: &Name, imports: &ImportPattern) -> Option<Position> {
        let key = match imports {
            ImportPattern::All => "*",
            ImportPattern::Name(text) | ImportPattern::Package(text) => text,
        };
        self.of(&component_path(name).key("links").key(key))
    }

    /// Where a component is granted something of this kind: the first key that speaks of it.
    #[must_use]
    pub fn grant(&self, name: &Name, kind: GrantKind) -> Option<Position> {
        let grants = component_path(name).key("grants");
        schema::grant_keys(kind)
            .filter_map(|key| self.of(&grants.clone().key(key)))
            .min()
    }

    /// The place to point at when a line is missing from a table of a component: the table's header, or else
    /// the component's.
    #[must_use]
    pub fn section(&self, name: &Name, section: Section) -> Option<Position> {
        self.of(&component_path(name).key(section.key()))
            .or_else(|| self.component(name))
    }

    /// Where it is said what makes a component look up.
    #[must_use]
    pub fn interruption(&self, name: &Name) -> Option<Position> {
        self.of(&component_path(name).key("interruption"))
    }

    /// Where it is said how a component behaves that others call over isolated links.
    #[must_use]
    pub fn cell(&self, name: &Name) -> Option<Position> {
        self.of(&component_path(name).key("cell"))
    }

    /// Where it is said how long instances of a component live.
    #[must_use]
    pub fn reuse(&self, name: &Name) -> Option<Position> {
        self.of(&component_path(name).key("reuse"))
    }

    /// Where a route of a trigger is declared; the short form that stands for one, or else the trigger.
    #[must_use]
    pub fn route(&self, trigger: &Trigger, route: usize) -> Option<Position> {
        let http = KeyPath::of(["trigger", "http"]);
        let named = match trigger {
            Trigger::Http(trigger) => trigger.routes.get(route).map(|route| route.name.as_str()),
            Trigger::Command { .. } | Trigger::Messages(_) | Trigger::KeyValue(_) | Trigger::Schedule(_) => {
                None
            }
        };
        let declared = named.and_then(|name| self.of(&http.clone().key("route").key(name)));
        declared
            .or_else(|| self.of_value(&http.key("component")))
            .or_else(|| self.trigger(trigger))
    }

    /// Where a file of one of the places to listen is named: its `certificate` or its `key`.
    #[must_use]
    pub fn listener_file(&self, listener: usize, key: &str) -> Option<Position> {
        let listen = KeyPath::of(["trigger", "http", "listen"]);
        self.of_value(&listen.clone().item(listener).key(key))
            .or_else(|| self.of_value(&listen.key(key)))
    }

    /// Where a trigger is declared.
    #[must_use]
    pub fn trigger(&self, trigger: &Trigger) -> Option<Position> {
        match trigger {
            Trigger::Command { .. } => self.of(&KeyPath::of(["trigger", "command"])),
            Trigger::Http(_) => self.of(&KeyPath::of(["trigger", "http"])),
            Trigger::Messages(messages) => {
                self.of(&KeyPath::of(["trigger", "message", messages.name.as_str()]))
            }
            Trigger::KeyValue(keyvalue) => {
                self.of(&KeyPath::of(["trigger", "keyvalue", keyvalue.name.as_str()]))
            }
            Trigger::Schedule(schedule) => {
                self.of(&KeyPath::of(["trigger", "schedule", schedule.name.as_str()]))
            }
        }
    }

    fn find(&self, path: &KeyPath) -> Option<(Range<usize>, &Node)> {
        let (first, rest) = path.0.split_first()?;
        let Segment::Key(key) = first else {
            return None;
        };
        let entry = self.root.get(key)?;
        rest.iter()
            .try_fold((entry.key_span.clone(), &entry.node), |(_, node), segment| {
                match (segment, &node.value) {
                    (Segment::Key(key), Value::Table(table)) => {
                        table.get(key).map(|entry| (entry.key_span.clone(), &entry.node))
                    }
                    (Segment::Item(index), Value::List(items) | Value::Tables(items)) => {
                        items.get(*index).map(|item| (item.span.clone(), item))
                    }
                    // A single text stands for a list of one.
                    (Segment::Item(0), Value::Text(_)) => Some((node.span.clone(), node)),
                    _ => None,
                }
            })
    }
}

fn component_path(name: &Name) -> KeyPath {
    KeyPath::of(["component", name.as_str()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let lines = Lines::new("a\r\näb\n");
        for (bytes, expected) in [
            (0..1, (1, 1, 1)),
            (3..5, (2, 1, 1)),
            (5..6, (2, 2, 1)),
            (3..6, (2, 1, 2)),
            (3..7, (2, 1, 2)),
            (7..7, (3, 1, 1)),
            (4..4, (2, 1, 1)),
            (90..99, (3, 1, 1)),
        ] {
            let Position {
                line, column, length, ..
            } = lines.position(bytes.clone());
            assert_eq!((line, column, length), expected, "{bytes:?}");
        }
        assert_eq!(Lines::new("").position(0..0).line, 1);
    }

    #[test]
    fn a_path_reads_as_a_key_is_written() {
        let path = KeyPath::of(["component", "main", "links", "docs:markup/render"]);
        assert_eq!(path.to_string(), "component.main.links.\"docs:markup/render\"");
        assert_eq!(KeyPath::of(["a"]).key("b").item(2).to_string(), "a.b[2]");
    }
}
