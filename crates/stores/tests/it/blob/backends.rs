//! Every backend, ready for a test.

use std::sync::Arc;

use weft_stores::blob::Store;
use weft_stores::blob::files::{Files, Options};
use weft_stores::blob::memory::Memory;
use weft_stores::blob::s3::{Options as BucketOptions, S3};
use weft_stores::keyvalue::Durability;
use weft_testing::Scratch;

use super::server::{Reached as _, Server};

/// A store, and what has to live as long as it does.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    /// It keeps no more than so many bytes.
    pub(crate) bytes_max: Option<u64>,
    pub(crate) scratch: Option<Scratch>,
    _server: Option<Server>,
}

pub(crate) const BYTES_MAX: u64 = 32 << 20;

/// An empty store of every kind that can be had here.
pub(crate) fn every() -> Vec<Backend> {
    vec![
        memory(),
        files(Durability::Fast),
        files(Durability::Sync),
        bucket(),
    ]
}

fn memory() -> Backend {
    Backend {
        name: "memory",
        store: Arc::new(Memory::new(BYTES_MAX)),
        bytes_max: Some(BYTES_MAX),
        scratch: None,
        _server: None,
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
        _server: None,
    }
}

fn bucket() -> Backend {
    let server = Server::start();
    let options = BucketOptions {
        prefix: "weft-test/ü/".to_owned(),
        ..server.options()
    };
    Backend {
        name: "s3",
        store: Arc::new(S3::new(options).unwrap()),
        bytes_max: None,
        scratch: None,
        _server: Some(server),
    }
}
