//! Entries on a Redis server: a value is a string of Redis, so that other programs can read and write it too.
//!
//! Every thread with a runtime of its own has one connection, over which its calls go beside one another. A call
//! that finds the connection dead makes a new one; a server that is away costs each call no more than the timeout.
//!
//! Redis numbers nothing, so a [`Version`] is the value itself. How durable an acknowledged write is, is the server's
//! to say (`appendfsync`).

mod link;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisError, Script, ServerErrorKind};
use tokio::runtime::{Handle, Id};

use self::link::Link;
use self::watch::Source;
use super::tally::Tally;
use super::watching::Pending;
use super::{
    Answer, Change, Entry, Error, LIST_MAX, Page, Store, Swap, Version, Watching, check_changes, check_key,
    check_value,
};
use crate::tls::TlsError;

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What stands before every key on the server, so that stores do not meet.
    pub prefix: String,
    /// How long one call may take, connecting included. Default 1 s.
    pub timeout: Duration,
    /// A file with the certificates of those who vouch for a server with TLS, in place of the public authorities.
    pub authorities: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            timeout: Duration::from_secs(1),
            authorities: None,
        }
    }
}

/// A store on a server.
///
/// # Authority
///
/// Connects to the address that it was made with, and to nothing else. Reads the file of the authorities when it is made.
///
/// # Limits
///
/// One connection for each runtime that uses it, and one for each who watches.
pub struct Redis {
    link: Link,
    /// The address without name and password, for messages.
    backend: Arc<str>,
    options: Options,
    swap: Script,
    connections: Mutex<HashMap<Id, Shared>>,
}

type Shared = Arc<tokio::sync::Mutex<Option<MultiplexedConnection>>>;

/// Sets a value where the key has the expected one, or is absent where none is expected.
const SWAP: &str = "local found = redis.call('GET', KEYS[1])
if (ARGV[1] == '1' and found == ARGV[2]) or (ARGV[1] == '0' and not found) then
  redis.call('SET', KEYS[1], ARGV[3])
  return 1
end
return 0";

/// What no store can be made of.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// An address that is none.
    #[error(
        "not the address of a Redis server, expected `redis://HOST[:PORT][/DATABASE]`, or `rediss://` for TLS"
    )]
    Address(#[source] Option<RedisError>),
    /// TLS cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Redis {
    /// A store on the server at `redis://[[NAME]:PASSWORD@]HOST[:PORT][/DATABASE]`, or with TLS at `rediss://`. Nothing is
    /// connected to yet.
    ///
    /// # Errors
    /// The address is none, or TLS cannot be had.
    pub fn new(address: &str, options: Options) -> Result<Self, Unusable> {
        let link = Link::new(address, &options)?;
        Ok(Self {
            backend: link.describe().into(),
            link,
            options,
            swap: Script::new(SWAP),
            connections: Mutex::default(),
        })
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.options.prefix)
    }

    fn shared(&self) -> Shared {
        let here = Handle::current().id();
        Arc::clone(self.connections.lock().entry(here).or_default())
    }

    async fn connection(&self, shared: &Shared) -> Result<MultiplexedConnection, RedisError> {
        let mut kept = shared.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.timeout))
            // Each call has one that counts for all of it (`call`), and a second timer would only cost.
            .set_response_timeout(None);
        let made = self.link.connect(config).await?;
        Ok(kept.insert(made).clone())
    }

    /// Does something over a connection, within the timeout.
    async fn call<T, F>(&self, work: impl FnOnce(MultiplexedConnection) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let shared = self.shared();
        let attempt = async {
            let connection = self.connection(&shared).await?;
            work(connection).await
        };
        let ended = tokio::time::timeout(self.options.timeout, attempt).await;
        let is_unusable = match &ended {
            Ok(Ok(_)) => false,
            Ok(Err(error)) => error.is_io_error() || error.is_unrecoverable_error(),
            Err(_) => true,
        };
        if is_unusable && let Ok(mut kept) = shared.try_lock() {
            *kept = None;
        }
        match ended {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Failed::of(error)),
            Err(_) => Err(Failed::Timeout),
        }
    }

    /// Whether names are there, and the bytes of their values.
    async fn lengths_of(&self, names: &[String]) -> Result<Vec<Option<u64>>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = redis::pipe();
        for name in names {
            commands.cmd("EXISTS").arg(name).cmd("STRLEN").arg(name);
        }
        let answers: Vec<u64> = self
            .ask(async |mut connection| commands.query_async(&mut connection).await)
            .await?;
        let length = |pair: &[u64]| match pair {
            [1, bytes] => Some(*bytes),
            _ => None,
        };
        Ok(answers.chunks(2).map(length).collect())
    }

    /// Some names that begin with a prefix, from a cursor on, and where to go on.
    async fn scan(&self, prefix: &str, from: u64, limit: usize) -> Result<(Vec<String>, u64), Error> {
        let mut command = redis::cmd("SCAN");
        command.arg(from).arg("MATCH").arg(pattern(&self.name(prefix)));
        command.arg("COUNT").arg(limit.clamp(1, LIST_MAX));
        // What other programs keep there in other ways has no value here.
        command.arg("TYPE").arg("string");
        let (next, found): (u64, Vec<Vec<u8>>) = self
            .ask(async |mut connection| command.query_async(&mut connection).await)
            .await?;
        // Keys that are no text are none of ours.
        let names = found.into_iter().filter_map(|name| String::from_utf8(name).ok());
        Ok((names.collect(), next))
    }

    async fn ask<T, F>(&self, work: impl FnOnce(MultiplexedConnection) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        self.call(work).await.map_err(|failed| self.tell(failed))
    }

    fn tell(&self, failed: Failed) -> Error {
        tell(&self.backend, self.options.timeout, failed)
    }
}

impl fmt::Debug for Redis {
    /// The address may hold a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Redis")
            .field("backend", &self.backend)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Failed {
    Timeout,
    Redis(RedisError),
    /// A connection that is used for longer than a call.
    Lost(Arc<dyn std::error::Error + Send + Sync>),
}

impl Failed {
    fn of(error: RedisError) -> Self {
        match error.is_timeout() {
            true => Self::Timeout,
            false => Self::Redis(error),
        }
    }
}

fn tell(backend: &Arc<str>, waited: Duration, failed: Failed) -> Error {
    let backend = Arc::clone(backend);
    match failed {
        Failed::Timeout => Error::Timeout { backend, waited },
        Failed::Redis(error) => Error::Backend {
            backend,
            source: Arc::new(error),
        },
        Failed::Lost(source) => Error::Backend { backend, source },
    }
}

fn entry(value: Vec<u8>) -> Entry {
    let value = Bytes::from(value);
    Entry {
        version: Version::Value(value.clone()),
        value,
    }
}

/// Everything that begins so, in the language of `SCAN`.
fn pattern(prefix: &str) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for byte in prefix.bytes() {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

impl Store for Redis {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            check_key(key)?;
            let command = Cmd::get(self.name(key));
            let found: Option<Vec<u8>> = self
                .ask(async |mut connection| command.query_async(&mut connection).await)
                .await?;
            Ok(found.map(entry))
        })
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Entry>>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| check_key(key))?;
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            let mut command = redis::cmd("MGET");
            for key in keys {
                command.arg(self.name(key));
            }
            let found: Vec<Option<Vec<u8>>> = self
                .ask(async |mut connection| command.query_async(&mut connection).await)
                .await?;
            Ok(found.into_iter().map(|value| value.map(entry)).collect())
        })
    }

    fn write(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(async move {
            check_changes(&changes)?;
            let mut commands = redis::pipe();
            if changes.len() > 1 {
                commands.atomic();
            }
            for change in &changes {
                match change {
                    Change::Set(key, value) => commands.set(self.name(key), value.as_ref()).ignore(),
                    Change::Delete(key) => commands.del(self.name(key)).ignore(),
                };
            }
            if changes.is_empty() {
                return Ok(());
            }
            self.ask(async |mut connection| commands.query_async(&mut connection).await)
                .await
        })
    }

    fn swap<'a>(&'a self, key: &'a str, expected: Version, value: Bytes) -> Answer<'a, Swap> {
        Box::pin(async move {
            check_key(key)?;
            check_value(&value)?;
            let mut swap = self.swap.key(self.name(key));
            match &expected {
                Version::Absent => swap.arg("0").arg(""),
                Version::Value(expected) => swap.arg("1").arg(expected.as_ref()),
                // Of another store.
                Version::Revision(_) => return Ok(Swap::Changed),
            };
            swap.arg(value.as_ref());
            let done: i64 = self
                .ask(async |mut connection| swap.invoke_async(&mut connection).await)
                .await?;
            Ok(if done == 1 { Swap::Done } else { Swap::Changed })
        })
    }

    fn increment<'a>(&'a self, key: &'a str, delta: i64) -> Answer<'a, i64> {
        Box::pin(async move {
            check_key(key)?;
            let command = Cmd::incr(self.name(key), delta);
            let sum = self
                .call(async |mut connection| command.query_async(&mut connection).await)
                .await;
            sum.map_err(|failed| match &failed {
                Failed::Redis(error) if is_refusal(error, "not an integer") => {
                    Error::NotANumber { key: key.to_owned() }
                }
                Failed::Redis(error) if is_refusal(error, "overflow") => {
                    Error::Overflow { key: key.to_owned() }
                }
                _ => self.tell(failed),
            })
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        Box::pin(async move {
            let not_ours = |cursor: &str| Error::Cursor {
                cursor: cursor.to_owned(),
            };
            let from = match cursor {
                None => 0,
                Some(cursor) => cursor.parse::<u64>().map_err(|_| not_ours(cursor))?,
            };
            let (names, next) = self.scan(prefix, from, limit).await?;
            let own = |name: String| name.strip_prefix(&self.options.prefix).map(str::to_owned);
            Ok(Page {
                keys: names.into_iter().filter_map(own).collect(),
                cursor: (next != 0).then(|| next.to_string()),
            })
        })
    }

    fn watch<'a>(&'a self, prefix: &'a str) -> Answer<'a, Watching> {
        Box::pin(async move {
            let pending = Pending::new(prefix);
            let source = Source {
                link: self.link.clone(),
                backend: Arc::clone(&self.backend),
                timeout: self.options.timeout,
                prefix: self.options.prefix.clone(),
                pending: Arc::clone(&pending),
            };
            let line = source.begin().await?;
            Ok(Watching::with_source(pending, source.run(line)))
        })
    }

    fn lengths<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<u64>>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| check_key(key))?;
            let names: Vec<String> = keys.iter().map(|key| self.name(key)).collect();
            self.lengths_of(&names).await
        })
    }

    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            let (mut tally, mut from) = (Tally::default(), 0);
            loop {
                let (names, next) = self.scan(prefix, from, LIST_MAX).await?;
                let lengths = self.lengths_of(&names).await?;
                for (name, length) in names.iter().zip(lengths) {
                    if let (Some(key), Some(length)) = (name.strip_prefix(&self.options.prefix), length) {
                        tally.add(key, length);
                    }
                }
                if next == 0 {
                    return Ok(tally.bytes);
                }
                from = next;
            }
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let command = redis::cmd("PING");
            self.ask(async |mut connection| command.query_async::<String>(&mut connection).await)
                .await
                .map(drop)
        })
    }
}

fn is_refusal(error: &RedisError, word: &str) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::ResponseError)
        && error.detail().is_some_and(|detail| detail.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{Options, Redis, pattern};

    #[test]
    fn a_prefix_means_itself_and_no_pattern() {
        assert_eq!(pattern("a*[b]?"), b"a\\*\\[b\\]\\?*");
    }

    #[test]
    fn a_password_is_never_shown() {
        let store = Redis::new("redis://:hunter2@127.0.0.1:1/0", Options::default()).unwrap();
        assert!(!format!("{store:?}").contains("hunter2"));
        for wrong in ["http://127.0.0.1", "rediss://127.0.0.1/#insecure", "rediss://"] {
            assert!(Redis::new(wrong, Options::default()).is_err(), "{wrong}");
        }
    }
}
