//! Messages for guests: `wasi:messaging` as the draft 0.2.0, and `wasmcloud:messaging` 0.2.0 and 0.3.0.
//!
//! [`Messaging`] is what one component has of them: clients by the names that it may connect to, each a view of a
//! queue that enforces the grant. `host` is the border to the guest, one file for each package; `incoming` hands a
//! message to a component that takes some. Queues are in [`weft_stores`].
//!
//! What always holds: a component publishes to the subjects of its grant and to those where a reply is waited for, and
//! to nothing else; and what a backend says about itself stays here.

mod held;
mod host;
mod incoming;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weft_app::grant::ClientGrant;
use weft_app::subject::Subject;
use weft_runtime::denial::{Denial, DenialLog};
use weft_runtime::service::{Service, ServiceInterface};
use weft_stores::queue::{self, Queue};

use crate::rate::Rate;
use held::{Held, Room};
pub use incoming::{Taken, hand};

/// The longest that a guest may wait for replies.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What one component has of messages.
///
/// # Authority
///
/// Reaches the queues that it was made with, as far as each [`ClientGrant`] says.
///
/// # Limits
///
/// Sizes are those of [`weft_stores::queue`]; nobody waits for replies longer than an hour. All messages that a component
/// has in its hands have together at most 64 MiB.
pub struct Messaging {
    clients: Vec<Arc<Client>>,
    /// All queues of the app, for replies to messages that came from them.
    replies: Arc<[Arc<dyn Queue>]>,
    held: Arc<Held>,
    denials: DenialLog,
}

/// One queue, as one component sees it.
pub(crate) struct Client {
    grant: ClientGrant,
    queue: Arc<dyn Queue>,
    rate: Option<Rate>,
    denials: DenialLog,
}

/// Why a call of a guest was not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Its grant does not cover it; what was not.
    Denied(String),
    /// Nothing came in time.
    Timeout,
    /// What is behind the queue does not work.
    Connection(String),
    /// A text that is no subject.
    Subject(String),
    /// The message has more bytes than a queue takes.
    TooLarge(String),
    /// There is no room for what would be allowed by itself.
    Full(String),
    /// Something else.
    Other(String),
}

impl Messaging {
    /// A component that may connect to these, and reply to messages that it was handed out of `replies`.
    #[must_use]
    pub fn new(
        clients: Vec<(ClientGrant, Arc<dyn Queue>)>,
        replies: Vec<Arc<dyn Queue>>,
        denials: DenialLog,
    ) -> Self {
        let client = |(grant, queue): (ClientGrant, _)| {
            Arc::new(Client {
                rate: grant.calls_per_second_max.map(Rate::new),
                grant,
                queue,
                denials: denials.clone(),
            })
        };
        Self {
            clients: clients.into_iter().map(client).collect(),
            replies: replies.into(),
            held: Arc::default(),
            denials,
        }
    }

    fn connect(&self, name: &str) -> Result<Arc<Client>, Refusal> {
        let found = self.clients.iter().find(|client| client.grant.name == name);
        found.cloned().ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            self.deny(&format!("connect to the queue `{name}`"))
        })
    }

    /// The client that may publish to a subject, for interfaces that name none; the first where several may.
    fn client_for(
        &self,
        subject: &Subject,
        may: fn(&ClientGrant, &Subject) -> bool,
    ) -> Result<&Arc<Client>, Refusal> {
        let found = self.clients.iter().find(|client| may(&client.grant, subject));
        found.ok_or_else(|| self.deny(&format!("publish to `{subject}`")))
    }

    /// Publishes where no client is named.
    fn publishing(
        &self,
        message: queue::Message,
    ) -> impl Future<Output = Result<(), Refusal>> + Send + use<> {
        let way = self.way(&message.subject);
        async move { way?.publish(message).await }
    }

    /// Where a message goes if no client is named: a reply to whoever waits for it, anything else where a grant covers it.
    /// Whose subject it is was said by somebody else, so it counts for nothing that he might publish to it.
    fn way(&self, subject: &Subject) -> Result<Way, Refusal> {
        if subject.is_inbox() {
            // In which queue somebody waits does not matter: an inbox is in one of them.
            return Ok(Way::Replies(Arc::clone(&self.replies)));
        }
        let client = self.client_for(subject, ClientGrant::may_publish)?;
        Ok(Way::Client(Arc::clone(client)))
    }

    fn deny(&self, attempted: &str) -> Refusal {
        deny(&self.denials, attempted)
    }
}

/// Where a message goes.
enum Way {
    Client(Arc<Client>),
    Replies(Arc<[Arc<dyn Queue>]>),
}

impl Way {
    async fn publish(self, message: queue::Message) -> Result<(), Refusal> {
        let replies = match self {
            Self::Client(client) => return client.publish(message).await,
            Self::Replies(replies) => replies,
        };
        for queue in &*replies {
            queue
                .publish(message.clone())
                .await
                .map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

fn deny(denials: &DenialLog, attempted: &str) -> Refusal {
    denials.record(Denial {
        interface: INTERFACE.into(),
        attempted: attempted.to_owned(),
        flag: "messaging QUEUE".to_owned(),
    });
    Refusal::Denied(format!("not granted: {attempted}"))
}

impl Client {
    async fn publish(&self, message: queue::Message) -> Result<(), Refusal> {
        if !self.grant.may_publish(&message.subject) {
            return Err(self.deny("publish to", &message.subject));
        }
        self.bound(&message)?;
        self.queue.publish(message).await.map_err(|error| failed(&error))
    }

    async fn request(
        &self,
        message: queue::Message,
        replies: usize,
        wait: Option<Duration>,
    ) -> Result<Vec<queue::Message>, Refusal> {
        if !self.grant.may_request(&message.subject) {
            return Err(self.deny("wait for replies of", &message.subject));
        }
        self.bound(&message)?;
        let wait = wait.unwrap_or(WAIT_MAX).min(WAIT_MAX);
        let replies = self.queue.request(message, replies, wait).await;
        replies.map_err(|error| failed(&error))
    }

    /// Refuses what is too large, or too much in a second.
    fn bound(&self, message: &queue::Message) -> Result<(), Refusal> {
        let bytes = message.bytes();
        if let Some(max) = self.grant.message_bytes_max.filter(|max| bytes as u64 > *max) {
            let why = format!("a message of {bytes} bytes, where {max} are allowed");
            return Err(Refusal::TooLarge(why));
        }
        match &self.rate {
            Some(rate) if !rate.take() => {
                let why = "more messages in a second than this component may publish";
                Err(Refusal::Full(why.to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn deny(&self, what: &str, subject: &Subject) -> Refusal {
        let name = &self.grant.name;
        deny(
            &self.denials,
            &format!("{what} `{subject}` in the queue `{name}`"),
        )
    }
}

/// What the guest is told of a failure. What says something of the host goes to the log instead.
fn failed(error: &queue::Error) -> Refusal {
    use queue::Error;
    use weft_stores::keyvalue::Error as StoreError;
    match error {
        Error::NoReply { .. } => Refusal::Timeout,
        Error::MessageLength { .. } => Refusal::TooLarge(error.to_string()),
        Error::NobodyTakes { .. } => Refusal::Other(error.to_string()),
        Error::Store(StoreError::Full { .. }) => Refusal::Full("the queue is full".to_owned()),
        Error::TooLarge { .. } | Error::Store(StoreError::ValueLength { .. }) => {
            Refusal::TooLarge("the message is too large".to_owned())
        }
        Error::NoMessage { .. } | Error::Lock { .. } | Error::Store(_) => {
            tracing::warn!(%error, "a queue failed");
            Refusal::Connection("the queue does not work".to_owned())
        }
    }
}

fn subject(text: &str) -> Result<Subject, Refusal> {
    text.parse()
        .map_err(|error: weft_app::subject::SubjectError| Refusal::Subject(error.to_string()))
}

/// Bytes of an entry of metadata beside its texts.
const ENTRY_BYTES: usize = 48;

/// What denials are about.
const INTERFACE: &str = "wasi:messaging";

/// A message in the hands of a guest.
#[derive(Debug, Default)]
pub(crate) struct Message {
    subject: Option<Subject>,
    reply_to: Option<Subject>,
    content_type: Option<String>,
    metadata: Option<Vec<(String, String)>>,
    data: Bytes,
    room: Room,
}

impl Message {
    /// Has what it takes counted, after it has changed.
    fn count(&mut self, held: &Arc<Held>) -> wasmtime::Result<()> {
        let metadata = self.metadata.iter().flatten();
        let metadata: usize = metadata
            .map(|(key, value)| key.len() + value.len() + ENTRY_BYTES)
            .sum();
        let content_type = self.content_type.as_ref().map_or(0, String::len);
        let bytes = self.data.len() + metadata + content_type;
        self.room.resize(held, bytes as u64)
    }

    /// The same, on its way to a subject.
    fn to(&self, subject: Subject) -> queue::Message {
        queue::Message {
            subject,
            reply_to: None,
            content_type: self.content_type.clone(),
            metadata: self.metadata.clone().unwrap_or_default(),
            body: self.data.clone(),
        }
    }
}

impl From<queue::Message> for Message {
    fn from(message: queue::Message) -> Self {
        Self {
            subject: Some(message.subject),
            reply_to: message.reply_to,
            content_type: message.content_type,
            metadata: Some(message.metadata).filter(|all| !all.is_empty()),
            data: message.body,
            room: Room::default(),
        }
    }
}

impl Service for Messaging {
    fn interfaces(&self) -> &'static [ServiceInterface] {
        host::INTERFACES
    }
}

impl fmt::Debug for Messaging {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grants: Vec<&ClientGrant> = self.clients.iter().map(|client| &client.grant).collect();
        out.debug_struct("Messaging")
            .field("clients", &grants)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use weft_app::queue::{MessageQueue, QueueBackend};
    use weft_stores::queue::kept::Kept;

    use super::*;

    fn client(message_bytes_max: Option<u64>, calls_per_second_max: Option<u32>) -> Messaging {
        let queue = MessageQueue {
            name: "orders".parse().unwrap(),
            backend: QueueBackend::Memory { bytes_max: 1 },
        };
        let grant = ClientGrant {
            message_bytes_max,
            calls_per_second_max: calls_per_second_max.and_then(NonZeroU32::new),
            ..ClientGrant::whole("orders", queue)
        };
        let queue: Arc<dyn Queue> = Arc::new(Kept::in_memory(1 << 20));
        Messaging::new(vec![(grant, queue)], Vec::new(), DenialLog::default())
    }

    fn message(subject: &str, bytes: usize) -> queue::Message {
        queue::Message::new(subject.parse().unwrap(), vec![7; bytes])
    }

    #[tokio::test]
    async fn messages_are_bounded_in_size_whoever_they_are_for() {
        let messaging = client(Some(10), None);
        let orders = messaging.connect("orders").unwrap();
        assert!(orders.publish(message("a.b", 7)).await.is_ok());
        let mut told = message("a.b", 5);
        told.metadata.push(("key".to_owned(), "value".to_owned()));
        for refused in [
            orders.publish(message("a.b", 8)).await,
            orders.publish(told).await,
            orders.request(message("a.b", 8), 1, None).await.map(drop),
            messaging.publishing(message("a.b", 8)).await,
        ] {
            assert!(matches!(refused, Err(Refusal::TooLarge(_))), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn messages_are_bounded_in_number_and_what_is_refused_before_does_not_count() {
        let messaging = client(Some(10), Some(3));
        let orders = messaging.connect("orders").unwrap();
        for _ in 0..10 {
            assert!(orders.publish(message("a", 100)).await.is_err());
        }
        let (mut made, begun) = (0, std::time::Instant::now());
        for _ in 0..50 {
            match orders.request(message("a", 1), 1, None).await {
                Err(Refusal::Full(_)) => {}
                // Nobody takes it.
                Err(Refusal::Other(_)) => made += 1,
                other => panic!("{other:?}"),
            }
        }
        let allowed = 3 + 3 * (begun.elapsed().as_secs() + 1);
        assert!((3..=allowed).contains(&made), "{made} of 50");
    }
}
