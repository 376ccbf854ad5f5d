//! Objects for guests: `wasi:blobstore` as the draft 0.2.0, and `wasmcloud:blobstore` 0.1.0.
//!
//! [`Blobs`] is what one component has of them: containers by the names that it may open, each a `view` of a store that
//! enforces the grant; how much it has there is kept to by `bounded`. `outgoing` gathers what a guest writes until it says that it is whole, `incoming` hands out what
//! is stored piece by piece, `host` is the border to the guest. Stores are in [`weft_stores`].
//!
//! What always holds: a component reaches the containers of its grant and nothing else of any store; an object is
//! there as a whole or not at all; no call waits for a disk on the thread that serves; and what a backend says about
//! itself stays here.

mod bounded;
mod host;
mod incoming;
mod outgoing;
mod view;

use std::fmt;
use std::sync::Arc;

use weft_app::grant::ContainerGrant;
use weft_runtime::denial::{Denial, DenialLog};
use weft_runtime::service::{Service, ServiceInterface};
use weft_stores::blob::Store;

use crate::calls::Calls;
use crate::quota::Quotas;
use bounded::bounded;
use outgoing::Gathering;
use view::View;

/// Objects of the largest size that one component may be writing at the same time.
const WRITTEN_AT_ONCE: u64 = 4;

/// What one component has of objects.
///
/// # Authority
///
/// Reaches the stores that it was made with, as far as each [`ContainerGrant`] says. What is written lies in the
/// temporary folder of the system until it is whole.
///
/// # Limits
///
/// Names are those of [`weft_stores::blob`]; objects those of the grants. All objects that a component is writing at
/// one time have together at most four times the bytes of the largest that it may write.
pub struct Blobs {
    containers: Vec<Arc<View>>,
    gathering: Arc<Gathering>,
    denials: DenialLog,
}

impl Blobs {
    /// A component that may open these containers. What it may have in them is counted in `quotas`, together with others.
    #[must_use]
    pub fn new(
        containers: Vec<(ContainerGrant, Arc<dyn Store>)>,
        quotas: &Quotas<dyn Store>,
        denials: DenialLog,
    ) -> Self {
        let calls = Calls::new();
        let view = |(grant, store)| {
            let kept = Arc::clone(&store);
            let store = bounded(&grant, store, quotas);
            let calls = Arc::clone(&calls);
            Arc::new(View::new(grant, (store, kept), calls, denials.clone()))
        };
        let containers: Vec<_> = containers.into_iter().map(view).collect();
        let object_bytes_max = containers.iter().map(|view| view.object_bytes_max()).max();
        let object_bytes_max = object_bytes_max.unwrap_or(0);
        Self {
            gathering: Arc::new(Gathering::new(
                object_bytes_max,
                object_bytes_max.saturating_mul(WRITTEN_AT_ONCE),
            )),
            containers,
            denials,
        }
    }

    fn container(&self, name: &str) -> Option<Arc<View>> {
        let found = self.containers.iter().find(|view| view.name() == name);
        if found.is_none() {
            // A name is at most as long as a message wants to be.
            let name: String = name.chars().take(64).collect();
            self.denials.record(Denial {
                interface: INTERFACE.into(),
                attempted: format!("open the container `{name}`"),
                flag: format!("--blobstore {name}=FOLDER"),
            });
        }
        found.cloned()
    }
}

/// What denials are about.
const INTERFACE: &str = "wasi:blobstore/blobstore";

impl Service for Blobs {
    fn interfaces(&self) -> &'static [ServiceInterface] {
        host::INTERFACES
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Blobs")
            .field("containers", &self.containers)
            .finish_non_exhaustive()
    }
}
