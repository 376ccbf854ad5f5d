//! From a checked tree to the values of an app: what each value means, and whether it can be meant.
//!
//! Everything here takes a tree that may still be wrong where `crate::check` has told so: what has the wrong type
//! is passed over, so that all problems are told at once and none twice. A result counts only when no problem
//! was found.

mod blob_stores;
mod cell;
mod component;
mod databases;
mod granted;
mod grants;
mod http;
mod limits;
mod links;
mod queues;
mod source;
mod stores;
mod trigger;
mod values;
mod watchers;

use std::collections::BTreeMap;
use std::ops::Range;

use weft_app::blob_store::BlobStore;
use weft_app::database::Database;
use weft_app::queue::MessageQueue;
use weft_app::store::Store;
use weft_app::{App, Component, Name};

use crate::bounds::COMPONENTS_MAX;
use crate::document::{Table, Value};
use crate::problems::{Problem, Problems};
use crate::suggest;
use crate::{Context, name_of_folder};

pub use grants::secret_in;

/// What lowering needs everywhere.
struct Lowering<'a> {
    context: &'a Context<'a>,
    problems: &'a mut Problems,
    /// The components of the app and where they are declared, those with something wrong in them included.
    names: BTreeMap<Name, Range<usize>>,
    /// The stores of the app.
    stores: BTreeMap<Name, Store>,
    /// The blob stores of the app.
    blob_stores: BTreeMap<Name, BlobStore>,
    /// The queues of the app.
    queues: BTreeMap<Name, MessageQueue>,
    /// The databases of the app.
    databases: BTreeMap<Name, Database>,
}

/// The app that the tree describes.
pub(crate) fn app(root: &Table, context: &Context<'_>, problems: &mut Problems) -> App {
    let mut lowering = Lowering {
        context,
        problems,
        names: BTreeMap::new(),
        stores: BTreeMap::new(),
        blob_stores: BTreeMap::new(),
        queues: BTreeMap::new(),
        databases: BTreeMap::new(),
    };
    lowering.declare_stores(root);
    lowering.declare_blob_stores(root);
    lowering.declare_queues(root);
    lowering.declare_databases(root);
    let tables = lowering.component_tables(root);
    let components: Vec<Component> = tables
        .into_iter()
        .map(|(name, table)| lowering.component(name, table))
        .collect();
    let triggers = lowering.triggers(root, &components);
    App {
        name: lowering.app_name(root),
        components,
        triggers,
        limits: lowering.app_limits(root),
    }
}

impl Lowering<'_> {
    fn app_name(&mut self, root: &Table) -> Name {
        let default = self.context.default_name.clone();
        let Some(app) = values::table(root, "app") else {
            return default;
        };
        let Some((name, span)) = values::text(app, "name") else {
            return default;
        };
        match name.parse() {
            Ok(name) => name,
            Err(error) => {
                self.refuse_name(error, name, span);
                default
            }
        }
    }

    /// The tables of components, with their names.
    fn component_tables<'t>(&mut self, root: &'t Table) -> Vec<(Name, &'t Table)> {
        let Some(all) = values::table(root, "component") else {
            return Vec::new();
        };
        if all.entries().is_empty()
            && let Some(entry) = root.get("component")
        {
            self.problems.push(
                Problem::error("the app has no component")
                    .at(&entry.key_span)
                    .hint("declare one: `[component.main]` with `source = \"main.wasm\"` under it"),
            );
        }
        let mut tables = Vec::new();
        for entry in all.entries().iter().take(COMPONENTS_MAX) {
            let Value::Table(table) = &entry.node.value else {
                continue;
            };
            match entry.key.parse::<Name>() {
                Ok(name) => {
                    self.names.insert(name.clone(), entry.key_span.clone());
                    tables.push((name, table));
                }
                Err(error) => self.refuse_name(error, &entry.key, &entry.key_span),
            }
        }
        tables
    }

    /// The name of a component of this app, as it was written somewhere else.
    fn known_component(&mut self, written: &str, span: &Range<usize>) -> Option<Name> {
        let found = self.names.keys().find(|name| name.as_str() == written).cloned();
        if found.is_none() && self.problems.is_full() {
            // Looking for the name that was meant compares it with all others.
            self.problems
                .push(Problem::error("there is no such component").at(span));
        } else if found.is_none() {
            let known = || self.names.keys().map(Name::as_str);
            let hint = match suggest::nearest(written, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the components of this app: {}", suggest::list(known())),
            };
            let message = format!("there is no component {}", crate::diagnostic::quote(written));
            self.problems.push(Problem::error(message).at(span).hint(hint));
        }
        found
    }

    /// Tells that something is no name, with a name that is near to it.
    fn refuse_name(&mut self, error: weft_app::NameError, written: &str, span: &Range<usize>) {
        let near = name_of_folder(written);
        let is_near =
            !written.is_empty() && near.as_str().len() * 2 > written.len() && near.as_str() != written;
        let hint = is_near.then(|| format!("`{near}` would be one"));
        self.problems.push(refused(error, span).hint_maybe(hint));
    }
}

/// A value that cannot be read.
fn refused(error: impl std::fmt::Display, span: &Range<usize>) -> Problem {
    const SHOWN_MAX: usize = 400;
    let mut message = error.to_string();
    if let Some((end, _)) = message.char_indices().nth(SHOWN_MAX) {
        message.truncate(end);
        message.push('…');
    }
    Problem::error(message).at(span)
}
