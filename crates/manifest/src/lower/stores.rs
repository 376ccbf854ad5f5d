//! Stores, and the buckets in them that components are granted.

use std::num::NonZeroU32;
use std::ops::Range;

use weft_app::grant::{BucketGrant, DataAccess, KeyValueGrant};
use weft_app::quantity::parse_bytes;
use weft_app::store::{Durability, Store, StoreAddress, StoreBackend};

use super::granted::{Granting, known};
use super::values::{self, Text};
use super::{Lowering, limits};
use crate::diagnostic::quote;
use crate::document::Table;
use crate::problems::Problem;
use crate::suggest;

/// The address of a server, and where it is written.
pub(super) type Placed<'t> = (String, &'t Range<usize>);

/// Keys of a store that say something to some backends only.
const ONLY_FOR: &[(&str, &[&str])] = &[
    ("path", &["embedded"]),
    ("durability", &["embedded"]),
    ("size", &["embedded", "memory"]),
    ("url", &["redis", "postgres", "nats"]),
    ("url-variable", &["redis", "postgres", "nats"]),
    ("authorities", &["redis", "postgres", "nats"]),
    ("prefix", &["redis"]),
    ("table", &["postgres"]),
    ("bucket", &["nats"]),
    ("replicas", &["nats"]),
    ("timeout", &["redis", "postgres", "nats"]),
];

impl Lowering<'_> {
    /// Reads the stores of the app, for the grants that name them.
    pub(super) fn declare_stores(&mut self, root: &Table) {
        for (name, table, place) in self.named(root, "store") {
            if let Some(backend) = self.backend(table, place) {
                let store = Store {
                    name: name.clone(),
                    backend,
                };
                self.stores.insert(name, store);
            }
        }
    }

    fn backend(&mut self, table: &Table, place: &Range<usize>) -> Option<StoreBackend> {
        let address = self.server(table, "store");
        let default = match &address {
            Ok(Some((address, _))) => server_of(address).unwrap_or("redis"),
            Ok(None) => "embedded",
            // What is wrong was told.
            Err(()) => return None,
        };
        let word = values::text(table, "backend").map_or(default, |(word, _)| word);
        self.refuse_keys_of_others(table, word, ONLY_FOR);
        let mut bytes_max = StoreBackend::BYTES_MAX;
        self.read(table, "size", &mut bytes_max, parse_bytes);
        match word {
            "embedded" => Some(StoreBackend::Embedded {
                folder: values::text(table, "path").and_then(|path| self.path(path)),
                durability: match values::text(table, "durability") {
                    Some(("fast", _)) => Durability::Fast,
                    _ => Durability::Sync,
                },
                bytes_max,
            }),
            "memory" => Some(StoreBackend::Memory { bytes_max }),
            "redis" | "postgres" | "nats" => self.on_server(table, word, address.ok()?, place),
            // Told where the table is checked.
            _ => None,
        }
    }

    /// Tells of keys that are for other backends than this one.
    pub(super) fn refuse_keys_of_others(&mut self, table: &Table, word: &str, only_for: &[(&str, &[&str])]) {
        for (key, backends) in only_for {
            if let Some(entry) = table.get(key)
                && !backends.contains(&word)
            {
                let message = format!("{} says nothing with `backend = \"{word}\"`", quote(key));
                let hint = format!("it is for {}", suggest::choice(backends.iter().copied()));
                self.problems
                    .push(Problem::error(message).at(&entry.key_span).hint(hint));
            }
        }
    }

    /// Where the server of a store or a queue is, as `url` or `url-variable` say. The address itself is not shown: it may hold a
    /// password.
    pub(super) fn server<'t>(&mut self, table: &'t Table, kind: &str) -> Result<Option<Placed<'t>>, ()> {
        match (values::text(table, "url"), values::text(table, "url-variable")) {
            (Some(_), Some((_, span))) => {
                let message = format!("a {kind} has `url` or `url-variable`, not both");
                self.problems.push(Problem::error(message).at(span));
                Err(())
            }
            (Some((address, span)), None) => Ok(Some((address.to_owned(), span))),
            (None, Some((name, span))) => match (self.context.variable)(name) {
                Some(address) => Ok(Some((address, span))),
                None => {
                    let message = format!(
                        "there is no variable {} here that says where the server is",
                        quote(name)
                    );
                    self.problems.push(Problem::error(message).at(span));
                    Err(())
                }
            },
            (None, None) => Ok(None),
        }
    }

    fn on_server(
        &mut self,
        table: &Table,
        word: &str,
        address: Option<Placed<'_>>,
        place: &Range<usize>,
    ) -> Option<StoreBackend> {
        let mut timeout = StoreBackend::TIMEOUT;
        self.read(table, "timeout", &mut timeout, limits::parse_time);
        let replicas = self.replicas(table);
        let address = self.address(word, address, place, "store")?;
        let authorities = values::text(table, "authorities").and_then(|path| self.path(path));
        let text = |key| values::text(table, key).map(|(text, _)| text.to_owned());
        Some(match word {
            "postgres" => StoreBackend::Postgres {
                address,
                authorities,
                table: text("table"),
                timeout,
            },
            "nats" => StoreBackend::Nats {
                address,
                authorities,
                bucket: text("bucket"),
                replicas,
                timeout,
            },
            _ => StoreBackend::Redis {
                address,
                authorities,
                prefix: text("prefix"),
                timeout,
            },
        })
    }

    /// The address of a server, where there is one and it is of this backend.
    pub(super) fn address(
        &mut self,
        word: &str,
        address: Option<Placed<'_>>,
        place: &Range<usize>,
        kind: &str,
    ) -> Option<StoreAddress> {
        let Some((address, span)) = address else {
            let problem = Problem::error(format!("a {kind} on a server has no `url`")).at(place);
            self.problems.push(problem.hint(format!(
                "add `url = \"{word}://HOST\"`, or `url-variable` where it holds a password"
            )));
            return None;
        };
        if server_of(&address) == Some(word) {
            return Some(StoreAddress(address));
        }
        let message = format!("this is not the address of a server with `backend = \"{word}\"`");
        let expected = match word {
            "postgres" => "postgres://[[NAME]:PASSWORD@]HOST[:PORT][/DATABASE]",
            "nats" => "nats://[NAME:PASSWORD@|TOKEN@]HOST[:PORT]",
            _ => "redis://[[NAME]:PASSWORD@]HOST[:PORT][/DATABASE]",
        };
        let problem = Problem::error(message).at(span);
        self.problems.push(problem.hint(format!("expected `{expected}`")));
        None
    }

    /// Copies of what is made on a cluster.
    pub(super) fn replicas(&mut self, table: &Table) -> usize {
        let replicas = self.natural(table, "replicas");
        replicas.map_or(1, |replicas| {
            usize::try_from(replicas.get()).unwrap_or(usize::MAX)
        })
    }

    pub(super) fn keyvalue(&mut self, grants: &Table) -> KeyValueGrant {
        let buckets = Granting {
            key: "keyvalue",
            kind: "store",
            find: Self::known_store,
            whole: BucketGrant::whole,
            narrowed: Self::bucket,
        };
        KeyValueGrant {
            buckets: self.granted(grants, &buckets),
        }
    }

    fn bucket(&mut self, name: &str, table: &Table) -> Option<BucketGrant> {
        let store = self.known_store(values::text(table, "store")?)?;
        let mut bucket = BucketGrant::whole(name, store);
        bucket.access = access(table);
        if let Some((prefix, _)) = values::text(table, "prefix") {
            bucket.prefix = prefix.to_owned();
        }
        let mut value_bytes_max = 0;
        self.read(table, "value-size", &mut value_bytes_max, parse_bytes);
        bucket.value_bytes_max = table.get("value-size").map(|_| value_bytes_max);
        bucket.bytes_max = self.room(table, "size");
        bucket.calls_per_second_max = self.rate(table);
        Some(bucket)
    }

    /// Calls in a second, where a bound is given.
    pub(super) fn rate(&mut self, table: &Table) -> Option<NonZeroU32> {
        let (rate, span) = values::quantity(table, "rate")?;
        let parsed = rate.parse::<NonZeroU32>().ok();
        if parsed.is_none() {
            let message = format!(
                "`{rate}` is not a rate, expected 1 to {} calls in a second",
                u32::MAX
            );
            self.problems.push(Problem::error(message).at(span));
        }
        parsed
    }

    /// A bound on bytes, where one is given.
    pub(super) fn room(&mut self, table: &Table, key: &str) -> Option<u64> {
        let mut bytes = 0;
        self.read(table, key, &mut bytes, limits::parse_room);
        table.get(key).map(|_| bytes)
    }

    /// A store of this app, as a grant or a trigger names it.
    pub(super) fn known_store(&mut self, written: Text<'_>) -> Option<Store> {
        let undeclared = "[store.NAME]`, with nothing under it for an embedded one";
        known(&self.stores, self.problems, written, "store", undeclared)
    }
}

/// What may be done with a bucket or a container: everything, where nothing is said.
pub(super) fn access(table: &Table) -> DataAccess {
    if table.get("access").is_none() {
        return DataAccess::ALL;
    }
    let words = values::texts(table, "access");
    let has = |word: &str| words.iter().any(|(given, _)| *given == word);
    DataAccess {
        read: has("read"),
        write: has("write"),
        list: has("list"),
    }
}

/// The backend that an address is of.
fn server_of(address: &str) -> Option<&'static str> {
    let (scheme, rest) = address.split_once("://")?;
    let word = match scheme {
        "redis" | "rediss" => "redis",
        "postgres" | "postgresql" => "postgres",
        "nats" | "tls" => "nats",
        _ => return None,
    };
    (!rest.is_empty()).then_some(word)
}
