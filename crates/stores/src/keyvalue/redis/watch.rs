//! Watching the keys of a server: it tells of them to whoever listens at that moment, if it is set up to.
//!
//! What happens while nobody can listen, nobody is told later; so after a connection was lost, everything counts as changed.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{AsyncConnectionConfig, ErrorKind, Msg, RedisError, Value};

use super::link::Link;
use super::{Failed, pattern, tell};
use crate::keyvalue::Error;
use crate::keyvalue::watching::{Pending, Teller, hear_on};

/// The setting by which a server tells of keys.
const SETTING: &str = "notify-keyspace-events";
/// How often the server is asked whether it is still there: one that has gone without a word tells nothing.
const LOOK: Duration = Duration::from_secs(5);
/// What happens to a key without its value changing.
const NO_CHANGES: [&[u8]; 3] = [b"expire", b"persist", b"new"];

/// What hears of keys.
pub(super) struct Source {
    pub(super) link: Link,
    pub(super) backend: Arc<str>,
    pub(super) timeout: Duration,
    /// What stands before the keys of the store.
    pub(super) prefix: String,
    pub(super) pending: Arc<Pending>,
}

/// A connection over which the server tells of keys.
pub(super) struct Line {
    sink: PubSubSink,
    stream: PubSubStream,
}

/// A connection that ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost")]
struct Lost;

impl Source {
    /// Begins to listen, if the server is set up to tell.
    pub(super) async fn begin(&self) -> Result<Line, Error> {
        let open = async {
            let setting = self.setting().await?;
            let mut line = self.link.listen().await?;
            let pattern = pattern(&format!("{}{}", self.channel(), self.pending.prefix));
            // A prefix is text, and so is what is made of it.
            let pattern = String::from_utf8_lossy(&pattern).into_owned();
            line.psubscribe(pattern).await?;
            let (sink, stream) = line.split();
            Ok((setting, Line { sink, stream }))
        };
        let opened = tokio::time::timeout(self.timeout, open).await;
        let failed = |failed| tell(&self.backend, self.timeout, failed);
        let (setting, line) = match opened {
            Ok(opened) => opened.map_err(|error| failed(Failed::of(error)))?,
            Err(_) => return Err(failed(Failed::Timeout)),
        };
        match setting {
            Some(setting) if !is_enough(&setting) => Err(Error::Unwatchable {
                why: format!("`{SETTING}` of {} is `{setting}`; set it to `KA`", self.backend).into(),
            }),
            Some(_) => Ok(line),
            None => {
                tracing::warn!(backend = %self.backend, "the server does not say whether `{SETTING}` is `KA`, without which it tells of nothing");
                Ok(line)
            }
        }
    }

    /// What the server tells of; none where that is not for us to know.
    async fn setting(&self) -> Result<Option<String>, RedisError> {
        let mut connection = self.link.connect(AsyncConnectionConfig::new()).await?;
        let mut question = redis::cmd("CONFIG");
        question.arg("GET").arg(SETTING);
        let answer: Result<Vec<(String, String)>, RedisError> = question.query_async(&mut connection).await;
        match answer {
            Ok(settings) => Ok(settings.into_iter().next().map(|(_, value)| value)),
            Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How the names begin under which the server tells of keys of the store.
    fn channel(&self) -> String {
        format!("__keyspace@{}__:{}", self.link.database(), self.prefix)
    }

    pub(super) async fn run(self, first: Line) {
        hear_on(&self, &self.pending, first).await;
    }

    /// Tells of keys until the connection is lost; why it was.
    async fn hear_over(&self, mut line: Line) -> Arc<dyn std::error::Error + Send + Sync> {
        let channel = self.channel();
        loop {
            tokio::select! {
                message = line.stream.next() => match message {
                    Some(message) => self.tell(&channel, &message),
                    None => return Arc::new(Lost),
                },
                () = tokio::time::sleep(LOOK) => {
                    match tokio::time::timeout(self.timeout, line.sink.ping::<Value>()).await {
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) => return Arc::new(error),
                        Err(_) => return Arc::new(Lost),
                    }
                }
            }
        }
    }

    fn tell(&self, channel: &str, message: &Msg) {
        let key = message.get_channel_name().strip_prefix(channel);
        if let Some(key) = key
            && !NO_CHANGES.contains(&message.get_payload_bytes())
        {
            self.pending.key(key);
        }
    }
}

impl Teller for Source {
    type Line = Line;

    async fn open(&self) -> Result<Line, Error> {
        self.begin().await
    }

    async fn hear(&self, line: Line) -> Error {
        tell(
            &self.backend,
            self.timeout,
            Failed::Lost(self.hear_over(line).await),
        )
    }
}

/// Whether a server that is set up so tells of everything that happens to texts.
fn is_enough(setting: &str) -> bool {
    let has = |letter| setting.contains(letter);
    has('K') && (has('A') || "g$xe".chars().all(has))
}

#[cfg(test)]
mod tests {
    use super::is_enough;

    #[test]
    fn a_server_has_to_tell_of_keys_and_of_all_that_happens_to_them() {
        for setting in ["KA", "AK", "AKE", "KEg$xe", "g$lshzxeK"] {
            assert!(is_enough(setting), "{setting}");
        }
        for setting in ["", "A", "AE", "K", "KE", "Kg$", "Kg$x", "gxK"] {
            assert!(!is_enough(setting), "{setting}");
        }
    }
}
