//! A tree against the schema: keys that are not known, values of another type, keys that are missing, and more
//! of something than there may be. What the values mean is `lower`'s.

use std::ops::Range;

use crate::bounds::{ENTRIES_MAX, VALUE_BYTES_MAX};
use crate::diagnostic::quote;
use crate::document::{Entry, Node, Table, Value};
use crate::position::{KeyPath, KeyText, Segment};
use crate::problems::{Problem, Problems};
use crate::schema::{self, Choice, Kind, Map, Presence, keys};
use crate::suggest;

/// Checks the tree of a manifest.
pub(crate) fn check(root: &Table, problems: &mut Problems) {
    let mut checker = Checker {
        problems,
        path: KeyPath::default(),
        example: None,
    };
    checker.table(root, &keys::MANIFEST, None);
}

struct Checker<'a> {
    problems: &'a mut Problems,
    /// The way to what is being checked.
    path: KeyPath,
    /// How the last known key on that way may be written.
    example: Option<&'static str>,
}

impl Checker<'_> {
    /// Checks a table with known keys. `place` is where a missing key is told.
    fn table(&mut self, table: &Table, known: &'static schema::Table, place: Option<&Range<usize>>) {
        let mut misspelt = Vec::new();
        for entry in table.entries() {
            match known.key(&entry.key) {
                Some(key) => {
                    self.example = Some(key.example);
                    self.entry(entry, &key.kind);
                }
                None => misspelt.extend(self.unknown(entry, known)),
            }
        }
        for key in known.keys {
            let is_missing = matches!(key.presence, Presence::Required) && table.get(key.name).is_none();
            if is_missing && !misspelt.contains(&key.name) {
                self.missing(key, place);
            }
        }
    }

    fn entry(&mut self, entry: &Entry, kind: &'static Kind) {
        self.path.push(Segment::Key(entry.key.clone()));
        self.value(&entry.node, kind, &entry.key_span);
        self.path.pop();
    }

    fn value(&mut self, node: &Node, kind: &'static Kind, place: &Range<usize>) {
        match (kind, &node.value) {
            (Kind::Either(kinds), _) => match kinds.iter().find(|kind| fits(node, kind)) {
                Some(kind) => self.value(node, kind, place),
                None => self.wrong_type(node, kind),
            },
            (_, _) if !fits(node, kind) => self.wrong_type(node, kind),
            (Kind::Table(known), Value::Table(table)) => self.table(table, known, Some(place)),
            (Kind::Map(map), Value::Table(table)) => self.map(table, map, place),
            (Kind::List(item), Value::List(items)) => self.list(items, item, place),
            (Kind::Choice(choices), Value::Text(word)) => self.choice(node, word, choices),
            (_, Value::Text(text)) if text.len() > VALUE_BYTES_MAX => {
                let message = format!(
                    "the value has {} bytes, more than the {VALUE_BYTES_MAX} allowed",
                    text.len()
                );
                self.problems.push(Problem::error(message).at(&node.span));
            }
            (Kind::Whole | Kind::Number, Value::Integer(number)) if *number < 0 => {
                let message = format!("`{number}` is less than zero");
                self.problems.push(Problem::error(message).at(&node.span));
            }
            _ => {}
        }
    }

    fn map(&mut self, table: &Table, map: &'static Map, place: &Range<usize>) {
        let count = table.entries().len();
        if count > map.entries_max {
            self.too_many(count, map.entries_max, place);
        }
        for entry in table.entries().iter().take(map.entries_max) {
            self.entry(entry, &map.value);
        }
    }

    fn list(&mut self, items: &[Node], kind: &'static Kind, place: &Range<usize>) {
        if items.len() > ENTRIES_MAX {
            self.too_many(items.len(), ENTRIES_MAX, place);
        }
        for (index, item) in items.iter().take(ENTRIES_MAX).enumerate() {
            self.path.push(Segment::Item(index));
            self.value(item, kind, &item.span);
            self.path.pop();
        }
    }

    fn too_many(&mut self, count: usize, max: usize, place: &Range<usize>) {
        let message = format!("{} has {count} entries, more than the {max} allowed", self.here());
        self.problems.push(Problem::error(message).at(place));
    }

    fn choice(&mut self, node: &Node, word: &str, choices: &'static [Choice]) {
        let words = || choices.iter().map(|choice| choice.word);
        if words().any(|known| known == word) {
            return;
        }
        let message = format!("{} is not one of {}", quote(word), suggest::list(words()));
        let hint = suggest::nearest(word, words()).map(|near| format!("did you mean `{near}`?"));
        self.problems
            .push(Problem::error(message).at(&node.span).hint_maybe(hint));
    }

    fn wrong_type(&mut self, node: &Node, kind: &Kind) {
        let message = format!(
            "{} must be {}, not {}",
            self.here(),
            kind.expected(),
            node.value.kind()
        );
        self.problems.push(
            Problem::error(message)
                .at(&node.span)
                .hint_maybe(self.type_hint(node, kind)),
        );
    }

    fn type_hint(&self, node: &Node, kind: &Kind) -> Option<String> {
        let way = self.path.segments();
        match (way, &node.value) {
            ([_, Segment::Key(key)], Value::Text(_) | Value::Table(_)) if is_component_key(way, key) => Some(
                format!("a component has a name: write `{key}` under `[component.main]`"),
            ),
            ([Segment::Key(component)], Value::Tables(_)) if component == "component" => {
                Some("give each component a name: `[component.main]`".to_owned())
            }
            (_, Value::Integer(number)) if accepts_text(kind) => {
                Some(format!("write it as text: `\"{number}\"`"))
            }
            (_, Value::Float(number)) if accepts_text(kind) && !accepts_whole(kind) => {
                Some(format!("write it as text: `\"{number}\"`"))
            }
            ([_, _, _, Segment::Key(table), Segment::Key(_)], Value::Boolean(value))
                if table == "env" || table == "config" =>
            {
                Some(format!("write it as text: `\"{value}\"`"))
            }
            (_, Value::Text(text)) if is_number(text) => Some(format!("write it without quotes: `{text}`")),
            _ => self
                .example
                .map(|example| format!("for example {}", in_one_line(example))),
        }
    }

    fn missing(&mut self, key: &schema::Key, place: Option<&Range<usize>>) {
        let message = format!("{} has no `{}`", self.here(), key.name);
        let problem = Problem::error(message).hint(format!("add {}", in_one_line(key.example)));
        self.problems.push(match place {
            Some(place) => problem.at(place),
            None => problem,
        });
    }

    /// Tells of an unknown key. The key that was probably meant.
    fn unknown(&mut self, entry: &Entry, known: &'static schema::Table) -> Option<&'static str> {
        let message = format!("unknown key {} in {}", quote(&entry.key), self.here());
        let near = suggest::nearest(&entry.key, known.names());
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => self.unknown_hint(&entry.key, known),
        };
        self.problems
            .push(Problem::error(message).at(&entry.key_span).hint(hint));
        near
    }

    /// Where a key of this name belongs, else which keys belong here.
    fn unknown_hint(&self, key: &str, known: &'static schema::Table) -> String {
        let component = match self.path.segments() {
            [Segment::Key(component), Segment::Key(name), ..] if component == "component" => {
                KeyText(name).to_string()
            }
            _ => "NAME".to_owned(),
        };
        // Kinds of triggers have names of their own, whatever else is called so.
        let elsewhere: Vec<String> = schema::tables_with(key)
            .filter(|table| table.header.starts_with('[') && known.header != keys::TRIGGER.header)
            .map(|table| match table.header {
                header if header.starts_with("[component.") => header.replace("NAME", &component),
                header => header.to_owned(),
            })
            .collect();
        if elsewhere.is_empty() {
            format!("known here: {}", suggest::list(known.names()))
        } else {
            let headers = elsewhere.iter().map(String::as_str);
            format!("`{key}` belongs under {}", suggest::choice(headers))
        }
    }

    /// What is being checked, as it is written: `component.main.grants`.
    fn here(&self) -> String {
        if self.path.segments().is_empty() {
            "the manifest".to_owned()
        } else {
            quote(&self.path.to_string())
        }
    }
}

/// Whether `component.KEY` was meant as a key of a component without a name.
fn is_component_key(way: &[Segment], key: &str) -> bool {
    matches!(way.first(), Some(Segment::Key(first)) if first == "component")
        && keys::COMPONENT.key(key).is_some()
}

fn is_number(text: &str) -> bool {
    (1..20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a value has the outermost type of a kind.
fn fits(node: &Node, kind: &Kind) -> bool {
    match kind {
        Kind::Text(_) | Kind::Choice(_) => matches!(node.value, Value::Text(_)),
        Kind::Boolean => matches!(node.value, Value::Boolean(_)),
        Kind::Whole => matches!(node.value, Value::Integer(_)),
        Kind::Number => matches!(node.value, Value::Integer(_) | Value::Float(_)),
        Kind::List(_) => matches!(node.value, Value::List(_)),
        Kind::Map(_) | Kind::Table(_) => matches!(node.value, Value::Table(_)),
        Kind::Either(kinds) => kinds.iter().any(|kind| fits(node, kind)),
    }
}

fn accepts_text(kind: &Kind) -> bool {
    match kind {
        Kind::Text(_) => true,
        Kind::Either(kinds) => kinds.iter().any(accepts_text),
        _ => false,
    }
}

fn accepts_whole(kind: &Kind) -> bool {
    match kind {
        Kind::Whole => true,
        Kind::Either(kinds) => kinds.iter().any(accepts_whole),
        _ => false,
    }
}

/// An example as a part of a hint.
fn in_one_line(example: &str) -> String {
    match example.split_once('\n') {
        None => format!("`{example}`"),
        Some((header, rest)) => {
            let lines: Vec<String> = rest.lines().map(|line| format!("`{line}`")).collect();
            format!("`{header}` with {} under it", lines.join(" and "))
        }
    }
}
