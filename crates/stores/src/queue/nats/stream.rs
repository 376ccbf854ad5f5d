//! A queue as the server keeps it: a stream that holds each message until every consumer whose subjects it has is done
//! with it, and one durable consumer for each group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, Request, Subscriber};
use bytes::Bytes;
use futures::TryStreamExt as _;
use parking_lot::Mutex;

use super::{Options, wire};
use crate::nats::connections::Opened;
use crate::nats::{self, Cause};
use crate::queue::message::Kept;
use crate::queue::{Error, Message, Pattern, Subject};

/// Bytes of a message that its body and what is said of it do not have: for its subject, and for what is said of it
/// when it is put aside.
const SET_APART: usize = 512;

/// A stream that is no queue.
#[derive(Debug, thiserror::Error)]
#[error("the stream `{stream}` {what}; such a stream is not for a queue")]
struct NotAQueue {
    stream: String,
    what: &'static str,
}

/// A server that knows too little.
#[derive(Debug, thiserror::Error)]
#[error("the server lets a consumer have one subject only, where a queue needs two; NATS 2.10 can")]
struct TooOld;

/// What there is to know of a queue before anything is connected to.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) options: Options,
    /// Groups that this process has made known, which every new connection makes sure of: a server that has lost them
    /// would drop what is published.
    pub(super) groups: Mutex<BTreeMap<String, Pattern>>,
}

/// A queue, over one connection.
pub(super) struct Line {
    pub(super) client: Client,
    jetstream: Context,
    stream: Stream,
    names: Names,
    hold: Duration,
}

/// Subjects on the server. No two queues have the same.
#[derive(Debug, Clone)]
pub(super) struct Names(String);

impl Names {
    pub(super) fn of(stream: &str) -> Self {
        Self(format!("weft.{stream}."))
    }

    /// Where messages of a subject, or of a pattern, are.
    fn message(&self, subject: &str) -> String {
        format!("{}message.{subject}", self.0)
    }

    /// Where messages are that wait for one group again.
    fn again(&self, group: &str) -> String {
        format!("{}again.{}", self.0, word(group))
    }

    /// Which pattern a subject on the server is.
    fn pattern(&self, subject: &str) -> Option<Pattern> {
        let pattern = subject.strip_prefix(&self.0)?.strip_prefix("message.")?;
        pattern.parse().ok()
    }

    /// The message that came; none where it is no message of a queue.
    pub(super) fn read(&self, came: &async_nats::Message) -> Option<Message> {
        let own = came.subject.strip_prefix(&self.0)?;
        let headers = came.headers.as_ref();
        let subject: Subject = match own.strip_prefix("message.") {
            Some(subject) => subject.parse().ok()?,
            None => wire::subject_again(headers)?,
        };
        wire::read(subject, headers, came.payload.clone())
    }
}

/// The spelling of a group where few characters may stand.
fn word(group: &str) -> String {
    let mut word = String::with_capacity(group.len());
    for byte in group.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            word.push(char::from(byte));
        } else {
            word.push_str(&format!("={byte:02X}"));
        }
    }
    word
}

impl Opened for Line {
    type Options = Arc<Known>;

    /// Makes the stream and the groups if they are missing. A stream that is there stays as it is.
    async fn open(client: Client, known: &Arc<Known>) -> Result<Self, Cause> {
        let options = &known.options;
        let names = Names::of(&options.stream);
        let jetstream = nats::jetstream(&client, options.timeout);
        let stream = nats::stream(&jetstream, wanted(options, &names)).await?;
        check(&stream.cached_info().config)?;
        let line = Self {
            client,
            jetstream,
            stream,
            names,
            hold: options.hold,
        };
        let groups = known.groups.lock().clone();
        for (group, pattern) in &groups {
            line.join(group, pattern).await?;
        }
        Ok(line)
    }

    fn client(&self) -> &Client {
        &self.client
    }
}

impl Line {
    /// Whether the server still has the queue.
    pub(super) async fn check(&self) -> Result<(), Cause> {
        self.stream.get_info().await?;
        Ok(())
    }

    /// A message that was handed out, as one of a stream.
    pub(super) fn of_stream(&self, message: async_nats::Message) -> jetstream::Message {
        jetstream::Message {
            message,
            context: self.jetstream.clone(),
        }
    }

    /// Makes a group known: what is published from now on waits for it.
    pub(super) async fn join(&self, group: &str, pattern: &Pattern) -> Result<PullConsumer, Cause> {
        let subjects = vec![self.names.message(pattern.as_str()), self.names.again(group)];
        let config = pull::Config {
            durable_name: Some(word(group)),
            deliver_policy: DeliverPolicy::New,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.hold,
            // What waits for its time counts, too, and must not keep others waiting.
            max_ack_pending: -1,
            max_deliver: -1,
            filter_subjects: subjects.clone(),
            ..pull::Config::default()
        };
        let consumer = self.stream.create_consumer(config).await?;
        let mut found = consumer.cached_info().config.filter_subjects.clone();
        found.sort_unstable();
        let mut wanted = subjects;
        wanted.sort_unstable();
        if found != wanted {
            return Err(TooOld.into());
        }
        Ok(consumer)
    }

    /// Whether a group is known.
    pub(super) async fn has_group(&self, group: &str) -> Result<bool, Cause> {
        let again = self.names.again(group);
        let mut consumers = self.stream.consumers();
        while let Some(consumer) = consumers.try_next().await? {
            if consumer.config.filter_subjects.contains(&again) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a group takes a subject.
    pub(super) async fn has_taker(&self, subject: &Subject) -> Result<bool, Cause> {
        let mut consumers = self.stream.consumers();
        while let Some(consumer) = consumers.try_next().await? {
            let mut patterns = consumer.config.filter_subjects.iter();
            let covers = |pattern: &String| {
                let pattern = self.names.pattern(pattern);
                pattern.is_some_and(|pattern| pattern.covers(subject))
            };
            if patterns.any(covers) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has the server keep a message for every group that takes its subject.
    pub(super) async fn publish(&self, message: Message) -> Result<Result<(), Error>, Cause> {
        let headers = wire::headers(&message);
        if let Err(refused) = self.check_room(&message, &headers) {
            return Ok(Err(refused));
        }
        let subject = self.names.message(message.subject.as_str());
        self.keep(subject, headers, message.body).await.map(Ok)
    }

    /// Has the server keep a message for one group.
    pub(super) async fn publish_again(&self, group: &str, message: Message) -> Result<(), Cause> {
        let headers = wire::headers_again(&message);
        self.keep(self.names.again(group), headers, message.body).await
    }

    async fn keep(&self, subject: String, headers: HeaderMap, body: Bytes) -> Result<(), Cause> {
        let mut request = Request::new().payload(body);
        if !headers.is_empty() {
            request = request.headers(headers);
        }
        let answer = self.client.send_request(subject, request).await?;
        match serde_json::from_slice(&answer.payload)? {
            Response::<PublishAck>::Ok(_) => Ok(()),
            Response::Err { error } => Err(error.into()),
        }
    }

    /// Sends a reply to whoever waits for it.
    pub(super) async fn reply(&self, message: Message) -> Result<Result<(), Error>, Cause> {
        let headers = wire::headers(&message);
        if let Err(refused) = self.check_room(&message, &headers) {
            return Ok(Err(refused));
        }
        let inbox = message.subject.to_string();
        self.client
            .publish_with_headers(inbox, headers, message.body)
            .await?;
        self.client.flush().await?;
        Ok(Ok(()))
    }

    /// Waits for replies. The server hears of it before it hears of anything that is asked over this connection later.
    pub(super) async fn wait_for_replies(&self, inbox: &Subject) -> Result<Subscriber, Cause> {
        Ok(self.client.subscribe(inbox.to_string()).await?)
    }

    /// Says something of a message that was handed out, and waits until the server has noted it.
    pub(super) async fn tell(&self, about: &str, said: Bytes) -> Result<(), Cause> {
        self.client.request(about.to_owned(), said).await?;
        Ok(())
    }

    /// Whether the server takes a message of this size, now and where it is put aside.
    fn check_room(&self, message: &Message, headers: &HeaderMap) -> Result<(), Error> {
        let bytes_max = self.client.max_payload().saturating_sub(SET_APART);
        // Most messages are so small that nothing of it needs to be written down to be measured.
        if wire::bytes(headers) + Kept::bytes_at_most(message) <= bytes_max {
            return Ok(());
        }
        let said = wire::bytes(headers).max(Kept::head_bytes(message));
        let found = said + message.body.len();
        if found > bytes_max {
            return Err(Error::TooLarge { found, bytes_max });
        }
        Ok(())
    }
}

fn wanted(options: &Options, names: &Names) -> stream::Config {
    stream::Config {
        name: options.stream.clone(),
        subjects: vec![names.message(">"), format!("{}again.*", names.0)],
        retention: RetentionPolicy::Interest,
        discard: DiscardPolicy::New,
        num_replicas: options.replicas,
        ..stream::Config::default()
    }
}

/// Refuses streams that would lose messages, or keep those that nobody takes.
fn check(config: &stream::Config) -> Result<(), NotAQueue> {
    let names = Names::of(&config.name);
    let is_bounded = config.max_bytes > 0 || config.max_messages > 0 || config.max_messages_per_subject > 0;
    let wrong = [
        (
            config.retention != RetentionPolicy::Interest,
            "does not keep a message until everybody who takes it is done with it",
        ),
        (config.storage != StorageType::File, "is in memory"),
        (config.no_ack, "acknowledges nothing"),
        (!config.max_age.is_zero(), "drops messages after a time"),
        (
            is_bounded && config.discard != DiscardPolicy::New,
            "drops old messages when it is full",
        ),
        (
            !config.subjects.contains(&names.message(">")),
            "does not have the subjects of a queue",
        ),
    ];
    match wrong.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, what)) => Err(NotAQueue {
            stream: config.name.clone(),
            what,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_one_word_on_the_server_and_no_other_group_is_the_same() {
        for (group, spelt) in [
            ("ship", "ship"),
            ("a-b_9", "a-b_9"),
            ("a.b", "a=2Eb"),
            ("*", "=2A"),
            ("=2A", "=3D2A"),
            ("ü/", "=C3=BC=2F"),
        ] {
            assert_eq!(word(group), spelt);
        }
    }

    #[test]
    fn a_stream_that_loses_messages_is_no_queue() {
        let good = || wanted(&Options::default(), &Names::of("weft"));
        assert!(check(&good()).is_ok());
        let wrong = |change: fn(&mut stream::Config)| {
            let mut config = good();
            change(&mut config);
            check(&config).unwrap_err().what
        };
        assert!(wrong(|config| config.retention = RetentionPolicy::Limits).contains("until everybody"));
        assert!(wrong(|config| config.storage = StorageType::Memory).contains("memory"));
        assert!(wrong(|config| config.no_ack = true).contains("acknowledges"));
        assert!(wrong(|config| config.max_age = Duration::from_secs(1)).contains("time"));
        assert!(wrong(|config| config.subjects.clear()).contains("subjects"));
        let full = wrong(|config| {
            config.max_bytes = 1;
            config.discard = DiscardPolicy::Old;
        });
        assert!(full.contains("full"));
    }
}
