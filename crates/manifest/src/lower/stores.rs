//! Stores, and the buckets in them that components are granted.

use std::num::NonZeroU32;
use std::ops::Range;

use weft_app::Name;
use weft_app::grant::{BucketAccess, BucketGrant, KeyValueGrant};
use weft_app::quantity::parse_bytes;
use weft_app::store::{Durability, Store, StoreAddress, StoreBackend};

use super::values::{self, Text};
use super::{Lowering, limits};
use crate::bounds::{COMPONENTS_MAX, ENTRIES_MAX};
use crate::diagnostic::quote;
use crate::document::{Table, Value};
use crate::problems::Problem;
use crate::suggest;

/// Keys of a store that say something to some backends only.
const ONLY_FOR: &[(&str, &[&str])] = &[
    ("path", &["embedded"]),
    ("durability", &["embedded"]),
    ("size", &["embedded", "memory"]),
    ("url", &["redis"]),
    ("url-variable", &["redis"]),
    ("prefix", &["redis"]),
    ("timeout", &["redis"]),
];

impl Lowering<'_> {
    /// Reads the stores of the app, for the grants that name them.
    pub(super) fn declare_stores(&mut self, root: &Table) {
        let Some(all) = values::table(root, "store") else {
            return;
        };
        for entry in all.entries().iter().take(COMPONENTS_MAX) {
            let Value::Table(table) = &entry.node.value else {
                continue;
            };
            match entry.key.parse::<Name>() {
                Ok(name) => {
                    if let Some(backend) = self.backend(table, &entry.key_span) {
                        let store = Store {
                            name: name.clone(),
                            backend,
                        };
                        self.stores.insert(name, store);
                    }
                }
                Err(error) => self.refuse_name(error, &entry.key, &entry.key_span),
            }
        }
    }

    fn backend(&mut self, table: &Table, place: &Range<usize>) -> Option<StoreBackend> {
        let is_server = table.get("url").is_some() || table.get("url-variable").is_some();
        let default = if is_server { "redis" } else { "embedded" };
        let word = values::text(table, "backend").map_or(default, |(word, _)| word);
        for (key, backends) in ONLY_FOR {
            if let Some(entry) = table.get(key)
                && !backends.contains(&word)
            {
                let message = format!(
                    "{} says nothing to a store with `backend = \"{word}\"`",
                    quote(key)
                );
                let hint = format!("it is for {}", suggest::choice(backends.iter().copied()));
                self.problems
                    .push(Problem::error(message).at(&entry.key_span).hint(hint));
            }
        }
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
            "redis" => self.redis(table, place),
            // Told where the table is checked.
            _ => None,
        }
    }

    fn redis(&mut self, table: &Table, place: &Range<usize>) -> Option<StoreBackend> {
        let mut timeout = StoreBackend::TIMEOUT;
        self.read(table, "timeout", &mut timeout, limits::parse_time);
        let address = match (values::text(table, "url"), values::text(table, "url-variable")) {
            (Some(_), Some((_, span))) => {
                let problem = Problem::error("a store has `url` or `url-variable`, not both").at(span);
                self.problems.push(problem);
                return None;
            }
            (Some((address, span)), None) => self.address(address, span)?,
            (None, Some((name, span))) => match (self.context.variable)(name) {
                Some(address) => self.address(&address, span)?,
                None => {
                    let message = format!(
                        "there is no variable {} here that says where the server is",
                        quote(name)
                    );
                    self.problems.push(Problem::error(message).at(span));
                    return None;
                }
            },
            (None, None) => {
                let problem = Problem::error("a store on a server has no `url`").at(place);
                self.problems.push(
                    problem.hint("add `url = \"redis://HOST\"`, or `url-variable` where it holds a password"),
                );
                return None;
            }
        };
        Some(StoreBackend::Redis {
            address,
            prefix: values::text(table, "prefix").map(|(prefix, _)| prefix.to_owned()),
            timeout,
        })
    }

    /// The address itself is not shown: it may hold a password.
    fn address(&mut self, address: &str, span: &Range<usize>) -> Option<StoreAddress> {
        if address
            .strip_prefix("redis://")
            .is_some_and(|rest| !rest.is_empty())
        {
            return Some(StoreAddress(address.to_owned()));
        }
        let problem = Problem::error("this is not the address of a Redis server").at(span);
        self.problems
            .push(problem.hint("expected `redis://[[NAME]:PASSWORD@]HOST[:PORT][/DATABASE]`"));
        None
    }

    pub(super) fn keyvalue(&mut self, grants: &Table) -> KeyValueGrant {
        let mut granted = KeyValueGrant::default();
        for (name, span) in values::texts(grants, "keyvalue") {
            let again = granted
                .buckets
                .iter()
                .any(|bucket: &BucketGrant| bucket.name == name);
            if again {
                let message = format!("the store {} is given twice", quote(name));
                self.problems.push(Problem::error(message).at(span));
            } else if let Some(store) = self.known_store((name, span)) {
                granted.buckets.push(BucketGrant::whole(name, store));
            }
        }
        let Some(table) = values::table(grants, "keyvalue") else {
            return granted;
        };
        for entry in table.entries().iter().take(ENTRIES_MAX) {
            let bucket = match &entry.node.value {
                Value::Text(store) => {
                    let store = self.known_store((store, &entry.node.span));
                    store.map(|store| BucketGrant::whole(&entry.key, store))
                }
                Value::Table(table) => self.bucket(&entry.key, table),
                _ => None,
            };
            granted.buckets.extend(bucket);
        }
        granted
    }

    fn bucket(&mut self, name: &str, table: &Table) -> Option<BucketGrant> {
        let store = self.known_store(values::text(table, "store")?)?;
        let mut bucket = BucketGrant::whole(name, store);
        if table.get("access").is_some() {
            let words = values::texts(table, "access");
            let has = |word: &str| words.iter().any(|(given, _)| *given == word);
            bucket.access = BucketAccess {
                read: has("read"),
                write: has("write"),
                list: has("list"),
            };
        }
        if let Some((prefix, _)) = values::text(table, "prefix") {
            bucket.prefix = prefix.to_owned();
        }
        let mut value_bytes_max = 0;
        self.read(table, "value-size", &mut value_bytes_max, parse_bytes);
        bucket.value_bytes_max = table.get("value-size").map(|_| value_bytes_max);
        if let Some((rate, span)) = values::quantity(table, "rate") {
            bucket.calls_per_second_max = rate.parse::<NonZeroU32>().ok();
            if bucket.calls_per_second_max.is_none() {
                let message = format!(
                    "`{rate}` is not a rate, expected 1 to {} calls in a second",
                    u32::MAX
                );
                self.problems.push(Problem::error(message).at(span));
            }
        }
        Some(bucket)
    }

    /// A store of this app, as a grant names it.
    fn known_store(&mut self, (written, span): Text<'_>) -> Option<Store> {
        let found = self
            .stores
            .values()
            .find(|store| store.name.as_str() == written)
            .cloned();
        if found.is_none() {
            let known = || self.stores.keys().map(Name::as_str);
            let hint = match suggest::nearest(written, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it: `[store.{written}]`, with nothing under it for an embedded one"),
            };
            let message = format!("there is no store {}", quote(written));
            self.problems.push(Problem::error(message).at(span).hint(hint));
        }
        found
    }
}
