//! Blob stores: each opened once in a process, and shared by all components and versions of an app that are granted it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use weft_app::blob_store::{BlobBackend, BlobStore, S3 as S3Place};
use weft_services::Quotas;
use weft_stores::blob;
use weft_stores::blob::files::{self, Files};
use weft_stores::blob::memory::Memory;
use weft_stores::blob::s3::{self, S3};

use crate::report::Report;
use crate::settings::Settings;
use crate::stores::durability;

/// The blob stores of one app, or of one program. Clones are the same blob stores.
#[derive(Clone)]
pub(crate) struct BlobStores(Arc<Inner>);

struct Inner {
    app: String,
    /// Below which folder apps have theirs.
    apps: Option<PathBuf>,
    opened: Mutex<HashMap<BlobStore, Arc<dyn blob::Store>>>,
    /// What components have in them whose grants have a bound.
    quotas: Quotas<dyn blob::Store>,
}

impl fmt::Debug for BlobStores {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("BlobStores").field(&self.0.app).finish()
    }
}

impl BlobStores {
    /// None is opened yet.
    pub(crate) fn of(app: &str, settings: &Settings) -> Self {
        Self(Arc::new(Inner {
            app: app.to_owned(),
            apps: settings.apps.clone(),
            opened: Mutex::default(),
            quotas: Quotas::default(),
        }))
    }

    /// A blob store, opened now if it was not before.
    pub(crate) fn open(&self, store: &BlobStore) -> Result<Arc<dyn blob::Store>, Report> {
        let mut opened = self.0.opened.lock();
        if let Some(open) = opened.get(store) {
            return Ok(Arc::clone(open));
        }
        let open: Arc<dyn blob::Store> = match &store.backend {
            BlobBackend::Memory { bytes_max } => Arc::new(Memory::new(*bytes_max)),
            BlobBackend::Files { .. } => Arc::new(self.files(store)?),
            BlobBackend::S3(place) => self.s3(store, place)?,
        };
        opened.insert(store.clone(), Arc::clone(&open));
        Ok(open)
    }

    /// What components have in them, for those whose grants have a bound.
    pub(crate) fn quotas(&self) -> &Quotas<dyn blob::Store> {
        &self.0.quotas
    }

    /// Those that were opened, by name.
    pub(crate) fn opened(&self) -> Vec<(String, Arc<dyn blob::Store>)> {
        let opened = self.0.opened.lock();
        let named =
            |(store, open): (&BlobStore, &Arc<dyn blob::Store>)| (store.name.to_string(), Arc::clone(open));
        opened.iter().map(named).collect()
    }

    /// A blob store in files, for those who do more with it than guests can.
    pub(crate) fn files(&self, store: &BlobStore) -> Result<Files, Report> {
        let BlobBackend::Files {
            folder,
            durability: survives,
            bytes_max,
        } = &store.backend
        else {
            let message = format!("blob store `{}` is not in files of this machine", store.name);
            return Err(Report::usage(message));
        };
        let options = files::Options {
            durability: durability(*survives),
            bytes_max: *bytes_max,
        };
        let folder = self.folder(store, folder.as_deref())?;
        Files::open(&folder, &options).map_err(|error| cannot_open(store, error))
    }

    fn s3(&self, store: &BlobStore, place: &S3Place) -> Result<Arc<dyn blob::Store>, Report> {
        let key = place.key.as_ref().map(|key| s3::Credentials {
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.clone(),
        });
        let default = || format!("{}/{}/", self.0.app, store.name);
        let options = s3::Options {
            region: place.region.clone(),
            credentials: key,
            prefix: place.prefix.clone().unwrap_or_else(default),
            timeout: place.timeout,
            ..s3::Options::new(&place.endpoint, &place.bucket)
        };
        let open = S3::new(options).map_err(|error| cannot_open(store, error))?;
        Ok(Arc::new(open))
    }

    /// Where a blob store in files is.
    pub(crate) fn folder(&self, store: &BlobStore, given: Option<&Path>) -> Result<PathBuf, Report> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        let apps = self.0.apps.as_ref().ok_or_else(|| {
            Report::failed(format!("there is no folder for blob store `{}`", store.name))
                .hint("set `WEFT_DATA_DIR`, or give the blob store a `path`")
        })?;
        Ok(apps.join(&self.0.app).join("blobs").join(store.name.as_str()))
    }
}

fn cannot_open(store: &BlobStore, error: impl std::error::Error + Send + Sync + 'static) -> Report {
    Report::failed(format!("cannot open blob store `{}`", store.name))
        .caused_by(Box::<dyn std::error::Error + Send + Sync>::from(error))
}
