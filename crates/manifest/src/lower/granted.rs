//! What the app declares under names, and grants of it: a list of whole things, or a table that narrows each.

use std::collections::BTreeMap;
use std::ops::Range;

use weft_app::Name;

use super::Lowering;
use super::values::{self, Text};
use crate::bounds::{COMPONENTS_MAX, ENTRIES_MAX};
use crate::diagnostic::quote;
use crate::document::{Table, Value};
use crate::problems::{Problem, Problems};
use crate::suggest;

/// How one kind of grant is read: of things `S`, to grants `G`.
pub(super) struct Granting<'a, 'l, S, G> {
    /// The key in the grants of a component.
    pub(super) key: &'static str,
    /// What is granted, in a word for messages.
    pub(super) kind: &'static str,
    /// What the app declares under a name.
    pub(super) find: fn(&mut Lowering<'l>, Text<'_>) -> Option<S>,
    /// The grant of the whole of it, under a name.
    pub(super) whole: fn(&str, S) -> G,
    /// The grant that a table narrows.
    pub(super) narrowed: fn(&mut Lowering<'l>, &'a str, &'a Table) -> Option<G>,
}

impl<'l> Lowering<'l> {
    /// The tables below a key, by their names.
    pub(super) fn named<'t>(
        &mut self,
        table: &'t Table,
        key: &str,
    ) -> Vec<(Name, &'t Table, &'t Range<usize>)> {
        let mut found = Vec::new();
        let all = values::table(table, key);
        for entry in all
            .into_iter()
            .flat_map(|all| all.entries().iter().take(COMPONENTS_MAX))
        {
            let Value::Table(table) = &entry.node.value else {
                continue;
            };
            match entry.key.parse::<Name>() {
                Ok(name) => found.push((name, table, &entry.key_span)),
                Err(error) => self.refuse_name(error, &entry.key, &entry.key_span),
            }
        }
        found
    }

    pub(super) fn granted<'a, S, G>(&mut self, grants: &'a Table, how: &Granting<'a, 'l, S, G>) -> Vec<G> {
        let (mut granted, mut listed) = (Vec::new(), Vec::new());
        for (name, span) in values::texts(grants, how.key) {
            if listed.contains(&name) {
                let message = format!("the {} {} is given twice", how.kind, quote(name));
                self.problems.push(Problem::error(message).at(span));
            } else if let Some(found) = (how.find)(self, (name, span)) {
                granted.push((how.whole)(name, found));
                listed.push(name);
            }
        }
        let table = values::table(grants, how.key);
        for entry in table
            .into_iter()
            .flat_map(|table| table.entries().iter().take(ENTRIES_MAX))
        {
            granted.extend(match &entry.node.value {
                Value::Text(name) => {
                    let found = (how.find)(self, (name, &entry.node.span));
                    found.map(|found| (how.whole)(&entry.key, found))
                }
                Value::Table(table) => (how.narrowed)(self, &entry.key, table),
                _ => None,
            });
        }
        granted
    }
}

/// What the app declares under a name; told where it declares nothing there, with `undeclared` as what to declare.
pub(super) fn known<S: Clone>(
    declared: &BTreeMap<Name, S>,
    problems: &mut Problems,
    (written, span): Text<'_>,
    kind: &str,
    undeclared: &str,
) -> Option<S> {
    let found = declared.iter().find(|(name, _)| name.as_str() == written);
    if found.is_none() {
        let hint = match suggest::nearest(written, declared.keys().map(Name::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it: `{}", undeclared.replace("NAME", written)),
        };
        let message = format!("there is no {kind} {}", quote(written));
        problems.push(Problem::error(message).at(span).hint(hint));
    }
    found.map(|(_, thing)| thing.clone())
}
