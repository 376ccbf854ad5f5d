//! Checksums over what a database has on its disk, and a note of how far its log goes.
//!
//! SQLite looks at no page before it hands out what stands there, and of the log that a kill leaves behind it takes
//! what comes before the first frame that does not fit, without a word about the rest. So its files are reached
//! through a layer of our own (a VFS, [`vfs`]) that seals each page as it is written, in the database (`database`)
//! and in the log (`log`), and compares it as it is read; and that notes beside the database which commit was the
//! last (`tail`), which is compared with the log before SQLite reads it anew (`recovery`).
//!
//! The files stay what SQLite has: the sum of a page stands in bytes at its end that SQLite leaves free for others,
//! and the sums of the log, which cover those bytes, too, are made anew. So other programs can read them; what such a
//! program writes has no sums, and counts as damage.

mod database;
mod link;
mod log;
mod page;
mod recovery;
mod tail;
mod vfs;

use std::cell::RefCell;
use std::ffi::c_int;

use rusqlite::ffi;

pub(super) use self::page::begins as is_sealed;
pub(super) use self::tail::{State, TailFile};
pub(super) use self::vfs::{NAME, register, reserve};

thread_local! {
    /// What was found on this thread, until it is told. SQLite hands on a number only.
    static FOUND: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes in which way something is damaged, and says what SQLite is told.
fn damage(what: String) -> c_int {
    FOUND.set(Some(what));
    ffi::SQLITE_IOERR_DATA
}

/// In which way something was found to be damaged by calls to SQLite on this thread, since this was asked last.
pub(super) fn take_damage() -> Option<String> {
    FOUND.take()
}

/// A result code of SQLite that is not `SQLITE_OK`.
type Code = c_int;

/// A file as SQLite has it.
trait Disk {
    /// Fills all of it, with zeros where the file ends before. Says whether the file has all of it.
    fn read(&self, bytes: &mut [u8], offset: i64) -> Result<bool, Code>;
    fn write(&self, bytes: &[u8], offset: i64) -> Result<(), Code>;
    fn size(&self) -> Result<i64, Code>;
}
