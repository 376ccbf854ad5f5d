//! Messages as a trigger: which are handed to which component, and what happens to those that it fails at.

use std::num::NonZeroU32;
use std::time::Duration;

use super::backoff_after;
use crate::Name;
use crate::queue::MessageQueue;
use crate::subject::Pattern;

/// Messages of a queue are handed to a component, each until it has worked on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTrigger {
    /// Its name, by which the queue knows who has worked on what.
    pub name: Name,
    /// The component.
    pub component: Name,
    /// Where messages come from.
    pub queue: MessageQueue,
    /// Which messages.
    pub subject: Pattern,
    /// How many are worked on at a time.
    pub concurrent_max: NonZeroU32,
    /// How often one is tried before it is put aside.
    pub attempts_max: NonZeroU32,
    /// How long a message waits after it failed for the first time; twice as long after each further time.
    pub backoff: Duration,
    /// How long the component may work on one.
    pub timeout: Duration,
}

/// A number that is not zero.
const fn natural(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

impl MessageTrigger {
    /// How often a message is tried where nothing else is said.
    pub const ATTEMPTS_MAX: NonZeroU32 = natural(5);
    /// How many are worked on at a time where nothing else is said.
    pub const CONCURRENT_MAX: NonZeroU32 = natural(4);
    /// The first wait where nothing else is said.
    pub const BACKOFF: Duration = Duration::from_secs(1);
    /// How long the component may work on one where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// How long a message waits that has failed so many times.
    #[must_use]
    pub fn backoff_after(&self, failures: u32) -> Duration {
        backoff_after(self.backoff, failures)
    }
}
