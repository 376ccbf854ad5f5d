//! The lock file: what every component was when the app was last accepted, and what it asked for.
//!
//! A component that asks for more than it did is refused until somebody agrees; anything else that changed is
//! written down when the app is put together.

use std::io;

use weft_inspect::structure;
use weft_manifest::{Change, Diagnostic, Lock, LockedComponent};

use crate::files::write_whole;
use crate::folder::{Failure, Opened};
use crate::parts::{Parts, chain};

/// The name of the lock file.
const FILE: &str = "weft.lock";

/// How an app stands to its lock file.
#[derive(Debug)]
pub struct Locking {
    /// What changed since it was written; empty where there was none.
    pub changes: Vec<Change>,
    /// Whether there was a lock file.
    pub existed: bool,
    now: Lock,
}

impl Locking {
    /// Whether the file on disk is not what it should be.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        !self.existed || !self.changes.is_empty()
    }
}

/// Compares an app with its lock file.
///
/// # Errors
/// The lock file cannot be read or is damaged, or a component cannot be read.
pub fn check(opened: &Opened, parts: &Parts) -> Result<Locking, Failure> {
    let now = lock_of(opened, parts)?;
    let path = opened.beside(FILE);
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Locking {
                changes: Vec::new(),
                existed: false,
                now,
            });
        }
        Err(source) => {
            return Err(Failure::Io {
                what: format!("cannot read `{}`", path.display()),
                source,
            });
        }
    };
    let before = Lock::read(&text).map_err(|problems| Failure::Problems {
        file: path,
        text,
        problems,
    })?;
    Ok(Locking {
        changes: before.difference(&now),
        existed: true,
        now,
    })
}

/// Refuses components that ask for more than they did.
pub(crate) fn refuse_widened(opened: &Opened, locking: &Locking) -> Result<(), Failure> {
    let problem = |change: &Change| {
        Diagnostic::error(change.to_string())
            .at(opened.manifest.positions.component(change.component()))
            .hint("look at what it asks for now; if you agree, `weft update` accepts it")
    };
    let problems: Vec<_> = locking
        .changes
        .iter()
        .filter(|change| change.needs_consent())
        .map(problem)
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(opened.problems(problems))
    }
}

/// Writes the lock file, whole or not at all.
///
/// # Errors
/// It cannot be written.
///
/// # Authority
/// Writes `weft.lock` beside the manifest.
pub fn write(opened: &Opened, locking: &Locking) -> Result<(), Failure> {
    let path = opened.beside(FILE);
    write_whole(&path, locking.now.write().as_bytes()).map_err(|source| Failure::Io {
        what: format!("cannot write `{}`", path.display()),
        source,
    })
}

fn lock_of(opened: &Opened, parts: &Parts) -> Result<Lock, Failure> {
    let mut lock = Lock::default();
    let mut problems = Vec::new();
    for (name, digest, bytes) in parts.iter() {
        match structure::read(bytes) {
            Ok(structure) => {
                let names = |items: Vec<structure::Item>| items.into_iter().map(|item| item.name).collect();
                let locked = LockedComponent {
                    digest: digest.to_owned(),
                    imports: names(structure.imports),
                    exports: names(structure.exports),
                };
                lock.components.insert(name.clone(), locked);
            }
            Err(error) => {
                let message = format!("component `{name}` cannot be read: {}", chain(&error));
                problems.push(Diagnostic::error(message).at(opened.manifest.positions.component(name)));
            }
        }
    }
    if problems.is_empty() {
        Ok(lock)
    } else {
        Err(opened.problems(problems))
    }
}
