//! Watching a bucket: its messages as they come, from the one on that is the next.
//!
//! The server keeps the last message of every key, also of those that are gone, for a while; so a connection that was lost
//! goes on where it ended. Whoever has no time for more asks for no more.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Batch;
use futures::StreamExt as _;

use super::bucket::{Bucket, Moment};
use crate::keyvalue::watching::{Pause, Pending};
use crate::nats::Cause;
use crate::nats::connections::{Connections, Failed, Opened as _, is_connected};

/// Messages that are asked for at one time.
const BATCH: usize = 256;
/// How long the server keeps in mind that they are asked for.
const ASKED_FOR: Duration = Duration::from_secs(5);
/// How often it is looked whether the connection is still the one over which they were asked for.
const LOOK: Duration = Duration::from_millis(200);

/// What hears of a bucket.
pub(super) struct Source {
    pub(super) connections: Arc<Connections<Bucket>>,
    pub(super) backend: Arc<str>,
    pub(super) timeout: Duration,
    /// What stands before the keys of the store.
    pub(super) prefix: String,
    pub(super) pending: Arc<Pending>,
    /// Up to where it has heard.
    pub(super) heard: Moment,
}

/// A message that the server has sent, and that did not come.
#[derive(Debug, thiserror::Error)]
#[error("a message of the server did not come")]
struct Skipped;

/// A connection that ended while something was waited for.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost")]
struct Lost;

impl Source {
    pub(super) async fn run(mut self) {
        let mut pause = Pause::new();
        loop {
            let Err(failed) = self.listen(&mut pause).await;
            let trouble = failed.tell(&self.backend, self.timeout);
            self.pending.trouble(trouble);
            pause.wait().await;
        }
    }

    /// Tells of messages until something goes wrong.
    async fn listen(&mut self, pause: &mut Pause) -> Result<Infallible, Failed> {
        let heard = self.heard;
        let opened = self.connections.call(async |bucket: Arc<Bucket>| {
            let now = bucket.moment().await?;
            let from = if now.is_after(&heard) { heard } else { now };
            let consumer = bucket.messages_after(from.sequence).await?;
            Ok((bucket, consumer, now))
        });
        let (bucket, consumer, now) = opened.await?;
        if !now.is_after(&heard) {
            // Another bucket of the same name: what was there, and what is there, are strangers.
            self.heard = now;
            self.pending.unknown();
        }
        *pause = Pause::new();
        let lost = self.hear(&bucket, &consumer).await;
        self.connections.forget(&bucket);
        lost.map_err(Failed::Server)
    }

    async fn hear(&mut self, bucket: &Bucket, consumer: &PullConsumer) -> Result<Infallible, Cause> {
        let connects = connects(bucket.client());
        let mut number = 0;
        loop {
            self.pending.room().await;
            let mut batch = consumer
                .batch()
                .max_messages(BATCH)
                .expires(ASKED_FOR)
                .messages()
                .await?;
            while let Some(message) = next(&mut batch, bucket, connects).await? {
                let info = message.info()?;
                number += 1;
                if info.consumer_sequence != number {
                    return Err(Skipped.into());
                }
                let name = bucket.name(&message.subject);
                if let Some(key) = name.as_deref().and_then(|name| name.strip_prefix(&self.prefix)) {
                    self.pending.room().await;
                    self.pending.key(key);
                }
                self.heard.sequence = info.stream_sequence;
            }
        }
    }
}

/// The next message; none where they have to be asked for again.
async fn next(
    batch: &mut Batch,
    bucket: &Bucket,
    connects_before: u64,
) -> Result<Option<async_nats::jetstream::Message>, Cause> {
    loop {
        match tokio::time::timeout(LOOK, batch.next()).await {
            Ok(message) => return message.transpose(),
            Err(_) if !is_connected(bucket) || connects(bucket.client()) != connects_before => {
                return Err(Lost.into());
            }
            Err(_) => {}
        }
    }
}

/// How often a client has connected: a new connection knows nothing of what is asked for.
fn connects(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed)
}
