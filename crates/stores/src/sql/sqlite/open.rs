//! Opening a database, and making one where there is none.
//!
//! A database appears whole or not at all: it is made under another name, synced, and renamed. What is there is never
//! replaced, whatever state it is in.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use super::statement::{backend, tell};
use super::{Options, Shared};
use crate::folder;
use crate::keyvalue::Durability;
use crate::sql::Error;

/// The database in its folder.
const FILE: &str = "data.db";
/// How long another process may hold the database while this one wants it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// Pages that a connection keeps, as kibibytes.
const CACHE_KIB: i64 = 2048;
/// Statements that a connection keeps read.
pub(super) const STATEMENTS: usize = 64;

/// What is opened.
pub(super) enum Target {
    /// A file, and what its commits survive.
    File(PathBuf, Durability),
    /// A name in the memory of the process, and a connection that keeps it there.
    Memory(
        String,
        #[expect(dead_code, reason = "it is held, not used")] Mutex<Connection>,
    ),
}

/// The database in a folder, which is made where there is none.
pub(super) fn folder(folder: &Path, options: &Options, place: &Arc<str>) -> Result<Target, Error> {
    let io = |error: std::io::Error| backend(place, error);
    if !folder.exists() {
        create(folder, place)?;
    }
    let file = folder.join(FILE);
    if !file.try_exists().map_err(io)? {
        return Err(Error::Damaged {
            place: Arc::clone(place),
            what: format!(
                "`{FILE}` is missing; restore the folder from a backup, or remove it to begin anew"
            )
            .into(),
        });
    }
    let length = file.metadata().map_err(io)?.len();
    let target = Target::File(file, options.durability);
    let connection = target
        .connect(options.bytes_max)
        .map_err(|error| tell(error, place, options))?;
    // The least that tells a database from anything else; all of it where that takes no long time.
    let check = if length > options.verify_bytes_max {
        "PRAGMA schema_version"
    } else {
        "PRAGMA quick_check(1)"
    };
    let found = connection
        .query_row(check, [], |row| row.get::<_, rusqlite::types::Value>(0))
        .map_err(|error| tell(error, place, options))?;
    match found {
        rusqlite::types::Value::Text(found) if found != "ok" => Err(Error::Damaged {
            place: Arc::clone(place),
            what: found.into(),
        }),
        _ => Ok(target),
    }
}

/// A database in the memory of the process.
pub(super) fn memory(options: &Options, place: &Arc<str>) -> Result<Target, Error> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    // The slash at the beginning is what has connections of one process share it.
    let name = format!("file:/weft-{}?vfs=memdb", NUMBER.fetch_add(1, Ordering::Relaxed));
    let anchor = connect_to(
        Path::new(&name),
        OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_CREATE,
    )
    .map_err(|error| tell(error, place, options))?;
    Ok(Target::Memory(name, Mutex::new(anchor)))
}

impl Target {
    /// Another connection.
    pub(super) fn connect(&self, bytes_max: u64) -> rusqlite::Result<Connection> {
        let connection = match self {
            Self::File(file, durability) => {
                let connection = connect_to(file, OpenFlags::empty())?;
                let synchronous = match durability {
                    Durability::Sync => "FULL",
                    Durability::Fast => "NORMAL",
                };
                connection.pragma_update(None, "synchronous", synchronous)?;
                // A file of somebody else's that never was used so is turned into one that is.
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection
            }
            Self::Memory(name, _) => connect_to(Path::new(name), OpenFlags::SQLITE_OPEN_URI)?,
        };
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let bytes_max = i64::try_from(bytes_max).unwrap_or(i64::MAX);
        let pages = (bytes_max / page.max(512)).clamp(1, i64::from(u32::MAX) - 1);
        connection.pragma_update(None, "max_page_count", pages)?;
        Ok(connection)
    }
}

fn connect_to(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(connection)
}

/// Makes an empty database.
fn create(folder: &Path, place: &Arc<str>) -> Result<(), Error> {
    let io = |error: std::io::Error| backend(place, error);
    fs_err::create_dir_all(folder::parent(folder)).map_err(io)?;
    let building = folder::beside(folder, "new");
    DirBuilder::new().mode(0o700).create(&building).map_err(io)?;
    let made = || -> rusqlite::Result<()> {
        let connection = Connection::open(building.join(FILE))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Something has to be written for there to be a file that says how it is kept.
        connection.pragma_update(None, "user_version", 0)?;
        connection.close().map_err(|(_, error)| error)
    };
    made().map_err(|error| tell(error, place, &Options::default()))?;
    folder::publish(&building, folder, FILE).map_err(io)
}

/// Copies a database as it is at one moment into a new folder, and says how many bytes that are.
pub(super) fn copy(shared: &Shared, to: &Path) -> Result<u64, Error> {
    shared.whole()?;
    let place: Arc<str> = to.display().to_string().into();
    let io = |error: std::io::Error| backend(&place, error);
    if to.try_exists().map_err(io)? {
        return Err(io(std::io::ErrorKind::AlreadyExists.into()));
    }
    let building = folder::beside(to, "copy");
    DirBuilder::new().mode(0o700).create(&building).map_err(io)?;
    let file = building.join(FILE);
    let copied = shared
        .target
        .connect(shared.options.bytes_max)
        .and_then(|connection| {
            let path = file
                .to_str()
                .ok_or_else(|| rusqlite::Error::InvalidPath(file.clone()))?;
            connection.execute("VACUUM INTO ?1", [path]).map(drop)
        });
    if let Err(error) = copied {
        fs_err::remove_dir_all(&building).map_err(io)?;
        return Err(tell(error, &shared.place, &shared.options));
    }
    let written = fs_err::File::open(&file).and_then(|file| {
        file.sync_all()?;
        Ok(file.metadata()?.len())
    });
    let bytes = written.map_err(io)?;
    folder::publish(&building, to, FILE).map_err(io)?;
    Ok(bytes)
}
