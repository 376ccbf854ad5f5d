//! Databases, and what components are granted of them.

use std::ops::Range;

use weft_app::database::{Database, DatabaseBackend};
use weft_app::grant::{DatabaseGrant, SqlAccess, SqlGrant, TableGrant};
use weft_app::quantity::parse_bytes;
use weft_app::store::Durability;

use super::granted::{Granting, known};
use super::stores::Placed;
use super::values::{self, Text};
use super::{Lowering, limits};
use crate::document::Table;
use crate::problems::Problem;

/// Keys of a database that say something to some backends only.
const ONLY_FOR: &[(&str, &[&str])] = &[
    ("path", &["embedded"]),
    ("durability", &["embedded"]),
    ("size", &["embedded", "memory"]),
    ("url", &["postgres"]),
    ("url-variable", &["postgres"]),
    ("authorities", &["postgres"]),
    ("connections", &["postgres"]),
];

impl Lowering<'_> {
    /// Reads the databases of the app, for the grants that name them.
    pub(super) fn declare_databases(&mut self, root: &Table) {
        for (name, table, place) in self.named(root, "database") {
            let mut timeout = Database::TIMEOUT;
            self.read(table, "timeout", &mut timeout, limits::parse_time);
            if let Some(backend) = self.database_backend(table, place) {
                let database = Database {
                    name: name.clone(),
                    backend,
                    timeout,
                };
                self.databases.insert(name, database);
            }
        }
    }

    fn database_backend(&mut self, table: &Table, place: &Range<usize>) -> Option<DatabaseBackend> {
        // What is wrong with an address was told.
        let address = self.server(table, "database").ok()?;
        let default = if address.is_some() { "postgres" } else { "embedded" };
        let word = values::text(table, "backend").map_or(default, |(word, _)| word);
        self.refuse_keys_of_others(table, word, ONLY_FOR);
        let mut bytes_max = match word {
            "memory" => DatabaseBackend::MEMORY_BYTES_MAX,
            _ => DatabaseBackend::BYTES_MAX,
        };
        self.read(table, "size", &mut bytes_max, parse_bytes);
        match word {
            "embedded" => Some(DatabaseBackend::Embedded {
                folder: values::text(table, "path").and_then(|path| self.path(path)),
                durability: match values::text(table, "durability") {
                    Some(("fast", _)) => Durability::Fast,
                    _ => Durability::Sync,
                },
                bytes_max,
            }),
            "memory" => Some(DatabaseBackend::Memory { bytes_max }),
            "postgres" => self.postgres(table, address, place),
            // Told where the table is checked.
            _ => None,
        }
    }

    fn postgres(
        &mut self,
        table: &Table,
        address: Option<Placed<'_>>,
        place: &Range<usize>,
    ) -> Option<DatabaseBackend> {
        let connections = self.natural(table, "connections");
        let authorities = values::text(table, "authorities").and_then(|path| self.path(path));
        let address = self.address("postgres", address, place, "database")?;
        Some(DatabaseBackend::Postgres {
            address,
            authorities,
            connections_max: connections.map_or(DatabaseBackend::CONNECTIONS_MAX, |connections| {
                usize::try_from(connections.get()).unwrap_or(usize::MAX)
            }),
        })
    }

    pub(super) fn sql(&mut self, grants: &Table) -> SqlGrant {
        let databases = Granting {
            key: "sql",
            kind: "database",
            find: Self::known_database,
            whole: DatabaseGrant::whole,
            narrowed: Self::database,
        };
        SqlGrant {
            databases: self.granted(grants, &databases),
        }
    }

    fn database(&mut self, name: &str, table: &Table) -> Option<DatabaseGrant> {
        let database = self.known_database(values::text(table, "database")?)?;
        let mut grant = DatabaseGrant::whole(name, database);
        grant.tables = self.tables(table);
        grant.access = self.sql_access(table, &grant);
        grant.calls_per_second_max = self.rate(table);
        Some(grant)
    }

    fn tables(&mut self, table: &Table) -> Option<Vec<TableGrant>> {
        table.get("tables")?;
        let mut tables: Vec<TableGrant> = Vec::new();
        for (text, span) in values::texts(table, "tables") {
            match text.parse::<TableGrant>() {
                Ok(found)
                    if tables
                        .iter()
                        .any(|known| known.name.eq_ignore_ascii_case(&found.name)) =>
                {
                    let message = format!("the table `{}` is given twice", found.name);
                    self.problems.push(Problem::error(message).at(span));
                }
                Ok(found) => tables.push(found),
                Err(error) => self.problems.push(Problem::error(error.to_string()).at(span)),
            }
        }
        Some(tables)
    }

    /// What may be done with a database: what can be kept to, which is less where the server decides.
    fn sql_access(&mut self, table: &Table, grant: &DatabaseGrant) -> SqlAccess {
        let is_sqlite = grant.database.backend.is_sqlite();
        if let (Some(entry), false) = (table.get("tables"), is_sqlite) {
            let problem = Problem::error("which tables of a server are reached is for the server to say");
            self.problems.push(problem.at(&entry.key_span).hint(
                "make a role there that has these tables only, and declare a `[database.NAME]` with its address",
            ));
        }
        let Some(entry) = table.get("access") else {
            return SqlAccess {
                // Whoever reaches some tables makes no others.
                schema: grant.tables.is_none(),
                ..SqlAccess::ALL
            };
        };
        let words = values::texts(table, "access");
        let has = |word: &str| words.iter().any(|(given, _)| *given == word);
        let access = SqlAccess {
            read: has("read"),
            write: has("write"),
            schema: has("schema"),
        };
        let problem = if access.schema && grant.tables.is_some() {
            let problem = Problem::error("`schema` is for a database as a whole, and not for some tables");
            Some(problem.hint("leave out `schema`, or `tables`"))
        } else if !is_sqlite && access != SqlAccess::ALL && access != SqlAccess::READ_ONLY {
            let problem = Problem::error("on a server this is for the server to say");
            Some(problem.hint(
                "expected `[\"read\"]`, or all of `[\"read\", \"write\", \"schema\"]`; for anything between make a role there",
            ))
        } else {
            None
        };
        if let Some(problem) = problem {
            self.problems.push(problem.at(&entry.key_span));
        }
        access
    }

    /// A database of this app, as a grant names it.
    fn known_database(&mut self, written: Text<'_>) -> Option<Database> {
        let undeclared =
            "[database.NAME]`, with nothing under it for one of SQLite in a folder of this machine";
        known(&self.databases, self.problems, written, "database", undeclared)
    }
}
