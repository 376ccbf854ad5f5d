//! Stores: each opened once in a process, and shared by all components and versions of an app that are granted it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use weft_app::store::{Durability, Store, StoreBackend};
use weft_services::Quotas;
use weft_stores::keyvalue;
use weft_stores::keyvalue::memory::Memory;
use weft_stores::keyvalue::nats::{self, Nats};
use weft_stores::keyvalue::postgres::{self, Postgres};
use weft_stores::keyvalue::redis::{self, Redis};
use weft_stores::keyvalue::sqlite::{self, Sqlite};

use crate::report::Report;
use crate::settings::Settings;

/// The stores of one app, or of one program. Clones are the same stores.
#[derive(Clone)]
pub(crate) struct Stores(Arc<Inner>);

struct Inner {
    app: String,
    /// Below which folder apps have theirs.
    apps: Option<PathBuf>,
    opened: Mutex<HashMap<Store, Arc<dyn keyvalue::Store>>>,
    /// What components have in them whose grants have a bound.
    quotas: Quotas<dyn keyvalue::Store>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Stores").field(&self.0.app).finish()
    }
}

impl Stores {
    /// None is opened yet.
    pub(crate) fn of(app: &str, settings: &Settings) -> Self {
        Self(Arc::new(Inner {
            app: app.to_owned(),
            apps: settings.apps.clone(),
            opened: Mutex::default(),
            quotas: Quotas::default(),
        }))
    }

    /// A store, opened now if it was not before.
    pub(crate) fn open(&self, store: &Store) -> Result<Arc<dyn keyvalue::Store>, Report> {
        let mut opened = self.0.opened.lock();
        if let Some(open) = opened.get(store) {
            return Ok(Arc::clone(open));
        }
        let open: Arc<dyn keyvalue::Store> = match &store.backend {
            StoreBackend::Memory { bytes_max } => Arc::new(Memory::new(*bytes_max)),
            StoreBackend::Embedded { .. } => Arc::new(self.embedded(store)?),
            StoreBackend::Redis {
                address,
                authorities,
                prefix,
                timeout,
            } => {
                let default = || format!("{}:{}:", self.0.app, store.name);
                let options = redis::Options {
                    prefix: prefix.clone().unwrap_or_else(default),
                    timeout: *timeout,
                    authorities: authorities.clone(),
                };
                Arc::new(Redis::new(&address.0, options).map_err(|error| cannot_open(store, error))?)
            }
            StoreBackend::Postgres {
                address,
                authorities,
                table,
                timeout,
            } => {
                let options = postgres::Options {
                    table: table.clone().unwrap_or_else(|| self.one_word(store)),
                    timeout: *timeout,
                    authorities: authorities.clone(),
                };
                Arc::new(Postgres::new(&address.0, options).map_err(|error| cannot_open(store, error))?)
            }
            StoreBackend::Nats {
                address,
                authorities,
                bucket,
                replicas,
                timeout,
            } => {
                let options = nats::Options {
                    bucket: bucket.clone().unwrap_or_else(|| self.one_word(store)),
                    replicas: *replicas,
                    timeout: *timeout,
                    authorities: authorities.clone(),
                    ..nats::Options::default()
                };
                Arc::new(Nats::new(&address.0, options).map_err(|error| cannot_open(store, error))?)
            }
        };
        opened.insert(store.clone(), Arc::clone(&open));
        Ok(open)
    }

    /// A name for a store where names have no colons and dots: those of the app and of the store. Two hyphens are in
    /// neither.
    fn one_word(&self, store: &Store) -> String {
        format!("{}--{}", self.0.app, store.name)
    }

    /// What components have in them, for those whose grants have a bound.
    pub(crate) fn quotas(&self) -> &Quotas<dyn keyvalue::Store> {
        &self.0.quotas
    }

    /// Those that were opened, by name.
    pub(crate) fn opened(&self) -> Vec<(String, Arc<dyn keyvalue::Store>)> {
        let opened = self.0.opened.lock();
        let named =
            |(store, open): (&Store, &Arc<dyn keyvalue::Store>)| (store.name.to_string(), Arc::clone(open));
        opened.iter().map(named).collect()
    }

    /// An embedded store, for those who do more with it than guests can.
    pub(crate) fn embedded(&self, store: &Store) -> Result<Sqlite, Report> {
        let StoreBackend::Embedded {
            folder,
            durability: survives,
            bytes_max,
        } = &store.backend
        else {
            let message = format!("store `{}` is not in a folder of this machine", store.name);
            return Err(Report::usage(message));
        };
        let options = sqlite::Options {
            durability: durability(*survives),
            bytes_max: *bytes_max,
            ..sqlite::Options::default()
        };
        let folder = self.folder(store, folder.as_deref())?;
        Sqlite::open(&folder, &options).map_err(|error| cannot_open(store, error))
    }

    /// Where an embedded store is.
    pub(crate) fn folder(&self, store: &Store, given: Option<&Path>) -> Result<PathBuf, Report> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        let apps = self.0.apps.as_ref().ok_or_else(|| {
            Report::failed(format!("there is no folder for store `{}`", store.name))
                .hint("set `WEFT_DATA_DIR`, or give the store a `path`")
        })?;
        Ok(apps.join(&self.0.app).join("stores").join(store.name.as_str()))
    }
}

/// The same word, as those who keep data have it.
pub(crate) fn durability(durability: Durability) -> keyvalue::Durability {
    match durability {
        Durability::Sync => keyvalue::Durability::Sync,
        Durability::Fast => keyvalue::Durability::Fast,
    }
}

fn cannot_open(store: &Store, error: impl std::error::Error + Send + Sync + 'static) -> Report {
    Report::failed(format!("cannot open store `{}`", store.name))
        .caused_by(Box::<dyn std::error::Error + Send + Sync>::from(error))
}
