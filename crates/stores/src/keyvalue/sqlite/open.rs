//! Opening the folder of a store, and making it where there is none.
//!
//! A store appears whole or not at all: it is made under another name, synced, and renamed. What is there is never
//! replaced, whatever state it is in.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Options;
use super::rows::{self, FORMAT, Meta, SCHEMA, Trouble};
use super::state::{damaged, failed, tell};
use super::tail::{self, Tail, TailFile};
use crate::folder;
use crate::keyvalue::{Durability, Error};

/// The database in the folder of a store.
pub(super) const FILE: &str = "data.db";

/// `weft` in letters, so that other programs do not take the file for theirs.
const APPLICATION_ID: i64 = 0x7765_6674;
/// How long another process may hold the store while this one wants to write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages that a connection keeps, as kibibytes.
const CACHE_KIB: i64 = 4096;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Reading,
    Writing(Durability),
}

/// A store that was found to be whole.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) tail: TailFile,
    pub(super) meta: Meta,
    /// It is too large to be looked through before it is used.
    pub(super) is_large: bool,
}

/// Opens a database that is there.
pub(super) fn connect(file: &Path, purpose: Use) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    match purpose {
        Use::Reading => connection.pragma_update(None, "query_only", true)?,
        Use::Writing(durability) => {
            let synchronous = match durability {
                Durability::Sync => "FULL",
                Durability::Fast => "NORMAL",
            };
            connection.pragma_update(None, "synchronous", synchronous)?;
        }
    }
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Trouble::Damage(format!(
            "its journal is `{mode}`, expected `wal`"
        )));
    }
    Ok(connection)
}

/// Opens the store in a folder, or makes one.
pub(super) fn open(folder: &Path, options: &Options) -> Result<Opened, Error> {
    let place: Arc<str> = folder.display().to_string().into();
    let io = |error: std::io::Error| failed(&place, error);
    if !folder.exists() {
        create(folder)?;
    }
    let file = folder.join(FILE);
    if !file.try_exists().map_err(io)? {
        let what =
            format!("`{FILE}` is missing; restore the folder from a backup, or remove it to begin anew");
        return Err(damaged(&place, &what));
    }
    // Before the database: what another process writes meanwhile makes the database newer, not older.
    let (tail, written) = match read_tail(folder, &place) {
        Ok(read) => read,
        // A later version may have another kind of tail, or none.
        Err(error) => return Err(newer(&file, &place).unwrap_or(error)),
    };
    let length = file.metadata().map_err(io)?.len();
    let log = folder
        .join(format!("{FILE}-wal"))
        .metadata()
        .map_or(0, |log| log.len());
    let is_large = length.saturating_add(log) > options.verify_bytes_max;
    let found = connect(&file, Use::Writing(options.durability)).and_then(|connection| {
        let meta = if is_large {
            rows::check_schema(&connection)?;
            Meta::read(&connection)?
        } else {
            rows::scan(&connection, &mut |_, _| true)?
        };
        check_tail(&meta, written, options.durability)?;
        Ok((connection, meta))
    });
    let (connection, meta) = found.map_err(|trouble| tell(&place, trouble))?;
    Ok(Opened {
        connection,
        tail,
        meta,
        is_large,
    })
}

fn read_tail(folder: &Path, place: &Arc<str>) -> Result<(TailFile, Tail), Error> {
    let io = |error: std::io::Error| failed(place, error);
    let tail = match TailFile::open(folder) {
        Ok(tail) => tail,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let what = format!("`{}` is missing; restore the folder from a backup", tail::FILE);
            return Err(damaged(place, &what));
        }
        Err(error) => return Err(io(error)),
    };
    let written = tail.read().map_err(io)?;
    let written = written.ok_or_else(|| damaged(place, "its tail does not fit its checksum"))?;
    Ok((tail, written))
}

/// What to say of a store that a later version of Weft has made; none of any other.
fn newer(file: &Path, place: &Arc<str>) -> Option<Error> {
    let found = connect(file, Use::Reading).and_then(|connection| rows::check_format(&connection));
    match found {
        Err(trouble @ Trouble::Newer(_)) => Some(tell(place, trouble)),
        _ => None,
    }
}

/// Refuses a database that lacks writes which were acknowledged.
fn check_tail(meta: &Meta, written: Tail, durability: Durability) -> Result<(), Trouble> {
    let may_be_lost = durability == Durability::Fast && written.boot != tail::boot();
    if meta.revision >= written.revision || may_be_lost {
        return Ok(());
    }
    Err(Trouble::Damage(format!(
        "write {} was acknowledged, and only {} are there; its log was damaged or removed",
        written.revision, meta.revision
    )))
}

/// Makes an empty store.
fn create(folder: &Path) -> Result<(), Error> {
    let place: Arc<str> = folder.display().to_string().into();
    let io = |error: std::io::Error| failed(&place, error);
    fs_err::create_dir_all(folder::parent(folder)).map_err(io)?;
    let building = folder::beside(folder, "new");
    DirBuilder::new().mode(0o700).create(&building).map_err(io)?;
    let made = make(&building, folder::random()).map_err(|trouble| tell(&place, trouble));
    made.and_then(|()| folder::publish(&building, folder, FILE).map_err(io))
}

fn make(folder: &Path, identity: rows::Sum) -> Result<(), Trouble> {
    let connection = Connection::open(folder.join(FILE))?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    for table in SCHEMA {
        connection.execute_batch(table)?;
    }
    Meta::new(identity).write(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    let tail = Tail {
        revision: 0,
        boot: tail::boot(),
    };
    TailFile::create(folder, tail)
        .map(drop)
        .map_err(|error| Trouble::Damage(format!("its tail cannot be made: {error}")))
}

/// Copies a store as it is at one moment into a new folder.
pub(super) fn copy(folder: &Path, to: &Path) -> Result<super::Totals, Error> {
    let place: Arc<str> = folder.display().to_string().into();
    let io = |error: std::io::Error| failed(&to.display().to_string(), error);
    if to.try_exists().map_err(io)? {
        return Err(io(std::io::ErrorKind::AlreadyExists.into()));
    }
    let building = folder::beside(to, "copy");
    DirBuilder::new().mode(0o700).create(&building).map_err(io)?;
    let copied = connect(&folder.join(FILE), Use::Writing(Durability::Sync))
        .and_then(|connection| copy_into(&connection, &building));
    let meta = match copied {
        Ok(meta) => meta,
        Err(trouble) => {
            fs_err::remove_dir_all(&building).map_err(io)?;
            return Err(tell(&place, trouble));
        }
    };
    folder::publish(&building, to, FILE).map_err(io)?;
    Ok(super::Totals {
        entries: meta.entries,
        bytes: meta.bytes,
        revision: meta.revision,
    })
}

fn copy_into(connection: &Connection, folder: &Path) -> Result<Meta, Trouble> {
    let file = folder.join(FILE);
    let text = file
        .to_str()
        .ok_or_else(|| Trouble::Damage("a backup needs a path in UTF-8".to_owned()))?;
    connection.execute("VACUUM INTO ?1", [text])?;
    let made = Connection::open(&file)?;
    made.pragma_update(None, "journal_mode", "WAL")?;
    let meta = rows::scan(&made, &mut |_, _| true)?;
    made.close().map_err(|(_, error)| error)?;
    let io = |error: std::io::Error| Trouble::Damage(format!("the backup cannot be written: {error}"));
    fs_err::File::open(&file)
        .and_then(|file| file.sync_all())
        .map_err(io)?;
    let tail = Tail {
        revision: meta.revision,
        boot: tail::boot(),
    };
    TailFile::create(folder, tail).map(drop).map_err(io)?;
    Ok(meta)
}
