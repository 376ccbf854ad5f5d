//! A bucket as the server keeps it: a stream, whose last message of a subject is the value of a key.
//!
//! Everything is asked of the server that leads the stream, so that what was acknowledged is there for every later
//! call; its followers may still be about to learn of it. A key that was deleted leaves a message that says so, which
//! the server drops after a while if it knows how to.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{self, DiscardPolicy, LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, HeaderMap, Request, header};
use bytes::Bytes;
use futures::StreamExt as _;

use super::super::LIST_MAX;
use super::{Options, names};
use crate::nats::connections::Opened;
use crate::nats::{self, Cause};

/// Changes that a server makes together, if it can at all and its settings say nothing else.
const TOGETHER_MAX: usize = 1000;
/// What the headers of a message take of the room that the server gives to a value.
const HEADER_BYTES_MAX: usize = 256;
/// How long the message stays that says that a key is gone.
const DELETED_FOR: &str = "1h";
/// Keys that a page looks at, however few it may have.
const LOOK_AT_MIN: usize = 100;
/// How often changes are sent again that the server took for incomplete, or had no room for.
const ATTEMPTS_MAX: u32 = 20;

const OPERATION: &str = "KV-Operation";
const VALUE_BYTES: &str = "Nats-Msg-Size";

/// A bucket that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the bucket `{bucket}` keeps {found} values of a key, expected 1")]
struct HasHistory {
    bucket: String,
    found: i64,
}

/// A bucket, over one connection.
pub(super) struct Bucket {
    client: Client,
    stream: Stream,
    /// What all subjects begin with.
    subjects: String,
    /// How many changes it makes together.
    pub(super) together_max: usize,
    /// Whether messages can end by themselves.
    has_ttl: bool,
}

/// The last that a bucket knows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Last {
    /// 0 if it knows nothing.
    pub(super) sequence: u64,
    /// None if the key is absent.
    pub(super) value: Option<Bytes>,
}

/// A moment in the life of a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// When the bucket was made: one of the same name may have taken its place.
    made: i128,
    /// The last message.
    pub(super) sequence: u64,
}

impl Moment {
    /// Whether it is a later one of the same bucket, or the same.
    pub(super) fn is_after(&self, other: &Self) -> bool {
        self.made == other.made && self.sequence >= other.sequence
    }
}

/// What became of a message.
enum Sent {
    Kept,
    Refused(jetstream::Error),
}

struct Message {
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
}

impl Opened for Bucket {
    type Options = Options;

    /// Makes the bucket if it is missing. One that is there stays as it is.
    async fn open(client: Client, options: &Options) -> Result<Self, Cause> {
        let jetstream = nats::jetstream(&client, options.timeout);
        let stream = nats::stream(&jetstream, wanted(options)).await?;
        let config = &stream.cached_info().config;
        let (has_ttl, is_atomic) = (config.allow_message_ttl, config.allow_atomic_publish);
        if config.max_messages_per_subject != 1 {
            return Err(Box::new(HasHistory {
                bucket: options.bucket.clone(),
                found: config.max_messages_per_subject,
            }));
        }
        Ok(Self {
            client,
            stream,
            subjects: subjects(&options.bucket),
            together_max: if is_atomic { TOGETHER_MAX } else { 1 },
            has_ttl,
        })
    }

    fn client(&self) -> &Client {
        &self.client
    }
}

impl Bucket {
    /// The largest value that the server takes.
    pub(super) fn value_bytes_max(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADER_BYTES_MAX)
    }

    /// Whether the server still has the bucket.
    pub(super) async fn check(&self) -> Result<(), Cause> {
        self.stream.get_info().await?;
        Ok(())
    }

    /// The last of a key.
    pub(super) async fn last(&self, name: &str) -> Result<Last, Cause> {
        let subject = format!("{}{}", self.subjects, names::spell(name));
        match self.stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Last {
                sequence: message.sequence,
                value: (!is_deleted(&message.headers)).then_some(message.payload),
            }),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Last {
                sequence: 0,
                value: None,
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets a value, or removes the key.
    pub(super) async fn put(&self, name: &str, value: Option<&Bytes>) -> Result<(), Cause> {
        match self.ask(self.message(name, value)).await? {
            Sent::Kept => Ok(()),
            Sent::Refused(error) => Err(error.into()),
        }
    }

    /// Sets a value if this is still the last of the key; says whether it was.
    pub(super) async fn put_after(&self, name: &str, value: &Bytes, last: u64) -> Result<bool, Cause> {
        let mut message = self.message(name, Some(value));
        message.headers.insert(
            header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
            last.to_string().as_str(),
        );
        match self.ask(message).await? {
            Sent::Kept => Ok(true),
            Sent::Refused(error) => match error.error_code() {
                // The second one is of a server that is about to keep another message.
                ErrorCode::STREAM_WRONG_LAST_SEQUENCE | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT => {
                    Ok(false)
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Makes several changes of different keys at one moment. A server that has no room for them has made none.
    pub(super) async fn put_together(&self, changes: &[(&str, Option<&Bytes>)]) -> Result<(), Cause> {
        let mut attempt = 0;
        loop {
            let refused = match self.send_together(changes).await? {
                Sent::Kept => return Ok(()),
                Sent::Refused(error) => error,
            };
            let is_passing = matches!(
                refused.error_code(),
                ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH | ErrorCode::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT
            );
            if !is_passing || attempt == ATTEMPTS_MAX {
                return Err(refused.into());
            }
            attempt += 1;
            tokio::time::sleep(Duration::from_millis(2) * attempt).await;
        }
    }

    async fn send_together(&self, changes: &[(&str, Option<&Bytes>)]) -> Result<Sent, Cause> {
        let inbox = self.client.new_inbox();
        let batch = inbox.rsplit('.').next().unwrap_or(&inbox);
        for (number, (name, value)) in (1..).zip(changes) {
            let mut message = self.message(name, *value);
            message.headers.insert(header::NATS_BATCH_ID, batch);
            message
                .headers
                .insert(header::NATS_BATCH_SEQUENCE, number.to_string().as_str());
            if number == changes.len() {
                message
                    .headers
                    .insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
                return self.ask(message).await;
            }
            // Only the last one is answered, for all of them.
            self.client
                .publish_with_headers(message.subject, message.headers, message.payload)
                .await?;
        }
        Ok(Sent::Kept)
    }

    fn message(&self, name: &str, value: Option<&Bytes>) -> Message {
        let mut headers = HeaderMap::new();
        if value.is_none() {
            headers.insert(OPERATION, "DEL");
            if self.has_ttl {
                headers.insert(header::NATS_MESSAGE_TTL, DELETED_FOR);
            }
        }
        Message {
            subject: format!("{}{}", self.subjects, names::spell(name)),
            headers,
            payload: value.cloned().unwrap_or_default(),
        }
    }

    async fn ask(&self, message: Message) -> Result<Sent, Cause> {
        let request = Request::new().payload(message.payload).headers(message.headers);
        let answer = self.client.send_request(message.subject, request).await?;
        Ok(match serde_json::from_slice(&answer.payload)? {
            Response::<PublishAck>::Ok(_) => Sent::Kept,
            Response::Err { error } => Sent::Refused(error),
        })
    }

    /// How things stand.
    pub(super) async fn moment(&self) -> Result<Moment, Cause> {
        let info = self.stream.get_info().await?;
        Ok(Moment {
            made: info.created.unix_timestamp_nanos(),
            sequence: info.state.last_sequence,
        })
    }

    /// Somebody who is handed the messages behind one, as they come.
    pub(super) async fn messages_after(&self, sequence: u64) -> Result<PullConsumer, Cause> {
        let wanted = pull::Config {
            inactive_threshold: Duration::from_secs(60),
            ..look_from(sequence.saturating_add(1))
        };
        Ok(self.stream.create_consumer(wanted).await?)
    }

    /// The name that a message is about; none where it is nobody's.
    pub(super) fn name(&self, subject: &str) -> Option<String> {
        subject.strip_prefix(&self.subjects).and_then(names::read)
    }

    /// Names that begin so, of the messages from a sequence on; and from which on to go on.
    pub(super) async fn list(
        &self,
        prefix: &str,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<String>, Option<u64>), Cause> {
        let mut found = Vec::new();
        let take = |name: String, _: u64| {
            let is_wanted = name.starts_with(prefix);
            let has_room = found.len() < limit;
            if is_wanted && has_room {
                found.push(name);
            }
            has_room || !is_wanted
        };
        let next = self.look(from, limit.clamp(LOOK_AT_MIN, LIST_MAX), take).await?;
        Ok((found, next))
    }

    /// The same with the bytes of their values.
    pub(super) async fn sizes(
        &self,
        prefix: &str,
        from: u64,
    ) -> Result<(Vec<(String, u64)>, Option<u64>), Cause> {
        let mut found = Vec::new();
        let take = |name: String, bytes: u64| {
            if name.starts_with(prefix) {
                found.push((name, bytes));
            }
            true
        };
        let next = self.look(from, LIST_MAX, take).await?;
        Ok((found, next))
    }

    /// Looks at some messages from a sequence on, until `take` has no use for one; says from which on to go on. A key that
    /// is set meanwhile moves to the end, where it is found again.
    async fn look(
        &self,
        from: u64,
        number: usize,
        mut take: impl FnMut(String, u64) -> bool + Send,
    ) -> Result<Option<u64>, Cause> {
        let consumer = self.stream.create_consumer(look_from(from)).await?;
        let mut messages = consumer.fetch().max_messages(number).messages().await?;
        let mut next = None;
        while let Some(message) = messages.next().await {
            let message = message?;
            let info = message.info()?;
            next = (info.pending > 0).then_some(info.stream_sequence + 1);
            if message.headers.as_ref().is_some_and(is_deleted) {
                continue;
            }
            let bytes = message.headers.as_ref().map_or(Ok(0), value_bytes)?;
            let name = self.name(&message.subject);
            if name.is_some_and(|name| !take(name, bytes)) {
                next = Some(info.stream_sequence);
                break;
            }
        }
        drop(messages);
        self.stream.delete_consumer(&consumer.cached_info().name).await?;
        Ok(next)
    }
}

fn subjects(bucket: &str) -> String {
    format!("$KV.{bucket}.")
}

/// Whether a message says that its key is gone: in the words of a client, or in those of the server.
fn is_deleted(headers: &HeaderMap) -> bool {
    let is_removal = |operation: &async_nats::HeaderValue| matches!(operation.as_str(), "DEL" | "PURGE");
    headers.get(OPERATION).is_some_and(is_removal) || headers.get(header::NATS_MARKER_REASON).is_some()
}

/// The bytes of a value, as the server tells them who hands out nothing but headers.
fn value_bytes(headers: &HeaderMap) -> Result<u64, std::num::ParseIntError> {
    headers
        .get(VALUE_BYTES)
        .map_or(Ok(0), |bytes| bytes.as_str().parse())
}

/// The stream of a bucket that other clients know as one too. What a server is too old for it leaves out, and says so.
fn wanted(options: &Options) -> stream::Config {
    stream::Config {
        name: format!("KV_{}", options.bucket),
        subjects: vec![format!("{}>", subjects(&options.bucket))],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        num_replicas: options.replicas,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        allow_atomic_publish: true,
        allow_message_ttl: true,
        ..stream::Config::default()
    }
}

/// Somebody who looks at what there is, once, and is forgotten soon if nobody says so.
fn look_from(sequence: u64) -> pull::Config {
    pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence {
            start_sequence: sequence.max(1),
        },
        ack_policy: AckPolicy::None,
        headers_only: true,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: Duration::from_secs(10),
        ..pull::Config::default()
    }
}
