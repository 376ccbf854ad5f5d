//! Tables in SQLite: in a folder of this machine, or in memory.
//!
//! The file is an ordinary SQLite database (`data.db`, with a write-ahead log), which other tools read, and has
//! checksums that other tools pass over (`sums`). Whoever writes waits for its turn before SQLite is asked, so that writers of one process come one after the other in the
//! order in which they asked; readers never wait. `rights` says what a component may do, `turn` who writes, `handle`
//! is a connection of SQLite with its bounds, and `session` what a component holds. Every statement runs on a thread
//! for blocking work, until its time is over.

mod convert;
mod handle;
mod open;
mod rights;
mod session;
mod statement;
mod sums;
mod turn;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::handle::Handle;
use self::open::Target;
use self::turn::Turn;
use super::Error;
use crate::keyvalue::Durability;

pub use self::rights::Rights;
pub use self::session::{Gathered, Session, Stream};

/// How a database is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What a committed transaction survives. Default [`Durability::Sync`].
    pub durability: Durability,
    /// Bytes that the database may have. Default 1 GiB.
    pub bytes_max: u64,
    /// How long a statement may take, reading its rows and waiting for a turn to write included. A transaction in
    /// which nothing is done for so long is rolled back once others wait. Default 5 s.
    pub timeout: Duration,
    /// Connections that each side may have at once. Default 16.
    pub connections_max: usize,
    /// A database of more than so many bytes is not looked through before it is used. Default 64 MiB.
    pub verify_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Sync,
            bytes_max: 1 << 30,
            timeout: Duration::from_secs(5),
            connections_max: 16,
            verify_bytes_max: 64 << 20,
        }
    }
}

/// An open database.
///
/// # Authority
///
/// Reads and writes the files of its folder, and files for sorting in the directory for temporary files.
///
/// # Limits
///
/// Those of [`Options`] and of this module's parent.
#[derive(Debug, Clone)]
pub struct Sqlite {
    shared: Arc<Shared>,
}

/// What all connections to a database share.
struct Shared {
    /// For messages.
    place: Arc<str>,
    target: Target,
    options: Options,
    turn: Turn,
    /// In which way it is damaged, once that was seen. Nothing is done with it from then on.
    damage: Mutex<Option<Arc<str>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shared")
            .field("place", &self.place)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Sqlite {
    /// The database in a folder, which is made where there is none.
    ///
    /// # Errors
    /// The folder cannot be read or made, or what is in it is not a whole database.
    pub fn open(folder: &Path, options: Options) -> Result<Self, Error> {
        let place: Arc<str> = folder.display().to_string().into();
        let target = open::folder(folder, &options, &place)?;
        Ok(Self::new(place, target, options))
    }

    /// An empty database that is gone with the last of its users.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn in_memory(options: Options) -> Result<Self, Error> {
        let place: Arc<str> = "memory".into();
        let target = open::memory(&options, &place)?;
        Ok(Self::new(place, target, options))
    }

    fn new(place: Arc<str>, target: Target, options: Options) -> Self {
        Self {
            shared: Arc::new(Shared {
                place,
                target,
                turn: Turn::new(options.timeout),
                options,
                damage: Mutex::default(),
            }),
        }
    }

    /// The side of one component.
    #[must_use]
    pub fn side(&self, rights: Rights) -> Side {
        Side {
            shared: Arc::clone(&self.shared),
            rights: Arc::new(rights),
            idle: Arc::default(),
            room: Arc::new(Semaphore::new(self.shared.options.connections_max)),
        }
    }

    /// Whether it can be read.
    ///
    /// # Errors
    /// It cannot, or is damaged.
    pub async fn check(&self) -> Result<(), Error> {
        let session = self.side(Rights::all()).connect().await?;
        let gathered = session
            .gather("PRAGMA schema_version".to_owned(), Vec::new())
            .await?;
        drop(gathered);
        Ok(())
    }

    /// Copies it as it is at one moment into a new folder.
    ///
    /// # Errors
    /// It cannot be read, or the folder is there already or cannot be written.
    pub fn copy_to(&self, folder: &Path) -> Result<u64, Error> {
        open::copy(&self.shared, folder)
    }
}

impl Shared {
    /// Refuses what was seen to be damaged.
    fn whole(&self) -> Result<(), Error> {
        match &*self.damage.lock() {
            None => Ok(()),
            Some(what) => Err(Error::Damaged {
                place: Arc::clone(&self.place),
                what: Arc::clone(what),
            }),
        }
    }

    /// Notes damage where an error tells of it.
    fn note<T>(&self, ended: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Damaged { what, .. }) = &ended {
            *self.damage.lock() = Some(Arc::clone(what));
        }
        ended
    }
}

/// What one component has of a database: connections with its rights, a few of which are kept for the next time.
#[derive(Clone)]
pub struct Side {
    shared: Arc<Shared>,
    rights: Arc<Rights>,
    idle: Arc<Mutex<Vec<Handle>>>,
    room: Arc<Semaphore>,
}

impl fmt::Debug for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Side")
            .field("shared", &self.shared)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

impl Side {
    /// A connection with nothing begun.
    ///
    /// # Errors
    /// All connections of this side are in use for as long as a statement may take, or the database cannot be opened.
    pub async fn connect(&self) -> Result<Session, Error> {
        self.shared.whole()?;
        let options = &self.shared.options;
        let room = tokio::time::timeout(options.timeout, Arc::clone(&self.room).acquire_owned()).await;
        let Ok(Ok(room)) = room else {
            return Err(Error::Connections {
                max: options.connections_max,
            });
        };
        let idle = self.idle.lock().pop();
        let handle = match idle {
            Some(handle) => handle,
            None => {
                let (shared, rights) = (Arc::clone(&self.shared), Arc::clone(&self.rights));
                let opened = tokio::task::spawn_blocking(move || Handle::open(&shared, &rights)).await;
                let opened = opened.map_err(|_| statement::ended(&self.shared.place))?;
                self.shared.note(opened)?
            }
        };
        Ok(Session::new(
            Arc::clone(&self.shared),
            Arc::clone(&self.idle),
            handle,
            room,
        ))
    }
}
