//! Databases without checksums: made by Weft before there were any, or put there by a person.
//!
//! Such a one is rewritten once, when it is opened, while nobody else has it open. What is written is a file beside
//! it, which takes its name when it is whole: whenever the process is killed, it is either the one or the other.
//! Nothing of the old file is kept.
//!
//! The note of what was committed says which databases were rewritten. It appears before the new file does, with a
//! word that the old one may still be there; so a database with checksums whose note is missing was not left behind by
//! a kill, and is refused.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::Options;
use super::open::{BUSY_TIMEOUT, FILE, finish, look_through, write_copy};
use super::statement::{backend, tell};
use super::sums::{self, State, TailFile};
use crate::folder;
use crate::sql::Error;

/// The longest page.
const PAGE_BYTES_MAX: u64 = 65536;

/// Has a database rewritten that has no checksums.
pub(super) fn convert(folder: &Path, options: &Options, place: &Arc<str>) -> Result<(), Error> {
    let io = |error: std::io::Error| backend(place, error);
    let file = folder.join(FILE);
    let damaged = |what: &str| Error::Damaged {
        place: Arc::clone(place),
        what: what.into(),
    };
    if is_ready(&file, place)? {
        return Ok(());
    }
    // One after the other; whoever waited finds it done.
    let lock = fs_err::File::open(folder).map_err(io)?;
    lock.file().lock().map_err(io)?;
    if is_ready(&file, place)? {
        return Ok(());
    }
    let is_converting = TailFile::state(&file).map_err(io)? == State::Converting;
    if is_sealed(&file).map_err(io)? {
        if !is_converting {
            return Err(damaged(&format!(
                "`{FILE}-tail` is missing; restore the folder from a backup, or bring the database in anew as a file \
                 that `VACUUM INTO` of `sqlite3` has made of `{FILE}`"
            )));
        }
    } else {
        rewrite(&file, options, place)?;
        tracing::info!(database = %place, "checksums were added to the database");
    }
    TailFile::create(&file).map_err(io)?;
    folder::sync(folder).map_err(io)
}

/// Whether a database has checksums, by its note.
fn is_ready(file: &Path, place: &Arc<str>) -> Result<bool, Error> {
    let damaged = |what: String| Error::Damaged {
        place: Arc::clone(place),
        what: what.into(),
    };
    match TailFile::state(file).map_err(|error| backend(place, error))? {
        State::Ready => Ok(true),
        State::Absent | State::Converting => Ok(false),
        State::Damaged => Err(damaged(format!("`{FILE}-tail` does not fit its checksum"))),
        State::Newer(format) => {
            let what = format!("it is kept in format {format}, and this version of Weft knows format 1");
            Err(backend(place, std::io::Error::other(what)))
        }
    }
}

/// Whether the file itself has checksums.
fn is_sealed(file: &Path) -> std::io::Result<bool> {
    // Nobody in this process has it open: closing it here would end the locks of whoever had.
    let mut begin = Vec::new();
    fs_err::File::open(file)?
        .take(PAGE_BYTES_MAX)
        .read_to_end(&mut begin)?;
    Ok(sums::is_sealed(&begin))
}

fn rewrite(file: &Path, options: &Options, place: &Arc<str>) -> Result<(), Error> {
    let io = |error: std::io::Error| backend(place, error);
    let told = |error| tell(error, place, options);
    // Held until the new file has the name: nobody else works on the old one.
    let old = exclusive(file).map_err(told)?;
    look_through(&old, place, options)?;
    let new = file.with_file_name(format!("{FILE}-new"));
    remove_leftovers(&new).map_err(io)?;
    write_copy(&old, &new).map_err(told)?;
    finish(&new, place, options)?;
    let permissions = file.metadata().map_err(io)?.permissions();
    fs_err::set_permissions(&new, permissions).map_err(io)?;
    TailFile::create_converting(file).map_err(io)?;
    folder::sync(folder::parent(file)).map_err(io)?;
    fs_err::rename(&new, file).map_err(io)?;
    folder::sync(folder::parent(file)).map_err(io)
}

/// The only connection to a database, which has no log any more.
fn exclusive(file: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    // A log that stayed would be taken for one of the new file.
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
    if mode != "delete" {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None));
    }
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    Ok(connection)
}

/// Removes what a process left behind that was killed while it wrote.
fn remove_leftovers(new: &Path) -> std::io::Result<()> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut path = new.as_os_str().to_owned();
        path.push(suffix);
        match fs_err::remove_file(PathBuf::from(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
