//! Where a store is, as its errors tell it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blob::Error;
use crate::keyvalue;

/// The folder of a store.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    name: Arc<str>,
}

impl Place {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            name: folder.display().to_string().into(),
        }
    }

    pub(super) fn damaged(&self, what: &str) -> Error {
        Error::Damaged {
            place: Arc::clone(&self.name),
            what: what.into(),
        }
    }

    pub(super) fn failed(&self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Backend {
            backend: self.backend(),
            source: Arc::new(source),
        }
    }

    /// What the index says of itself, as this store says it.
    pub(super) fn of_index(&self, error: keyvalue::Error) -> Error {
        match error {
            keyvalue::Error::Damaged { place, what } => Error::Damaged { place, what },
            keyvalue::Error::Newer { place, found, known } => Error::Newer { place, found, known },
            keyvalue::Error::Backend { backend, source } => Error::Backend { backend, source },
            keyvalue::Error::Timeout { backend, waited } => Error::Timeout { backend, waited },
            // Keys and values are made here, and no index is bounded.
            other => self.failed(other),
        }
    }

    fn backend(&self) -> Arc<str> {
        format!("the store in `{}`", self.name).into()
    }
}
