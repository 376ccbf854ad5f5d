//! Stores: where an app keeps keys with values, as it is declared.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Name;

/// A store that an app declares, or a flag does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Store {
    /// Its name, which tells it from the other stores of the app.
    pub name: Name,
    /// Where its entries are.
    pub backend: StoreBackend,
}

/// Where the entries of a store are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StoreBackend {
    /// In the memory of the process: gone with it.
    Memory {
        /// Bytes that keys and values may have together.
        bytes_max: u64,
    },
    /// In a folder of this machine.
    Embedded {
        /// The folder; none for the one that Weft chooses by the names of the app and of the store.
        folder: Option<PathBuf>,
        /// What an acknowledged write survives.
        durability: Durability,
        /// Bytes that keys and values may have together.
        bytes_max: u64,
    },
    /// On a Redis server.
    Redis {
        /// Where the server is, and with which password it is entered.
        address: StoreAddress,
        /// The certificates of those who vouch for it; none for the public authorities.
        authorities: Option<PathBuf>,
        /// What stands before every key on the server; none for the names of the app and of the store.
        prefix: Option<String>,
        /// How long one call may take.
        timeout: Duration,
    },
    /// In a table of a PostgreSQL server.
    Postgres {
        /// Where the server is, and with which password it is entered.
        address: StoreAddress,
        /// The certificates of those who vouch for it; none for the public authorities.
        authorities: Option<PathBuf>,
        /// The table; none for one that is called by the names of the app and of the store.
        table: Option<String>,
        /// How long one call may take.
        timeout: Duration,
    },
    /// In a bucket of a NATS server with JetStream.
    Nats {
        /// Where the servers are, and with which password they are entered.
        address: StoreAddress,
        /// The certificates of those who vouch for them; none for the public authorities.
        authorities: Option<PathBuf>,
        /// The bucket; none for one that is called by the names of the app and of the store.
        bucket: Option<String>,
        /// Servers of the cluster that have a copy of a bucket that is made.
        replicas: usize,
        /// How long one call may take.
        timeout: Duration,
    },
}

impl StoreBackend {
    /// Bytes of keys and values where nothing else is said: 1 GiB.
    pub const BYTES_MAX: u64 = 1 << 30;
    /// How long one call to a server may take where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(1);

    /// A folder that Weft chooses, and nothing lost with the power.
    #[must_use]
    pub fn embedded(folder: Option<PathBuf>) -> Self {
        Self::Embedded {
            folder,
            durability: Durability::Sync,
            bytes_max: Self::BYTES_MAX,
        }
    }

    /// The word for it in manifests.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Memory { .. } => "memory",
            Self::Embedded { .. } => "embedded",
            Self::Redis { .. } => "redis",
            Self::Postgres { .. } => "postgres",
            Self::Nats { .. } => "nats",
        }
    }
}

/// Where `--keyvalue NAME=WHERE` puts a store: `memory`, the address of a server, or a folder.
impl FromStr for StoreBackend {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "memory" => Self::Memory {
                bytes_max: Self::BYTES_MAX,
            },
            address if address.starts_with("redis://") || address.starts_with("rediss://") => Self::Redis {
                address: StoreAddress(address.to_owned()),
                authorities: None,
                prefix: Some(String::new()),
                timeout: Self::TIMEOUT,
            },
            address if address.starts_with("postgres://") || address.starts_with("postgresql://") => {
                Self::Postgres {
                    address: StoreAddress(address.to_owned()),
                    authorities: None,
                    table: Some("weft".to_owned()),
                    timeout: Self::TIMEOUT,
                }
            }
            address if address.starts_with("nats://") || address.starts_with("tls://") => Self::Nats {
                address: StoreAddress(address.to_owned()),
                authorities: None,
                bucket: Some("weft".to_owned()),
                replicas: 1,
                timeout: Self::TIMEOUT,
            },
            folder => Self::embedded(Some(PathBuf::from(folder))),
        })
    }
}

/// The address of a server, which may hold a password and so is never shown as a whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoreAddress(pub String);

impl fmt::Debug for StoreAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // There may be several, with commas between.
        for (index, address) in self.0.split(',').enumerate() {
            let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
            let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
            // What stands behind the question mark may be a password, too.
            let place = place.split_once('?').map_or(place, |(place, _)| place);
            let comma = if index > 0 { "," } else { "" };
            write!(out, "{comma}{scheme}://{place}")?;
        }
        Ok(())
    }
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// The machine losing power.
    #[default]
    Sync,
    /// The process being killed.
    Fast,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_memory_a_server_or_a_folder() {
        let read = |text: &str| text.parse::<StoreBackend>().unwrap();
        assert_eq!(read("memory").word(), "memory");
        assert_eq!(read("redis://127.0.0.1").word(), "redis");
        assert_eq!(read("rediss://127.0.0.1").word(), "redis");
        assert_eq!(read("postgres://127.0.0.1").word(), "postgres");
        assert_eq!(read("nats://127.0.0.1").word(), "nats");
        assert_eq!(read("./data"), StoreBackend::embedded(Some("./data".into())));
    }

    #[test]
    fn a_password_is_not_shown() {
        let address = StoreAddress("redis://me:secret@db:6379/0".to_owned());
        assert_eq!(format!("{address:?}"), "redis://db:6379/0");
        let address = StoreAddress("nats://a:b@one:1,nats://token@two?password=c".to_owned());
        assert_eq!(format!("{address:?}"), "nats://one:1,nats://two");
    }
}
