//! A queue on NATS servers with JetStream: a stream for the messages, and a bucket of keys with values beside it.
//!
//! `stream` is what the server keeps of it, `wire` a message as it travels, `taking` what a group is handed. The bucket has
//! `d/GROUP/NUMBER`, messages that were put aside, spelt as an embedded queue has them, and `t/GROUP/NUMBER`, how often
//! a message was given back. Replies are no part of the stream: they go to a subject that only the asker listens to.
//!
//! Whatever number of processes takes for a group, each message is handed to one of them. What is acknowledged is as
//! durable as the server makes it (`sync_interval`, `replicas`).

mod stream;
mod taking;
mod wire;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;

use self::stream::{Known, Line, Names};
use self::taking::{Lost, Taker};
use super::message::Kept;
use super::{Answer, Error, Message, Pattern, Queue, REPLIES_MAX, Subject, Taking};
use crate::keyvalue::{Change, Store as _, nats as bucket};
use crate::nats::connections::{Connections, Failed};
use crate::nats::{self, Cause};
use crate::{folder, tls};

/// The longest name of a stream: it has room for the names of an app and of a queue.
const STREAM_BYTES_MAX: usize = 130;

/// How a server is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The stream with the messages: letters, digits, `-` and `_`. Default `weft`.
    pub stream: String,
    /// How many servers of a cluster have a copy of what is made. Default 1.
    pub replicas: usize,
    /// How long one call may take, connecting included. Default 1 s.
    pub timeout: Duration,
    /// A file with the certificates of those who vouch for the servers, in place of the public authorities.
    pub authorities: Option<PathBuf>,
    /// After which time a message is handed out again if nothing is heard of the process that has it. Default 10 s.
    pub hold: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            stream: "weft".to_owned(),
            replicas: 1,
            timeout: Duration::from_secs(1),
            authorities: None,
            hold: Duration::from_secs(10),
        }
    }
}

/// A queue in a stream. Clones are the same queue.
///
/// # Authority
///
/// Connects to the servers in the address that it was made with and to those of their cluster, and to nothing else.
/// Makes one stream and one bucket there, and a consumer for each group. Reads the file of the authorities when it is
/// made.
///
/// # Limits
///
/// Two connections for each runtime that uses it. A message, with all that is said of it, is half a KiB smaller than what
/// the server takes (`max_payload`).
#[derive(Clone)]
pub struct Nats(Arc<Inner>);

struct Inner {
    connections: Connections<Line>,
    /// The address without name and password, for messages.
    backend: Arc<str>,
    known: Arc<Known>,
    names: Names,
    /// The bucket beside the queue.
    aside: bucket::Nats,
}

/// What no queue can be made of.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A name that no stream can have.
    #[error(
        "`{stream}` is no name of a stream, expected 1 to {STREAM_BYTES_MAX} letters, digits, `-` and `_`"
    )]
    Stream {
        /// The name.
        stream: String,
    },
    /// The server cannot be used.
    #[error(transparent)]
    Server(#[from] bucket::Unusable),
}

/// The bucket beside the queue in a stream.
#[must_use]
pub fn bucket_of(stream: &str) -> String {
    format!("{stream}--aside")
}

/// Where a message of a group is put aside.
fn aside_key(group: &str, number: &str) -> String {
    format!("d/{group}/{number}")
}

impl Nats {
    /// A queue on the server at `nats://[NAME:PASSWORD@|TOKEN@]HOST[:PORT]`, or on one of several, with commas between
    /// them. Nothing is connected to yet.
    ///
    /// TLS is used where the server asks for it; `tls://` insists on it.
    ///
    /// # Errors
    /// The address is none, or a stream cannot have this name.
    pub fn new(address: &str, options: Options) -> Result<Self, Unusable> {
        if !nats::is_name(&options.stream, STREAM_BYTES_MAX) {
            return Err(Unusable::Stream {
                stream: options.stream,
            });
        }
        let beside = bucket::Options {
            bucket: bucket_of(&options.stream),
            replicas: options.replicas,
            timeout: options.timeout,
            authorities: options.authorities.clone(),
            ..bucket::Options::default()
        };
        let aside = bucket::Nats::new(address, beside)?;
        let servers = nats::servers(address).ok_or(bucket::Unusable::Address)?;
        let tls = tls::client(options.authorities.as_deref()).map_err(bucket::Unusable::Tls)?;
        let names = Names::of(&options.stream);
        let timeout = options.timeout;
        let known = Arc::new(Known {
            options,
            groups: parking_lot::Mutex::default(),
        });
        Ok(Self(Arc::new(Inner {
            backend: nats::describe(&servers),
            connections: Connections::new(servers, tls, timeout, Arc::clone(&known)),
            known,
            names,
            aside,
        })))
    }
}

impl Inner {
    fn timeout(&self) -> Duration {
        self.known.options.timeout
    }

    fn hold(&self) -> Duration {
        self.known.options.hold
    }

    async fn ask<T, F>(&self, work: impl FnOnce(Arc<Line>) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Cause>>,
    {
        let asked = self.connections.call(work).await;
        asked.map_err(|failed| self.tell(failed))
    }

    fn tell(&self, failed: Failed) -> Error {
        Error::Store(failed.tell(&self.backend, self.timeout()))
    }

    /// Makes a group known to connections that are still to be made.
    fn note(&self, group: &str, pattern: &Pattern) {
        let mut groups = self.known.groups.lock();
        groups.insert(group.to_owned(), pattern.clone());
    }

    /// What the inboxes of this queue begin with, so that replies to other queues do not go to this server.
    fn inboxes(&self) -> u32 {
        let hash = blake3::hash(self.known.options.stream.as_bytes());
        let [a, b, c, d, ..] = *hash.as_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// A place for replies. Nobody guesses the 96 bits of chance in it.
    fn inbox(&self) -> Subject {
        let random = u128::from_le_bytes(folder::random()) >> 32;
        Subject::inbox(u128::from(self.inboxes()) << 96 | random)
    }

    fn is_own(&self, inbox: &Subject) -> bool {
        let number = inbox.inbox_number();
        number.is_some_and(|number| number >> 96 == u128::from(self.inboxes()))
    }

    /// A message that was put aside waits for its group again, unless it is none.
    async fn retry(&self, key: &str) -> Result<bool, Error> {
        let group = key.strip_prefix("d/").and_then(|rest| rest.rsplit_once('/'));
        let Some((group, _)) = group else {
            return Ok(false);
        };
        let kept = self.aside.get(key).await?;
        let Some(kept) = kept.and_then(|kept| Kept::read(&kept.value)) else {
            return Ok(false);
        };
        let subject = kept.message.subject.clone();
        let publish = async |line: Arc<Line>| {
            let is_known = line.has_group(group).await?;
            if is_known {
                line.publish_again(group, kept.message).await?;
            }
            Ok(is_known)
        };
        if !self.ask(publish).await? {
            return Err(Error::NobodyTakes { subject });
        }
        self.aside.write(vec![Change::Delete(key.to_owned())]).await?;
        Ok(true)
    }
}

impl Queue for Nats {
    fn publish(&self, message: Message) -> Answer<'_, ()> {
        Box::pin(async move {
            message.check()?;
            if !message.subject.is_inbox() {
                return self.0.ask(async |line| line.publish(message).await).await?;
            }
            if self.0.is_own(&message.subject) {
                return self.0.ask(async |line| line.reply(message).await).await?;
            }
            Ok(())
        })
    }

    fn request(&self, mut message: Message, replies: usize, wait: Duration) -> Answer<'_, Vec<Message>> {
        Box::pin(async move {
            message.check()?;
            let replies = replies.clamp(1, REPLIES_MAX);
            let inbox = self.0.inbox();
            message.reply_to = Some(inbox.clone());
            let until = tokio::time::Instant::now() + wait;
            let ask = async |line: Arc<Line>| {
                let subject = message.subject.clone();
                if !line.has_taker(&subject).await? {
                    return Ok(Err(Error::NobodyTakes { subject }));
                }
                let coming = line.wait_for_replies(&inbox).await?;
                // The connection stays while they are waited for.
                let published = line.publish(message).await?;
                Ok(published.map(|()| (line, coming)))
            };
            let (_line, mut coming) = self.0.ask(ask).await??;
            let mut all = Vec::new();
            while all.len() < replies {
                match tokio::time::timeout_at(until, coming.next()).await {
                    Ok(Some(came)) => {
                        all.extend(wire::read(inbox.clone(), came.headers.as_ref(), came.payload));
                    }
                    Ok(None) if all.is_empty() => {
                        return Err(self.0.tell(Failed::Server(Lost.into())));
                    }
                    Ok(None) | Err(_) => break,
                }
            }
            if all.is_empty() {
                return Err(Error::NoReply { waited: wait });
            }
            Ok(all)
        })
    }

    fn join<'a>(&'a self, group: &'a str, pattern: &'a Pattern) -> Answer<'a, ()> {
        Box::pin(async move {
            self.0.note(group, pattern);
            let join = async |line: Arc<Line>| line.join(group, pattern).await;
            self.0.ask(join).await.map(drop)
        })
    }

    fn take<'a>(&'a self, group: &'a str, pattern: &'a Pattern) -> Answer<'a, Box<dyn Taking>> {
        Box::pin(async move {
            self.0.note(group, pattern);
            let taker = Taker::new(Arc::clone(&self.0), group, pattern).await?;
            let taking: Box<dyn Taking> = Box::new(taker);
            Ok(taking)
        })
    }

    fn retry<'a>(&'a self, key: &'a str) -> Answer<'a, bool> {
        Box::pin(self.0.retry(key))
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.0.ask(async |line| line.check().await).await })
    }
}

impl fmt::Debug for Nats {
    /// The address may hold a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Nats")
            .field("backend", &self.0.backend)
            .field("options", &self.0.known.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_refused_before_anything_is_connected_to() {
        for address in ["", "127.0.0.1", "redis://127.0.0.1", "nats://"] {
            let refused = Nats::new(address, Options::default());
            assert!(
                matches!(refused, Err(Unusable::Server(bucket::Unusable::Address))),
                "{refused:?}"
            );
        }
        let named = |stream: &str| {
            let options = Options {
                stream: stream.to_owned(),
                ..Options::default()
            };
            Nats::new("nats://weft:hunter2@127.0.0.1", options)
        };
        for stream in ["", "a.b", "a b", "a*", ">", &"b".repeat(131)] {
            let refused = named(stream);
            assert!(matches!(refused, Err(Unusable::Stream { .. })), "{refused:?}");
        }
        let queue = named(&"b".repeat(130)).unwrap();
        assert!(!format!("{queue:?}").contains("hunter2"), "{queue:?}");
    }

    #[test]
    fn a_queue_knows_its_own_inboxes() {
        let made = |stream: &str| {
            let options = Options {
                stream: stream.to_owned(),
                ..Options::default()
            };
            Nats::new("nats://127.0.0.1", options).unwrap()
        };
        let (one, other) = (made("one"), made("other"));
        let inbox = one.0.inbox();
        assert!(one.0.is_own(&inbox) && !other.0.is_own(&inbox));
        assert_ne!(inbox, one.0.inbox());
        let guest: Subject = "_INBOX.a.b".parse().unwrap();
        assert!(!one.0.is_own(&guest));
    }
}
