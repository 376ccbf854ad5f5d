//! Objects in a bucket of S3, or of a server that speaks like it: other programs can read and write them too.
//!
//! The bucket is its owner's: it is never made or removed here. What is read is pinned to what was opened, so an
//! object that is replaced meanwhile ends the reading instead of mixing two (`object`). Large objects go up in parts
//! (`upload`), over connections of our own (`transport`). A server that is away costs a call no more than the timeout.
//!
//! How durable an acknowledged write is, is the server's to say.
//!
//! Names with empty, `.` or `..` parts between slashes are refused, since they would not be kept as they are. Where
//! others have put such objects below the prefix, listing fails; markers of folders, whose names end in a slash, are
//! listed without it.

mod object;
mod options;
mod room;
mod transport;
mod upload;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::path::Path;
use object_store::{BackoffConfig, CopyOptions, GetOptions, ObjectMeta, ObjectStore as _, RetryConfig};

use super::{
    Answer, Container, Error, Info, LIST_MAX, Object, Page, Spool, Store, check_cursor, check_name, ready,
};

pub use options::{Credentials, Options, OptionsError};

use object::Pinned;
use options::as_it_is;
use room::Room;
use transport::Connector;

/// How often a call is tried again within its timeout.
const RETRIES_MAX: usize = 3;

/// A store in a bucket.
///
/// # Authority
///
/// Connects to the server that it was made with, and to nothing else.
///
/// # Limits
///
/// 64 MiB of memory for all objects that are on their way up, and as much for what was read ahead of whoever asks for
/// it; beyond that 64 KiB of each object are. A copy is made by the server, which takes up to 5 GiB.
pub struct S3 {
    shared: Arc<Shared>,
    room: Room,
}

/// What a store and the objects that it has opened share.
struct Shared {
    bucket: AmazonS3,
    /// The server and the bucket, for messages.
    backend: Arc<str>,
    prefix: String,
    timeout: Duration,
    /// Memory for what was read ahead.
    ahead: Room,
}

impl S3 {
    /// A store in a bucket. Nothing is connected to yet.
    ///
    /// # Errors
    /// The options cannot be used.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        options.check()?;
        let is_plain = options.endpoint.starts_with("http:");
        let connector = Connector::new().map_err(|error| OptionsError::Unusable(error.into()))?;
        let mut builder = AmazonS3Builder::new()
            .with_endpoint(options.endpoint.trim_end_matches('/'))
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_allow_http(is_plain)
            // What goes over TLS is not signed once more: it would cost the thread that asks.
            .with_unsigned_payload(!is_plain)
            .with_http_connector(connector)
            .with_retry(retry(options.timeout));
        builder = match options.credentials {
            Some(credentials) => builder
                .with_access_key_id(credentials.access_key_id)
                .with_secret_access_key(credentials.secret_access_key),
            None => builder.with_skip_signature(true),
        };
        let bucket = builder
            .build()
            .map_err(|error| OptionsError::Unusable(error.into()))?;
        let shared = Shared {
            bucket,
            backend: format!("the bucket `{}` at {}", options.bucket, options.endpoint).into(),
            prefix: options.prefix,
            timeout: options.timeout,
            ahead: Room::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            room: Room::new(),
        })
    }

    async fn clear_from(&self, prefix: &str) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let page = self.shared.names(prefix, after.as_deref(), LIST_MAX).await?;
            self.shared.remove(&page.names).await?;
            after = page.cursor;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

fn retry(timeout: Duration) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        max_retries: RETRIES_MAX,
        retry_timeout: timeout,
    }
}

impl Shared {
    fn path(&self, name: &str) -> Result<Path, Error> {
        check_name(name)?;
        as_it_is(&format!("{}{name}", self.prefix)).ok_or_else(|| Error::Name {
            backend: "S3",
            name: name.to_owned(),
        })
    }

    /// Does something within the timeout; none where there is no such object.
    async fn ask<T>(&self, call: impl Future<Output = object_store::Result<T>>) -> Result<Option<T>, Error> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(done)) => Ok(Some(done)),
            Ok(Err(object_store::Error::NotFound { .. })) => Ok(None),
            Ok(Err(object_store::Error::Precondition { .. })) => Err(Error::Replaced),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(Error::Timeout {
                backend: Arc::clone(&self.backend),
                waited: self.timeout,
            }),
        }
    }

    /// The same where there is nothing to be absent but the bucket.
    async fn must<T>(&self, call: impl Future<Output = object_store::Result<T>>) -> Result<T, Error> {
        let absent = || self.failed(Absent);
        self.ask(call).await?.ok_or_else(absent)
    }

    fn failed(&self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Backend {
            backend: Arc::clone(&self.backend),
            source: Arc::new(source),
        }
    }

    async fn meta(&self, path: &Path) -> Result<Option<ObjectMeta>, Error> {
        let options = GetOptions::new().with_head(true);
        let found = self.ask(self.bucket.get_opts(path, options)).await?;
        Ok(found.map(|found| found.meta))
    }

    /// Some of the objects whose names begin with a prefix, each with its name, and whether more come.
    async fn objects(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(String, ObjectMeta)>, bool), Error> {
        let whole = format!("{}{prefix}", self.prefix);
        let options = PaginatedListOptions {
            offset: after.map(|after| format!("{}{after}", self.prefix)),
            max_keys: Some(limit),
            ..PaginatedListOptions::default()
        };
        let whole = Some(whole.as_str()).filter(|whole| !whole.is_empty());
        let found = self.must(self.bucket.list_paginated(whole, options)).await?;
        let named = |meta: ObjectMeta| {
            let name = meta.location.as_ref().strip_prefix(&self.prefix)?.to_owned();
            Some((name, meta))
        };
        let objects = found.result.objects.into_iter().filter_map(named).collect();
        Ok((objects, found.page_token.is_some()))
    }

    async fn names(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let (objects, has_more) = self.objects(prefix, after, limit).await?;
        let names: Vec<String> = objects.into_iter().map(|(name, _)| name).collect();
        // Not the server's own word for it: a name stands for the same place whatever comes and goes.
        let cursor = names.last().filter(|_| has_more).cloned();
        Ok(Page { names, cursor })
    }

    async fn usage(&self, prefix: &str) -> Result<u64, Error> {
        let (mut bytes, mut after) = (0_u64, None);
        loop {
            let (objects, has_more) = self.objects(prefix, after.as_deref(), LIST_MAX).await?;
            for (name, meta) in &objects {
                bytes = bytes.saturating_add((name.len() as u64).saturating_add(meta.size));
            }
            after = objects.into_iter().next_back().map(|(name, _)| name);
            if !has_more || after.is_none() {
                return Ok(bytes);
            }
        }
    }

    async fn remove(&self, names: &[String]) -> Result<(), Error> {
        for names in names.chunks(LIST_MAX) {
            let paths: Vec<_> = names
                .iter()
                .map(|name| self.path(name))
                .collect::<Result<_, _>>()?;
            let paths = futures::stream::iter(paths.into_iter().map(Ok)).boxed();
            let mut removed = self.bucket.delete_stream(paths);
            self.ask(async move {
                while let Some(removed) = removed.next().await {
                    match removed {
                        Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

fn boxed(object: Pinned) -> Box<dyn Object> {
    Box::new(object)
}

/// What should always be there is not.
#[derive(Debug, thiserror::Error)]
#[error("there is no such bucket")]
struct Absent;

fn info(meta: &ObjectMeta) -> Info {
    Info {
        bytes: meta.size,
        created: SystemTime::from(meta.last_modified),
    }
}

impl fmt::Debug for S3 {
    /// The credentials are nobody's business.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("S3")
            .field("backend", &self.shared.backend)
            .field("prefix", &self.shared.prefix)
            .field("timeout", &self.shared.timeout)
            .finish_non_exhaustive()
    }
}

impl Store for S3 {
    fn container(&self) -> Answer<'_, Option<Container>> {
        ready(Ok(Some(Container { created: None })))
    }

    fn create(&self) -> Answer<'_, Container> {
        Box::pin(async move {
            let page = self.shared.names("", None, 1).await?;
            if page.names.is_empty() {
                Ok(Container { created: None })
            } else {
                Err(Error::NotEmpty)
            }
        })
    }

    fn delete(&self) -> Answer<'_, ()> {
        ready(Err(Error::Fixed))
    }

    fn info<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Info>> {
        Box::pin(async move {
            let path = self.shared.path(name)?;
            Ok(self.shared.meta(&path).await?.as_ref().map(info))
        })
    }

    fn open<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Box<dyn Object>>> {
        Box::pin(async move {
            let path = self.shared.path(name)?;
            let meta = self.shared.meta(&path).await?;
            Ok(meta.map(|meta| boxed(Pinned::new(&self.shared, path, meta))))
        })
    }

    fn open_to_read<'a>(&'a self, name: &'a str, first: Range<u64>) -> Answer<'a, Option<Box<dyn Object>>> {
        Box::pin(async move {
            let path = self.shared.path(name)?;
            let opened = Pinned::open_to_read(&self.shared, path, first).await?;
            Ok(opened.map(boxed))
        })
    }

    fn write<'a>(&'a self, name: &'a str, content: Spool) -> Answer<'a, ()> {
        Box::pin(async move {
            let path = self.shared.path(name)?;
            upload::write(&self.shared, &self.room, &path, content).await
        })
    }

    fn remove<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async move {
            // Before any is removed.
            names
                .iter()
                .try_for_each(|name| self.shared.path(name).map(drop))?;
            self.shared.remove(names).await
        })
    }

    fn clear<'a>(&'a self, prefix: &'a str) -> Answer<'a, ()> {
        Box::pin(self.clear_from(prefix))
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let (from, to) = (self.shared.path(from)?, self.shared.path(to)?);
            if from == to {
                // Servers refuse to copy an object onto itself.
                return Ok(self.shared.meta(&from).await?.is_some());
            }
            let copied = self.shared.bucket.copy_opts(&from, &to, CopyOptions::default());
            Ok(self.shared.ask(copied).await?.is_some())
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, cursor: Option<&'a str>, limit: usize) -> Answer<'a, Page> {
        Box::pin(async move {
            check_cursor(prefix, cursor)?;
            self.shared.names(prefix, cursor, limit.clamp(1, LIST_MAX)).await
        })
    }

    fn usage<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        Box::pin(self.shared.usage(prefix))
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.shared.names("", None, 1).await.map(drop) })
    }
}
