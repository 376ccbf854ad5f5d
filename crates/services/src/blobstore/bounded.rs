//! A container in which a component may have so many bytes below its prefix, and no more.

use std::fmt;
use std::sync::Arc;

use weft_app::grant::ContainerGrant;
use weft_stores::blob::{Answer, Container, Error, Info, Object, Page, Spool, Store};

use super::WRITTEN_AT_ONCE;
use super::view::gather;
use crate::quota::{Change, Exactly, Outcome, Quota, Quotas};

/// Objects of which it is asked how large they are before they are removed; of more it is not.
const ASKED_MAX: usize = 16;

/// The store of a container, bounded if the grant says so.
pub(super) fn bounded(
    grant: &ContainerGrant,
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
        under_way_max: grant.object_bytes_max.saturating_mul(WRITTEN_AT_ONCE),
    })
}

struct Bounded {
    store: Arc<dyn Store>,
    quota: Arc<Quota>,
    prefix: Arc<str>,
    bytes_max: u64,
    under_way_max: u64,
}

/// Changes of some objects.
struct Objects {
    store: Arc<dyn Store>,
    prefix: Arc<str>,
    /// No name stands twice; none where nobody has said which they are.
    names: Option<Vec<String>>,
    /// Bytes that they have afterwards, names included.
    adds: u64,
    all_take_at_most: u64,
}

impl Bounded {
    fn objects(&self, names: Option<Vec<String>>, adds: u64) -> Objects {
        Objects {
            store: Arc::clone(&self.store),
            prefix: Arc::clone(&self.prefix),
            names,
            adds,
            all_take_at_most: self.under_way_max,
        }
    }

    async fn change<T: Send + 'static>(
        &self,
        objects: Objects,
        make: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let make = async move {
            let made = make.await;
            let outcome = match &made {
                Ok(_) => Outcome::Made,
                Err(Error::Timeout { .. } | Error::Backend { .. } | Error::Damaged { .. }) => {
                    Outcome::Unknown
                }
                Err(_) => Outcome::Refused,
            };
            (outcome, made)
        };
        self.quota.change(self.bytes_max, objects, make).await
    }

    /// Reads what it copies and writes that: what a server copies may have been replaced by something larger.
    async fn copy_read(&self, from: &str, to: &str) -> Result<bool, Error> {
        let Some(object) = self.store.open(from).await? else {
            return Ok(false);
        };
        if object.info().bytes > self.bytes_max {
            let bytes_max = self.bytes_max;
            return Err(Error::Full { bytes_max });
        }
        let content = gather(&*object).await?;
        self.write(to, content).await.map(|()| true)
    }
}

impl Change for Objects {
    type Error = Error;

    fn adds_at_most(&self) -> u64 {
        self.adds
    }

    async fn exactly(&self) -> Result<Option<Exactly>, Error> {
        let Some(names) = self.names.as_ref().filter(|names| names.len() <= ASKED_MAX) else {
            return Ok(None);
        };
        let mut removes: u64 = 0;
        for name in names {
            let found = self.store.info(name).await?;
            removes += found.map_or(0, |info| name.len() as u64 + info.bytes);
        }
        let adds = self.adds;
        Ok(Some(Exactly { removes, adds }))
    }

    async fn count(&self) -> Result<u64, Error> {
        self.store.usage(&self.prefix).await
    }

    fn takes(&self) -> u64 {
        let names = self.names.iter().flatten().map(|name| 2 * name.len() as u64);
        self.adds.saturating_add(names.sum())
    }

    fn all_take_at_most(&self) -> u64 {
        self.all_take_at_most
    }

    fn full(bytes_max: u64) -> Error {
        Error::Full { bytes_max }
    }

    fn unknown(why: &'static str) -> Error {
        Error::Backend {
            backend: "the bound of a container".into(),
            source: Arc::from(Box::from(why)),
        }
    }
}

impl Store for Bounded {
    fn container(&self) -> Answer<'_, Option<Container>> {
        self.store.container()
    }

    fn create(&self) -> Answer<'_, Container> {
        self.store.create()
    }

    fn delete(&self) -> Answer<'_, ()> {
        let store = Arc::clone(&self.store);
        let make = async move { store.delete().await };
        Box::pin(self.change(self.objects(None, 0), make))
    }

    fn info<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Info>> {
        self.store.info(name)
    }

    fn open<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Box<dyn Object>>> {
        self.store.open(name)
    }

    fn write<'a>(&'a self, name: &'a str, content: Spool) -> Answer<'a, ()> {
        let adds = (name.len() as u64).saturating_add(content.bytes());
        let objects = self.objects(Some(vec![name.to_owned()]), adds);
        let (store, name) = (Arc::clone(&self.store), name.to_owned());
        let make = async move { store.write(&name, content).await };
        Box::pin(self.change(objects, make))
    }

    fn remove<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()> {
        let mut once = names.to_vec();
        once.sort();
        once.dedup();
        let objects = self.objects(Some(once), 0);
        let (store, names) = (Arc::clone(&self.store), names.to_vec());
        let make = async move { store.remove(&names).await };
        Box::pin(self.change(objects, make))
    }

    fn clear<'a>(&'a self, prefix: &'a str) -> Answer<'a, ()> {
        let (store, prefix) = (Arc::clone(&self.store), prefix.to_owned());
        let make = async move { store.clear(&prefix).await };
        Box::pin(self.change(self.objects(None, 0), make))
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, bool> {
        Box::pin(self.copy_read(from, to))
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        self.store.list(prefix, cursor, limit)
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
