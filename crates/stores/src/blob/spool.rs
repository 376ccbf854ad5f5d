//! Bytes on their way into a store: in memory while they are few or there is room, then in a file without a name.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// Bytes that every spool may have in memory.
const MEMORY_BYTES: usize = 256 << 10;
/// Bytes that one has in memory where there is room for them.
const MEMORY_BYTES_MAX: usize = 8 << 20;
/// Room for what spools have in memory above [`MEMORY_BYTES`], all of them together.
const ROOM_BYTES: usize = 64 << 20;

/// What is taken of that room.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// The content of an object to be, gathered before it is written.
///
/// # Limits
///
/// 256 KiB of memory, and up to 8 MiB while all spools of the process have no more than 64 MiB beyond that. More lies in
/// a file of the system's temporary folder, which goes with the spool. How much that may be is for whoever fills it.
#[derive(Default)]
pub struct Spool {
    /// Where the first bytes are, if they are not in memory, and how many.
    file: Option<(File, u64)>,
    /// The others.
    memory: Vec<u8>,
    room: Room,
}

impl Spool {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes. May wait for the disk.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.has_memory_for(bytes.len()) {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let (file, on_disk) = match &mut self.file {
            Some(file) => file,
            none => none.insert((tempfile::tempfile()?, 0)),
        };
        // What comes next finds the memory empty, so that the disk is not asked for every few bytes.
        file.write_all(&self.memory)?;
        file.write_all(bytes)?;
        *on_disk += (self.memory.len() + bytes.len()) as u64;
        if self.memory.capacity() > MEMORY_BYTES {
            self.memory = Vec::new();
        }
        self.memory.clear();
        self.room = Room::default();
        Ok(())
    }

    /// Whether so many more bytes stay in memory, so that adding them waits for nothing. There is room for them then.
    #[must_use]
    pub fn has_memory_for(&mut self, bytes: usize) -> bool {
        let all = self.memory.len().saturating_add(bytes);
        if all > self.memory.capacity() {
            let Some(capacity) = self.capacity_for(all) else {
                return false;
            };
            self.memory.reserve_exact(capacity - self.memory.len());
        }
        true
    }

    /// Takes room for so many bytes in memory, and says for how many: all that is there is copied whenever it grows, so
    /// it does so four times over.
    fn capacity_for(&mut self, bytes: usize) -> Option<usize> {
        let bytes_max = match self.file {
            Some(_) => MEMORY_BYTES,
            None => MEMORY_BYTES_MAX,
        };
        if bytes > bytes_max {
            return None;
        }
        let wanted = bytes.max(self.memory.capacity() * 4).min(bytes_max);
        if self.room.grow(wanted) {
            return Some(wanted);
        }
        (bytes <= MEMORY_BYTES).then_some(MEMORY_BYTES)
    }

    /// How many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let on_disk = self.file.as_ref().map_or(0, |(_, bytes)| *bytes);
        on_disk + self.memory.len() as u64
    }

    /// All of it, where all of it is in memory.
    ///
    /// # Errors
    /// It is not, and is handed back.
    pub fn into_memory(mut self) -> Result<Bytes, Self> {
        if self.file.is_some() {
            return Err(self);
        }
        Ok(std::mem::take(&mut self.memory).into())
    }

    /// What was added, from the beginning. Reading may wait for the disk.
    ///
    /// # Errors
    /// The disk fails.
    pub fn into_reader(self) -> io::Result<impl Read + Send + 'static> {
        let on_disk = match self.file {
            Some((mut file, bytes)) => {
                file.seek(SeekFrom::Start(0))?;
                Some(file.take(bytes))
            }
            None => None,
        };
        Ok(Reader {
            on_disk,
            memory: Cursor::new(self.memory),
            _room: self.room,
        })
    }
}

struct Reader {
    on_disk: Option<io::Take<File>>,
    memory: Cursor<Vec<u8>>,
    _room: Room,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.on_disk {
            let read = file.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            self.on_disk = None;
        }
        self.memory.read(into)
    }
}

/// What a spool has taken of the room of all.
#[derive(Default)]
struct Room(usize);

impl Room {
    /// Has room for so much memory, the part that every spool has included.
    fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(MEMORY_BYTES + self.0);
        let taken = TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            taken.checked_add(more).filter(|all| *all <= ROOM_BYTES)
        });
        if taken.is_ok() {
            self.0 += more;
        }
        taken.is_ok()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Spool")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// Tests that look at how much room there is.
    static ALONE: Mutex<()> = Mutex::new(());

    /// A content in which every byte says where it is.
    fn content(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|place| (place % 251) as u8).collect()
    }

    fn filled(content: &[u8], piece: usize) -> Spool {
        let mut spool = Spool::new();
        for piece in content.chunks(piece) {
            spool.push(piece).unwrap();
        }
        assert_eq!(spool.bytes(), content.len() as u64);
        spool
    }

    #[test]
    fn what_was_added_comes_back_in_memory_and_out_of_it() {
        let _alone = ALONE.lock();
        for bytes in [
            0,
            1,
            MEMORY_BYTES,
            MEMORY_BYTES + 1,
            3 << 20,
            MEMORY_BYTES_MAX + 70_000,
        ] {
            let content = content(bytes);
            for piece in [4096, 100_000, MEMORY_BYTES_MAX + 1] {
                let mut read = Vec::new();
                let mut reader = filled(&content, piece).into_reader().unwrap();
                reader.read_to_end(&mut read).unwrap();
                assert!(read == content, "{bytes} bytes by {piece}");
                match filled(&content, piece).into_memory() {
                    Ok(memory) => assert!(bytes <= MEMORY_BYTES_MAX && memory == content),
                    Err(spool) => assert!(spool.bytes() > MEMORY_BYTES as u64),
                }
            }
        }
    }

    #[test]
    fn where_there_is_no_room_a_disk_is_asked_and_not_for_every_few_bytes() {
        let _alone = ALONE.lock();
        let large = || filled(&content(MEMORY_BYTES_MAX), MEMORY_BYTES_MAX);
        let fitting = ROOM_BYTES / (MEMORY_BYTES_MAX - MEMORY_BYTES);
        let held: Vec<Spool> = (0..fitting + 1).map(|_| large()).collect();
        assert_eq!(held.iter().filter(|spool| spool.file.is_some()).count(), 1);
        let rest = ROOM_BYTES - TAKEN.load(Ordering::Relaxed);
        let mut all = Room::default();
        assert!(all.grow(MEMORY_BYTES + rest));
        let mut spool = Spool::new();
        let mut waits = 0;
        for piece in content(4 << 20).chunks(4096) {
            waits += usize::from(!spool.has_memory_for(piece.len()));
            spool.push(piece).unwrap();
        }
        assert!((1..=(4 << 20) / MEMORY_BYTES).contains(&waits), "{waits}");
        assert!(spool.into_memory().is_err());
        drop((held, all));
        assert_eq!(TAKEN.load(Ordering::Relaxed), 0);
        assert!(large().into_memory().is_ok());
    }
}
