//! Taking the messages of a group: one is asked for when somebody has time for it, and while it is worked on the server is
//! told that it is.
//!
//! How often a message was given back is kept beside the queue, under `t/GROUP/NUMBER`: the server counts as well, but
//! also those that a process was handed and never looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::jetstream::{self, AckKind};
use async_nats::{StatusCode, Subscriber};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::stream::Line;
use super::{Inner, aside_key};
use crate::keyvalue::{Change, Store as _};
use crate::nats::Cause;
use crate::nats::connections::{Failed, is_connected};
use crate::queue::message::Kept;
use crate::queue::{Answer, Delivery, Error, Pattern, Taking};

/// How long the server keeps in mind that a message is asked for.
const ASKED_FOR: Duration = Duration::from_secs(5);
/// The longest that the server is asked to wait: it counts nanoseconds.
const AFTER_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// How often it is looked whether the connection is still the one over which it was asked.
const LOOK: Duration = Duration::from_millis(200);

/// A connection that ended while something was waited for.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost")]
pub(super) struct Lost;

/// A message of the server in place of one of the queue.
#[derive(Debug, thiserror::Error)]
#[error("the server hands out no messages: {status} {why}")]
struct Refused {
    status: StatusCode,
    why: String,
}

/// One who takes for a group.
pub(super) struct Taker {
    of: Arc<Inner>,
    group: String,
    pattern: Pattern,
    ahead: tokio::sync::Mutex<Ahead>,
    hands: Hands,
    holding: AbortHandle,
}

/// Messages that were handed out and of which nothing was said yet: the number of each, and where it is said.
type Hands = Arc<Mutex<BTreeMap<String, String>>>;

/// What is between the server and whoever asks for the next message. It stays where that one stops waiting.
#[derive(Default)]
struct Ahead {
    on: Option<On>,
    asked: Option<Asked>,
    /// Came, and was not looked at yet.
    came: Option<Came>,
}

/// A message as the server hands it out.
struct Came {
    message: async_nats::Message,
    /// What tells it from other messages of the queue. It is greater than those of messages before it.
    number: String,
    /// Where it is said what became of it.
    about: String,
    is_first_time: bool,
}

/// The connection by which it is asked.
struct On {
    line: Arc<Line>,
    consumer: PullConsumer,
}

/// A message that was asked for.
struct Asked {
    line: Arc<Line>,
    coming: Subscriber,
    /// Which of its connections the line had then: a new one knows nothing of what is asked.
    connects: u64,
    until: Instant,
}

impl Taker {
    /// Makes the group known, and begins.
    pub(super) async fn new(of: Arc<Inner>, group: &str, pattern: &Pattern) -> Result<Self, Error> {
        let on = join(&of, group, pattern).await?;
        let hands = Hands::default();
        let holding = tokio::spawn(hold(Arc::clone(&of), Arc::clone(&hands)));
        Ok(Self {
            of,
            group: group.to_owned(),
            pattern: pattern.clone(),
            ahead: tokio::sync::Mutex::new(Ahead {
                on: Some(on),
                ..Ahead::default()
            }),
            hands,
            holding: holding.abort_handle(),
        })
    }

    /// Asks for one message, and leaves open when it comes.
    async fn ask(&self, ahead: &mut Ahead) -> Result<Asked, Error> {
        let on = match ahead.on.take().filter(|on| is_connected(&*on.line)) {
            Some(on) => on,
            None => join(&self.of, &self.group, &self.pattern).await?,
        };
        let on = ahead.on.insert(on);
        let client = &on.line.client;
        let asked = async {
            let inbox = client.new_inbox();
            let coming = client.subscribe(inbox.clone()).await?;
            let wanted = BatchConfig {
                batch: 1,
                expires: Some(ASKED_FOR),
                ..BatchConfig::default()
            };
            on.consumer.request_batch(wanted, inbox.into()).await?;
            Ok(Asked {
                line: Arc::clone(&on.line),
                coming,
                connects: client.statistics().connects.load(Ordering::Relaxed),
                until: Instant::now() + ASKED_FOR + self.of.timeout(),
            })
        };
        asked.await.map_err(|cause| self.of.tell(Failed::Server(cause)))
    }

    /// What came, as it is handed out.
    async fn read(&self, came: &Came) -> Result<Delivery, Error> {
        let Came { number, about, .. } = came;
        let Some(message) = self.of.names.read(&came.message) else {
            // A person may make something of it; nobody else can.
            let key = aside_key(&self.group, number);
            let kept = Change::Set(key.clone(), came.message.payload.clone());
            self.of.aside.write(vec![kept]).await?;
            self.say(about, AckKind::Ack).await?;
            self.hands.lock().remove(number);
            return Err(Error::NoMessage { key });
        };
        let attempts = match came.is_first_time {
            true => 0,
            false => self.attempts(number).await?,
        };
        Ok(Delivery {
            message,
            attempts,
            id: format!("{number} {about}"),
        })
    }

    /// How often a message was given back.
    async fn attempts(&self, number: &str) -> Result<u32, Error> {
        let kept = self.of.aside.get(&self.tried(number)).await?;
        let attempts = kept.and_then(|kept| std::str::from_utf8(&kept.value).ok()?.parse().ok());
        Ok(attempts.unwrap_or(0))
    }

    /// Where it is kept how often a message was given back.
    fn tried(&self, number: &str) -> String {
        format!("t/{}/{number}", self.group)
    }

    async fn say(&self, about: &str, what: AckKind) -> Result<(), Error> {
        let said = Bytes::from(what);
        self.of.ask(async |line| line.tell(about, said).await).await
    }

    /// Says that a message is gone for the group.
    async fn say_gone(&self, number: &str, about: &str, attempts: u32) -> Result<(), Error> {
        self.say(about, AckKind::Ack).await?;
        if attempts > 0 {
            // Left behind, it is about a message that never comes again.
            let tried = Change::Delete(self.tried(number));
            let _ = self.of.aside.write(vec![tried]).await;
        }
        Ok(())
    }

    /// The number of a message, and where it is said what became of it. Whatever becomes of it, it is held no longer:
    /// where the server cannot be told, it is handed out again.
    fn let_go<'a>(&self, delivery: &'a Delivery) -> (&'a str, &'a str) {
        let (number, about) = delivery.id.split_once(' ').unwrap_or_default();
        self.hands.lock().remove(number);
        (number, about)
    }
}

/// Makes a group known, over the connection that its messages will come by.
async fn join(of: &Inner, group: &str, pattern: &Pattern) -> Result<On, Error> {
    let join = async |line: Arc<Line>| {
        let consumer = line.join(group, pattern).await?;
        Ok(On { line, consumer })
    };
    of.ask(join).await
}

impl Came {
    fn of(message: jetstream::Message) -> Result<Self, Cause> {
        let info = message.info()?;
        let us = info.published.unix_timestamp_nanos() / 1000;
        let number = format!("{us:020}-{:08x}", info.stream_sequence);
        let is_first_time = info.delivered <= 1;
        let about = message.reply.as_ref().map(ToString::to_string);
        Ok(Self {
            number,
            about: about.unwrap_or_default(),
            is_first_time,
            message: message.message,
        })
    }
}

/// Tells the server again and again that what is in somebody's hands is being worked on.
async fn hold(of: Arc<Inner>, hands: Hands) {
    loop {
        tokio::time::sleep(of.hold() / 3).await;
        let all: Vec<String> = hands.lock().values().cloned().collect();
        if all.is_empty() {
            continue;
        }
        let tell = async |line: Arc<Line>| {
            for about in all {
                line.client.publish(about, AckKind::Progress.into()).await?;
            }
            Ok(())
        };
        // A server that hears nothing of a message for too long hands it out again.
        let _ = of.ask(tell).await;
    }
}

impl Asked {
    /// What comes; nothing where it has to be asked again.
    async fn next(&mut self) -> Result<Option<Came>, Failed> {
        loop {
            let coming = tokio::time::timeout(LOOK, self.coming.next()).await;
            match coming {
                Ok(Some(message)) => return self.look_at(message),
                Ok(None) => return Err(Failed::Server(Lost.into())),
                Err(_) if !is_connected(&*self.line) => return Err(Failed::Server(Lost.into())),
                Err(_) if self.connects != self.connects() => return Ok(None),
                Err(_) if Instant::now() > self.until => return Err(Failed::Timeout),
                Err(_) => {}
            }
        }
    }

    fn look_at(&self, message: async_nats::Message) -> Result<Option<Came>, Failed> {
        match message.status {
            None | Some(StatusCode::OK) => {
                let came = Came::of(self.line.of_stream(message));
                came.map(Some).map_err(Failed::Server)
            }
            Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => Ok(None),
            Some(status) => {
                let why = message.description.unwrap_or_default();
                Err(Failed::Server(Refused { status, why }.into()))
            }
        }
    }

    fn connects(&self) -> u64 {
        self.line.client.statistics().connects.load(Ordering::Relaxed)
    }
}

impl Taking for Taker {
    fn next(&self) -> Answer<'_, Delivery> {
        Box::pin(async move {
            let mut ahead = self.ahead.lock().await;
            loop {
                if let Some(came) = &ahead.came {
                    let read = self.read(came).await;
                    // What is beside the queue cannot be reached: the next call tries it again.
                    if !matches!(read, Err(Error::Store(_))) {
                        ahead.came = None;
                    }
                    return read;
                }
                if ahead.asked.is_none() {
                    ahead.asked = Some(self.ask(&mut ahead).await?);
                }
                let Some(asked) = &mut ahead.asked else { continue };
                let next = asked.next().await;
                let line = Arc::clone(&asked.line);
                ahead.asked = None;
                match next {
                    Ok(Some(came)) => {
                        let (number, about) = (came.number.clone(), came.about.clone());
                        self.hands.lock().insert(number, about);
                        ahead.came = Some(came);
                    }
                    Ok(None) => {}
                    Err(failed) => {
                        self.of.connections.forget(&line);
                        ahead.on = None;
                        return Err(self.of.tell(failed));
                    }
                }
            }
        })
    }

    fn done<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, ()> {
        Box::pin(async move {
            let (number, about) = self.let_go(delivery);
            self.say_gone(number, about, delivery.attempts).await
        })
    }

    fn again(&self, delivery: Delivery, after: Duration) -> Answer<'_, ()> {
        Box::pin(async move {
            let (number, about) = self.let_go(&delivery);
            let attempts = delivery.attempts.saturating_add(1).to_string();
            let tried = Change::Set(self.tried(number), attempts.into());
            self.of.aside.write(vec![tried]).await?;
            self.say(about, AckKind::Nak(Some(after.min(AFTER_MAX)))).await
        })
    }

    fn put_aside(&self, delivery: Delivery) -> Answer<'_, String> {
        Box::pin(async move {
            let (number, about) = self.let_go(&delivery);
            let kept = Kept {
                message: delivery.message.clone(),
                attempts: delivery.attempts.saturating_add(1),
                not_before_ms: 0,
            };
            let key = aside_key(&self.group, number);
            // First: what is there twice is looked at by a person, and what is nowhere by nobody.
            let aside = Change::Set(key.clone(), kept.write());
            self.of.aside.write(vec![aside]).await?;
            self.say_gone(number, about, delivery.attempts).await?;
            Ok(key)
        })
    }
}

impl Drop for Taker {
    /// Gives back what nobody has worked on, so that whoever takes next need not wait until it is missed.
    fn drop(&mut self) {
        self.holding.abort();
        let mut hands = std::mem::take(&mut *self.hands.lock());
        let ahead = self.ahead.get_mut();
        if let Some(asked) = &mut ahead.asked {
            while let Some(Some(message)) = asked.coming.next().now_or_never() {
                let came = Came::of(asked.line.of_stream(message));
                hands.extend(came.map(|came| (came.number, came.about)));
            }
        }
        let Some(on) = &ahead.on else { return };
        for about in hands.into_values() {
            // There is room for it, or it is missed after a while.
            let _ = on
                .line
                .client
                .publish(about, AckKind::Nak(None).into())
                .now_or_never();
        }
    }
}

impl fmt::Debug for Taker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Taker")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
