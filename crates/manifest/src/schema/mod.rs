//! Every key of a manifest: its name, type, default, meaning and an example, in one table ([`keys`]).
//!
//! Unknown keys and wrong types are told from it (`crate::check`), and the reference page and the JSON Schema are
//! written from it, so that none of them can lag behind the others.

mod cell_keys;
mod database_keys;
mod json;
pub(crate) mod keys;
mod queue_keys;
mod reference;
mod store_keys;
mod trigger_keys;

use weft_app::grant::GrantKind;

pub use json::json_schema;
pub use reference::reference_markdown;

/// A table with known keys.
#[derive(Debug)]
pub(crate) struct Table {
    /// How its header is written, or for a table in braces, where it stands.
    pub(crate) header: &'static str,
    /// What it is about.
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
}

/// A known key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) presence: Presence,
    /// Its meaning, one sentence a line.
    pub(crate) doc: &'static str,
    /// Lines as they stand in a manifest.
    pub(crate) example: &'static str,
}

/// What happens where a key is missing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Presence {
    Required,
    /// Left out, it means this, in the words of the reference page.
    Default(&'static str),
}

/// What may stand as a value.
#[derive(Debug)]
pub(crate) enum Kind {
    Text(Form),
    Choice(&'static [Choice]),
    /// `true` or `false`.
    Boolean,
    /// A whole number, zero or more.
    Whole,
    /// Any number, zero or more.
    Number,
    List(&'static Kind),
    /// A table whose keys the author chooses.
    Map(&'static Map),
    Table(&'static Table),
    /// Any of these, which differ in their outermost type.
    Either(&'static [Kind]),
}

/// A kind of text.
#[derive(Debug)]
pub(crate) struct Form {
    /// What it is called in tables of the reference: `path`, `HOST[:PORT]`.
    pub(crate) name: &'static str,
    /// A regular expression for editors; the true test is made when the value is read.
    pub(crate) pattern: Option<&'static str>,
}

/// One of the words that a value may be.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) word: &'static str,
    pub(crate) doc: &'static str,
}

/// A table whose keys the author chooses.
#[derive(Debug)]
pub(crate) struct Map {
    /// What stands for the key in headers: `NAME`.
    pub(crate) key: &'static str,
    pub(crate) key_pattern: Option<&'static str>,
    pub(crate) value: Kind,
    /// How many there may be.
    pub(crate) entries_max: usize,
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

impl Kind {
    /// What is expected, in words.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text(_) | Self::Choice(_) => "text in quotes".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Whole => "a whole number".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::List(item) => format!("a list of {}", item.expected_many()),
            Self::Map(_) | Self::Table(_) => "a table".to_owned(),
            Self::Either(kinds) => {
                let words: Vec<String> = kinds.iter().map(Self::expected).collect();
                words.join(" or ")
            }
        }
    }

    fn expected_many(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Choice(_) => "texts in quotes",
            Self::Whole => "whole numbers",
            Self::Number => "numbers",
            Self::Boolean | Self::Either(_) => "values",
            Self::List(_) => "lists",
            Self::Map(_) | Self::Table(_) => "tables",
        }
    }
}

/// The tables in which a key of this name is known.
pub(crate) fn tables_with(name: &str) -> impl Iterator<Item = &'static Table> {
    keys::TABLES
        .iter()
        .copied()
        .filter(move |table| table.keys.iter().any(|key| key.name == name))
}

/// The keys of `[component.NAME.grants]` that speak of this kind of grant, the most common first.
pub fn grant_keys(kind: GrantKind) -> impl Iterator<Item = &'static str> {
    keys::GRANT_KINDS
        .iter()
        .filter(move |(_, of)| *of == kind)
        .map(|(name, _)| *name)
}

/// A line that grants something of this kind, as it may stand under `[component.NAME.grants]`.
#[must_use]
pub fn grant_example(kind: GrantKind) -> &'static str {
    grant_keys(kind)
        .find_map(|name| keys::GRANTS.key(name))
        .map_or("", |key| key.example)
}

/// The kind of grant that a key of `[component.NAME.grants]` speaks of.
pub(crate) fn grant_kind(name: &str) -> Option<GrantKind> {
    keys::GRANT_KINDS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grant_key_has_its_kind() {
        let named: Vec<_> = keys::GRANT_KINDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(keys::GRANTS.names().collect::<Vec<_>>(), named);
        for (_, kind) in keys::GRANT_KINDS {
            assert!(grant_example(*kind).contains(" = "), "{kind:?}");
        }
    }

    #[test]
    fn every_key_is_documented_with_an_example_that_names_it() {
        for table in keys::TABLES {
            assert!(table.doc.ends_with('.'), "{}", table.header);
            for key in table.keys {
                assert!(key.doc.ends_with('.'), "{} {}", table.header, key.name);
                assert!(key.example.contains(key.name), "{} {}", table.header, key.name);
            }
        }
    }
}
