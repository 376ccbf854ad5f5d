//! Databases: where an app keeps tables for SQL, as it is declared.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Name;
use crate::store::{Durability, StoreAddress};

/// A database that an app declares, or a flag does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Database {
    /// Its name, which tells it from the other databases of the app.
    pub name: Name,
    /// Where its tables are.
    pub backend: DatabaseBackend,
    /// How long one statement may take, the reading of its rows included.
    pub timeout: Duration,
}

/// Where the tables of a database are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DatabaseBackend {
    /// SQLite, in the memory of the process: gone with it.
    Memory {
        /// Bytes that the database may have.
        bytes_max: u64,
    },
    /// SQLite, in a folder of this machine.
    Embedded {
        /// The folder; none for the one that Weft chooses by the names of the app and of the database.
        folder: Option<PathBuf>,
        /// What a committed transaction survives.
        durability: Durability,
        /// Bytes that the database may have.
        bytes_max: u64,
    },
    /// On a PostgreSQL server.
    Postgres {
        /// Where the server is, and with which password it is entered.
        address: StoreAddress,
        /// The certificates of those who vouch for it; none for the public authorities.
        authorities: Option<PathBuf>,
        /// Connections to the server at most.
        connections_max: usize,
    },
}

impl Database {
    /// How long one statement may take where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
}

impl DatabaseBackend {
    /// Bytes of a database in a folder where nothing else is said: 1 GiB.
    pub const BYTES_MAX: u64 = 1 << 30;
    /// Bytes of a database in memory where nothing else is said: 64 MiB.
    pub const MEMORY_BYTES_MAX: u64 = 64 << 20;
    /// Connections to a server where nothing else is said.
    pub const CONNECTIONS_MAX: usize = 16;

    /// The word for it in manifests.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Memory { .. } => "memory",
            Self::Embedded { .. } => "embedded",
            Self::Postgres { .. } => "postgres",
        }
    }

    /// Whether it speaks the SQL of SQLite.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        !matches!(self, Self::Postgres { .. })
    }
}

/// Where `--sql NAME=WHERE` puts a database: `memory`, the address of a server, or a folder.
impl FromStr for DatabaseBackend {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "memory" => Self::Memory {
                bytes_max: Self::MEMORY_BYTES_MAX,
            },
            address if is_postgres(address) => Self::Postgres {
                address: StoreAddress(address.to_owned()),
                authorities: None,
                connections_max: Self::CONNECTIONS_MAX,
            },
            folder => Self::Embedded {
                folder: Some(PathBuf::from(folder)),
                durability: Durability::Sync,
                bytes_max: Self::BYTES_MAX,
            },
        })
    }
}

/// Whether this begins as the address of a PostgreSQL server does.
#[must_use]
pub fn is_postgres(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    matches!(scheme, Some("postgres" | "postgresql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_memory_a_server_or_a_folder() {
        let word = |text: &str| text.parse::<DatabaseBackend>().unwrap().word();
        assert_eq!(word("memory"), "memory");
        assert_eq!(word("postgres://127.0.0.1"), "postgres");
        assert_eq!(word("postgresql://127.0.0.1"), "postgres");
        assert_eq!(word("./data"), "embedded");
    }
}
