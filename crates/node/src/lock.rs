//! The lock file: what every component was when the app was last accepted, and what it asked for.
//!
//! A component that asks for more than it did is refused until somebody agrees; anything else that changed is
//! written down when the app is put together.

use std::fs::File;
use std::io;

use weft_compose::{Chosen, Plan, Target};
use weft_inspect::structure;
use weft_manifest::{Change, Diagnostic, Lock, LockedComponent};

use crate::files::{read_regular, write_whole};
use crate::folder::{Failure, Opened};
use crate::parts::{Parts, chain};

/// The name of the lock file.
const FILE: &str = "weft.lock";

/// Bytes of a lock file that are read at most; its reader has a tighter bound and a better message.
const BYTES_MAX: u64 = 64 << 20;

/// How an app stands to its lock file.
#[derive(Debug)]
pub struct Locking {
    /// What changed since it was written; empty where there was none.
    pub changes: Vec<Change>,
    /// Whether there was a lock file.
    pub existed: bool,
    before: Lock,
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
    let read = read_regular(&path, BYTES_MAX).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    let text = match read {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Locking {
                changes: Vec::new(),
                existed: false,
                before: Lock::default(),
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
        before,
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

/// Refuses links that nobody asked for and that a component brought about by offering more than it did: what a
/// neighbour imports must not become its own by an update.
pub(crate) fn refuse_captured(opened: &Opened, plan: &Plan, locking: &Locking) -> Result<(), Failure> {
    let mut problems = Vec::new();
    for consumer in plan.components() {
        for import in &consumer.imports {
            let Target::Link {
                provider,
                export,
                chosen: Chosen::Automatic,
                ..
            } = &import.target
            else {
                continue;
            };
            let Some(provider) = plan.components().get(*provider) else {
                continue;
            };
            let known = locking.before.components.get(&provider.name);
            if known.is_none_or(|known| known.exports.contains(export)) {
                continue;
            }
            let (from, to) = (&consumer.name, &provider.name);
            let message = format!(
                "component `{to}` now also exports `{export}`, so `{}` of component `{from}` would come from it unasked",
                import.name
            );
            let hint = format!(
                "if you agree, write `\"{}\" = \"{to}\"` under `[component.{from}.links]`, or accept it with `weft update`",
                import.name
            );
            let place = opened.manifest.positions.component(to);
            problems.push(Diagnostic::error(message).at(place).hint(hint));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(opened.problems(problems))
    }
}

/// The right to write the lock file, which one process has at a time.
///
/// It is a lock of the folder and not of the file, because the file is replaced when it is written.
#[derive(Debug)]
pub struct Held {
    _folder: File,
}

/// Waits until no other process is between reading and writing the lock file of this app.
///
/// # Errors
/// The folder cannot be opened or locked.
pub fn hold(opened: &Opened) -> Result<Held, Failure> {
    let folder = opened.folder();
    let locked = fs_err::File::open(&folder).and_then(|opened| {
        let (opened, _) = opened.into_parts();
        opened.lock().map(|()| opened)
    });
    let locked = locked.map_err(|source| Failure::Io {
        what: format!("cannot lock the folder `{}`", folder.display()),
        source,
    })?;
    Ok(Held { _folder: locked })
}

/// Writes the lock file, whole or not at all.
///
/// # Errors
/// It cannot be written.
///
/// # Authority
/// Writes `weft.lock` beside the manifest.
pub fn write(opened: &Opened, locking: &Locking, _: &Held) -> Result<(), Failure> {
    let path = opened.beside(FILE);
    write_whole(&path, locking.now.write().as_bytes()).map_err(|source| Failure::Io {
        what: format!("cannot write `{}`", path.display()),
        source,
    })
}

/// Brings the lock file up to date with an app that it allows.
///
/// What other processes wrote since it was last read is held against the app once more: it may be that the app
/// was accepted, or that somebody accepted something else.
///
/// # Errors
/// The lock file does not allow the app any more, or cannot be read or written.
pub(crate) fn settle(opened: &Opened, parts: &Parts, plan: &Plan) -> Result<(), Failure> {
    let held = hold(opened)?;
    let locking = check(opened, parts)?;
    refuse_widened(opened, &locking)?;
    refuse_captured(opened, plan, &locking)?;
    if locking.is_stale() {
        write(opened, &locking, &held)?;
    }
    Ok(())
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
