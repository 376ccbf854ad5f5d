//! Reading values of a tree: what is there and of the right type, with its place.

use std::ops::Range;

use crate::bounds::ENTRIES_MAX;
use crate::document::{Node, Table, Value};

/// A text and where it stands.
pub(super) type Text<'t> = (&'t str, &'t Range<usize>);

/// The table under a key.
pub(super) fn table<'t>(table: &'t Table, key: &str) -> Option<&'t Table> {
    match &table.node(key)?.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

/// The text under a key.
pub(super) fn text<'t>(table: &'t Table, key: &str) -> Option<Text<'t>> {
    text_of(table.node(key)?)
}

/// The text of a node.
pub(super) fn text_of(node: &Node) -> Option<Text<'_>> {
    match &node.value {
        Value::Text(text) => Some((text, &node.span)),
        _ => None,
    }
}

/// The texts under a key, where one stands for a list of one.
pub(super) fn texts<'t>(table: &'t Table, key: &str) -> Vec<Text<'t>> {
    match table.node(key) {
        Some(Node {
            value: Value::List(items),
            ..
        }) => items.iter().take(ENTRIES_MAX).filter_map(text_of).collect(),
        Some(node) => text_of(node).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Keys with their texts, of a table that the author filled.
pub(super) fn pairs(table: &Table) -> impl Iterator<Item = (Text<'_>, Text<'_>)> {
    table.entries().iter().take(ENTRIES_MAX).filter_map(|entry| {
        let value = text_of(&entry.node)?;
        Some(((entry.key.as_str(), &entry.key_span), value))
    })
}

/// What stands for a quantity under a key: text, or a number as text. Numbers below zero are passed over, since
/// `crate::check` has told of them.
pub(super) fn quantity<'t>(table: &'t Table, key: &str) -> Option<(String, &'t Range<usize>)> {
    let node = table.node(key)?;
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) if *number >= 0 => number.to_string(),
        Value::Float(text) => text.clone(),
        _ => return None,
    };
    Some((text, &node.span))
}
