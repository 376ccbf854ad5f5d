//! A database as one component sees it: only what it may do, only as often.

use std::fmt;
use std::sync::Arc;

use weft_app::database::DatabaseBackend;
use weft_app::grant::DatabaseGrant;
use weft_runtime::denial::{Denial, DenialLog};
use weft_stores::sql::sqlite::Rights;
use weft_stores::sql::{Connection, Error, Said, postgres, sqlite};

use super::{Database, INTERFACE};
use crate::calls::{Bytes, Calls};
use crate::rate::Rate;

pub(super) struct View {
    grant: DatabaseGrant,
    side: Side,
    rate: Option<Rate>,
    calls: Arc<Calls>,
    denials: DenialLog,
}

enum Side {
    Sqlite(sqlite::Side),
    Postgres(postgres::Side),
}

/// Why a call was not done, in words that may be shown to the guest.
#[derive(Debug)]
pub(super) enum Refused {
    Denied(String),
    Invalid(String),
    Statement(Box<Said>),
    Conflict(String),
    /// There is no room for more in the database.
    Full(String),
    Quota(String),
    Timeout(String),
    Unavailable(String),
    /// A value that has no form here.
    Value(String),
}

impl Refused {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Statement(said) => said.message,
            Self::Denied(text)
            | Self::Invalid(text)
            | Self::Conflict(text)
            | Self::Full(text)
            | Self::Quota(text)
            | Self::Timeout(text)
            | Self::Unavailable(text)
            | Self::Value(text) => text,
        }
    }
}

impl View {
    pub(super) fn new(
        grant: DatabaseGrant,
        database: &Database,
        calls: Arc<Calls>,
        denials: DenialLog,
    ) -> Self {
        let side = match database {
            Database::Sqlite(database) => {
                Side::Sqlite(database.side(Rights::new(grant.access, grant.tables.as_deref())))
            }
            Database::Postgres(database) => Side::Postgres(database.side(grant.access)),
        };
        Self {
            side,
            rate: grant.calls_per_second_max.map(Rate::new),
            grant,
            calls,
            denials,
        }
    }

    /// Whether a guest means this database.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let is_address = match &self.grant.database.backend {
            DatabaseBackend::Postgres { address, .. } => address.0 == name,
            DatabaseBackend::Memory { .. } | DatabaseBackend::Embedded { .. } => false,
        };
        self.grant.name == name || is_address
    }

    pub(super) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// A connection, whatever stands behind it.
    pub(super) async fn connect(&self) -> Result<Arc<dyn Connection>, Refused> {
        self.allow()?;
        let connected: Result<Arc<dyn Connection>, Error> = match &self.side {
            Side::Sqlite(side) => side.connect().await.map(|session| Arc::new(session) as _),
            Side::Postgres(side) => side.connect().await.map(|session| Arc::new(session) as _),
        };
        connected.map_err(|error| self.refused(error))
    }

    pub(super) async fn connect_sqlite(&self) -> Result<sqlite::Session, Refused> {
        self.allow()?;
        let Side::Sqlite(side) = &self.side else {
            return Err(self.other_dialect("SQLite", "PostgreSQL"));
        };
        side.connect().await.map_err(|error| self.refused(error))
    }

    pub(super) async fn connect_postgres(&self) -> Result<postgres::Session, Refused> {
        self.allow()?;
        let Side::Postgres(side) = &self.side else {
            return Err(self.other_dialect("PostgreSQL", "SQLite"));
        };
        side.connect().await.map_err(|error| self.refused(error))
    }

    fn other_dialect(&self, expected: &str, found: &str) -> Refused {
        let name = &self.grant.name;
        Refused::Invalid(format!(
            "the database `{name}` is of {found}, and this interface is for {expected}"
        ))
    }

    /// Counts a call, where there may be so many only.
    pub(super) fn allow(&self) -> Result<(), Refused> {
        match &self.rate {
            Some(rate) if !rate.take() => Err(Refused::Quota(
                "more calls in a second than this component may make".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Counts a statement that may be one of many under way. What is returned is kept for as long as it is.
    pub(super) fn begin(&self, bytes: usize) -> Result<Bytes, Refused> {
        self.allow()?;
        let held = self.calls.hold(bytes);
        held.map_err(|refusal| Refused::Quota(refusal.into_text()))
    }

    /// What the guest is told of a failure. What says something of the host goes to the log instead.
    pub(super) fn refused(&self, error: Error) -> Refused {
        let text = error.to_string();
        match error {
            Error::Denied { what } => {
                let name = &self.grant.name;
                let what: String = what.chars().take(200).collect();
                self.denials.record(Denial {
                    interface: INTERFACE.into(),
                    attempted: format!("do more than it may in the database `{name}`: {what}"),
                    flag: format!("--sql {name}=FOLDER"),
                });
                Refused::Denied(what)
            }
            Error::Statement(said) => Refused::Statement(said),
            Error::NotOne { .. } | Error::Parameters { .. } | Error::Parameter { .. } => {
                Refused::Invalid(text)
            }
            Error::Value { .. } => Refused::Value(text),
            Error::TooLarge { .. } | Error::Connections { .. } => Refused::Quota(text),
            Error::Full { .. } => Refused::Full(text),
            Error::Locked { .. } | Error::RolledBack => Refused::Conflict(text),
            Error::Timeout { .. } => Refused::Timeout(text),
            Error::Damaged { .. } | Error::Backend { .. } => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(database = %self.grant.database.name, %error, cause, "a database failed");
                Refused::Unavailable(if matches!(error, Error::Damaged { .. }) {
                    "the database is damaged".to_owned()
                } else {
                    "the database cannot be reached".to_owned()
                })
            }
        }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("View")
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}
