//! Every backend, ready for a test.

use std::sync::Arc;

use weft_stores::blob::Store;
use weft_stores::blob::files::{Files, Options};
use weft_stores::blob::memory::Memory;
use weft_stores::keyvalue::Durability;
use weft_testing::Scratch;

/// A store, and what has to live as long as it does.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    /// It keeps no more than so many bytes.
    pub(crate) bytes_max: Option<u64>,
    pub(crate) scratch: Option<Scratch>,
}

pub(crate) const BYTES_MAX: u64 = 32 << 20;

/// An empty store of every kind that can be had here.
pub(crate) fn every() -> Vec<Backend> {
    vec![memory(), files(Durability::Fast), files(Durability::Sync)]
}

fn memory() -> Backend {
    Backend {
        name: "memory",
        store: Arc::new(Memory::new(BYTES_MAX)),
        bytes_max: Some(BYTES_MAX),
        scratch: None,
    }
}

fn files(durability: Durability) -> Backend {
    let scratch = Scratch::new();
    let options = Options {
        durability,
        bytes_max: BYTES_MAX,
    };
    Backend {
        name: match durability {
            Durability::Sync => "files, sync",
            Durability::Fast => "files, fast",
        },
        store: Arc::new(Files::open(&scratch.path().join("store"), &options).unwrap()),
        bytes_max: Some(BYTES_MAX),
        scratch: Some(scratch),
    }
}
