//! Up to where the database was written: a small file beside it.
//!
//! It has the last commit, by its place in the log and by the sum of its last page, in two places. Before a commit is
//! written it stands in the first of them, and after the commit is there (and durable, where it has to be) in the
//! second one. So where both say the same it is what was acknowledged last, and where they do not, the first is a
//! commit that was under way. Whoever writes here holds the lock to write the database.
//!
//! It is not synced: after the machine has stopped it may be older than the log, and of a commit that was not synced
//! it may say more.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::page::Sum;

/// What its name has behind that of the database.
pub(in super::super) const SUFFIX: &str = "-tail";
/// What databases are kept as, by this version.
const FORMAT: u32 = 1;

const MARK: &[u8; 8] = b"weftsums";
const BYTES: usize = 72;
/// The sum at the end of it.
const CHECK_BYTES: usize = 16;
/// Where it stands: in two blocks of a disk.
const PLACES: [u64; 2] = [0, 512];

/// Which run of the machine it is, shortened.
pub(super) type Boot = [u8; 8];

/// A commit, by its last frame in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Commit {
    /// Which log it is: chosen anew whenever one is begun.
    pub(super) salts: [u8; 8],
    /// The number of the frame, from 1 on.
    pub(super) frame: u32,
    /// The number of the page in it; 0 where nothing was committed since the file was made.
    pub(super) page: u32,
    pub(super) page_bytes: u32,
    /// The sum of that page.
    pub(super) sum: Sum,
}

/// What the file says in one of its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tail {
    pub(super) commit: Commit,
    /// All of the log is in the database, and nothing in it is needed.
    pub(super) is_folded: bool,
    /// The commit was durable before it was acknowledged.
    pub(super) is_synced: bool,
    /// The database is being rewritten, and may be either the one from before or the one with sums.
    pub(super) is_converting: bool,
    pub(super) boot: Boot,
}

/// What was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// What was acknowledged last.
    pub(super) last: Tail,
    /// What was under way.
    pub(super) coming: Option<Tail>,
}

/// How a database stands by its note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum State {
    /// There is no note: it was made by another program, or by Weft before there were sums.
    Absent,
    /// Its rewriting was begun.
    Converting,
    Ready,
    /// The note does not fit its own sum.
    Damaged,
    /// It was made by a newer version, in this format.
    Newer(u32),
}

/// The file, open.
#[derive(Debug)]
pub(in super::super) struct TailFile {
    file: fs_err::File,
    path: PathBuf,
    boot: Boot,
}

impl Tail {
    fn to_bytes(self) -> Vec<u8> {
        let flags = [self.is_folded, self.is_synced, self.is_converting];
        let flags = flags
            .into_iter()
            .rev()
            .fold(0, |all, flag| all << 1 | u32::from(flag));
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend(MARK);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(self.commit.salts);
        bytes.extend(self.commit.frame.to_le_bytes());
        bytes.extend(self.commit.page.to_le_bytes());
        bytes.extend(self.commit.page_bytes.to_le_bytes());
        bytes.extend(self.commit.sum);
        bytes.extend(self.boot);
        bytes.resize(BYTES - CHECK_BYTES, 0);
        let check = blake3::hash(&bytes);
        bytes.extend(check.as_bytes().iter().take(CHECK_BYTES));
        bytes
    }

    fn from_bytes(bytes: &[u8; BYTES]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let eight = |at: usize| bytes.get(at..at + 8)?.try_into().ok();
        let flags = number(12)?;
        let tail = Self {
            commit: Commit {
                salts: eight(16)?,
                frame: number(24)?,
                page: number(28)?,
                page_bytes: number(32)?,
                sum: eight(36)?,
            },
            is_folded: flags & 1 != 0,
            is_synced: flags & 2 != 0,
            is_converting: flags & 4 != 0,
            boot: eight(44)?,
        };
        (tail.to_bytes() == bytes).then_some(tail)
    }
}

/// The format of a note that a newer version wrote.
fn newer(bytes: &[u8; BYTES]) -> Option<u32> {
    let format = u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?);
    (bytes.starts_with(MARK) && format > FORMAT).then_some(format)
}

impl TailFile {
    /// How the database of a path stands.
    pub(in super::super) fn state(database: &Path) -> io::Result<State> {
        let file = match Self::open(database) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Absent),
            Err(error) => return Err(error),
        };
        if let Some(noted) = file.read()? {
            return Ok(if noted.last.is_converting {
                State::Converting
            } else {
                State::Ready
            });
        }
        for place in PLACES {
            if let Some(format) = file.bytes_at(place)?.as_ref().and_then(newer) {
                return Ok(State::Newer(format));
            }
        }
        Ok(State::Damaged)
    }

    /// Notes that nothing was committed yet, and sees that the note stays.
    pub(in super::super) fn create(database: &Path) -> io::Result<()> {
        Self::begin(database, false)
    }

    /// Notes that the database is being rewritten, and sees that the note stays.
    pub(in super::super) fn create_converting(database: &Path) -> io::Result<()> {
        Self::begin(database, true)
    }

    fn begin(database: &Path, is_converting: bool) -> io::Result<()> {
        let path = path(database);
        let file = fs_err::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        let made = Self::over(file, path);
        made.write(Tail {
            is_folded: true,
            is_converting,
            ..Tail::default()
        })?;
        made.file.sync_all()
    }

    /// The note of a database.
    pub(super) fn open(database: &Path) -> io::Result<Self> {
        let path = path(database);
        let file = fs_err::OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(Self::over(file, path))
    }

    fn over(file: fs_err::File, path: PathBuf) -> Self {
        Self {
            file,
            path,
            boot: boot(),
        }
    }

    /// Which run of the machine this is.
    pub(super) fn boot(&self) -> Boot {
        self.boot
    }

    /// What it says; none where both places are damaged.
    pub(super) fn read(&self) -> io::Result<Option<Noted>> {
        // Another process may be writing right now; a write is far shorter than a pause.
        for _ in 0..5 {
            let [first, second] = PLACES;
            let (first, second) = (self.read_at(first)?, self.read_at(second)?);
            if let Some(last) = second.or(first) {
                let coming = first.filter(|first| first.commit != last.commit);
                return Ok(Some(Noted { last, coming }));
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(None)
    }

    fn read_at(&self, place: u64) -> io::Result<Option<Tail>> {
        Ok(self.bytes_at(place)?.as_ref().and_then(Tail::from_bytes))
    }

    fn bytes_at(&self, place: u64) -> io::Result<Option<[u8; BYTES]>> {
        let mut bytes = [0; BYTES];
        match self.file.file().read_exact_at(&mut bytes, place) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes a commit that will be written.
    pub(super) fn write_coming(&self, tail: Tail) -> io::Result<()> {
        self.write_at(PLACES[0], tail)
    }

    /// Notes a commit that was written, after [`Self::write_coming`].
    pub(super) fn write_last(&self, tail: Tail) -> io::Result<()> {
        self.write_at(PLACES[1], tail)
    }

    /// Notes something in both places.
    pub(super) fn write(&self, tail: Tail) -> io::Result<()> {
        PLACES
            .into_iter()
            .try_for_each(|place| self.write_at(place, tail))
    }

    fn write_at(&self, place: u64, tail: Tail) -> io::Result<()> {
        let written = self.file.file().write_all_at(&tail.to_bytes(), place);
        written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }
}

/// Where the note of a database is.
fn path(database: &Path) -> PathBuf {
    let mut path = OsString::from(database);
    path.push(SUFFIX);
    path.into()
}

fn boot() -> Boot {
    let id = fs_err::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut boot = Boot::default();
    for (byte, hashed) in boot.iter_mut().zip(blake3::hash(&id).as_bytes()) {
        *byte = *hashed;
    }
    boot
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    fn tail(frame: u32) -> Tail {
        Tail {
            commit: Commit {
                salts: [5; 8],
                frame,
                page: 7,
                page_bytes: 4096,
                sum: [8; 8],
            },
            is_synced: true,
            boot: [3; 8],
            ..Tail::default()
        }
    }

    #[test]
    fn one_flipped_bit_is_noticed_wherever_it_is() {
        let whole: [u8; BYTES] = tail(77).to_bytes().try_into().unwrap();
        assert_eq!(Tail::from_bytes(&whole), Some(tail(77)));
        for bit in 0..BYTES * 8 {
            let mut flipped = whole;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Tail::from_bytes(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_write_that_was_cut_off_leaves_the_other_place() {
        let scratch = weft_testing::Scratch::new();
        let database = scratch.path().join("d");
        assert_eq!(TailFile::state(&database).unwrap(), State::Absent);
        TailFile::create_converting(&database).unwrap();
        assert_eq!(TailFile::state(&database).unwrap(), State::Converting);
        TailFile::create(&database).unwrap();
        assert_eq!(TailFile::state(&database).unwrap(), State::Ready);
        let file = TailFile::open(&database).unwrap();
        file.write(tail(1)).unwrap();
        file.write_coming(tail(2)).unwrap();
        let noted = file.read().unwrap().unwrap();
        assert_eq!((noted.last, noted.coming), (tail(1), Some(tail(2))));
        file.file.file().write_all_at(&[9; 20], 0).unwrap();
        let noted = file.read().unwrap().unwrap();
        assert_eq!((noted.last, noted.coming), (tail(1), None));
        file.write(tail(2)).unwrap();
        file.file.file().write_all_at(&[9; 20], 512).unwrap();
        let noted = file.read().unwrap().unwrap();
        assert_eq!((noted.last, noted.coming), (tail(2), None));
        file.file.file().write_all_at(&[9; 20], 0).unwrap();
        assert_eq!(file.read().unwrap(), None);
        assert_eq!(TailFile::state(&database).unwrap(), State::Damaged);
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let scratch = weft_testing::Scratch::new();
        let database = scratch.path().join("d");
        TailFile::create(&database).unwrap();
        let file = TailFile::open(&database).unwrap();
        for place in PLACES {
            file.file.file().write_all_at(&[2], place + 8).unwrap();
        }
        assert_eq!(TailFile::state(&database).unwrap(), State::Newer(2));
    }
}
