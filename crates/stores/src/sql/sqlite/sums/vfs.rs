//! The layer below SQLite: <https://sqlite.org/vfs.html>. Beside loading machine code, the place with `unsafe`.
//!
//! A file of ours is what SQLite asked room for: a pointer to our functions, a pointer to what we know of the file
//! (a [`Kind`]), and behind them the file of the layer below. Only databases and logs are ours; of all other files the
//! layer below is told at once, and SQLite speaks to it from then on.
#![allow(
    unsafe_code,
    reason = "SQLite is written in C and calls us with pointers; see the module's contract"
)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::{Arc, LazyLock};

use rusqlite::{Connection, ffi};

use super::database::Database;
use super::link::Link;
use super::log::Log;
use super::page::SUM_BYTES;
use super::tail::TailFile;
use super::{Code, Disk};

/// Its name among the layers that SQLite knows.
pub(in super::super) const NAME: &CStr = c"weft-sums";

/// What is ours of an open file.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// From a `Box`.
    kind: *mut Kind,
}

/// Where the file of the layer below begins. SQLite gives out memory in units of 8 bytes, and asks for no more.
const LOWER: usize = size_of::<File>().next_multiple_of(8);

enum Kind {
    Database(Database, Arc<Link>),
    /// A log, and the file of its database, which SQLite closes after it.
    Log(Log, Lower),
}

/// An open file of the layer below.
#[derive(Clone, Copy)]
struct Lower(NonNull<ffi::sqlite3_file>);

/// Makes the layer known, once in a process.
pub(in super::super) fn register() -> rusqlite::Result<()> {
    static REGISTERED: LazyLock<c_int> = LazyLock::new(|| {
        // SAFETY: asking for the usual layer needs nothing but SQLite, which sets itself up where that was not done.
        let Some(usual) = NonNull::new(unsafe { ffi::sqlite3_vfs_find(ptr::null()) }) else {
            return ffi::SQLITE_ERROR;
        };
        // SAFETY: layers that SQLite knows live as long as the process, and nobody changes what is copied here.
        let usual = unsafe { usual.as_ref() };
        let Some(bytes) = c_int::try_from(LOWER)
            .ok()
            .and_then(|ours| ours.checked_add(usual.szOsFile))
        else {
            return ffi::SQLITE_ERROR;
        };
        // All but opening is the usual layer's, which needs nothing but its own data, and that is the same here.
        let ours = ffi::sqlite3_vfs {
            szOsFile: bytes,
            pNext: ptr::null_mut(),
            zName: NAME.as_ptr(),
            xOpen: Some(open),
            ..*usual
        };
        // SAFETY: what is registered lives as long as the process, since it is leaked.
        unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 0) }
    });
    result(*REGISTERED)
}

/// Has SQLite leave room for sums in the pages of what this connection makes, a database or a copy of one.
pub(in super::super) fn reserve(connection: &Connection) -> rusqlite::Result<()> {
    let mut bytes = c_int::try_from(SUM_BYTES).unwrap_or(c_int::MAX);
    // SAFETY: the connection is open for as long as it is borrowed, and this control takes a pointer to an `int`.
    let code = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_RESERVE_BYTES,
            (&raw mut bytes).cast(),
        )
    };
    result(code)
}

fn result(code: c_int) -> rusqlite::Result<()> {
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// Runs what SQLite asked for. No panic goes through its code.
fn guard(work: impl FnOnce() -> Result<(), Code>) -> c_int {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => ffi::SQLITE_OK,
        Ok(Err(code)) => code,
        Err(_) => ffi::SQLITE_IOERR,
    }
}

fn done(code: c_int) -> Result<(), Code> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(code) }
}

impl Lower {
    /// The file behind one of ours.
    ///
    /// # Safety
    /// The file is one that [`open`] was given.
    unsafe fn behind(file: *mut ffi::sqlite3_file) -> Result<Self, Code> {
        // SAFETY: SQLite made room for so much and more, as `register` has asked it to.
        let lower = unsafe { file.byte_add(LOWER) };
        NonNull::new(lower).map(Self).ok_or(ffi::SQLITE_MISUSE)
    }

    fn pointer(self) -> *mut ffi::sqlite3_file {
        self.0.as_ptr()
    }

    /// Its functions. A file that could not be opened has none.
    fn methods(self) -> Result<&'static ffi::sqlite3_io_methods, Code> {
        // SAFETY: the file is there for as long as ours is (see `Kind`), its functions are the layer's and live as long
        // as the process.
        unsafe { self.0.as_ref().pMethods.as_ref() }.ok_or(ffi::SQLITE_MISUSE)
    }
}

/// Calls a function of the file below, with the pointer to it and what else is given.
macro_rules! below {
    ($lower:expr, $function:ident $(, $argument:expr)*) => {{
        let lower: Lower = $lower;
        match lower.methods()?.$function {
            // SAFETY: the function belongs to this file, which is open; the other arguments are what SQLite gave, or
            // are made of references that live until the function returns.
            Some(function) => Ok(unsafe { function(lower.pointer() $(, $argument)*) }),
            None => Err(ffi::SQLITE_MISUSE),
        }
    }};
}

impl Disk for Lower {
    fn read(&self, bytes: &mut [u8], offset: i64) -> Result<bool, Code> {
        let length = c_int::try_from(bytes.len()).map_err(|_| ffi::SQLITE_MISUSE)?;
        match below!(*self, xRead, bytes.as_mut_ptr().cast(), length, offset)? {
            ffi::SQLITE_OK => Ok(true),
            ffi::SQLITE_IOERR_SHORT_READ => Ok(false),
            code => Err(code),
        }
    }

    fn write(&self, bytes: &[u8], offset: i64) -> Result<(), Code> {
        let length = c_int::try_from(bytes.len()).map_err(|_| ffi::SQLITE_MISUSE)?;
        done(below!(*self, xWrite, bytes.as_ptr().cast(), length, offset)?)
    }

    fn size(&self) -> Result<i64, Code> {
        let mut size = 0;
        done(below!(*self, xFileSize, &raw mut size)?)?;
        Ok(size)
    }
}

/// Our functions. They are of the second version, without memory that is mapped: what is read there is not compared.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// What we know of an open file, and the file below.
///
/// # Safety
/// The file was opened by [`open`], and not closed; nobody else works with it until the result is gone. SQLite
/// promises both to a layer: the files of a connection are used by one thread at a time, and by one call at a time.
unsafe fn ours<'a>(file: *mut ffi::sqlite3_file) -> Result<(&'a mut Kind, Lower), Code> {
    // SAFETY: `open` made the file one of ours, and its `kind` a pointer from a `Box` that `close` takes back.
    let kind = unsafe { (*file.cast::<File>()).kind.as_mut() };
    // SAFETY: as above.
    let lower = unsafe { Lower::behind(file)? };
    Ok((kind.ok_or(ffi::SQLITE_MISUSE)?, lower))
}

extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    guard(|| {
        // SAFETY: as in `register`. The layer below is the usual one, of which ours is a copy.
        let usual = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        // SAFETY: as in `register`.
        let open = unsafe { usual.as_ref() }
            .and_then(|usual| usual.xOpen)
            .ok_or(ffi::SQLITE_MISUSE)?;
        if flags & (ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL) == 0 || name.is_null() {
            // SAFETY: SQLite made more room for the file than this layer needs, and gave the rest for it.
            return done(unsafe { open(usual, name, file, flags, flags_out) });
        }
        // SAFETY: SQLite made room for one of ours. While it has no functions, SQLite takes it for one that is closed.
        unsafe { (*file).pMethods = ptr::null() };
        // SAFETY: `file` is what we were given.
        let lower = unsafe { Lower::behind(file)? };
        // SAFETY: SQLite made room for a file of ours and one of the layer below behind it.
        done(unsafe { open(usual, name, lower.pointer(), flags, flags_out) })?;
        // SAFETY: SQLite gives the name of a database or of its log.
        match unsafe { kind(name, flags) } {
            Ok(kind) => {
                let ours = File {
                    base: ffi::sqlite3_file { pMethods: &METHODS },
                    kind: Box::into_raw(Box::new(kind)),
                };
                // SAFETY: there is room for it, and nothing in it that has to be dropped.
                unsafe { file.cast::<File>().write(ours) };
                Ok(())
            }
            Err(code) => {
                below!(lower, xClose)?;
                Err(code)
            }
        }
    })
}

/// What is known of a file that was just opened.
///
/// # Safety
/// The name is one that SQLite gave to [`open`].
unsafe fn kind(name: *const c_char, flags: c_int) -> Result<Kind, Code> {
    if flags & ffi::SQLITE_OPEN_WAL != 0 {
        // SAFETY: for the name of a log, this gives the file of its database, which is open.
        let database = unsafe { ffi::sqlite3_database_file_object(name) };
        // SAFETY: it is either null or a file of SQLite.
        let methods = unsafe { database.as_ref() }.map(|file| file.pMethods);
        if methods != Some(&raw const METHODS) {
            return Err(ffi::SQLITE_MISUSE);
        }
        // SAFETY: by its functions it is one of ours, and no call to it is under way.
        let (kind, lower) = unsafe { ours(database)? };
        return match kind {
            Kind::Database(_, link) => Ok(Kind::Log(Log::new(Arc::clone(link)), lower)),
            Kind::Log(..) => Err(ffi::SQLITE_MISUSE),
        };
    }
    // SAFETY: names of SQLite end with a zero byte.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()));
    let tail = match TailFile::open(path) {
        Ok(tail) => Some(tail),
        // It is being made.
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && flags & ffi::SQLITE_OPEN_CREATE != 0 =>
        {
            None
        }
        Err(_) => return Err(ffi::SQLITE_CANTOPEN),
    };
    Ok(Kind::Database(Database::default(), Arc::new(Link::new(tail))))
}

extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    guard(|| {
        // SAFETY: SQLite closes files that `open` has opened, once.
        let (kind, lower) = unsafe { ours(file)? };
        let flushed = match kind {
            Kind::Log(log, _) => log.flush(&lower),
            Kind::Database(..) => Ok(()),
        };
        // SAFETY: `open` took it from a `Box`, and nobody uses it after this.
        drop(unsafe { Box::from_raw(kind) });
        // SAFETY: the file has room for this, and counts as closed from now on.
        unsafe { (*file).pMethods = ptr::null() };
        done(below!(lower, xClose)?)?;
        flushed
    })
}

extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, offset: i64) -> c_int {
    guard(|| {
        let length = usize::try_from(length).map_err(|_| ffi::SQLITE_MISUSE)?;
        // SAFETY: SQLite reads from open files, into memory of that length that nobody else uses.
        let bytes = unsafe { std::slice::from_raw_parts_mut(to.cast::<u8>(), length) };
        // SAFETY: the file is open.
        let (kind, lower) = unsafe { ours(file)? };
        let is_whole = match kind {
            Kind::Database(database, _) => database.read(&lower, bytes, offset)?,
            Kind::Log(log, _) => log.read(&lower, bytes, offset)?,
        };
        if is_whole {
            Ok(())
        } else {
            Err(ffi::SQLITE_IOERR_SHORT_READ)
        }
    })
}

extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, offset: i64) -> c_int {
    guard(|| {
        let length = usize::try_from(length).map_err(|_| ffi::SQLITE_MISUSE)?;
        // SAFETY: SQLite gives memory of that length, which nobody changes meanwhile.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length) };
        // SAFETY: the file is open.
        match unsafe { ours(file)? } {
            (Kind::Database(database, _), lower) => database.write(&lower, bytes, offset),
            (Kind::Log(log, _), lower) => log.write(&lower, bytes, offset),
        }
    })
}

extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    guard(|| {
        // SAFETY: the file is open.
        let (kind, lower) = unsafe { ours(file)? };
        match kind {
            Kind::Database(database, _) => database.truncated(size),
            Kind::Log(log, _) => log.truncate(&lower, size)?,
        }
        done(below!(lower, xTruncate, size)?)
    })
}

extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    guard(|| {
        // SAFETY: the file is open.
        let (kind, lower) = unsafe { ours(file)? };
        if let Kind::Log(log, _) = kind {
            log.flush(&lower)?;
        }
        done(below!(lower, xSync, flags)?)?;
        if let Kind::Log(log, _) = kind {
            log.synced();
        }
        Ok(())
    })
}

extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    guard(|| {
        // SAFETY: the file is open.
        let (kind, lower) = unsafe { ours(file)? };
        if let Kind::Log(log, database) = kind {
            log.recover(&lower, database)?;
        }
        done(below!(lower, xFileSize, size)?)
    })
}

extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    // A file that was made longer in advance would have pages without sums.
    if matches!(what, ffi::SQLITE_FCNTL_SIZE_HINT | ffi::SQLITE_FCNTL_CHUNK_SIZE) {
        return ffi::SQLITE_OK;
    }
    guard(|| {
        // SAFETY: the file is open.
        let lower = unsafe { Lower::behind(file)? };
        done(below!(lower, xFileControl, what, argument)?)
    })
}

extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // What is read in part cannot be compared, and what is written in batches does not come by here.
    let not_ours = ffi::SQLITE_IOCAP_SUBPAGE_READ | ffi::SQLITE_IOCAP_BATCH_ATOMIC;
    let asked = || -> Result<c_int, Code> {
        // SAFETY: the file is open.
        let lower = unsafe { Lower::behind(file)? };
        below!(lower, xDeviceCharacteristics)
    };
    // Frames come in two writes, and are not padded, where writing leaves what stands beside as it is.
    asked().unwrap_or_default() & !not_ours | ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    guard(|| {
        // SAFETY: the file is open.
        let (kind, lower) = unsafe { ours(file)? };
        // The first of these locks is the one to write.
        if offset == 0
            && flags & ffi::SQLITE_SHM_UNLOCK != 0
            && let Kind::Database(_, link) = kind
        {
            link.forget();
        }
        done(below!(lower, xShmLock, offset, count, flags)?)
    })
}

extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    guard(|| {
        // SAFETY: the file is open.
        let (kind, lower) = unsafe { ours(file)? };
        below!(lower, xShmBarrier)?;
        if let Kind::Database(_, link) = kind {
            link.publish();
        }
        Ok(())
    });
}

extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    guard(|| {
        // SAFETY: the file is open.
        let lower = unsafe { Lower::behind(file)? };
        done(below!(lower, xLock, level)?)
    })
}

extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    guard(|| {
        // SAFETY: the file is open.
        let lower = unsafe { Lower::behind(file)? };
        done(below!(lower, xUnlock, level)?)
    })
}

extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, is_held: *mut c_int) -> c_int {
    guard(|| {
        // SAFETY: the file is open.
        let lower = unsafe { Lower::behind(file)? };
        done(below!(lower, xCheckReservedLock, is_held)?)
    })
}

extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    let asked = || -> Result<c_int, Code> {
        // SAFETY: the file is open.
        let lower = unsafe { Lower::behind(file)? };
        below!(lower, xSectorSize)
    };
    asked().unwrap_or(4096)
}

extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: the file is open.
        let lower = unsafe { Lower::behind(file)? };
        done(below!(lower, xShmMap, region, bytes, extend, to)?)
    })
}

extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    guard(|| {
        // SAFETY: the file is open.
        let lower = unsafe { Lower::behind(file)? };
        done(below!(lower, xShmUnmap, delete)?)
    })
}
