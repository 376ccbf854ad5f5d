//! Grants: what a component may use. One file per kind, each with the words a person writes for it.
//!
//! The words are the same in flags and manifests. Parsing is pure: nothing here looks at the disk, the
//! environment or the network, so a grant that parses may still name something that does not exist.

mod blobstore;
mod clock;
mod data_access;
mod directory;
mod environment;
mod keyvalue;
mod logging;
mod messaging;
mod network;
mod origin;
mod random;
mod sql;
mod stdio;

pub use blobstore::{BlobStoreGrant, ContainerGrant};
pub use clock::ClockGrant;
pub use data_access::DataAccess;
pub use directory::{Access, DirectoryGrant};
pub use environment::EnvironmentGrant;
pub use keyvalue::{BucketGrant, KeyValueGrant};
pub use logging::{LogLevel, LoggingGrant};
pub use messaging::{ClientGrant, MessagingGrant};
pub use network::{AddressBlock, HostPattern, NetworkGrant, Peer, PortPattern, is_private};
pub use origin::{HttpGrant, Origin, Scheme};
pub use random::RandomGrant;
pub use sql::{DatabaseGrant, SqlAccess, SqlGrant, TableGrant};
pub use stdio::StdioGrant;

/// One kind of grant: what a key of a manifest or a group of flags decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantKind {
    /// Files and directories.
    Directories,
    /// Environment variables and arguments.
    Environment,
    /// TCP, UDP and name look-ups.
    Network,
    /// Outgoing HTTP.
    Http,
    /// Clocks and waiting.
    Clock,
    /// Random numbers.
    Random,
    /// The standard streams.
    Stdio,
    /// Configuration values.
    Config,
    /// Keys with values.
    KeyValue,
    /// Objects in containers.
    BlobStore,
    /// Messages to others.
    Messaging,
    /// Tables of databases.
    Sql,
    /// Lines for the log.
    Logging,
}

/// Configuration values that a component reads through `wasi:config`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigGrant {
    /// Keys with their values, in the order given. No key stands twice.
    pub values: Vec<(String, ConfigValue)>,
}

/// A configuration value.
#[derive(Clone, PartialEq, Eq)]
pub enum ConfigValue {
    /// One that whoever reads the manifest sees.
    Plain(String),
    /// One that no message, log or drawing shows.
    Secret(String),
}

impl ConfigValue {
    /// The value, for the component that it is granted to.
    #[must_use]
    pub fn reveal(&self) -> &str {
        match self {
            Self::Plain(value) | Self::Secret(value) => value,
        }
    }
}

impl std::fmt::Debug for ConfigValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(value) => write!(f, "{value:?}"),
            Self::Secret(_) => f.write_str("(secret)"),
        }
    }
}

/// Everything one component may use.
///
/// The default grants no directory, no variable, no network and no outgoing HTTP; it does grant the standard
/// streams, the log, the real clocks and real randomness, which a command cannot reasonably run without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Directories of the host that appear in the guest.
    pub directories: Vec<DirectoryGrant>,
    /// Environment variables.
    pub environment: EnvironmentGrant,
    /// TCP, UDP and name look-ups.
    pub network: NetworkGrant,
    /// Outgoing HTTP requests.
    pub http: HttpGrant,
    /// What the clocks show.
    pub clock: ClockGrant,
    /// Where randomness comes from.
    pub random: RandomGrant,
    /// Standard input, output and error.
    pub stdio: StdioGrant,
    /// Configuration values.
    pub config: ConfigGrant,
    /// Buckets of keys with values.
    pub keyvalue: KeyValueGrant,
    /// Containers of objects.
    pub blobstore: BlobStoreGrant,
    /// Queues for messages.
    pub messaging: MessagingGrant,
    /// Databases.
    pub sql: SqlGrant,
    /// Lines for the log.
    pub logging: LoggingGrant,
}

impl Grants {
    /// Nothing at all: what a component of an app may use unless the manifest says otherwise.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            clock: ClockGrant::None,
            random: RandomGrant::None,
            stdio: StdioGrant::NONE,
            logging: LoggingGrant::None,
            ..Self::default()
        }
    }
}

/// A grant that does not read as one: what was written, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseError {
    text: String,
    expected: &'static str,
}

impl ParseError {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            expected,
        }
    }
}
