//! Queues: where an app keeps messages until they are worked on, as it is declared.

use std::path::PathBuf;
use std::time::Duration;

use crate::Name;
use crate::store::{Durability, StoreAddress};

/// A queue that an app declares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageQueue {
    /// Its name, which tells it from the other queues of the app.
    pub name: Name,
    /// Where its messages are.
    pub backend: QueueBackend,
}

/// Where the messages of a queue are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum QueueBackend {
    /// In the memory of the process: gone with it.
    Memory {
        /// Bytes that messages may have together.
        bytes_max: u64,
    },
    /// In a folder of this machine.
    Embedded {
        /// The folder; none for the one that Weft chooses by the names of the app and of the queue.
        folder: Option<PathBuf>,
        /// What an acknowledged message survives.
        durability: Durability,
        /// Bytes that messages may have together.
        bytes_max: u64,
    },
    /// In a stream of a NATS server with JetStream.
    Nats {
        /// Where the servers are, and with which password they are entered.
        address: StoreAddress,
        /// The certificates of those who vouch for them; none for the public authorities.
        authorities: Option<PathBuf>,
        /// The stream; none for one that is called by the names of the app and of the queue.
        stream: Option<String>,
        /// Servers of the cluster that have a copy of a stream that is made.
        replicas: usize,
        /// How long one call may take.
        timeout: Duration,
    },
}

impl QueueBackend {
    /// Bytes of messages where nothing else is said: 1 GiB.
    pub const BYTES_MAX: u64 = 1 << 30;
}
