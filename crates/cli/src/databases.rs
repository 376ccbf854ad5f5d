//! Databases: each opened once in a process, and shared by all components and versions of an app that are granted it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use weft_app::database::{Database, DatabaseBackend};
use weft_services::sql::Database as Opened;
use weft_stores::sql::postgres::{self, Postgres};
use weft_stores::sql::sqlite::{self, Sqlite};

use crate::report::Report;
use crate::settings::Settings;
use crate::stores::durability;

/// The databases of one app, or of one program. Clones are the same databases.
#[derive(Clone)]
pub(crate) struct Databases(Arc<Inner>);

struct Inner {
    app: String,
    /// Below which folder apps have theirs.
    apps: Option<PathBuf>,
    opened: Mutex<HashMap<Database, Opened>>,
}

impl fmt::Debug for Databases {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Databases").field(&self.0.app).finish()
    }
}

impl Databases {
    /// None is opened yet.
    pub(crate) fn of(app: &str, settings: &Settings) -> Self {
        Self(Arc::new(Inner {
            app: app.to_owned(),
            apps: settings.apps.clone(),
            opened: Mutex::default(),
        }))
    }

    /// A database, opened now if it was not before.
    pub(crate) fn open(&self, database: &Database) -> Result<Opened, Report> {
        let mut opened = self.0.opened.lock();
        if let Some(open) = opened.get(database) {
            return Ok(open.clone());
        }
        let open = match &database.backend {
            DatabaseBackend::Memory { bytes_max } => {
                let options = sqlite::Options {
                    bytes_max: *bytes_max,
                    timeout: database.timeout,
                    ..sqlite::Options::default()
                };
                let open = Sqlite::in_memory(options).map_err(|error| cannot_open(database, error))?;
                Opened::Sqlite(open)
            }
            DatabaseBackend::Embedded { .. } => Opened::Sqlite(self.embedded(database)?),
            DatabaseBackend::Postgres {
                address,
                authorities,
                connections_max,
            } => {
                let options = postgres::Options {
                    timeout: database.timeout,
                    connections_max: *connections_max,
                    authorities: authorities.clone(),
                };
                let open =
                    Postgres::new(&address.0, options).map_err(|error| cannot_open(database, error))?;
                Opened::Postgres(open)
            }
        };
        opened.insert(database.clone(), open.clone());
        Ok(open)
    }

    /// Those that were opened, by name.
    pub(crate) fn opened(&self) -> Vec<(String, Opened)> {
        let opened = self.0.opened.lock();
        let named = |(database, open): (&Database, &Opened)| (database.name.to_string(), open.clone());
        opened.iter().map(named).collect()
    }

    /// A database in a folder, for those who do more with it than guests can.
    pub(crate) fn embedded(&self, database: &Database) -> Result<Sqlite, Report> {
        let DatabaseBackend::Embedded {
            folder,
            durability: survives,
            bytes_max,
        } = &database.backend
        else {
            let message = format!("database `{}` is not in a folder of this machine", database.name);
            return Err(Report::usage(message));
        };
        let options = sqlite::Options {
            durability: durability(*survives),
            bytes_max: *bytes_max,
            timeout: database.timeout,
            ..sqlite::Options::default()
        };
        let folder = self.folder(database, folder.as_deref())?;
        Sqlite::open(&folder, options).map_err(|error| cannot_open(database, error))
    }

    /// Where a database is that is in a folder.
    pub(crate) fn folder(&self, database: &Database, given: Option<&Path>) -> Result<PathBuf, Report> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        let apps = self.0.apps.as_ref().ok_or_else(|| {
            Report::failed(format!("there is no folder for database `{}`", database.name))
                .hint("set `WEFT_DATA_DIR`, or give the database a `path`")
        })?;
        Ok(apps
            .join(&self.0.app)
            .join("databases")
            .join(database.name.as_str()))
    }
}

fn cannot_open(database: &Database, error: impl std::error::Error + Send + Sync + 'static) -> Report {
    Report::failed(format!("cannot open database `{}`", database.name))
        .caused_by(Box::<dyn std::error::Error + Send + Sync>::from(error))
}
