//! Up to where the store was written: a small file beside the database.
//!
//! After a kill, SQLite takes what its log holds up to the first frame that does not fit its checksum, and silently
//! drops the rest: right for a write that was cut off, wrong for an acknowledged one that rotted. So the number of
//! the last acknowledged write stands here too. It is written after that write is durable, and not synced: it may
//! be too small, never too large. Only where the machine stopped and the store is `fast` may it be too large.
//!
//! It stands in two places that are written in turn, so that a write which is cut off leaves the other.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::rows::{Sum, shorten};

/// Its name in the folder of the store.
pub(super) const FILE: &str = "tail";

const MARK: &[u8; 8] = b"wefttail";
const BYTES: usize = 56;
/// Where it stands: in two blocks of a disk.
const PLACES: [u64; 2] = [0, 512];

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// The number of a write that was acknowledged.
    pub(super) revision: u64,
    /// In which run of the machine.
    pub(super) boot: Sum,
}

/// The file, open.
#[derive(Debug)]
pub(super) struct TailFile {
    file: fs_err::File,
    path: PathBuf,
    /// Counts writes, to take the places in turn.
    turn: AtomicUsize,
}

impl Tail {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend(MARK);
        bytes.extend(self.revision.to_le_bytes());
        bytes.extend(self.boot);
        bytes.resize(BYTES - size_of::<Sum>(), 0);
        let sum = shorten(blake3::hash(&bytes));
        bytes.extend(sum);
        bytes
    }

    fn from_bytes(bytes: &[u8; BYTES]) -> Option<Self> {
        let revision = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
        let boot = bytes.get(16..32)?.try_into().ok()?;
        let tail = Self { revision, boot };
        (tail.to_bytes() == bytes).then_some(tail)
    }
}

impl TailFile {
    /// Makes the file and sees that it stays.
    pub(super) fn create(folder: &Path, tail: Tail) -> io::Result<Self> {
        let path = folder.join(FILE);
        let file = fs_err::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let made = Self::over(file, path);
        for _ in PLACES {
            made.write(tail)?;
        }
        made.file.sync_all()?;
        Ok(made)
    }

    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let file = fs_err::OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(Self::over(file, path))
    }

    fn over(file: fs_err::File, path: PathBuf) -> Self {
        Self {
            file,
            path,
            turn: AtomicUsize::new(0),
        }
    }

    /// What it says, by the place that says more; none where both are damaged. The other place is written next.
    pub(super) fn read(&self) -> io::Result<Option<Tail>> {
        // Another process may be writing right now; a write is far shorter than a pause.
        for _ in 0..5 {
            let mut found = [None; PLACES.len()];
            for (found, place) in found.iter_mut().zip(PLACES) {
                *found = self.read_at(place)?;
            }
            let newest = found
                .into_iter()
                .enumerate()
                .max_by_key(|(_, tail)| tail.map(|tail| tail.revision));
            if let Some((place, Some(tail))) = newest {
                self.turn.store(place + 1, Ordering::Relaxed);
                return Ok(Some(tail));
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(None)
    }

    fn read_at(&self, place: u64) -> io::Result<Option<Tail>> {
        let mut bytes = [0; BYTES];
        match self.file.file().read_exact_at(&mut bytes, place) {
            Ok(()) => Ok(Tail::from_bytes(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, tail: Tail) -> io::Result<()> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let place = PLACES.into_iter().nth(turn % PLACES.len()).unwrap_or_default();
        let written = self.file.file().write_all_at(&tail.to_bytes(), place);
        written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }
}

/// Which run of the machine this is.
pub(super) fn boot() -> Sum {
    let id = fs_err::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    shorten(blake3::hash(&id))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::{BYTES, PLACES, Tail, TailFile};

    #[test]
    fn a_write_that_was_cut_off_leaves_the_one_before() {
        let scratch = weft_testing::Scratch::new();
        let at = |revision| Tail {
            revision,
            boot: [3; 16],
        };
        let file = TailFile::create(scratch.path(), at(0)).unwrap();
        for revision in 1..5 {
            file.write(at(revision)).unwrap();
        }
        let opened = TailFile::open(scratch.path()).unwrap();
        assert_eq!(opened.read().unwrap(), Some(at(4)));
        let newest = PLACES
            .into_iter()
            .find(|place| opened.read_at(*place).unwrap() == Some(at(4)));
        opened
            .file
            .file()
            .write_all_at(&[9; 20], newest.unwrap())
            .unwrap();
        assert_eq!(opened.read().unwrap(), Some(at(3)));
        opened.write(at(5)).unwrap();
        assert_eq!(opened.read().unwrap(), Some(at(5)));
        for place in PLACES {
            opened.file.file().write_all_at(&[9; 20], place).unwrap();
        }
        assert_eq!(opened.read().unwrap(), None);
    }

    #[test]
    fn one_flipped_bit_is_noticed_wherever_it_is() {
        let tail = Tail {
            revision: 77,
            boot: [3; 16],
        };
        let whole: [u8; BYTES] = tail.to_bytes().try_into().unwrap();
        assert_eq!(Tail::from_bytes(&whole), Some(tail));
        for bit in 0..BYTES * 8 {
            let mut flipped = whole;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Tail::from_bytes(&flipped), None, "bit {bit}");
        }
    }
}
