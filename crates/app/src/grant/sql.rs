//! Databases that a component may speak SQL to, under which names, and which of their tables it reaches.

use std::num::NonZeroU32;
use std::str::FromStr;

use super::ParseError;
use crate::Name;
use crate::database::{Database, DatabaseBackend};

/// The databases that a component may open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqlGrant {
    /// No two have the same name.
    pub databases: Vec<DatabaseGrant>,
}

/// One database, as one component sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseGrant {
    /// The name under which the component opens it.
    pub name: String,
    /// Where its tables are.
    pub database: Database,
    /// What may be done with them.
    pub access: SqlAccess,
    /// The tables that may be reached; none for all of them.
    pub tables: Option<Vec<TableGrant>>,
    /// Statements that it may have run in a second, on average.
    pub calls_per_second_max: Option<NonZeroU32>,
}

/// What a component may do with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlAccess {
    /// See rows.
    pub read: bool,
    /// Add, change and remove rows.
    pub write: bool,
    /// Make, change and drop tables, indices, views and triggers.
    pub schema: bool,
}

impl SqlAccess {
    /// Everything.
    pub const ALL: Self = Self {
        read: true,
        write: true,
        schema: true,
    };
    /// See everything and change nothing.
    pub const READ_ONLY: Self = Self {
        read: true,
        write: false,
        schema: false,
    };

    /// The words for it.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        [
            (self.read, "read"),
            (self.write, "write"),
            (self.schema, "schema"),
        ]
        .into_iter()
        .filter_map(|(is_granted, word)| is_granted.then_some(word))
    }
}

/// A table that may be reached: `NAME`, or `NAME:ro` where it may only be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableGrant {
    /// Its name.
    pub name: String,
    /// Its rows may not be changed, whatever else is granted.
    pub is_read_only: bool,
}

impl FromStr for TableGrant {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (name, is_read_only) = match text.strip_suffix(":ro") {
            Some(name) => (name, true),
            None => (text, false),
        };
        // What SQLite keeps about all tables is not a table to be granted.
        let is_internal = name
            .get(..7)
            .is_some_and(|begin| begin.eq_ignore_ascii_case("sqlite_"));
        if name.is_empty() || is_internal || name.contains(['\0', '.', ':']) {
            return Err(ParseError::new(text, "a table, expected `NAME` or `NAME:ro`"));
        }
        Ok(Self {
            name: name.to_owned(),
            is_read_only,
        })
    }
}

impl DatabaseGrant {
    /// The whole of a database, under a name.
    #[must_use]
    pub fn whole(name: &str, database: Database) -> Self {
        Self {
            name: name.to_owned(),
            database,
            access: SqlAccess::ALL,
            tables: None,
            calls_per_second_max: None,
        }
    }
}

/// `NAME=WHERE` or `NAME:ro=WHERE`, as for `--sql`.
impl FromStr for DatabaseGrant {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = || {
            ParseError::new(
                text,
                "`NAME[:ro]=WHERE`, where it is a folder, `memory`, or a server at `postgres://HOST/DATABASE`",
            )
        };
        let (name, place) = text.split_once('=').ok_or_else(expected)?;
        let (name, access) = match name.strip_suffix(":ro") {
            Some(name) => (name, SqlAccess::READ_ONLY),
            None => (name, SqlAccess::ALL),
        };
        let called: Name = name.parse().map_err(|_| expected())?;
        if place.is_empty() {
            return Err(expected());
        }
        let Ok(backend) = place.parse::<DatabaseBackend>();
        let database = Database {
            name: called,
            backend,
            timeout: Database::TIMEOUT,
        };
        Ok(Self {
            access,
            ..Self::whole(name, database)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_names_a_database_and_where_it_is() {
        let grant: DatabaseGrant = "default=./data".parse().unwrap();
        assert_eq!(grant.name, "default");
        assert_eq!(grant.access, SqlAccess::ALL);
        let grant: DatabaseGrant = "default:ro=memory".parse().unwrap();
        assert_eq!(grant.access.words().collect::<Vec<_>>(), ["read"]);
        for wrong in ["", "default", "=memory", "default=", "A b=memory"] {
            assert!(wrong.parse::<DatabaseGrant>().is_err(), "`{wrong}`");
        }
    }

    #[test]
    fn a_table_is_named_and_may_be_for_reading_only() {
        let table: TableGrant = "orders:ro".parse().unwrap();
        assert_eq!((table.name.as_str(), table.is_read_only), ("orders", true));
        for wrong in [
            "",
            ":ro",
            "main.orders",
            "sqlite_schema",
            "SQLite_Master:ro",
            "a:rw",
        ] {
            assert!(wrong.parse::<TableGrant>().is_err(), "`{wrong}`");
        }
    }
}
