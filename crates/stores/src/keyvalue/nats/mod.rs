//! Entries in a bucket of NATS JetStream, which is made where it is missing and which other clients can use too.
//!
//! [`Version`] is the number of a message. Several changes are one batch, which a server from 2.12 on makes as one; an
//! older one, or a bucket that does not allow it, makes no more than one change at once. How durable an acknowledged
//! write is, is the server's to say (`sync_interval`), as is how large a value may be (`max_payload`).

mod bucket;
mod names;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use self::bucket::{Bucket, Last};
use self::watch::Source;
use super::tally::Tally;
use super::watching::Pending;
use super::{
    Answer, Change, Entry, Error, LIST_MAX, Page, Store, Swap, Version, Watching, check_changes, check_key,
    check_value, count,
};
use crate::nats::connections::Connections;
use crate::nats::{self, Cause};
use crate::tls::{self, TlsError};

/// The longest name of a bucket: it has room for the names of an app and of a store. With the longest key and the longest
/// prefix it makes a line that the server takes.
const BUCKET_BYTES_MAX: usize = 140;
/// The longest prefix.
const PREFIX_BYTES_MAX: usize = 64;
/// Keys that are asked for beside one another.
const ASKED_MAX: usize = 64;

/// How a server is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The bucket with the entries: letters, digits, `-` and `_`. Default `weft`.
    pub bucket: String,
    /// What stands before every key in the bucket, so that stores do not meet.
    pub prefix: String,
    /// How many servers of a cluster have a copy of a bucket that is made. Default 1.
    pub replicas: usize,
    /// How long one call may take, connecting included. Default 1 s.
    pub timeout: Duration,
    /// A file with the certificates of those who vouch for the servers, in place of the public authorities.
    pub authorities: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bucket: "weft".to_owned(),
            prefix: String::new(),
            replicas: 1,
            timeout: Duration::from_secs(1),
            authorities: None,
        }
    }
}

/// A store in a bucket.
///
/// # Authority
///
/// Connects to the servers in the address that it was made with and to those of their cluster, and to nothing else.
/// Makes one bucket there. Reads the file of the authorities when it is made.
///
/// # Limits
///
/// One connection for each runtime that uses it. A value is no larger than a message, a write has no more than 1000
/// changes, and less where the server says so. Several changes at once cost much more than one: a server without
/// replicas makes files for each such write, and such writes wait for each other.
pub struct Nats {
    connections: Arc<Connections<Bucket>>,
    /// The address without name and password, for messages.
    backend: Arc<str>,
    options: Options,
}

/// What no store can be made of.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// An address that is none.
    #[error(
        "not the address of a NATS server, expected `nats://[NAME:PASSWORD@|TOKEN@]HOST[:PORT]`, or `tls://`"
    )]
    Address,
    /// A name that no bucket can have.
    #[error(
        "`{bucket}` is no name of a bucket, expected 1 to {BUCKET_BYTES_MAX} letters, digits, `-` and `_`"
    )]
    Bucket {
        /// The name.
        bucket: String,
    },
    /// A prefix that leaves too little room for keys.
    #[error("a prefix of {found} bytes, where {PREFIX_BYTES_MAX} are allowed")]
    Prefix {
        /// Its bytes.
        found: usize,
    },
    /// TLS cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Nats {
    /// A store on the server at `nats://[NAME:PASSWORD@|TOKEN@]HOST[:PORT]`, or on one of several, with commas between
    /// them. Nothing is connected to yet.
    ///
    /// TLS is used where the server asks for it; `tls://` insists on it.
    ///
    /// # Errors
    /// The address is none, or a bucket cannot have this name.
    pub fn new(address: &str, options: Options) -> Result<Self, Unusable> {
        let servers = nats::servers(address).ok_or(Unusable::Address)?;
        if !nats::is_name(&options.bucket, BUCKET_BYTES_MAX) {
            return Err(Unusable::Bucket {
                bucket: options.bucket,
            });
        }
        if options.prefix.len() > PREFIX_BYTES_MAX {
            return Err(Unusable::Prefix {
                found: options.prefix.len(),
            });
        }
        let tls = tls::client(options.authorities.as_deref())?;
        Ok(Self {
            backend: nats::describe(&servers),
            connections: Arc::new(Connections::new(servers, tls, options.timeout, options.clone())),
            options,
        })
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.options.prefix)
    }

    async fn ask<T, F>(&self, work: impl FnOnce(Arc<Bucket>) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Cause>>,
    {
        let asked = self.connections.call(work).await;
        asked.map_err(|failed| failed.tell(&self.backend, self.options.timeout))
    }
}

impl fmt::Debug for Nats {
    /// The address may hold a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Nats")
            .field("backend", &self.backend)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn entry(last: Last) -> Option<Entry> {
    let version = Version::Revision(last.sequence);
    last.value.map(|value| Entry { value, version })
}

impl Store for Nats {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            check_key(key)?;
            let name = self.name(key);
            self.ask(async |bucket| bucket.last(&name).await).await.map(entry)
        })
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Entry>>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| check_key(key))?;
            let names: Vec<String> = keys.iter().map(|key| self.name(key)).collect();
            let found = self
                .ask(async |bucket| at_one_moment(&bucket, &names).await)
                .await?;
            Ok(found.into_iter().map(entry).collect())
        })
    }

    fn write(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(async move {
            check_changes(&changes)?;
            let mut last_of_each = BTreeMap::new();
            for change in &changes {
                match change {
                    Change::Set(key, value) => last_of_each.insert(self.name(key), Some(value)),
                    Change::Delete(key) => last_of_each.insert(self.name(key), None),
                };
            }
            let changes: Vec<(&str, Option<&Bytes>)> = last_of_each
                .iter()
                .map(|(name, value)| (name.as_str(), *value))
                .collect();
            if changes.is_empty() {
                return Ok(());
            }
            self.ask(async |bucket| write(&bucket, &changes).await).await?
        })
    }

    fn swap<'a>(&'a self, key: &'a str, expected: Version, value: Bytes) -> Answer<'a, Swap> {
        Box::pin(async move {
            check_key(key)?;
            check_value(&value)?;
            let name = self.name(key);
            self.ask(async |bucket| swap(&bucket, &name, &expected, &value).await)
                .await?
        })
    }

    fn increment<'a>(&'a self, key: &'a str, delta: i64) -> Answer<'a, i64> {
        Box::pin(async move {
            check_key(key)?;
            let name = self.name(key);
            self.ask(async |bucket| increment(&bucket, key, &name, delta).await)
                .await?
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        Box::pin(async move {
            let from = match cursor {
                None => 0,
                Some(cursor) => cursor.parse::<u64>().map_err(|_| Error::Cursor {
                    cursor: cursor.to_owned(),
                })?,
            };
            let (prefix, limit) = (self.name(prefix), limit.clamp(1, LIST_MAX));
            let (names, next) = self
                .ask(async |bucket| bucket.list(&prefix, from, limit).await)
                .await?;
            let own = |name: String| name.strip_prefix(&self.options.prefix).map(str::to_owned);
            Ok(Page {
                keys: names.into_iter().filter_map(own).collect(),
                cursor: next.map(|next| next.to_string()),
            })
        })
    }

    fn watch<'a>(&'a self, prefix: &'a str) -> Answer<'a, Watching> {
        Box::pin(async move {
            let heard = self.ask(async |bucket| bucket.moment().await).await?;
            let pending = Pending::new(prefix);
            let source = Source {
                connections: Arc::clone(&self.connections),
                backend: Arc::clone(&self.backend),
                timeout: self.options.timeout,
                prefix: self.options.prefix.clone(),
                pending: Arc::clone(&pending),
                heard,
            };
            Ok(Watching::with_source(pending, source.run()))
        })
    }

    fn lengths<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<u64>>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| check_key(key))?;
            let names: Vec<String> = keys.iter().map(|key| self.name(key)).collect();
            self.ask(async |bucket| lengths(&bucket, &names).await).await
        })
    }

    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            let (mut tally, mut from) = (Tally::default(), 0);
            let prefix = self.name(prefix);
            loop {
                let (found, next) = self.ask(async |bucket| bucket.sizes(&prefix, from).await).await?;
                for (name, bytes) in found {
                    if let Some(key) = name.strip_prefix(&self.options.prefix) {
                        tally.add(key, bytes);
                    }
                }
                match next {
                    Some(next) => from = next,
                    None => return Ok(tally.bytes),
                }
            }
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.ask(async |bucket| bucket.check().await).await })
    }
}

/// Reads until nothing has changed between two reads: all of it was there together then.
async fn at_one_moment(bucket: &Bucket, names: &[String]) -> Result<Vec<Last>, Cause> {
    let mut before = read(bucket, names).await?;
    if names.len() < 2 {
        return Ok(before);
    }
    loop {
        let now = read(bucket, names).await?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
}

async fn read(bucket: &Bucket, names: &[String]) -> Result<Vec<Last>, Cause> {
    let asked: Vec<_> = names.iter().map(|name| bucket.last(name)).collect();
    futures::stream::iter(asked)
        .buffered(ASKED_MAX)
        .try_collect()
        .await
}

/// The server tells no length without the value, so each is read and let go.
async fn lengths(bucket: &Bucket, names: &[String]) -> Result<Vec<Option<u64>>, Cause> {
    let asked: Vec<_> = names.iter().map(|name| bucket.last(name)).collect();
    futures::stream::iter(asked)
        .buffered(ASKED_MAX)
        .map_ok(|last| last.value.map(|value| value.len() as u64))
        .try_collect()
        .await
}

/// Whether the server takes a value of this size.
fn check_room(bucket: &Bucket, value: &Bytes) -> Result<(), Error> {
    let (found, bytes_max) = (value.len(), bucket.value_bytes_max());
    if found > bytes_max {
        return Err(Error::TooLarge { found, bytes_max });
    }
    Ok(())
}

async fn write(bucket: &Bucket, changes: &[(&str, Option<&Bytes>)]) -> Result<Result<(), Error>, Cause> {
    let values = changes.iter().filter_map(|(_, value)| *value);
    if let Err(refused) = values.into_iter().try_for_each(|value| check_room(bucket, value)) {
        return Ok(Err(refused));
    }
    match changes {
        [(name, value)] => bucket.put(name, *value).await.map(Ok),
        changes if changes.len() > bucket.together_max => Ok(Err(Error::NotTogether {
            found: changes.len(),
            changes_max: bucket.together_max,
        })),
        changes => bucket.put_together(changes).await.map(Ok),
    }
}

async fn swap(
    bucket: &Bucket,
    name: &str,
    expected: &Version,
    value: &Bytes,
) -> Result<Result<Swap, Error>, Cause> {
    if let Err(refused) = check_room(bucket, value) {
        return Ok(Err(refused));
    }
    let is_done = match expected {
        Version::Revision(revision) => bucket.put_after(name, value, *revision).await?,
        Version::Absent => put_first(bucket, name, value).await?,
        // Of another store.
        Version::Value(_) => false,
    };
    Ok(Ok(if is_done { Swap::Done } else { Swap::Changed }))
}

/// Sets the value of a key that is absent: one that never was, or one that is known to be gone.
async fn put_first(bucket: &Bucket, name: &str, value: &Bytes) -> Result<bool, Cause> {
    let mut sequence = 0;
    loop {
        if bucket.put_after(name, value, sequence).await? {
            return Ok(true);
        }
        let last = bucket.last(name).await?;
        if last.value.is_some() {
            return Ok(false);
        }
        sequence = last.sequence;
    }
}

/// Adds, again and again, until nobody came between.
async fn increment(bucket: &Bucket, key: &str, name: &str, delta: i64) -> Result<Result<i64, Error>, Cause> {
    loop {
        let last = bucket.last(name).await?;
        let sum = match count(key, last.value.as_deref(), delta) {
            Ok(sum) => sum,
            Err(refused) => return Ok(Err(refused)),
        };
        let value = Bytes::from(sum.to_string());
        if bucket.put_after(name, &value, last.sequence).await? {
            return Ok(Ok(sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Nats, Options, Unusable};

    fn made(address: &str) -> Result<Nats, Unusable> {
        Nats::new(address, Options::default())
    }

    #[test]
    fn a_password_is_never_shown() {
        for address in [
            "nats://weft:hunter2@127.0.0.1:1",
            "tls://hunter2@localhost,nats://a:hunter2@[::1]",
        ] {
            let store = made(address).unwrap();
            assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_before_anything_is_connected_to() {
        for address in [
            "",
            "127.0.0.1",
            "redis://127.0.0.1",
            "nats://",
            "nats://a,",
            "ws://127.0.0.1",
        ] {
            assert!(matches!(made(address), Err(Unusable::Address)), "`{address}`");
        }
        for bucket in ["", "a.b", "a b", "a*", &"b".repeat(141)] {
            let options = Options {
                bucket: bucket.to_owned(),
                ..Options::default()
            };
            let refused = Nats::new("nats://127.0.0.1", options);
            assert!(matches!(refused, Err(Unusable::Bucket { .. })), "{refused:?}");
        }
        let options = Options {
            prefix: "p".repeat(65),
            ..Options::default()
        };
        let refused = Nats::new("nats://127.0.0.1", options);
        assert!(
            matches!(refused, Err(Unusable::Prefix { found: 65 })),
            "{refused:?}"
        );
    }
}
