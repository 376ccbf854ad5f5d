//! TOML as a tree in which everything knows its place: keys in the order of the text, no key twice.
//!
//! The lexer and parser are `toml_parser`'s, and so are the problems of syntax; what is built here from its
//! events are tables. Ours, because a key that is given twice is told with both of its places.
//!
//! Depth is bounded before a tree is built, so recursion over a tree and dropping it are bounded too.

use std::collections::BTreeMap;
use std::ops::Range;

use toml_parser::Source;
use toml_parser::decoder::ScalarKind;
use toml_parser::parser::{Event, EventKind};

use crate::position::KeyText;
use crate::problems::{Problem, Problems};
use crate::syntax;

/// A value and where it stands; of a table with a header, the header.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    /// As it was written, without `_`.
    Float(String),
    Boolean(bool),
    Moment,
    List(Vec<Node>),
    /// Tables that were written `[[NAME]]`.
    Tables(Vec<Node>),
    Table(Table),
}

/// A key, where it stands, and its value. The place of a table with a header is its header.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

#[derive(Debug, Clone)]
pub(crate) struct Table {
    origin: Origin,
    entries: Vec<Entry>,
    index: BTreeMap<String, usize>,
}

/// How a table came to be, which decides what may still be added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// By being on the way to another: `a` of `[a.b]`.
    Passed,
    Header,
    /// By a key with dots.
    Dotted,
    Inline,
}

impl Table {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            entries: Vec::new(),
            index: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.index.get(key).and_then(|at| self.entries.get(*at))
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.index.get(key).and_then(|at| self.entries.get_mut(*at))
    }

    pub(crate) fn node(&self, key: &str) -> Option<&Node> {
        self.get(key).map(|entry| &entry.node)
    }

    /// Its entries, in the order of the text.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The caller has looked: the key is new.
    fn insert(&mut self, key: Key, node: Node) {
        self.index.insert(key.text.clone(), self.entries.len());
        self.entries.push(Entry {
            key: key.text,
            key_span: key.span,
            node,
        });
    }
}

impl Value {
    /// What it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "`true` or `false`",
            Self::Moment => "a date or time",
            Self::List(_) => "a list",
            Self::Tables(_) => "a list of tables (`[[…]]`)",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads a text as TOML. `None` where it is not; a key that is given twice is a problem, and the rest of the tree
/// is there.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Option<Table> {
    let events = syntax::read(text, problems)?;
    let builder = Builder {
        source: Source::new(text),
        events: &events,
        next: 0,
        problems,
    };
    Some(builder.document())
}

/// A part of a key.
#[derive(Debug, Clone)]
struct Key {
    text: String,
    span: Range<usize>,
}

struct Builder<'a> {
    source: Source<'a>,
    events: &'a [Event],
    next: usize,
    problems: &'a mut Problems,
}

impl Builder<'_> {
    fn document(mut self) -> Table {
        let mut root = Table::new(Origin::Header);
        // The keys that lead to the table under whose header we are; `None` after a header that was refused,
        // whose keys go nowhere.
        let mut section = Some(Vec::new());
        while let Some(event) = self.take() {
            match event.kind() {
                EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                    section = self.header(&event, &mut root);
                }
                EventKind::SimpleKey => {
                    let path = self.key(&event);
                    let Some(node) = self.assigned() else {
                        continue;
                    };
                    let table = section.as_ref().and_then(|section| table_at(&mut root, section));
                    if let Some(table) = table {
                        self.assign(table, path, node);
                    }
                }
                _ => {}
            }
        }
        root
    }

    fn take(&mut self) -> Option<Event> {
        let event = self.events.get(self.next).copied();
        self.next += 1;
        event
    }

    fn peek(&self) -> Option<EventKind> {
        self.events.get(self.next).map(Event::kind)
    }

    /// The parts of a key whose first was just taken.
    fn key(&mut self, first: &Event) -> Vec<Key> {
        let part = |source, event: &Event| Key {
            text: syntax::key_text(&source, event),
            span: syntax::range(event.span()),
        };
        let mut parts = vec![part(self.source, first)];
        while let Some(EventKind::SimpleKey | EventKind::KeySep | EventKind::Whitespace) = self.peek() {
            if let Some(event) = self.take().filter(|event| event.kind() == EventKind::SimpleKey) {
                parts.push(part(self.source, &event));
            }
        }
        parts
    }

    /// The value after a key and its `=`.
    fn assigned(&mut self) -> Option<Node> {
        while let Some(
            EventKind::KeyValSep | EventKind::Whitespace | EventKind::Newline | EventKind::Comment,
        ) = self.peek()
        {
            self.next += 1;
        }
        self.value()
    }

    fn value(&mut self) -> Option<Node> {
        let event = self.take()?;
        match event.kind() {
            EventKind::Scalar => Some(self.scalar(&event)),
            EventKind::ArrayOpen => Some(self.list(&event)),
            EventKind::InlineTableOpen => Some(self.inline_table(&event)),
            _ => None,
        }
    }

    fn scalar(&mut self, event: &Event) -> Node {
        let span = syntax::range(event.span());
        let mut text = String::new();
        let kind = self
            .source
            .get(event)
            .map_or(ScalarKind::String, |raw| raw.decode_scalar(&mut text, &mut ()));
        let value = match kind {
            ScalarKind::String => Value::Text(text),
            ScalarKind::Boolean(value) => Value::Boolean(value),
            ScalarKind::DateTime => Value::Moment,
            ScalarKind::Float => Value::Float(text),
            ScalarKind::Integer(radix) => {
                let value = i64::from_str_radix(&text, radix.value());
                Value::Integer(value.unwrap_or_else(|_| {
                    self.problems
                        .push(Problem::error("a whole number that does not fit 64 bits").at(&span));
                    0
                }))
            }
        };
        Node { span, value }
    }

    fn list(&mut self, open: &Event) -> Node {
        let mut items = Vec::new();
        let mut end = open.span().end();
        while let Some(kind) = self.peek() {
            match kind {
                EventKind::Scalar | EventKind::ArrayOpen | EventKind::InlineTableOpen => {
                    items.extend(self.value())
                }
                _ => {
                    end = self.take().map_or(end, |event| event.span().end());
                    if kind == EventKind::ArrayClose {
                        break;
                    }
                }
            }
        }
        Node {
            span: open.span().start()..end,
            value: Value::List(items),
        }
    }

    fn inline_table(&mut self, open: &Event) -> Node {
        let mut table = Table::new(Origin::Inline);
        let mut end = open.span().end();
        while let Some(event) = self.take() {
            end = event.span().end();
            match event.kind() {
                EventKind::InlineTableClose => break,
                EventKind::SimpleKey => {
                    let path = self.key(&event);
                    if let Some(node) = self.assigned() {
                        self.assign(&mut table, path, node);
                    }
                }
                _ => {}
            }
        }
        Node {
            span: open.span().start()..end,
            value: Value::Table(table),
        }
    }

    /// Puts a value where the key leads from this table.
    fn assign(&mut self, table: &mut Table, mut path: Vec<Key>, node: Node) {
        let Some(last) = path.pop() else {
            return;
        };
        let Some(table) = self.walk(table, &path, Origin::Dotted) else {
            return;
        };
        match table.get(&last.text) {
            Some(first) => {
                let message = format!("key `{}` is given twice", KeyText(&last.text));
                self.problems.push(
                    Problem::error(message)
                        .at(&last.span)
                        .note("first given here", &first.key_span),
                );
            }
            None => table.insert(last, node),
        }
    }

    /// The table where the keys lead, made where it is not there yet.
    fn walk<'t>(&mut self, mut table: &'t mut Table, path: &[Key], how: Origin) -> Option<&'t mut Table> {
        for key in path {
            if table.get(&key.text).is_none() {
                let node = Node {
                    span: key.span.clone(),
                    value: Value::Table(Table::new(how)),
                };
                table.insert(key.clone(), node);
            }
            let entry = table.get_mut(&key.text)?;
            let first = entry.key_span.clone();
            let refused = match &entry.node.value {
                Value::Table(next) => match (next.origin, how) {
                    (Origin::Inline, _) => Some("is complete: it was written in braces"),
                    (Origin::Header, Origin::Dotted) => {
                        Some("has a header of its own: write the key under it")
                    }
                    _ => None,
                },
                Value::Tables(_) if how == Origin::Passed => None,
                _ => Some("is no table"),
            };
            if let Some(reason) = refused {
                let message = format!("`{}` {reason}", KeyText(&key.text));
                self.problems
                    .push(Problem::error(message).at(&key.span).note("given here", &first));
                return None;
            }
            table = match &mut entry.node.value {
                Value::Table(next) => {
                    if how == Origin::Dotted {
                        next.origin = Origin::Dotted;
                    }
                    next
                }
                Value::Tables(tables) => match tables.last_mut().map(|last| &mut last.value) {
                    Some(Value::Table(last)) => last,
                    _ => return None,
                },
                _ => return None,
            };
        }
        Some(table)
    }

    /// Reads a header and makes its table. Where the keys after it go, or `None` when it is refused.
    fn header(&mut self, open: &Event, root: &mut Table) -> Option<Vec<String>> {
        let mut path = Vec::new();
        let mut span = syntax::range(open.span());
        while let Some(event) = self.take() {
            span.end = event.span().end();
            match event.kind() {
                EventKind::SimpleKey => path = self.key(&event),
                EventKind::StdTableClose | EventKind::ArrayTableClose => break,
                _ => {}
            }
        }
        let section = path.iter().map(|key| key.text.clone()).collect();
        let last = path.pop()?;
        let table = self.walk(root, &path, Origin::Passed)?;
        let is_new = match open.kind() {
            EventKind::ArrayTableOpen => add_to_tables(table, last, &span),
            _ => add_table(table, last, &span),
        };
        match is_new {
            Ok(()) => Some(section),
            Err(first) => {
                let path: Vec<String> = section.iter().map(|key| KeyText(key).to_string()).collect();
                let message = format!("`{}` is declared twice", path.join("."));
                self.problems.push(
                    Problem::error(message)
                        .at(&span)
                        .note("first declared here", &first),
                );
                None
            }
        }
    }
}

/// Adds the table of a header. Where it is there already, the place of the first.
fn add_table(parent: &mut Table, key: Key, header: &Range<usize>) -> Result<(), Range<usize>> {
    if let Some(entry) = parent.get_mut(&key.text) {
        return match &mut entry.node.value {
            Value::Table(table) if table.origin == Origin::Passed => {
                table.origin = Origin::Header;
                entry.key_span = header.clone();
                entry.node.span = header.clone();
                Ok(())
            }
            _ => Err(entry.key_span.clone()),
        };
    }
    let node = Node {
        span: header.clone(),
        value: Value::Table(Table::new(Origin::Header)),
    };
    let span = header.clone();
    parent.insert(Key { span, ..key }, node);
    Ok(())
}

/// Adds a table of a header with double brackets. Where the name has another meaning, the place of that.
fn add_to_tables(parent: &mut Table, key: Key, header: &Range<usize>) -> Result<(), Range<usize>> {
    let node = Node {
        span: header.clone(),
        value: Value::Table(Table::new(Origin::Header)),
    };
    match parent.get_mut(&key.text) {
        Some(Entry {
            node: Node {
                value: Value::Tables(tables),
                ..
            },
            ..
        }) => tables.push(node),
        Some(entry) => return Err(entry.key_span.clone()),
        None => {
            let tables = Node {
                span: header.clone(),
                value: Value::Tables(vec![node]),
            };
            let span = header.clone();
            parent.insert(Key { span, ..key }, tables);
        }
    }
    Ok(())
}

/// The table where the keys lead; of tables in double brackets, the last.
fn table_at<'t>(root: &'t mut Table, path: &[String]) -> Option<&'t mut Table> {
    path.iter()
        .try_fold(root, |table, key| match &mut table.get_mut(key)?.node.value {
            Value::Table(next) => Some(next),
            Value::Tables(tables) => match &mut tables.last_mut()?.value {
                Value::Table(last) => Some(last),
                _ => None,
            },
            _ => None,
        })
}

#[cfg(test)]
mod tests;
