//! Keys with values for guests: `wasi:keyvalue` in the drafts that are in use, `wasmcloud:keyvalue`, and those of Spin.
//!
//! [`KeyValue`] is what one component has of them: buckets by the names that it may open, each a `view` of a store that
//! enforces the grant. How much it has there is kept to by `bounded`; `host` is the border to the guest, one file for
//! each package; `watcher` tells a component of a key that has changed. Stores are in [`weft_stores`].
//!
//! What always holds: a component reaches the buckets of its grant and nothing else of any store; what it may not do
//! is refused with `access-denied` before a store hears of it; and what a backend says about itself stays here.

mod bounded;
mod host;
mod view;
mod watcher;

use std::fmt;
use std::sync::Arc;

use weft_app::grant::BucketGrant;
use weft_runtime::denial::{Denial, DenialLog};
use weft_runtime::service::{Service, ServiceInterface};
use weft_stores::keyvalue::Store;

use crate::calls::Calls;
use crate::quota::Quotas;
use bounded::bounded;
use view::View;
pub use watcher::tell;

/// What one component has of keys with values.
///
/// # Authority
///
/// Reaches the stores that it was made with, as far as each [`BucketGrant`] says.
///
/// # Limits
///
/// Sizes of keys, values and pages are those of [`weft_stores::keyvalue`]; a call waits for its backend no longer than
/// the backend's timeout. Of the calls that a component makes beside one another, stores work on 64 at a time, and all
/// of them together may have handed over 64 MiB.
pub struct KeyValue {
    buckets: Vec<Arc<View>>,
    denials: DenialLog,
}

impl KeyValue {
    /// A component that may open these buckets. What it may have in them is counted in `quotas`, together with others.
    #[must_use]
    pub fn new(
        buckets: Vec<(BucketGrant, Arc<dyn Store>)>,
        quotas: &Quotas<dyn Store>,
        denials: DenialLog,
    ) -> Self {
        let calls = Calls::new();
        let view = |(grant, store)| {
            let store = bounded(&grant, store, quotas);
            Arc::new(View::new(grant, store, Arc::clone(&calls), denials.clone()))
        };
        Self {
            buckets: buckets.into_iter().map(view).collect(),
            denials,
        }
    }

    /// A bucket of the grant.
    fn view(&self, name: &str) -> Option<Arc<View>> {
        self.buckets.iter().find(|view| view.name() == name).cloned()
    }

    fn open(&self, name: &str) -> Option<Arc<View>> {
        let found = self.view(name);
        if found.is_none() {
            // A name is at most as long as a message wants to be.
            let name: String = name.chars().take(64).collect();
            self.denials.record(Denial {
                interface: INTERFACE.into(),
                attempted: format!("open the bucket `{name}`"),
                flag: format!("--keyvalue {name}=FOLDER"),
            });
        }
        found
    }
}

/// What denials are about.
const INTERFACE: &str = "wasi:keyvalue/store";

impl Service for KeyValue {
    fn interfaces(&self) -> &'static [ServiceInterface] {
        host::INTERFACES
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KeyValue")
            .field("buckets", &self.buckets)
            .finish_non_exhaustive()
    }
}
