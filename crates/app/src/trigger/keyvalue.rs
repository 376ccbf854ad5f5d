//! Changes of keys as a trigger: which component is told of them, and what happens where it fails.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{MessageTrigger, backoff_after};
use crate::Name;
use crate::grant::BucketGrant;

/// A component is told of the keys of a bucket that are set and removed, of each until it has returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueTrigger {
    /// Its name, for messages.
    pub name: Name,
    /// The component.
    pub component: Name,
    /// The bucket, as the component was granted it: it is handed this one, and is told of nothing outside of it.
    pub bucket: BucketGrant,
    /// How the keys begin that it is told of, as it knows them.
    pub prefix: String,
    /// How many keys it is told of at a time.
    pub concurrent_max: NonZeroU32,
    /// How often one change is tried.
    pub attempts_max: NonZeroU32,
    /// How long a change waits after it failed for the first time; twice as long after each further time.
    pub backoff: Duration,
    /// How long the component may take for one change.
    pub timeout: Duration,
}

impl KeyValueTrigger {
    /// How often a change is tried where nothing else is said.
    pub const ATTEMPTS_MAX: NonZeroU32 = MessageTrigger::ATTEMPTS_MAX;
    /// How many keys the component is told of at a time where nothing else is said.
    pub const CONCURRENT_MAX: NonZeroU32 = MessageTrigger::CONCURRENT_MAX;
    /// The first wait where nothing else is said.
    pub const BACKOFF: Duration = MessageTrigger::BACKOFF;
    /// How long the component may take where nothing else is said.
    pub const TIMEOUT: Duration = MessageTrigger::TIMEOUT;

    /// How the keys begin in the store.
    #[must_use]
    pub fn prefix_in_store(&self) -> String {
        format!("{}{}", self.bucket.prefix, self.prefix)
    }

    /// How long a change waits that has failed so many times.
    #[must_use]
    pub fn backoff_after(&self, failures: u32) -> Duration {
        backoff_after(self.backoff, failures)
    }
}
