//! A store in which a component may have so many bytes below its prefix, and no more.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use weft_app::grant::BucketGrant;
use weft_stores::keyvalue::{self, Answer, Entry, Error, Page, Store, Swap, Version, Watching};

use crate::quota::{Change, Exactly, Outcome, Quota, Quotas};

/// Bytes that changes may take which are under way at one time: they go on when their guest is gone.
const UNDER_WAY_MAX: u64 = 256 << 20;
/// Digits that a number has at most, with its sign.
const DIGITS_MAX: u64 = 20;

/// The store of a bucket, bounded if the grant says so.
pub(super) fn bounded(
    grant: &BucketGrant,
    store: Arc<dyn Store>,
    quotas: &Quotas<dyn Store>,
) -> Arc<dyn Store> {
    let Some(bytes_max) = grant.bytes_max else {
        return store;
    };
    Arc::new(Bounded {
        quota: quotas.of(&store, &grant.prefix),
        store,
        prefix: grant.prefix.as_str().into(),
        bytes_max,
    })
}

struct Bounded {
    store: Arc<dyn Store>,
    quota: Arc<Quota>,
    prefix: Arc<str>,
    bytes_max: u64,
}

/// Changes of some entries.
struct Entries {
    store: Arc<dyn Store>,
    prefix: Arc<str>,
    /// No key stands twice.
    keys: Vec<String>,
    then: Then,
}

/// What becomes of entries.
enum Then {
    /// They have so many bytes together, keys included.
    Of(u64),
    /// It is a number that is larger by so much.
    LargerBy(i64),
}

impl Bounded {
    fn entries(&self, keys: Vec<String>, then: Then) -> Entries {
        Entries {
            store: Arc::clone(&self.store),
            prefix: Arc::clone(&self.prefix),
            keys,
            then,
        }
    }

    /// Makes a change of entries if there is room. `is_made` says whether what it comes to means that it was made.
    async fn change<T: Send + 'static>(
        &self,
        entries: Entries,
        is_made: fn(&T) -> bool,
        make: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let make = async move {
            let made = make.await;
            let outcome = match &made {
                Ok(made) if is_made(made) => Outcome::Made,
                Ok(_) => Outcome::Refused,
                Err(Error::Timeout { .. } | Error::Backend { .. } | Error::Damaged { .. }) => {
                    Outcome::Unknown
                }
                Err(_) => Outcome::Refused,
            };
            (outcome, made)
        };
        self.quota.change(self.bytes_max, entries, make).await
    }
}

impl Entries {
    fn key_bytes(&self) -> u64 {
        self.keys.iter().map(|key| key.len() as u64).sum()
    }
}

impl Change for Entries {
    type Error = Error;

    fn adds_at_most(&self) -> u64 {
        match self.then {
            Then::Of(bytes) => bytes,
            Then::LargerBy(_) => self.key_bytes() + DIGITS_MAX,
        }
    }

    async fn exactly(&self) -> Result<Option<Exactly>, Error> {
        let keys = &self.keys;
        let lengths = self.store.lengths(keys).await?;
        let there = keys.iter().zip(&lengths);
        let there = there.filter_map(|(key, length)| length.map(|length| key.len() as u64 + length));
        let adds = match self.then {
            Then::Of(bytes) => bytes,
            Then::LargerBy(delta) => self.key_bytes() + self.digits(delta).await?,
        };
        let removes = there.sum();
        Ok(Some(Exactly { removes, adds }))
    }

    async fn count(&self) -> Result<u64, Error> {
        self.store.usage(&self.prefix).await
    }

    fn takes(&self) -> u64 {
        // What is removed has no more than its keys, and those stand in the change as well.
        self.adds_at_most().saturating_add(2 * self.key_bytes())
    }

    fn all_take_at_most(&self) -> u64 {
        UNDER_WAY_MAX
    }

    fn full(bytes_max: u64) -> Error {
        Error::Full { bytes_max }
    }

    fn unknown(why: &'static str) -> Error {
        Error::Backend {
            backend: "the bound of a bucket".into(),
            source: Arc::from(Box::from(why)),
        }
    }
}

impl Entries {
    /// Digits of a number once it is larger. What is no number stays as it is, and the store says so.
    async fn digits(&self, delta: i64) -> Result<u64, Error> {
        let Some(key) = self.keys.first() else {
            return Ok(0);
        };
        let found = self.store.get(key).await?;
        let value = found.as_ref().map_or(b"0".as_slice(), |entry| &entry.value);
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        let sum = number.and_then(|number: i64| number.checked_add(delta));
        Ok(sum.map_or(value.len(), |sum| sum.to_string().len()) as u64)
    }
}

impl Store for Bounded {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Entry>> {
        self.store.get(key)
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Entry>>> {
        self.store.get_many(keys)
    }

    fn write(&self, changes: Vec<keyvalue::Change>) -> Answer<'_, ()> {
        let mut last_of_each: BTreeMap<&str, u64> = BTreeMap::new();
        for change in &changes {
            let bytes = match change {
                keyvalue::Change::Set(key, value) => (key.len() + value.len()) as u64,
                keyvalue::Change::Delete(_) => 0,
            };
            last_of_each.insert(change.key(), bytes);
        }
        let bytes = last_of_each.values().sum();
        let keys = last_of_each.into_keys().map(str::to_owned).collect();
        let entries = self.entries(keys, Then::Of(bytes));
        let store = Arc::clone(&self.store);
        let make = async move { store.write(changes).await };
        Box::pin(self.change(entries, |()| true, make))
    }

    fn swap<'a>(&'a self, key: &'a str, expected: Version, value: Bytes) -> Answer<'a, Swap> {
        let bytes = (key.len() + value.len()) as u64;
        let entries = self.entries(vec![key.to_owned()], Then::Of(bytes));
        let (store, key) = (Arc::clone(&self.store), key.to_owned());
        let make = async move { store.swap(&key, expected, value).await };
        Box::pin(self.change(entries, |swap| *swap == Swap::Done, make))
    }

    fn increment<'a>(&'a self, key: &'a str, delta: i64) -> Answer<'a, i64> {
        let entries = self.entries(vec![key.to_owned()], Then::LargerBy(delta));
        let (store, key) = (Arc::clone(&self.store), key.to_owned());
        let make = async move { store.increment(&key, delta).await };
        Box::pin(self.change(entries, |_| true, make))
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        self.store.list(prefix, cursor, limit)
    }

    fn lengths<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<u64>>> {
        self.store.lengths(keys)
    }

    fn watch<'a>(&'a self, prefix: &'a str) -> Answer<'a, Watching> {
        self.store.watch(prefix)
    }

    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        self.store.usage(prefix)
    }

    fn check(&self) -> Answer<'_, ()> {
        self.store.check()
    }
}

impl fmt::Debug for Bounded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Bounded")
            .field("store", &self.store)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use weft_app::grant::BucketGrant;
    use weft_app::store::{Store as Declared, StoreBackend};
    use weft_stores::keyvalue::Change as Write;
    use weft_stores::keyvalue::memory::Memory;

    use super::*;

    fn grant(prefix: &str, bytes_max: Option<u64>) -> BucketGrant {
        let declared = Declared {
            name: "carts".parse().unwrap(),
            backend: StoreBackend::Memory { bytes_max: 1 },
        };
        BucketGrant {
            prefix: prefix.to_owned(),
            bytes_max,
            ..BucketGrant::whole("default", declared)
        }
    }

    fn set(key: &str, bytes: usize) -> Write {
        Write::Set(key.to_owned(), "7".repeat(bytes).into())
    }

    fn is_full<T>(made: Result<T, Error>) -> bool {
        matches!(made, Err(Error::Full { bytes_max: 100 }))
    }

    #[tokio::test]
    async fn every_kind_of_change_counts() {
        let kept: Arc<dyn Store> = Arc::new(Memory::new(1 << 20));
        kept.write(vec![set("other", 5000)]).await.unwrap();
        let store = bounded(&grant("p/", Some(100)), Arc::clone(&kept), &Quotas::default());
        // The second is in place of the first, so together with its key it is all that there is.
        store.write(vec![set("p/a", 90), set("p/a", 91)]).await.unwrap();
        assert!(is_full(store.write(vec![set("p/b", 4)]).await));
        assert!(is_full(store.write(vec![set("p/a", 98)]).await));
        assert!(is_full(store.swap("p/b", Version::Absent, "1234".into()).await));
        assert!(is_full(store.increment("p/n", 1000).await));
        assert_eq!(store.increment("p/n", 999).await.unwrap(), 999);
        assert_eq!(kept.usage("p/").await.unwrap(), 100);
        // What does not make it larger may always be.
        assert_eq!(store.increment("p/n", -1).await.unwrap(), 998);
        assert!(is_full(store.increment("p/n", 2).await));
        let found = store.get("p/a").await.unwrap().unwrap();
        let swapped = store.swap("p/a", found.version.clone(), "short".into()).await;
        assert_eq!(swapped.unwrap(), Swap::Done);
        let late = store.swap("p/a", found.version, "7".repeat(80).into()).await;
        assert_eq!(late.unwrap(), Swap::Changed);
        assert_eq!(store.increment("p/n", 2).await.unwrap(), 1000);
        store
            .write(vec![Write::Delete("p/n".into()), set("p/a", 97)])
            .await
            .unwrap();
        assert_eq!(kept.usage("p/").await.unwrap(), 100);
        store.write(vec![Write::Delete("p/a".into())]).await.unwrap();
        store.write(vec![set("p/c", 97)]).await.unwrap();
        assert_eq!(kept.usage("p/").await.unwrap(), 100);
    }

    #[tokio::test]
    async fn what_is_refused_for_another_reason_is_told_as_that() {
        let kept: Arc<dyn Store> = Arc::new(Memory::new(50));
        let store = bounded(&grant("", Some(100)), kept, &Quotas::default());
        let full = store.write(vec![set("a", 60)]).await;
        assert!(matches!(full, Err(Error::Full { bytes_max: 50 })), "{full:?}");
        store
            .write(vec![Write::Set("n".into(), "x".into())])
            .await
            .unwrap();
        let refused = store.increment("n", 1).await;
        assert!(matches!(refused, Err(Error::NotANumber { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn two_who_are_granted_the_same_part_share_its_bound() {
        let kept: Arc<dyn Store> = Arc::new(Memory::new(1 << 20));
        let quotas = Quotas::default();
        let open = |bytes_max| bounded(&grant("p/", bytes_max), Arc::clone(&kept), &quotas);
        let (one, other, free) = (open(Some(100)), open(Some(100)), open(None));
        one.write(vec![set("p/a", 50)]).await.unwrap();
        assert!(is_full(other.write(vec![set("p/b", 50)]).await));
        free.write(vec![set("p/b", 500)]).await.unwrap();
        other.write(vec![Write::Delete("p/b".into())]).await.unwrap();
        one.write(vec![set("p/c", 40)]).await.unwrap();
        assert!(is_full(other.write(vec![set("p/b", 50)]).await));
    }
}
