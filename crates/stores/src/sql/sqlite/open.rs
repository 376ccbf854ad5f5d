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
use super::{Options, Shared, convert, sums};
use crate::folder;
use crate::keyvalue::Durability;
use crate::sql::Error;

/// The database in its folder.
pub(super) const FILE: &str = "data.db";
/// How long another process may hold the database while this one wants it.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
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
    convert::convert(folder, options, place)?;
    let length = file.metadata().map_err(io)?.len();
    let target = Target::File(file, options.durability);
    let connection = target
        .connect(options.bytes_max)
        .map_err(|error| tell(error, place, options))?;
    // The least that tells a database from anything else; all of it where that takes no long time.
    if length > options.verify_bytes_max {
        connection
            .query_row("PRAGMA schema_version", [], |_| Ok(()))
            .map_err(|error| tell(error, place, options))?;
    } else {
        look_through(&connection, place, options)?;
    }
    Ok(target)
}

/// Reads all pages that are in use, and refuses a database whose structure is broken.
pub(super) fn look_through(
    connection: &Connection,
    place: &Arc<str>,
    options: &Options,
) -> Result<(), Error> {
    drop(sums::take_damage());
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| tell(error, place, options))?;
    if found == "ok" {
        return Ok(());
    }
    Err(Error::Damaged {
        place: Arc::clone(place),
        // Of a page that does not fit, SQLite says no more than a number.
        what: sums::take_damage().unwrap_or(found).into(),
    })
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
                let connection = sealed(file, OpenFlags::empty())?;
                let synchronous = match durability {
                    Durability::Sync => "FULL",
                    Durability::Fast => "NORMAL",
                };
                connection.pragma_update(None, "synchronous", synchronous)?;
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

/// A connection to a file with checksums.
fn sealed(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    sums::register()?;
    let connection = Connection::open_with_flags_and_vfs(file, all(flags), sums::NAME)?;
    set_up(&connection)?;
    Ok(connection)
}

fn connect_to(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, all(flags))?;
    set_up(&connection)?;
    Ok(connection)
}

fn all(flags: OpenFlags) -> OpenFlags {
    flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "mmap_size", 0)
}

/// Has a file with checksums, which nobody else knows of yet, kept with a log, looks through it, and sees that it
/// stays. One that is not there is made.
pub(super) fn finish(file: &Path, place: &Arc<str>, options: &Options) -> Result<(), Error> {
    let told = |error| tell(error, place, options);
    let connection = sealed(file, OpenFlags::SQLITE_OPEN_CREATE).map_err(told)?;
    let set = || {
        sums::reserve(&connection)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Something is written also where there is nothing yet, so that there is a file that says how it is kept.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        connection.pragma_update(None, "user_version", version)
    };
    set().map_err(told)?;
    look_through(&connection, place, options)?;
    connection.close().map_err(|(_, error)| told(error))?;
    let synced = fs_err::File::open(file).and_then(|file| file.sync_all());
    synced.map_err(|error| backend(place, error))
}

/// Makes an empty database.
fn create(folder: &Path, place: &Arc<str>) -> Result<(), Error> {
    let io = |error: std::io::Error| backend(place, error);
    fs_err::create_dir_all(folder::parent(folder)).map_err(io)?;
    let building = folder::beside(folder, "new");
    DirBuilder::new().mode(0o700).create(&building).map_err(io)?;
    let file = building.join(FILE);
    finish(&file, place, &Options::default())?;
    sums::TailFile::create(&file).map_err(io)?;
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
    if let Err(error) = copy_into(shared, &file, &place) {
        fs_err::remove_dir_all(&building).map_err(io)?;
        return shared.note(Err(error));
    }
    let bytes = file.metadata().map_err(io)?.len();
    folder::publish(&building, to, FILE).map_err(io)?;
    Ok(bytes)
}

fn copy_into(shared: &Shared, file: &Path, place: &Arc<str>) -> Result<(), Error> {
    let Shared { target, options, .. } = shared;
    // The copy has checksums, also where it is one of a database in memory.
    let copied = target
        .connect(options.bytes_max)
        .and_then(|connection| write_copy(&connection, file));
    copied.map_err(|error| tell(error, &shared.place, options))?;
    finish(file, place, options)?;
    sums::TailFile::create(file).map_err(|error| backend(place, error))
}

/// Writes all of a database into a new file, with checksums.
pub(super) fn write_copy(connection: &Connection, file: &Path) -> rusqlite::Result<()> {
    sums::register()?;
    // How SQLite keeps it is known from here on, so that the room for sums is asked of the copy only.
    connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
    sums::reserve(connection)?;
    let name = uri(file);
    connection.execute("VACUUM INTO ?1", [name]).map(drop)
}

/// The name of a file for SQLite, with the layer through which it is written.
fn uri(file: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = "file:".to_owned();
    for byte in file.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    let layer = sums::NAME.to_string_lossy();
    format!("{uri}?vfs={layer}")
}
