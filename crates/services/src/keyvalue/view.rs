//! A store as one component sees it: only below its prefix, only what it may do, only as much and as often.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use weft_app::grant::BucketGrant;
use weft_runtime::denial::{Denial, DenialLog};
use weft_stores::keyvalue::{self, Change, Entry, KEY_BYTES_MAX, Page, Store, Swap, Version};

use super::INTERFACE;
use crate::calls::Calls;
use crate::rate::Rate;
use crate::refusal::{Cause, Refusal};

/// Keys that one page of a listing has, about.
const PAGE: usize = 200;
/// Times that a conditional change is tried while others change the entry.
const ATTEMPTS: u32 = 100;

pub(super) struct View {
    grant: BucketGrant,
    store: Arc<dyn Store>,
    rate: Option<Rate>,
    calls: Arc<Calls>,
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
    pub(super) fn new(
        grant: BucketGrant,
        store: Arc<dyn Store>,
        calls: Arc<Calls>,
        denials: DenialLog,
    ) -> Self {
        Self {
            rate: grant.calls_per_second_max.map(Rate::new),
            grant,
            store,
            calls,
            denials,
        }
    }

    /// The calls of its component.
    pub(super) fn calls(&self) -> &Arc<Calls> {
        &self.calls
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

    /// Sets a value where what is there fits, else hands out what is there. `known` is a version that fits for certain.
    pub(super) async fn swap_where(
        &self,
        key: &str,
        known: Option<Version>,
        fits: impl Fn(Option<&Entry>) -> bool,
        value: Vec<u8>,
    ) -> Result<Result<(), Option<Entry>>, Refusal> {
        self.allow(Does::Both)?;
        let (key, value) = (self.own(key)?, self.bounded(value)?);
        let mut next = known;
        for _ in 0..ATTEMPTS {
            let expected = match next.take() {
                Some(known) => known,
                None => {
                    let found = self.store.get(&key).await.map_err(|error| self.failed(&error))?;
                    if !fits(found.as_ref()) {
                        return Ok(Err(found));
                    }
                    found.map_or(Version::Absent, |entry| entry.version)
                }
            };
            let swapped = self.store.swap(&key, expected, value.clone()).await;
            if swapped.map_err(|error| self.failed(&error))? == Swap::Done {
                return Ok(Ok(()));
            }
        }
        Err(Refusal::failed("others change the entry again and again"))
    }

    pub(super) async fn increment(&self, key: &str, delta: i64) -> Result<i64, Refusal> {
        self.allow(Does::Both)?;
        let sum = self.store.increment(&self.own(key)?, delta).await;
        sum.map_err(|error| self.failed(&error))
    }

    /// A page of the keys that begin with `below`.
    pub(super) async fn list(&self, below: &str, cursor: Option<&str>) -> Result<Page, Refusal> {
        self.allow(Does::List)?;
        let own = self.grant.prefix.as_str();
        if own.len().saturating_add(below.len()) > KEY_BYTES_MAX {
            // No key is so long.
            return Ok(Page::default());
        }
        let prefix = format!("{own}{below}");
        let cursor = cursor.map(|cursor| self.cursor_within(cursor)).transpose()?;
        let page = self.store.list(&prefix, cursor.as_deref(), PAGE).await;
        let mut page = page.map_err(|error| self.failed(&error))?;
        if !prefix.is_empty() {
            let found = page.keys.iter().filter(|key| key.starts_with(&prefix));
            let found = found.filter_map(|key| key.strip_prefix(own));
            page.keys = found.map(str::to_owned).collect();
        }
        // A key that is nothing but the prefix has no name here.
        page.keys.retain(|key| !key.is_empty());
        page.cursor = page.cursor.map(|cursor| self.cursor_outside(cursor));
        Ok(page)
    }

    /// A cursor as the component has it. Many a store's is a key, and the component knows nothing of the prefix.
    fn cursor_outside(&self, cursor: String) -> String {
        let own = self.grant.prefix.as_str();
        if own.is_empty() {
            return cursor;
        }
        match cursor.strip_prefix(own) {
            Some(key) => format!("/{key}"),
            None => format!("={cursor}"),
        }
    }

    /// A cursor as the store has it.
    fn cursor_within<'a>(&self, cursor: &'a str) -> Result<Cow<'a, str>, Refusal> {
        let own = self.grant.prefix.as_str();
        if own.is_empty() {
            return Ok(cursor.into());
        }
        match (cursor.strip_prefix('/'), cursor.strip_prefix('=')) {
            (Some(key), _) => Ok(format!("{own}{key}").into()),
            (None, Some(cursor)) => Ok(cursor.into()),
            (None, None) => Err(no_cursor()),
        }
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
            Some(rate) if !rate.take() => Err(Refusal::of(
                Cause::Quota,
                "more calls in a second than this component may make",
            )),
            _ => Ok(()),
        }
    }

    /// A key of the component, as it is called in the store.
    fn own(&self, key: &str) -> Result<String, Refusal> {
        let length = self.grant.prefix.len() + key.len();
        if key.is_empty() || length > KEY_BYTES_MAX {
            let allowed = KEY_BYTES_MAX.saturating_sub(self.grant.prefix.len());
            let why = format!("a key of {} bytes, where 1 to {allowed} are allowed", key.len());
            return Err(Refusal::of(Cause::Invalid, why));
        }
        Ok(format!("{}{key}", self.grant.prefix))
    }

    fn bounded(&self, value: Vec<u8>) -> Result<Bytes, Refusal> {
        match self.grant.value_bytes_max {
            Some(max) if value.len() as u64 > max => {
                let why = format!("a value of {} bytes, where {max} are allowed", value.len());
                Err(Refusal::of(Cause::Quota, why))
            }
            _ => Ok(value.into()),
        }
    }

    /// What the guest is told of a failure. What says something of the host goes to the log instead.
    fn failed(&self, error: &keyvalue::Error) -> Refusal {
        use keyvalue::Error;
        let (cause, told) = match error {
            Error::KeyLength { .. } => (Cause::Invalid, error.to_string()),
            Error::Full { bytes_max } if self.grant.bytes_max == Some(*bytes_max) => {
                let why = format!("the bucket is full: {bytes_max} bytes are allowed");
                (Cause::Quota, why)
            }
            Error::ValueLength { .. }
            | Error::TooMany { .. }
            | Error::TooLarge { .. }
            | Error::NotTogether { .. }
            | Error::Full { .. } => (Cause::Quota, error.to_string()),
            Error::NotANumber { .. } => {
                let why = "the value is not a whole number in decimal";
                (Cause::Other, why.to_owned())
            }
            Error::Overflow { .. } => (Cause::Other, TOO_FAR.to_owned()),
            Error::Cursor { .. } => return no_cursor(),
            Error::Damaged { .. } => (Cause::Other, "the store is damaged".to_owned()),
            // No guest watches one by itself.
            Error::Unwatchable { .. } => (Cause::Other, "the store cannot be watched".to_owned()),
            Error::Newer { .. } => (Cause::Other, "the store cannot be used".to_owned()),
            Error::Timeout { .. } => (Cause::Timeout, "the store does not answer in time".to_owned()),
            Error::Backend { .. } => (Cause::Unavailable, "the store cannot be reached".to_owned()),
        };
        if matches!(
            error,
            Error::Damaged { .. } | Error::Newer { .. } | Error::Timeout { .. } | Error::Backend { .. }
        ) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(store = %self.grant.store.name, %error, cause, "a store failed");
        }
        Refusal::Failed(cause, told)
    }
}

/// What a guest is told that counts further than numbers go.
pub(super) const TOO_FAR: &str = "the number cannot be counted any further";

/// What a guest is told that goes on from where no page has ended.
pub(super) fn no_cursor() -> Refusal {
    Refusal::of(Cause::Invalid, "no page gave this cursor")
}

impl fmt::Debug for View {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("View")
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}
