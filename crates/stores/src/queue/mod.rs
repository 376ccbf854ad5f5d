//! Messages: published to a subject, and handed to everybody who takes that subject, until each has worked on it.
//!
//! Subjects and groups mean what they mean in NATS. [`Queue`] is the border; [`kept`] keeps messages in a store of keys
//! with values, in memory or in a folder, and [`nats`] on servers. The conformance suite in `tests/it` runs against each
//! of them.

pub mod kept;
mod message;
pub mod nats;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::keyvalue;

pub use message::Message;
pub use weft_app::subject::{Pattern, Subject};

/// What a queue comes to say: later, on whichever thread asked.
pub type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The largest message, in bytes: its body, and everything that is said of it.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Replies to one request.
const REPLIES_MAX: usize = 64;

/// Messages, and those who wait for them. Shared by everybody who was handed it.
///
/// A message that is acknowledged is handed to every group that takes its subject at that moment, at least once, as
/// durably as the store behind the queue says. Where no group takes it, it is gone.
///
/// # Errors
///
/// Every method: what is behind the queue cannot be reached, or is damaged.
pub trait Queue: fmt::Debug + Send + Sync {
    /// Hands a message to every group that takes its subject.
    ///
    /// # Errors
    /// It is larger than [`MESSAGE_BYTES_MAX`], or there is no room.
    fn publish(&self, message: Message) -> Answer<'_, ()>;

    /// Publishes a message and waits for replies to it: until there are so many, or the time is over.
    ///
    /// # Errors
    /// As for [`Self::publish`]; nobody takes its subject ([`Error::NobodyTakes`]); no reply came in time
    /// ([`Error::NoReply`]).
    fn request(&self, message: Message, replies: usize, wait: Duration) -> Answer<'_, Vec<Message>>;

    /// Makes a group known: what is published from then on waits for it, whether somebody takes it or not.
    fn join<'a>(&'a self, group: &'a str, pattern: &'a Pattern) -> Answer<'a, ()>;

    /// Takes the messages of a pattern for a group, which is made known. Whatever was published since the group first took
    /// them is handed out, each message to one of those who take for it. Queues of one machine let one at a time take for
    /// a group, and have the others wait here.
    fn take<'a>(&'a self, group: &'a str, pattern: &'a Pattern) -> Answer<'a, Box<dyn Taking>>;

    /// Has a message that was put aside, `d/GROUP/NUMBER`, wait for its group again as if it had never been tried; whether
    /// there is one.
    ///
    /// # Errors
    /// The group is not known any more ([`Error::NobodyTakes`]).
    fn retry<'a>(&'a self, key: &'a str) -> Answer<'a, bool>;

    /// Whether what is behind it is there and whole.
    fn check(&self) -> Answer<'_, ()>;
}

/// One who takes messages for a group. Dropped, it hands what it has not worked on to the next.
pub trait Taking: fmt::Debug + Send + Sync {
    /// The next message, once there is one.
    fn next(&self) -> Answer<'_, Delivery>;

    /// It was worked on, and is gone for the group.
    fn done<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, ()>;

    /// It was not, and is to be handed out again after a while.
    fn again(&self, delivery: Delivery, after: Duration) -> Answer<'_, ()>;

    /// It will never be: it is put aside, where nobody but a person takes it. As what: `d/GROUP/NUMBER`.
    fn put_aside(&self, delivery: Delivery) -> Answer<'_, String>;
}

/// A message that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// How often it was handed out before and given back.
    pub attempts: u32,
    /// By what the queue knows it.
    pub(crate) id: String,
}

/// What went wrong with a call.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A message that is too large.
    #[error("a message of {found} bytes, where {MESSAGE_BYTES_MAX} are allowed")]
    MessageLength {
        /// Its bytes.
        found: usize,
    },
    /// A message that other queues take, and the server of this one does not.
    #[error(
        "a message of {found} bytes with what is said of it, where the server of the queue allows {bytes_max}"
    )]
    TooLarge {
        /// Its bytes.
        found: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Nobody takes messages of that subject, so there can be no reply.
    #[error("nobody takes messages of `{subject}`")]
    NobodyTakes {
        /// The subject.
        subject: Subject,
    },
    /// No reply came in time.
    #[error("no reply within {} ms", waited.as_millis())]
    NoReply {
        /// How long it was waited for.
        waited: Duration,
    },
    /// What is kept is no message of this queue.
    #[error("what is kept under `{key}` is no message")]
    NoMessage {
        /// Where.
        key: String,
    },
    /// The lock that tells who takes for a group cannot be had.
    #[error("the queue in `{place}` cannot be locked")]
    Lock {
        /// The folder.
        place: String,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The store behind it.
    #[error(transparent)]
    Store(#[from] keyvalue::Error),
}
