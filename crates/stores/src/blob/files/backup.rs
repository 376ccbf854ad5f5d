//! A copy of a store as it is at one moment, while it is in use.
//!
//! The index is copied as it is at one moment, and then the files that it names there. They never change; that none of
//! them goes meanwhile is seen to by keeping all files, in every process, from before that moment on.

use std::io;
use std::path::Path;

use super::data::{self, Data};
use super::index::{self, Index};
use super::open::frame;
use super::place::Place;
use super::{Files, Inner, Options, Totals};
use crate::blob::Error;
use crate::folder;
use crate::keyvalue::Durability;

/// Copies a store into a folder that is not there yet, and looks through the copy.
pub(super) fn copy(inner: &Inner, to: &Path) -> Result<Totals, Error> {
    let io = |error: io::Error| Place::new(to).failed(error);
    if to.try_exists().map_err(io)? {
        return Err(io(io::ErrorKind::AlreadyExists.into()));
    }
    let building = folder::beside(to, "copy");
    let filled = fill(inner, &building);
    if filled.is_err() && building.exists() {
        fs_err::remove_dir_all(&building).map_err(io)?;
    }
    let totals = filled?;
    folder::publish(&building, to, data::LOCK).map_err(io)?;
    Ok(totals)
}

fn fill(inner: &Inner, building: &Path) -> Result<Totals, Error> {
    let place = Place::new(building);
    frame(building).map_err(|error| place.failed(error))?;
    let kept = inner.data.keep()?;
    index::wait(inner.index.back_up(&building.join(index::FOLDER)))?;
    let scan = index::wait(Index::open(&place, Durability::Sync)?.scan(|| false))?;
    let copies = Data::new(&place, Durability::Sync);
    for id in scan.unwrap_or_default().files {
        inner.data.copy_to(id, &copies)?;
    }
    drop(kept);
    folder::sync(&building.join(data::FOLDER)).map_err(|error| place.failed(error))?;
    verify(building).map_err(|error| match error {
        // What is wrong with the copy is wrong with the store: it was copied as it is.
        Error::Damaged { what, .. } => inner.place.damaged(&what),
        error => error,
    })
}

fn verify(building: &Path) -> Result<Totals, Error> {
    let options = Options {
        bytes_max: u64::MAX,
        ..Options::default()
    };
    index::wait(Files::open(building, &options)?.verify())
}
