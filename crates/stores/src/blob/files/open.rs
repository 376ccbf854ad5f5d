//! Opening the folder of a store, and making it where there is none.
//!
//! What is there is never replaced, whatever state it is in.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::data::{self, Data, Id};
use super::index::{self, Index};
use super::place::Place;
use crate::blob::Error;
use crate::folder;
use crate::keyvalue::Durability;

/// A store that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) place: Place,
    pub(super) index: Index,
    pub(super) data: Data,
    /// Files that may have been left behind.
    pub(super) candidates: Vec<Id>,
}

/// Opens the store in a folder, or makes one.
pub(super) fn open(folder: &Path, durability: Durability) -> Result<Opened, Error> {
    let place = Place::new(folder);
    if !folder.exists() {
        create(&place)?;
    }
    for part in [index::FOLDER, data::FOLDER, data::LOCK] {
        let is_there = folder.join(part).try_exists();
        if !is_there.map_err(|error| place.failed(error))? {
            let what =
                format!("`{part}` is missing; restore the folder from a backup, or remove it to begin anew");
            return Err(place.damaged(&what));
        }
    }
    let data = Data::new(&place, durability);
    // Before the index is read: what is named by then is named there.
    let candidates = data.idle_files()?;
    Ok(Opened {
        index: Index::open(&place, durability)?,
        data,
        candidates,
        place,
    })
}

/// Makes an empty store.
fn create(place: &Place) -> Result<(), Error> {
    let io = |error: std::io::Error| place.failed(error);
    fs_err::create_dir_all(folder::parent(&place.folder)).map_err(io)?;
    let building = folder::beside(&place.folder, "new");
    frame(&building).map_err(io)?;
    Index::create(place, &building)?;
    folder::publish(&building, &place.folder, data::LOCK).map_err(io)
}

/// Makes what is in the folder of every store beside its index.
pub(super) fn frame(folder: &Path) -> std::io::Result<()> {
    let private = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    private(folder)?;
    private(&folder.join(data::FOLDER))?;
    let lock = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join(data::LOCK));
    lock.map(drop)
}
