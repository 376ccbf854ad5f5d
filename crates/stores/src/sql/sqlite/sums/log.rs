//! The log of a database: <https://sqlite.org/fileformat2.html#the_write_ahead_log>.
//!
//! SQLite writes the header of a frame, with a sum over everything before it and the page behind it, and then the page.
//! Both are written at once here, after the page was sealed and the sum made anew. Where a transaction is larger than
//! the memory for it, pages that it has written before are overwritten, and at its end SQLite reads all of them and
//! writes their headers once more: those fit what was sealed, and are left as they are.

use std::sync::Arc;

use rusqlite::ffi;

use super::link::Link;
use super::page;
use super::tail::Commit;
use super::{Code, Disk, damage};

pub(super) const HEAD_BYTES: usize = 32;
pub(super) const FRAME_HEAD_BYTES: usize = 24;
/// How a log begins whose sums are made of words in the order of this machine.
const MAGIC: u32 = 0x377f_0682 | if cfg!(target_endian = "big") { 1 } else { 0 };
/// The only version there is.
const VERSION: u32 = 3_007_000;

/// The sum of a log up to some frame.
pub(super) type Chain = [u32; 2];
pub(super) type FrameHead = [u8; FRAME_HEAD_BYTES];

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    link: Arc<Link>,
    /// The header of a frame whose page comes next, with its place, and whether it was written already.
    head: Option<(i64, FrameHead, bool)>,
    /// A transaction overwrites its own frames, and their headers will be written once more.
    is_overwriting: bool,
    /// The commit at the end of such a transaction, whose log is not in its header yet.
    unnamed: Option<Commit>,
    frame: Vec<u8>,
}

/// What a range of the log is.
enum Part {
    Head,
    FrameHead,
    /// A page, with the number of its frame.
    Page(u32),
    Other,
}

impl Part {
    fn of(bytes: usize, offset: i64) -> Self {
        let is_head = bytes == HEAD_BYTES && offset == 0;
        match usize::try_from(offset)
            .ok()
            .and_then(|at| at.checked_sub(HEAD_BYTES))
        {
            None if is_head => Self::Head,
            Some(_) if bytes == FRAME_HEAD_BYTES => Self::FrameHead,
            Some(at) if page::is_size(bytes) && at % (FRAME_HEAD_BYTES + bytes) == FRAME_HEAD_BYTES => {
                let number = u32::try_from(at / (FRAME_HEAD_BYTES + bytes) + 1);
                number.map_or(Self::Other, Self::Page)
            }
            _ => Self::Other,
        }
    }
}

impl Log {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            head: None,
            is_overwriting: false,
            unnamed: None,
            frame: Vec::new(),
        }
    }

    /// Writes what was held back.
    pub(super) fn flush(&mut self, disk: &dyn Disk) -> Result<(), Code> {
        match self.head.take() {
            Some((offset, head, false)) => disk.write(&head, offset),
            _ => Ok(()),
        }
    }

    /// Reads a page, which has to fit, or anything else as it is.
    pub(super) fn read(&mut self, disk: &dyn Disk, bytes: &mut [u8], offset: i64) -> Result<bool, Code> {
        self.flush(disk)?;
        match Part::of(bytes.len(), offset) {
            Part::Page(frame) => self.read_page(disk, bytes, offset, frame),
            // SQLite reads whole frames where it looks how far the log goes, and compares them itself.
            _ if page::is_size(bytes.len()) => Err(damage("its log has pages of another size".to_owned())),
            _ => disk.read(bytes, offset),
        }
    }

    fn read_page(
        &mut self,
        disk: &dyn Disk,
        bytes: &mut [u8],
        offset: i64,
        frame: u32,
    ) -> Result<bool, Code> {
        self.frame.resize(FRAME_HEAD_BYTES + bytes.len(), 0);
        let is_whole = disk.read(&mut self.frame, offset - FRAME_HEAD)?;
        let (head, page) = self.frame.split_at(FRAME_HEAD_BYTES);
        if !is_whole || !page::fits(page, word(head, 0)) {
            return Err(damage(format!(
                "frame {frame} of its log does not fit its checksum: it was damaged, or written by another program"
            )));
        }
        bytes.copy_from_slice(page);
        Ok(true)
    }

    pub(super) fn write(&mut self, disk: &dyn Disk, bytes: &[u8], offset: i64) -> Result<(), Code> {
        match Part::of(bytes.len(), offset) {
            Part::Head => {
                self.flush(disk)?;
                // A log is begun only after all of the one before is in the database.
                self.link.fold()?;
                disk.write(bytes, offset)
            }
            Part::FrameHead => {
                self.flush(disk)?;
                let head = bytes.try_into().map_err(|_| ffi::SQLITE_IOERR_WRITE)?;
                self.write_head(disk, head, offset)
            }
            Part::Page(frame) => self.write_page(disk, bytes, offset, frame),
            Part::Other => Err(ffi::SQLITE_IOERR_WRITE),
        }
    }

    fn write_head(&mut self, disk: &dyn Disk, head: FrameHead, offset: i64) -> Result<(), Code> {
        if self.is_overwriting {
            if let Some(commit) = self.unnamed
                && offset == place(commit.frame, commit.page_bytes)
                && is_named(&head)
            {
                self.unnamed = None;
                self.link.comes(Commit {
                    salts: salts(&head),
                    ..commit
                })?;
            }
            // Perhaps nothing more is written before others see the frame.
            disk.write(&head, offset)?;
        }
        self.head = Some((offset, head, self.is_overwriting));
        Ok(())
    }

    fn write_page(&mut self, disk: &dyn Disk, bytes: &[u8], offset: i64, frame: u32) -> Result<(), Code> {
        let begin = offset - FRAME_HEAD;
        let head = self.head.take_if(|(at, ..)| *at == begin);
        self.flush(disk)?;
        self.frame.clear();
        let Some((_, mut head, _)) = head else {
            return self.overwrite_page(disk, bytes, offset);
        };
        self.frame.extend_from_slice(&head);
        self.frame.extend_from_slice(bytes);
        let (_, page) = self.frame.split_at_mut(FRAME_HEAD_BYTES);
        let number = word(&head, 0);
        let commit = Commit {
            salts: salts(&head),
            frame,
            page: number,
            page_bytes: u32::try_from(page.len()).map_err(|_| ffi::SQLITE_IOERR_WRITE)?,
            sum: page::seal(page, number),
        };
        self.is_overwriting = !is_named(&head);
        let is_commit = word(&head, 4) != 0;
        if self.is_overwriting {
            self.unnamed = is_commit.then_some(commit);
        } else {
            self.unnamed = None;
            let before = chain_before(disk, frame, bytes.len())?;
            let chain = chain_of_frame(before, &head, page);
            set_chain(&mut head, chain);
            self.frame.splice(..FRAME_HEAD_BYTES, head);
            if is_commit {
                self.link.comes(commit)?;
            }
        }
        disk.write(&self.frame, begin)
    }

    fn overwrite_page(&mut self, disk: &dyn Disk, bytes: &[u8], offset: i64) -> Result<(), Code> {
        let mut head = FrameHead::default();
        disk.read(&mut head, offset - FRAME_HEAD)?;
        self.is_overwriting = true;
        self.frame.extend_from_slice(bytes);
        page::seal(&mut self.frame, word(&head, 0));
        disk.write(&self.frame, offset)
    }

    /// What was written is on the disk.
    pub(super) fn synced(&self) {
        self.link.synced();
    }

    /// The log is about to be made shorter.
    pub(super) fn truncate(&mut self, disk: &dyn Disk, size: i64) -> Result<(), Code> {
        self.flush(disk)?;
        if size == 0 { self.link.fold() } else { Ok(()) }
    }

    /// SQLite asks how long the log is, which it does before it reads it anew. Nobody writes meanwhile.
    pub(super) fn recover(&mut self, log: &dyn Disk, database: &dyn Disk) -> Result<(), Code> {
        self.flush(log)?;
        self.link.recover(log, database)
    }
}

const FRAME_HEAD: i64 = 24;

/// Where a frame stands.
pub(super) fn place(frame: u32, page_bytes: u32) -> i64 {
    32 + (i64::from(frame) - 1) * (FRAME_HEAD + i64::from(page_bytes))
}

/// A number in a header.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    u32::from_be_bytes(word.unwrap_or_default())
}

pub(super) fn salts(head: &[u8]) -> [u8; 8] {
    let salts = head.get(8..16).and_then(|salts| salts.try_into().ok());
    salts.unwrap_or_default()
}

/// Whether the header says which log it belongs to; SQLite leaves that for later where it will write it once more.
fn is_named(head: &FrameHead) -> bool {
    head.iter().skip(8).any(|byte| *byte != 0)
}

/// One step of the sum of SQLite, over 8 bytes.
fn step([one, other]: Chain, bytes: &[u8; 8]) -> Chain {
    let [first, second] = bytes.as_chunks::<4>().0 else {
        return [one, other];
    };
    let one = one.wrapping_add(u32::from_ne_bytes(*first)).wrapping_add(other);
    [
        one,
        other.wrapping_add(u32::from_ne_bytes(*second)).wrapping_add(one),
    ]
}

/// The sum of SQLite over bytes, which are a multiple of 8.
fn chain(sum: Chain, bytes: &[u8]) -> Chain {
    let words = bytes.as_chunks::<8>().0;
    if words.len() % LANES != 0 {
        return words.iter().fold(sum, step);
    }
    // Each step waits for the one before. The sum of two parts in a row can be told from the sums of each, though:
    // so several parts are summed at once.
    let steps = words.len() / LANES;
    let mut lanes = [Chain::default(); LANES];
    lanes[0] = sum;
    let [a, b, c, d] = &mut lanes;
    let (half, other_half) = words.split_at(steps * 2);
    let ((first, second), (third, fourth)) = (half.split_at(steps), other_half.split_at(steps));
    for (((one, two), three), four) in first.iter().zip(second).zip(third).zip(fourth) {
        *a = step(*a, one);
        *b = step(*b, two);
        *c = step(*c, three);
        *d = step(*d, four);
    }
    let behind = power(steps);
    lanes
        .into_iter()
        .reduce(|before, [one, other]| {
            let [more, more_other] = after(behind, before);
            [one.wrapping_add(more), other.wrapping_add(more_other)]
        })
        .unwrap_or(sum)
}

const LANES: usize = 4;

/// What becomes of a sum in some steps over zeros: `one` and `other` are multiplied and added up, as in a matrix
/// `[[a, b], [b, c]]`, which for one step is `[[1, 1], [1, 2]]`.
type Power = [u32; 3];

fn after([a, b, c]: Power, [one, other]: Chain) -> Chain {
    let sum = |x: u32, y: u32| one.wrapping_mul(x).wrapping_add(other.wrapping_mul(y));
    [sum(a, b), sum(b, c)]
}

fn power(steps: usize) -> Power {
    let times = |left: Power, [a, b, c]: Power| {
        let ([first, second], [_, third]) = (after(left, [a, b]), after(left, [b, c]));
        [first, second, third]
    };
    let (mut all, mut square, mut left) = ([1, 0, 1], [1, 1, 2], steps);
    while left > 0 {
        if left % 2 == 1 {
            all = times(all, square);
        }
        square = times(square, square);
        left /= 2;
    }
    all
}

/// The sum that stands in the header of a frame.
fn chain_of_frame(before: Chain, head: &[u8], page: &[u8]) -> Chain {
    let head = head.get(..8).unwrap_or_default();
    chain(chain(before, head), page)
}

fn set_chain(head: &mut FrameHead, [one, other]: Chain) {
    let words = one.to_be_bytes().into_iter().chain(other.to_be_bytes());
    for (byte, new) in head.iter_mut().skip(16).zip(words) {
        *byte = new;
    }
}

/// The sum that stands before a frame. It is read each time, since another process may have written that frame.
fn chain_before(disk: &dyn Disk, frame: u32, page_bytes: usize) -> Result<Chain, Code> {
    let page_bytes = u32::try_from(page_bytes).map_err(|_| ffi::SQLITE_IOERR_WRITE)?;
    let offset = match frame {
        0 | 1 => 24,
        _ => place(frame - 1, page_bytes) + 16,
    };
    let mut bytes = [0; 8];
    if !disk.read(&mut bytes, offset)? {
        return Err(ffi::SQLITE_IOERR_SHORT_READ);
    }
    Ok([word(&bytes, 0), word(&bytes, 4)])
}

/// What a log turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none, or nothing in it.
    Nothing,
    /// SQLite takes it for none.
    Broken,
    /// A log, and the commits in it that SQLite will take.
    Whole { salts: [u8; 8], commits: Vec<Commit> },
}

/// Reads a log as SQLite does: up to the first frame that does not fit. Of the commits, those in the frames asked for
/// are told, and the last one.
pub(super) fn walk(disk: &dyn Disk, asked: &[u32]) -> Result<Found, Code> {
    let size = disk.size()?;
    let mut head = [0; HEAD_BYTES];
    if size <= 32 || !disk.read(&mut head, 0)? || head == [0; HEAD_BYTES] {
        return Ok(Found::Nothing);
    }
    let page_bytes = word(&head, 8);
    let mut sum = chain([0; 2], head.get(..24).unwrap_or_default());
    let is_whole = word(&head, 0) == MAGIC
        && word(&head, 4) == VERSION
        && page::is_size(usize::try_from(page_bytes).unwrap_or_default())
        && sum == [word(&head, 24), word(&head, 28)];
    if !is_whole {
        return Ok(Found::Broken);
    }
    let salts = salts(head.get(8..).unwrap_or_default());
    let mut commits: Vec<Commit> = Vec::new();
    let mut frame = vec![0; FRAME_HEAD_BYTES + usize::try_from(page_bytes).unwrap_or_default()];
    for number in 1.. {
        if !disk.read(&mut frame, place(number, page_bytes))? {
            break;
        }
        let (head, page) = frame.split_at(FRAME_HEAD_BYTES);
        sum = chain_of_frame(sum, head, page);
        let fits =
            self::salts(head) == salts && word(head, 0) != 0 && sum == [word(head, 16), word(head, 20)];
        if !fits {
            break;
        }
        if word(head, 4) == 0 {
            continue;
        }
        // Those that nobody asked for make way for the next one.
        commits.pop_if(|last| !asked.contains(&last.frame));
        commits.push(Commit {
            salts,
            frame: number,
            page: word(head, 0),
            page_bytes,
            sum: page.last_chunk().copied().unwrap_or_default(),
        });
    }
    Ok(Found::Whole { salts, commits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_in_parts_is_the_sum_in_a_row() {
        let bytes: Vec<u8> = (0..65536_u32).map(|at| (at * at % 253) as u8).collect();
        for length in [8, 24, 512, 1024, 4096, 65536] {
            let bytes = &bytes[..length];
            let in_a_row = bytes.as_chunks::<8>().0.iter().fold([7, 9], step);
            assert_eq!(chain([7, 9], bytes), in_a_row, "{length}");
        }
    }
}
