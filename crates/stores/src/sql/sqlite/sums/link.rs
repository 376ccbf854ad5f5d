//! What the file of a database and that of its log have to tell each other: which commit is on its way, and when it is
//! there.

use parking_lot::Mutex;
use rusqlite::ffi;

use super::tail::{Commit, Tail, TailFile};
use super::{Code, Disk, damage, recovery};

/// What the file of a database and that of its log have to tell each other.
#[derive(Debug)]
pub(super) struct Link {
    /// None where a database is made: nobody was promised anything yet.
    tail: Option<TailFile>,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    /// A commit that was written and is not yet for others to see.
    commit: Option<Commit>,
    is_synced: bool,
    /// The note could not be written.
    is_broken: bool,
}

impl Link {
    pub(super) fn new(tail: Option<TailFile>) -> Self {
        Self {
            tail,
            pending: Mutex::default(),
        }
    }

    /// A commit will be written.
    pub(super) fn comes(&self, commit: Commit) -> Result<(), Code> {
        let Some(file) = &self.tail else {
            return Ok(());
        };
        let mut pending = self.pending.lock();
        if pending.is_broken {
            return Err(ffi::SQLITE_IOERR_WRITE);
        }
        pending.is_synced = false;
        pending.commit = Some(commit);
        drop(pending);
        let tail = Tail {
            commit,
            boot: file.boot(),
            ..Tail::default()
        };
        file.write_coming(tail).map_err(|error| not_noted(&error))
    }

    pub(super) fn synced(&self) {
        self.pending.lock().is_synced = true;
    }

    /// What was written is made visible to others, and then acknowledged: SQLite has a barrier between the two copies
    /// of what it tells others about the log.
    pub(super) fn publish(&self) {
        let Some(file) = &self.tail else {
            return;
        };
        let mut pending = self.pending.lock();
        let Some(commit) = pending.commit.take() else {
            return;
        };
        let tail = Tail {
            commit,
            is_synced: pending.is_synced,
            boot: file.boot(),
            ..Tail::default()
        };
        if let Err(error) = file.write_last(tail) {
            // This one is there and may be acknowledged; the next one is refused.
            pending.is_broken = true;
            not_noted(&error);
        }
    }

    /// The lock to write was given back: what was not published by now never will be.
    pub(super) fn forget(&self) {
        self.pending.lock().commit = None;
    }

    /// Notes that everything in the log is in the database.
    pub(super) fn fold(&self) -> Result<(), Code> {
        let Some(file) = &self.tail else {
            return Ok(());
        };
        let noted = file.read().map_err(|error| not_noted(&error))?;
        let mut tail = noted.ok_or_else(|| damage(recovery::NO_TAIL.to_owned()))?.last;
        if tail.is_folded {
            return Ok(());
        }
        tail.is_folded = true;
        file.write(tail).map_err(|error| not_noted(&error))
    }

    /// Compares the note with a log that SQLite is about to read anew, and with the database.
    pub(super) fn recover(&self, log: &dyn Disk, database: &dyn Disk) -> Result<(), Code> {
        match &self.tail {
            Some(tail) => recovery::check(tail, log, database),
            None => Ok(()),
        }
    }
}

fn not_noted(error: &std::io::Error) -> Code {
    tracing::error!(error = %error, "the note of what was committed cannot be written");
    ffi::SQLITE_IOERR_WRITE
}
