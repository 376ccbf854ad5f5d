//! Entries in a table of a PostgreSQL server, which is made where it is missing.
//!
//! Every call is one statement, so that it happens at one moment and no lock is ever left behind. `statements` has
//! the SQL, `connections` what it goes over, `watch` hears what the server tells of the table; a server that is away costs each call no more than the timeout.
//!
//! A [`Version`] is a number from a sequence. How durable an acknowledged write is, is the server's to say
//! (`synchronous_commit`, `fsync`).

mod connections;
mod statements;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_postgres::config::Host;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};

use self::connections::{Connections, Failed, Session};
use self::statements::Table;
use self::watch::Source;
use super::watching::Pending;
use super::{
    Answer, Change, Entry, Error, LIST_MAX, Page, Store, Swap, Version, Watching, behind, check_changes,
    check_key, check_value, count,
};
use crate::tls::{self, TlsError};

/// Entries that are counted by one statement: few enough that the timeout is long.
const COUNTED: i64 = 20_000;

/// How a server is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The table with the entries: `TABLE` or `SCHEMA.TABLE`. Default `weft`.
    pub table: String,
    /// How long one call may take, connecting included. Default 1 s.
    pub timeout: Duration,
    /// A file with the certificates of those who vouch for the server, in place of the public authorities.
    pub authorities: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            table: "weft".to_owned(),
            timeout: Duration::from_secs(1),
            authorities: None,
        }
    }
}

/// A store in a table.
///
/// # Authority
///
/// Connects to the servers in the address that it was made with, and to nothing else. Makes one table there, and for who
/// watches triggers and a function. Reads the file of the authorities when it is made.
///
/// # Limits
///
/// Four connections for each runtime that uses it, and one for each who watches.
pub struct Postgres {
    connections: Arc<Connections>,
    /// The address without name and password, for messages.
    backend: Arc<str>,
    options: Options,
}

/// What no store can be made of.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// An address that is none.
    #[error(
        "not the address of a PostgreSQL server, expected `postgres://[NAME[:PASSWORD]@]HOST[:PORT][/DATABASE]`"
    )]
    Address,
    /// A setting in the address that there is not.
    #[error("a setting in the address of a PostgreSQL server cannot be used")]
    Setting(#[source] tokio_postgres::Error),
    /// A name that no table can have.
    #[error("`{table}` is no name of a table, expected `TABLE` or `SCHEMA.TABLE` of 63 bytes at most each")]
    Table {
        /// The name.
        table: String,
    },
    /// TLS cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Postgres {
    /// A store on the server at `postgres://[NAME[:PASSWORD]@]HOST[:PORT][/DATABASE][?sslmode=MODE]`. Nothing is
    /// connected to yet.
    ///
    /// TLS is used where the server has it; `sslmode=require` insists on it, `sslmode=disable` does without.
    ///
    /// # Errors
    /// The address is none, or a table cannot have this name.
    pub fn new(address: &str, options: Options) -> Result<Self, Unusable> {
        let is_url = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| address.starts_with(scheme));
        if !is_url {
            return Err(Unusable::Address);
        }
        let config: Config = address.parse().map_err(Unusable::Setting)?;
        let table = Table::new(&options.table).ok_or_else(|| Unusable::Table {
            table: options.table.clone(),
        })?;
        let backend = name(&config).ok_or(Unusable::Address)?;
        let tls = tls::client(options.authorities.as_deref())?;
        Ok(Self {
            connections: Arc::new(Connections::new(config, table, options.timeout, tls)),
            backend: backend.into(),
            options,
        })
    }

    async fn ask<T, F>(&self, work: impl FnOnce(Arc<Session>) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        self.connections
            .call(work)
            .await
            .map_err(|failed| self.tell(failed))
    }

    fn tell(&self, failed: Failed) -> Error {
        tell(&self.backend, self.options.timeout, failed)
    }
}

fn tell(backend: &Arc<str>, waited: Duration, failed: Failed) -> Error {
    let backend = Arc::clone(backend);
    match failed {
        Failed::Timeout => Error::Timeout { backend, waited },
        Failed::Server(error) => Error::Backend {
            backend,
            source: cause(error),
        },
    }
}

/// Where a server is, without who uses it. None where the address says nothing of it.
pub(crate) fn name(config: &Config) -> Option<String> {
    let port = |number: usize| match config.get_ports() {
        [] => 5432,
        [one] => *one,
        several => several.get(number).copied().unwrap_or(5432),
    };
    let host = |(number, host): (usize, &Host)| match host {
        // A password with an `@` that was not written `%40` would be in front.
        Host::Tcp(host) => format!("{}:{}", host.rsplit('@').next().unwrap_or_default(), port(number)),
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts: Vec<String> = config.get_hosts().iter().enumerate().map(host).collect();
    (!hosts.is_empty()).then(|| format!("PostgreSQL at {}", hosts.join(", ")))
}

/// What stands behind an error of the client, which itself says little more than that there was one.
pub(crate) fn cause(error: tokio_postgres::Error) -> Arc<dyn std::error::Error + Send + Sync> {
    if std::error::Error::source(&error).is_none() {
        return Arc::new(error);
    }
    error
        .into_source()
        .map_or_else(|| Arc::from(Box::from("no reason given")), Arc::from)
}

impl fmt::Debug for Postgres {
    /// The address may hold a password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Postgres")
            .field("backend", &self.backend)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn entry(value: &[u8], version: i64) -> Entry {
    Entry {
        value: Bytes::copy_from_slice(value),
        version: Version::Revision(version.cast_unsigned()),
    }
}

fn bytes(keys: &[String]) -> Vec<&[u8]> {
    keys.iter().map(String::as_bytes).collect()
}

/// What is left of several changes: the last one of each key, in the order of the keys.
fn last_of_each(changes: &[Change]) -> BTreeMap<&[u8], Option<&[u8]>> {
    let mut last = BTreeMap::new();
    for change in changes {
        match change {
            Change::Set(key, value) => last.insert(key.as_bytes(), Some(value.as_ref())),
            Change::Delete(key) => last.insert(key.as_bytes(), None),
        };
    }
    last
}

/// The keys that begin so, from the first that comes after another one, to before which.
fn range(prefix: &str, after: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let first = after.map_or_else(Vec::new, |after| [after.as_bytes(), &[0]].concat());
    (first.max(prefix.as_bytes().to_vec()), behind(prefix))
}

impl Store for Postgres {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            check_key(key)?;
            self.ask(async |session| {
                let get = &session.statements.get;
                let found = session.client.query_opt(get, &[&key.as_bytes()]).await?;
                found
                    .map(|row| Ok(entry(row.try_get(0)?, row.try_get(1)?)))
                    .transpose()
            })
            .await
        })
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Entry>>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| check_key(key))?;
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            let read = |row: &Row| -> Result<(Vec<u8>, Entry), tokio_postgres::Error> {
                Ok((row.try_get(0)?, entry(row.try_get(1)?, row.try_get(2)?)))
            };
            let found: HashMap<Vec<u8>, Entry> = self
                .ask(async |session| {
                    let get_many = &session.statements.get_many;
                    let rows = session.client.query(get_many, &[&bytes(keys)]).await?;
                    rows.iter().map(read).collect()
                })
                .await?;
            Ok(keys
                .iter()
                .map(|key| found.get(key.as_bytes()).cloned())
                .collect())
        })
    }

    fn write(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(async move {
            check_changes(&changes)?;
            match changes.as_slice() {
                [] => Ok(()),
                [Change::Delete(key)] => {
                    self.ask(async |session| {
                        let delete = &session.statements.delete;
                        session.client.execute(delete, &[&key.as_bytes()]).await.map(drop)
                    })
                    .await
                }
                changes => {
                    let (keys, values): (Vec<_>, Vec<_>) = last_of_each(changes).into_iter().unzip();
                    self.ask(async |session| write(&session, &keys, &values).await)
                        .await
                }
            }
        })
    }

    fn swap<'a>(&'a self, key: &'a str, expected: Version, value: Bytes) -> Answer<'a, Swap> {
        Box::pin(async move {
            check_key(key)?;
            check_value(&value)?;
            let (key, value) = (key.as_bytes(), value.as_ref());
            let done = self
                .ask(async |session| match &expected {
                    Version::Absent => {
                        session
                            .client
                            .execute(&session.statements.swap_absent, &[&key, &value])
                            .await
                    }
                    Version::Revision(version) => {
                        let version = version.cast_signed();
                        session
                            .client
                            .execute(&session.statements.swap, &[&key, &version, &value])
                            .await
                    }
                    // Of another store.
                    Version::Value(_) => Ok(0),
                })
                .await?;
            Ok(if done == 1 { Swap::Done } else { Swap::Changed })
        })
    }

    fn increment<'a>(&'a self, key: &'a str, delta: i64) -> Answer<'a, i64> {
        Box::pin(async move {
            check_key(key)?;
            self.ask(async |session| increment(&session, key, delta).await)
                .await?
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        Box::pin(async move {
            let (first, end) = range(prefix, cursor);
            let rows = limit.clamp(1, LIST_MAX) as i64;
            let keys: Vec<Vec<u8>> = self
                .ask(async |session| {
                    let list = &session.statements.list;
                    let found = session.client.query(list, &[&first, &end, &rows]).await?;
                    found.iter().map(|row| row.try_get(0)).collect()
                })
                .await?;
            let keys: Result<_, _> = keys.into_iter().map(String::from_utf8).collect();
            let keys = keys.map_err(|_| Error::Damaged {
                place: Arc::clone(&self.backend),
                what: "a key is no text".into(),
            })?;
            Ok(Page::in_order(keys, limit))
        })
    }

    fn watch<'a>(&'a self, prefix: &'a str) -> Answer<'a, Watching> {
        Box::pin(async move {
            let pending = Pending::new(prefix);
            let source = Source {
                connections: Arc::clone(&self.connections),
                backend: Arc::clone(&self.backend),
                timeout: self.options.timeout,
                pending: Arc::clone(&pending),
            };
            let line = source.begin().await?;
            Ok(Watching::with_source(pending, source.run(line)))
        })
    }

    fn lengths<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<u64>>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| check_key(key))?;
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            let read = |row: &Row| -> Result<(Vec<u8>, i64), tokio_postgres::Error> {
                Ok((row.try_get(0)?, row.try_get(1)?))
            };
            let found: HashMap<Vec<u8>, i64> = self
                .ask(async |session| {
                    let lengths = &session.statements.lengths;
                    let rows = session.client.query(lengths, &[&bytes(keys)]).await?;
                    rows.iter().map(read).collect()
                })
                .await?;
            let length = |key: &String| found.get(key.as_bytes()).map(|length| length.cast_unsigned());
            Ok(keys.iter().map(length).collect())
        })
    }

    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            let (mut first, end) = range(prefix, None);
            let mut all: u64 = 0;
            loop {
                let (bytes, last) = self
                    .ask(async |session| {
                        let usage = &session.statements.usage;
                        let row = session.client.query_one(usage, &[&first, &end, &COUNTED]).await?;
                        Ok((row.try_get::<_, i64>(0)?, row.try_get::<_, Option<Vec<u8>>>(1)?))
                    })
                    .await?;
                all = all.saturating_add(bytes.cast_unsigned());
                let Some(last) = last else {
                    return Ok(all);
                };
                // Whatever comes behind the last one that was counted.
                first = [last.as_slice(), &[0]].concat();
            }
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.ask(async |session| session.client.check_connection().await)
                .await
        })
    }
}

/// Makes all changes at one moment, and then takes away what they leave of keys that they removed, in one round trip.
async fn write(
    session: &Session,
    keys: &[&[u8]],
    values: &[Option<&[u8]>],
) -> Result<(), tokio_postgres::Error> {
    let Session { client, statements } = session;
    let changes: [&(dyn ToSql + Sync); 2] = [&keys, &values];
    let written = client.execute(&statements.write, &changes);
    if values.iter().all(Option::is_some) {
        return written.await.map(drop);
    }
    let removed: Vec<&[u8]> = std::iter::zip(keys, values)
        .filter_map(|(key, value)| value.is_none().then_some(*key))
        .collect();
    let params: [&(dyn ToSql + Sync); 1] = [&removed];
    futures::try_join!(written, client.execute(&statements.sweep, &params)).map(drop)
}

/// Adds in one statement. Where that finds nothing to add to, the reason is read, unless it is gone by then.
async fn increment(
    session: &Session,
    key: &str,
    delta: i64,
) -> Result<Result<i64, Error>, tokio_postgres::Error> {
    let Session { client, statements } = session;
    let (bytes, first) = (key.as_bytes(), delta.to_string());
    loop {
        let params: [&(dyn ToSql + Sync); 3] = [&bytes, &first.as_bytes(), &delta];
        if let Some(row) = client.query_opt(&statements.increment, &params).await? {
            return Ok(count(key, row.try_get(0)?, 0));
        }
        let found = client.query_opt(&statements.get, &[&bytes]).await?;
        let value: Option<&[u8]> = found.as_ref().map(|row| row.try_get(0)).transpose()?;
        if let Err(refused) = count(key, value, delta) {
            return Ok(Err(refused));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, Postgres, Unusable, range};

    fn made(address: &str) -> Result<Postgres, Unusable> {
        Postgres::new(address, Options::default())
    }

    #[test]
    fn a_password_is_never_shown() {
        for address in [
            "postgres://weft:hunter2@127.0.0.1:1/db",
            "postgres://weft:hunter2%40@[::1],127.0.0.1:1/db",
            "postgresql://weft:x@hunter2@localhost/db",
        ] {
            let store = made(address).unwrap();
            assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");
        }
        let refused = made("postgres://weft:hunter2@localhost/db?sslmode=hunter2").unwrap_err();
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    }

    #[test]
    fn what_cannot_be_used_is_refused_before_anything_is_connected_to() {
        for address in [
            "",
            "redis://127.0.0.1",
            "host=127.0.0.1 password=x",
            "postgres:///db",
        ] {
            assert!(matches!(made(address), Err(Unusable::Address)), "`{address}`");
        }
        let refused = made("postgres://127.0.0.1/?colour=red");
        assert!(matches!(refused, Err(Unusable::Setting(_))), "{refused:?}");
        let options = Options {
            table: "a.b.c".to_owned(),
            ..Options::default()
        };
        let refused = Postgres::new("postgres://127.0.0.1", options);
        assert!(matches!(refused, Err(Unusable::Table { .. })), "{refused:?}");
    }

    #[test]
    fn a_page_begins_after_the_cursor_and_ends_with_the_prefix() {
        assert_eq!(range("", None), (vec![], vec![255]));
        assert_eq!(range("a/", None), (b"a/".to_vec(), b"a0".to_vec()));
        assert_eq!(range("a/", Some("a/1")), (b"a/1\0".to_vec(), b"a0".to_vec()));
        assert_eq!(range("b", Some("a")).0, b"b");
    }
}
