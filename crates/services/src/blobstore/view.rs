//! A container as one component sees it: only below its prefix, only what it may do, only as much and as often.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use weft_app::grant::ContainerGrant;
use weft_runtime::denial::{Denial, DenialLog};
use weft_stores::blob::{self, Container, Info, NAME_BYTES_MAX, Object, Page, Spool, Store};

use super::INTERFACE;
use crate::calls::Calls;
use crate::rate::Rate;
use crate::refusal::{Cause, Refusal};

/// Names that one page of a listing has, about. Each listing holds one, and a guest may have many of them.
const PAGE: usize = 64;

pub(super) struct View {
    grant: ContainerGrant,
    store: Arc<dyn Store>,
    /// The same without the bound of the grant: by it a store is told from others.
    kept: Arc<dyn Store>,
    rate: Option<Rate>,
    calls: Arc<Calls>,
    denials: DenialLog,
}

/// What a call does with a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Nothing with its objects.
    Look,
    Read,
    Write,
    List,
    /// Makes or removes the container as a whole.
    Own,
}

impl View {
    pub(super) fn new(
        grant: ContainerGrant,
        (store, kept): (Arc<dyn Store>, Arc<dyn Store>),
        calls: Arc<Calls>,
        denials: DenialLog,
    ) -> Self {
        Self {
            rate: grant.calls_per_second_max.map(Rate::new),
            grant,
            store,
            kept,
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

    pub(super) fn object_bytes_max(&self) -> u64 {
        self.grant.object_bytes_max
    }

    /// The container, if it is there.
    pub(super) async fn look(&self) -> Result<Option<Container>, Refusal> {
        self.allow(Does::Look)?;
        self.told(self.store.container().await)
    }

    /// The container, which has to be there.
    pub(super) async fn container(&self) -> Result<Container, Refusal> {
        let found = self.look().await?;
        found.ok_or_else(|| self.failed(&blob::Error::NoContainer))
    }

    pub(super) async fn create(&self) -> Result<(), Refusal> {
        self.allow(Does::Own)?;
        self.told(self.store.create().await).map(drop)
    }

    pub(super) async fn delete_container(&self) -> Result<(), Refusal> {
        self.allow(Does::Own)?;
        self.told(self.store.delete().await)
    }

    pub(super) async fn clear(&self) -> Result<(), Refusal> {
        self.allow(Does::Write)?;
        self.told(self.store.clear(&self.grant.prefix).await)
    }

    pub(super) async fn info(&self, name: &str) -> Result<Option<Info>, Refusal> {
        self.allow(Does::Read)?;
        self.told(self.store.info(&self.own(name)?).await)
    }

    /// An object, which has to be there, and of which these bytes will be read.
    pub(super) async fn open(&self, name: &str, wanted: Range<u64>) -> Result<Arc<dyn Object>, Refusal> {
        self.allow(Does::Read)?;
        let found = self.told(self.store.open_to_read(&self.own(name)?, wanted).await)?;
        found.map(Arc::from).ok_or_else(|| no_object(name))
    }

    /// Refuses what [`Self::write`] would, before there is anything to write.
    pub(super) async fn prepare(&self, name: &str) -> Result<(), Refusal> {
        self.allow(Does::Write)?;
        self.own(name)?;
        let found = self.told(self.store.container().await)?;
        match found {
            Some(_) => Ok(()),
            None => Err(self.failed(&blob::Error::NoContainer)),
        }
    }

    pub(super) async fn write(&self, name: &str, content: Spool) -> Result<(), Refusal> {
        self.allow(Does::Write)?;
        self.bounded(content.bytes())?;
        self.told(self.store.write(&self.own(name)?, content).await)
    }

    pub(super) async fn remove(&self, names: &[String]) -> Result<(), Refusal> {
        self.allow(Does::Write)?;
        let names: Vec<String> = names
            .iter()
            .map(|name| self.own(name))
            .collect::<Result<_, _>>()?;
        self.told(self.store.remove(&names).await)
    }

    /// Makes an object of this or another container have what this one has, without handing it to the guest.
    pub(super) async fn copy(&self, name: &str, to: &Self, to_name: &str) -> Result<(), Refusal> {
        self.allow(Does::Read)?;
        to.allow(Does::Write)?;
        let (own, others) = (self.own(name)?, to.own(to_name)?);
        if self.is_of_one_store(to) {
            let info = self.told(self.store.info(&own).await)?;
            to.bounded(info.ok_or_else(|| no_object(name))?.bytes)?;
            let is_copied = to.told(to.store.copy(&own, &others).await)?;
            return if is_copied { Ok(()) } else { Err(no_object(name)) };
        }
        let object = self.told(self.store.open_to_read(&own, 0..u64::MAX).await)?;
        let object = object.ok_or_else(|| no_object(name))?;
        to.bounded(object.info().bytes)?;
        let content = self.told(gather(&*object).await)?;
        to.told(to.store.write(&others, content).await)
    }

    /// The same, and removes the object here. Both are there when it is interrupted between.
    pub(super) async fn move_to(&self, name: &str, to: &Self, to_name: &str) -> Result<(), Refusal> {
        self.allow(Does::Write)?;
        self.copy(name, to, to_name).await?;
        let own = self.own(name)?;
        if self.is_of_one_store(to) && own == to.own(to_name)? {
            return Ok(());
        }
        self.told(self.store.remove(&[own]).await)
    }

    pub(super) async fn list(&self, cursor: Option<&str>) -> Result<Page, Refusal> {
        self.allow(Does::List)?;
        let prefix = self.grant.prefix.as_str();
        let mut page = self.told(self.store.list(prefix, cursor, PAGE).await)?;
        if !prefix.is_empty() {
            let own = page.names.iter().filter_map(|name| name.strip_prefix(prefix));
            // An object that is called as the prefix has no name here.
            page.names = own.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        }
        Ok(page)
    }

    fn is_of_one_store(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kept, &other.kept)
    }

    fn allow(&self, does: Does) -> Result<(), Refusal> {
        let access = self.grant.access;
        // With a prefix, others have their part of the container.
        let is_own = self.grant.prefix.is_empty();
        let (is_allowed, attempted) = match does {
            Does::Look => (access.read || access.write || access.list, "look at"),
            Does::Read => (access.read, "read objects of"),
            Does::Write => (access.write, "write to"),
            Does::List => (access.list, "list the objects of"),
            Does::Own => (access.write && is_own, "make or delete"),
        };
        if !is_allowed {
            let name = self.name();
            self.denials.record(Denial {
                interface: INTERFACE.into(),
                attempted: format!("{attempted} the container `{name}`"),
                flag: format!("--blobstore {name}=FOLDER"),
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

    /// A name of the component, as it is called in the store.
    fn own(&self, name: &str) -> Result<String, Refusal> {
        let length = self.grant.prefix.len() + name.len();
        if name.is_empty() || length > NAME_BYTES_MAX {
            let allowed = NAME_BYTES_MAX.saturating_sub(self.grant.prefix.len());
            let why = format!("a name of {} bytes, where 1 to {allowed} are allowed", name.len());
            return Err(Refusal::of(Cause::Invalid, why));
        }
        Ok(format!("{}{name}", self.grant.prefix))
    }

    fn bounded(&self, bytes: u64) -> Result<(), Refusal> {
        let max = self.grant.object_bytes_max;
        if bytes <= max {
            return Ok(());
        }
        let why = format!("an object of {bytes} bytes, where {max} are allowed");
        Err(Refusal::of(Cause::Quota, why))
    }

    fn told<T>(&self, answered: Result<T, blob::Error>) -> Result<T, Refusal> {
        answered.map_err(|error| self.failed(&error))
    }

    /// What the guest is told of a failure. What says something of the host goes to the log instead.
    pub(super) fn failed(&self, error: &blob::Error) -> Refusal {
        use blob::Error;
        let (cause, told) = match error {
            Error::NameLength { .. } | Error::Name { .. } => (Cause::Invalid, error.to_string()),
            Error::Full { bytes_max } if self.grant.bytes_max == Some(*bytes_max) => {
                let why = format!("the container is full: {bytes_max} bytes are allowed");
                (Cause::Quota, why)
            }
            Error::Full { .. } => (Cause::Quota, error.to_string()),
            Error::Replaced => (Cause::Other, error.to_string()),
            Error::NoContainer => {
                let why = format!("there is no container `{}`", self.name());
                (Cause::NoContainer, why)
            }
            Error::NotEmpty => {
                let why = format!("the container `{}` is there already", self.name());
                (Cause::ContainerExists, why)
            }
            Error::Fixed => {
                let why = format!("the container `{}` is made and removed by its owner", self.name());
                (Cause::Other, why)
            }
            Error::Cursor { .. } => (Cause::Invalid, "the listing cannot go on".to_owned()),
            Error::Spool { .. } => (Cause::Quota, "there is no room for what is written".to_owned()),
            Error::Damaged { .. } => (Cause::Other, "the store is damaged".to_owned()),
            Error::Newer { .. } => (Cause::Other, "the store cannot be used".to_owned()),
            Error::Timeout { .. } => (Cause::Timeout, "the store does not answer in time".to_owned()),
            Error::Backend { .. } => (Cause::Unavailable, "the store cannot be reached".to_owned()),
        };
        if matches!(
            error,
            Error::Damaged { .. }
                | Error::Newer { .. }
                | Error::Timeout { .. }
                | Error::Backend { .. }
                | Error::Spool { .. }
        ) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(store = %self.grant.store.name, %error, cause, "a blob store failed");
        }
        Refusal::Failed(cause, told)
    }
}

pub(super) fn no_object(name: &str) -> Refusal {
    let name: String = name.chars().take(64).collect();
    Refusal::of(Cause::NoObject, format!("there is no object `{name}`"))
}

/// All of an object, on its way into another store.
pub(super) async fn gather(object: &dyn Object) -> Result<Spool, blob::Error> {
    let mut spool = Spool::new();
    let failed = |error: std::io::Error| blob::Error::Spool {
        source: Arc::new(error),
    };
    loop {
        let piece = object.read(spool.bytes(), blob::READ_BYTES_MAX).await?;
        if piece.is_empty() {
            return Ok(spool);
        }
        let pushed = tokio::task::spawn_blocking(move || {
            let pushed = spool.push(&piece);
            (spool, pushed)
        });
        let (back, pushed) = pushed.await.map_err(|error| failed(error.into()))?;
        pushed.map_err(failed)?;
        spool = back;
    }
}

impl fmt::Debug for View {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("View")
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}
