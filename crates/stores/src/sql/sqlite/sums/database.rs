//! The file of a database: pages are sealed as they are written, and compared as they are read.

use super::page::{self, number};
use super::{Code, Disk, damage};
use rusqlite::ffi;

/// What is known of an open one.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// The file reached up to here when it was last looked at.
    end: i64,
    page: Vec<u8>,
}

impl Database {
    /// Reads a page, or the header.
    pub(super) fn read(&self, disk: &dyn Disk, bytes: &mut [u8], offset: i64) -> Result<bool, Code> {
        let is_whole = disk.read(bytes, offset)?;
        // SQLite reads the first bytes for themselves to learn what the file is, and then the page that they are in.
        let Some(number) = number(bytes.len(), offset) else {
            return Ok(is_whole);
        };
        // Behind its end the file has no pages, and SQLite knows what to do about it.
        if !is_whole && disk.size()? <= offset {
            return Ok(false);
        }
        if !page::fits(bytes, number) {
            return Err(misfit(number));
        }
        Ok(is_whole)
    }

    /// Writes a page.
    pub(super) fn write(&mut self, disk: &dyn Disk, bytes: &[u8], offset: i64) -> Result<(), Code> {
        // SQLite writes whole pages only.
        let number = number(bytes.len(), offset).ok_or(ffi::SQLITE_IOERR_WRITE)?;
        if offset > self.end {
            self.fill(disk, bytes.len(), offset)?;
        }
        self.page.clear();
        self.page.extend_from_slice(bytes);
        page::seal(&mut self.page, number);
        disk.write(&self.page, offset)?;
        self.end = self.end.max(offset + len(bytes.len()));
        Ok(())
    }

    /// Seals the pages between the end of the file and a page behind it. SQLite leaves out pages that were used and
    /// given back within one transaction, and may read them all the same.
    fn fill(&mut self, disk: &dyn Disk, page_bytes: usize, until: i64) -> Result<(), Code> {
        self.end = disk.size()?;
        let size = len(page_bytes);
        let mut next = (self.end + size - 1) / size * size;
        while next < until {
            let number = number(page_bytes, next).ok_or(ffi::SQLITE_IOERR_WRITE)?;
            self.page.clear();
            self.page.resize(page_bytes, 0);
            page::seal(&mut self.page, number);
            disk.write(&self.page, next)?;
            next += size;
        }
        Ok(())
    }

    /// The file was made shorter.
    pub(super) fn truncated(&mut self, size: i64) {
        self.end = self.end.min(size);
    }
}

fn len(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn misfit(number: u32) -> Code {
    damage(format!(
        "page {number} does not fit its checksum: it was damaged, or written by another program"
    ))
}
