//! The lock file `weft.lock`: what each component was when the author last looked, and what it asked for.
//!
//! What is accepted and what is refused: a component may change its bytes, ask for less or export something else;
//! the lock file is then written anew. A component that imports what it did not import before is refused until
//! somebody accepts it ([`Change::needs_consent`]): an update must not widen what code of others may ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::ops::Range;

use weft_app::Name;

use crate::bounds::LOCK_BYTES_MAX;
use crate::diagnostic::quote;
use crate::document::{self, Node, Table, Value};
use crate::position::Lines;
use crate::problems::{Problem, Problems};
use crate::{Diagnostic, suggest};

/// The version of the format that is written here.
const VERSION: i64 = 1;

const HEADER: &str = "\
# What each component was when this app was last accepted: its digest, what it imports and what it exports.
# Written by Weft, not by hand. Keep it beside the manifest.
";

/// A component as it was found, or as it was locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedComponent {
    /// The digest of its bytes: `sha256:` and 64 hexadecimal digits in lower case.
    pub digest: String,
    /// Everything that it imports.
    pub imports: BTreeSet<String>,
    /// Everything that it exports.
    pub exports: BTreeSet<String>,
}

/// The components of an app as they are, or as a lock file says they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The components by name.
    pub components: BTreeMap<Name, LockedComponent>,
}

/// One difference between a lock file and the components that are there now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A component that the lock file does not know.
    Added {
        /// The component.
        component: Name,
    },
    /// A component that is no longer there.
    Removed {
        /// The component.
        component: Name,
    },
    /// Other bytes, which ask for and offer the same as before.
    Rebuilt {
        /// The component.
        component: Name,
    },
    /// It asks for what it did not ask for before.
    Widened {
        /// The component.
        component: Name,
        /// The new imports.
        imports: Vec<String>,
    },
    /// It no longer asks for what it asked for before.
    Narrowed {
        /// The component.
        component: Name,
        /// The imports that are gone.
        imports: Vec<String>,
    },
    /// It offers something else than before.
    Exports {
        /// The component.
        component: Name,
        /// What is new.
        added: Vec<String>,
        /// What is gone.
        removed: Vec<String>,
    },
}

impl Change {
    /// Whether somebody must accept it before the app runs again.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        matches!(self, Self::Widened { .. })
    }

    /// The component that changed.
    #[must_use]
    pub fn component(&self) -> &Name {
        match self {
            Self::Added { component }
            | Self::Removed { component }
            | Self::Rebuilt { component }
            | Self::Widened { component, .. }
            | Self::Narrowed { component, .. }
            | Self::Exports { component, .. } => component,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[String]| suggest::list(names.iter().map(String::as_str));
        match self {
            Self::Added { component } => write!(out, "component `{component}` is new"),
            Self::Removed { component } => write!(out, "component `{component}` is gone"),
            Self::Rebuilt { component } => {
                write!(
                    out,
                    "component `{component}` has other bytes, and asks for the same"
                )
            }
            Self::Widened { component, imports } => {
                write!(out, "component `{component}` now also imports {}", names(imports))
            }
            Self::Narrowed { component, imports } => {
                write!(
                    out,
                    "component `{component}` no longer imports {}",
                    names(imports)
                )
            }
            Self::Exports {
                component,
                added,
                removed,
            } => {
                write!(out, "component `{component}` ")?;
                match (added.as_slice(), removed.as_slice()) {
                    ([], gone) => write!(out, "no longer exports {}", names(gone)),
                    (new, []) => write!(out, "now also exports {}", names(new)),
                    (new, gone) => write!(out, "now exports {}, and no longer {}", names(new), names(gone)),
                }
            }
        }
    }
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// Everything that is wrong with it, sorted by place.
    ///
    /// # Limits
    /// Texts of more than 8 MiB are refused.
    pub fn read(text: &str) -> Result<Self, Vec<Diagnostic>> {
        if text.len() > LOCK_BYTES_MAX {
            let message = format!(
                "the lock file has {} bytes, more than the {LOCK_BYTES_MAX} allowed",
                text.len()
            );
            return Err(vec![Diagnostic::error(message)]);
        }
        let mut problems = Problems::default();
        let root = document::read(text, &mut problems);
        let lock = root
            .map(|root| read_root(&root, &mut problems))
            .unwrap_or_default();
        if problems.has_errors() {
            return Err(problems.into_diagnostics(&Lines::new(text)));
        }
        Ok(lock)
    }

    /// The text of the lock file: the same components give the same bytes.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = format!("{HEADER}version = {VERSION}\n");
        for (name, component) in &self.components {
            let _ = write!(
                text,
                "\n[[component]]\nname = {}\ndigest = {}\n",
                Quoted(name.as_str()),
                Quoted(&component.digest)
            );
            write_list(&mut text, "imports", &component.imports);
            write_list(&mut text, "exports", &component.exports);
        }
        text
    }

    /// What changed from this lock to the components that are there now, by component.
    #[must_use]
    pub fn difference(&self, now: &Self) -> Vec<Change> {
        let names: BTreeSet<&Name> = self.components.keys().chain(now.components.keys()).collect();
        let mut changes = Vec::new();
        for name in names {
            let component = name.clone();
            match (self.components.get(name), now.components.get(name)) {
                (Some(before), Some(after)) => changes.extend(changes_of(name, before, after)),
                (None, Some(_)) => changes.push(Change::Added { component }),
                (Some(_), None) => changes.push(Change::Removed { component }),
                (None, None) => {}
            }
        }
        changes
    }
}

fn changes_of(component: &Name, before: &LockedComponent, after: &LockedComponent) -> Vec<Change> {
    let only_in =
        |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect::<Vec<_>>();
    let component = || component.clone();
    let mut changes = Vec::new();
    let imports = only_in(&after.imports, &before.imports);
    if !imports.is_empty() {
        changes.push(Change::Widened {
            component: component(),
            imports,
        });
    }
    let imports = only_in(&before.imports, &after.imports);
    if !imports.is_empty() {
        changes.push(Change::Narrowed {
            component: component(),
            imports,
        });
    }
    let added = only_in(&after.exports, &before.exports);
    let removed = only_in(&before.exports, &after.exports);
    if !added.is_empty() || !removed.is_empty() {
        changes.push(Change::Exports {
            component: component(),
            added,
            removed,
        });
    }
    if changes.is_empty() && before.digest != after.digest {
        changes.push(Change::Rebuilt {
            component: component(),
        });
    }
    changes
}

fn write_list(text: &mut String, key: &str, names: &BTreeSet<String>) {
    if names.is_empty() {
        let _ = writeln!(text, "{key} = []");
        return;
    }
    let _ = writeln!(text, "{key} = [");
    for name in names {
        let _ = writeln!(text, "    {},", Quoted(name));
    }
    text.push_str("]\n");
}

/// Text as a basic string of TOML.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(out, "\\{c}")?,
                c if c.is_control() => write!(out, "\\U{:08X}", u32::from(c))?,
                c => out.write_char(c)?,
            }
        }
        out.write_str("\"")
    }
}

fn read_root(root: &Table, problems: &mut Problems) -> Lock {
    let mut lock = Lock::default();
    if !version_is_known(root, problems) {
        return lock;
    }
    refuse_unknown_keys(root, &["version", "component"], problems);
    let nothing = Vec::new();
    let tables = match root
        .get("component")
        .map(|entry| (&entry.node.value, &entry.key_span))
    {
        Some((Value::Tables(tables), _)) => tables,
        None => &nothing,
        Some((_, span)) => {
            problems.push(Problem::error("components are written `[[component]]`").at(span));
            &nothing
        }
    };
    let mut first_at: BTreeMap<Name, Range<usize>> = BTreeMap::new();
    for node in tables {
        let Some((name, component)) = read_component(node, problems) else {
            continue;
        };
        if let Some(first) = first_at.insert(name.clone(), node.span.clone()) {
            let message = format!("component `{name}` is locked twice");
            problems.push(
                Problem::error(message)
                    .at(&node.span)
                    .note("first locked here", &first),
            );
        }
        lock.components.insert(name, component);
    }
    lock
}

fn version_is_known(root: &Table, problems: &mut Problems) -> bool {
    let problem = match root.node("version") {
        Some(Node {
            value: Value::Integer(VERSION),
            ..
        }) => return true,
        Some(node) => {
            let found = match node.value {
                Value::Integer(version) => format!("version {version}"),
                _ => "a version that is no number".to_owned(),
            };
            Problem::error(format!("the lock file has {found}; this Weft reads version {VERSION}"))
                .at(&node.span)
                .hint("another version of Weft wrote it: use that one, or remove the file and accept every component anew")
        }
        None => Problem::error("the lock file has no `version`").at(&(0..0)),
    };
    problems.push(problem);
    false
}

fn refuse_unknown_keys(table: &Table, known: &[&str], problems: &mut Problems) {
    for entry in table.entries() {
        if !known.contains(&entry.key.as_str()) {
            let message = format!("unknown key {}", quote(&entry.key));
            problems.push(Problem::error(message).at(&entry.key_span));
        }
    }
}

fn read_component(node: &Node, problems: &mut Problems) -> Option<(Name, LockedComponent)> {
    let Value::Table(table) = &node.value else {
        return None;
    };
    refuse_unknown_keys(table, &["name", "digest", "imports", "exports"], problems);
    let name = read_text(table, "name", node, problems);
    let digest = read_text(table, "digest", node, problems);
    let imports = read_names(table, "imports", node, problems);
    let exports = read_names(table, "exports", node, problems);
    let ((name, name_span), (digest, digest_span)) = (name?, digest?);
    if !is_digest(digest) {
        let message = format!(
            "{} is not a digest: `sha256:` and 64 hexadecimal digits",
            quote(digest)
        );
        problems.push(Problem::error(message).at(digest_span));
    }
    let name = name
        .parse()
        .map_err(|error| problems.push(Problem::error(format!("{error}")).at(name_span)))
        .ok()?;
    let component = LockedComponent {
        digest: digest.to_owned(),
        imports: imports?,
        exports: exports?,
    };
    Some((name, component))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn read_text<'t>(
    table: &'t Table,
    key: &str,
    place: &Node,
    problems: &mut Problems,
) -> Option<(&'t str, &'t Range<usize>)> {
    match table.node(key) {
        Some(Node {
            value: Value::Text(text),
            span,
        }) => return Some((text, span)),
        Some(node) => {
            let message = format!("`{key}` must be text, not {}", node.value.kind());
            problems.push(Problem::error(message).at(&node.span));
        }
        None => problems.push(Problem::error(format!("the component has no `{key}`")).at(&place.span)),
    }
    None
}

fn read_names(table: &Table, key: &str, place: &Node, problems: &mut Problems) -> Option<BTreeSet<String>> {
    let Some(node) = table.node(key) else {
        problems.push(Problem::error(format!("the component has no `{key}`")).at(&place.span));
        return None;
    };
    let Value::List(items) = &node.value else {
        let message = format!("`{key}` must be a list of text, not {}", node.value.kind());
        problems.push(Problem::error(message).at(&node.span));
        return None;
    };
    let mut names = BTreeSet::new();
    for item in items {
        match &item.value {
            Value::Text(name) => {
                names.insert(name.clone());
            }
            other => {
                let message = format!("`{key}` must be a list of text, not of {}", other.kind());
                problems.push(Problem::error(message).at(&item.span));
            }
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests;
