//! A store as one component sees it: only below its prefix, only what it may do, only as much and as often.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use weft_app::grant::BucketGrant;
use weft_runtime::denial::{Denial, DenialLog};
use weft_stores::keyvalue::{self, Change, Entry, KEY_BYTES_MAX, Page, Store, Swap, Version};

use super::INTERFACE;
use crate::rate::Rate;
use crate::refusal::Refusal;

/// Keys that one page of a listing has, about.
const PAGE: usize = 200;

pub(super) struct View {
    grant: BucketGrant,
    store: Arc<dyn Store>,
    rate: Option<Rate>,
    denials: DenialLog,
}

/// What a call does with entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Read,
    Write,
    Both,
    List,
}

impl View {
    pub(super) fn new(grant: BucketGrant, store: Arc<dyn Store>, denials: DenialLog) -> Self {
        Self {
            rate: grant.calls_per_second_max.map(Rate::new),
            grant,
            store,
            denials,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.grant.name
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Entry>, Refusal> {
        self.allow(Does::Read)?;
        if self.grant.prefix.is_empty() {
            return self.store.get(key).await.map_err(|error| self.failed(&error));
        }
        let found = self.store.get(&self.own(key)?).await;
        found.map_err(|error| self.failed(&error))
    }

    pub(super) async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, Refusal> {
        self.allow(Does::Read)?;
        let keys: Vec<String> = keys.iter().map(|key| self.own(key)).collect::<Result<_, _>>()?;
        let found = self.store.get_many(&keys).await;
        found.map_err(|error| self.failed(&error))
    }

    pub(super) async fn exists(&self, key: &str) -> Result<bool, Refusal> {
        Ok(self.get(key).await?.is_some())
    }

    /// Makes all of these changes, or none.
    pub(super) async fn write(&self, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Refusal> {
        self.allow(Does::Write)?;
        let change = |(key, value): (String, Option<Vec<u8>>)| {
            let key = self.own(&key)?;
            Ok(match value {
                Some(value) => Change::Set(key, self.bounded(value)?),
                None => Change::Delete(key),
            })
        };
        let changes = changes.into_iter().map(change).collect::<Result<_, _>>()?;
        let written = self.store.write(changes).await;
        written.map_err(|error| self.failed(&error))
    }

    /// Reads a key for a later swap.
    pub(super) async fn begin_swap(&self, key: &str) -> Result<Option<Entry>, Refusal> {
        self.allow(Does::Both)?;
        let found = self.store.get(&self.own(key)?).await;
        found.map_err(|error| self.failed(&error))
    }

    pub(super) async fn swap(&self, key: &str, expected: Version, value: Vec<u8>) -> Result<Swap, Refusal> {
        self.allow(Does::Both)?;
        let value = self.bounded(value)?;
        let swapped = self.store.swap(&self.own(key)?, expected, value).await;
        swapped.map_err(|error| self.failed(&error))
    }

    pub(super) async fn increment(&self, key: &str, delta: i64) -> Result<i64, Refusal> {
        self.allow(Does::Both)?;
        let sum = self.store.increment(&self.own(key)?, delta).await;
        sum.map_err(|error| self.failed(&error))
    }

    pub(super) async fn list(&self, cursor: Option<&str>) -> Result<Page, Refusal> {
        self.allow(Does::List)?;
        let prefix = self.grant.prefix.as_str();
        let mut page = self
            .store
            .list(prefix, cursor, PAGE)
            .await
            .map_err(|error| self.failed(&error))?;
        if !prefix.is_empty() {
            page.keys = page
                .keys
                .iter()
                .filter_map(|key| key.strip_prefix(prefix))
                .map(str::to_owned)
                .collect();
        }
        // A key that is nothing but the prefix has no name here.
        page.keys.retain(|key| !key.is_empty());
        Ok(page)
    }

    fn allow(&self, does: Does) -> Result<(), Refusal> {
        let access = self.grant.access;
        let (is_allowed, attempted) = match does {
            Does::Read => (access.read, "read"),
            Does::Write => (access.write, "write to"),
            Does::Both => (access.read && access.write, "read and write in one call"),
            Does::List => (access.list, "list the keys of"),
        };
        if !is_allowed {
            let name = self.name();
            self.denials.record(Denial {
                interface: INTERFACE.into(),
                attempted: format!("{attempted} the bucket `{name}`"),
                flag: format!("--keyvalue {name}=FOLDER"),
            });
            return Err(Refusal::Denied);
        }
        match &self.rate {
            Some(rate) if !rate.take() => Err(Refusal::Failed(
                "more calls in a second than this component may make".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// A key of the component, as it is called in the store.
    fn own(&self, key: &str) -> Result<String, Refusal> {
        let length = self.grant.prefix.len() + key.len();
        if key.is_empty() || length > KEY_BYTES_MAX {
            let allowed = KEY_BYTES_MAX.saturating_sub(self.grant.prefix.len());
            return Err(Refusal::Failed(format!(
                "a key of {} bytes, where 1 to {allowed} are allowed",
                key.len()
            )));
        }
        Ok(format!("{}{key}", self.grant.prefix))
    }

    fn bounded(&self, value: Vec<u8>) -> Result<Bytes, Refusal> {
        match self.grant.value_bytes_max {
            Some(max) if value.len() as u64 > max => Err(Refusal::Failed(format!(
                "a value of {} bytes, where {max} are allowed",
                value.len()
            ))),
            _ => Ok(value.into()),
        }
    }

    /// What the guest is told of a failure. What says something of the host goes to the log instead.
    fn failed(&self, error: &keyvalue::Error) -> Refusal {
        use keyvalue::Error;
        let told = match error {
            Error::KeyLength { .. }
            | Error::ValueLength { .. }
            | Error::TooMany { .. }
            | Error::TooLarge { .. }
            | Error::NotTogether { .. }
            | Error::Full { .. } => error.to_string(),
            Error::NotANumber { .. } => "the value is not a whole number in decimal".to_owned(),
            Error::Overflow { .. } => "the number cannot be counted any further".to_owned(),
            Error::Cursor { .. } => "no page gave this cursor".to_owned(),
            Error::Damaged { .. } => "the store is damaged".to_owned(),
            Error::Timeout { .. } => "the store does not answer in time".to_owned(),
            Error::Backend { .. } => "the store cannot be reached".to_owned(),
        };
        if matches!(
            error,
            Error::Damaged { .. } | Error::Timeout { .. } | Error::Backend { .. }
        ) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(store = %self.grant.store.name, %error, cause, "a store failed");
        }
        Refusal::Failed(told)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("View")
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}
