//! What the host offers to components, and which grant each interface of it needs.
//!
//! One list, by exact name: what is not in it is not offered, whatever package it claims to be of. An interface
//! that only works on handles needs no grant of its own, because somebody with a grant must have handed the
//! handle out; such interfaces are also the only ones that components may share without a look at their grants.

use semver::Version;
use weft_app::grant::GrantKind;
use weft_app::link::split_version;

use crate::version;

/// What a component needs for calling an interface of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Nothing: it works on handles that a grant handed out, or has no power at all.
    Nothing,
    /// A grant of this kind.
    Grant(GrantKind),
}

/// Whether the host offers an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It does, for those who have what it needs.
    Offered(Need),
    /// It does, in other versions.
    OtherVersions(&'static str),
    /// It knows nothing of it.
    Unknown,
}

/// The interface by which a component is handed requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Handler {
    /// `wasi:http/incoming-handler` of WASI 0.2: an instance answers one request after the other.
    P2,
    /// `wasi:http/handler` of WASI 0.3: an instance may answer several requests at the same time.
    P3,
}

/// Whether an export is what requests are handed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Handling {
    /// It is, under this name.
    Here(Handler, String),
    /// It would be, in another version.
    OtherVersions(String),
    /// It is something else.
    Nothing,
}

/// What the host hands requests to.
const ENTERED: &[(&str, Versions, Handler)] = &[
    ("wasi:http/incoming-handler", Versions::P2, Handler::P2),
    ("wasi:http/handler", Versions::P3, Handler::P3),
];

/// Whether the host hands requests to an export of this name.
pub(crate) fn handling(export: &str) -> Handling {
    let path = split_version(export).0;
    let Some((_, versions, handler)) = ENTERED.iter().find(|(known, ..)| *known == path) else {
        return Handling::Nothing;
    };
    if version::of(export).is_some_and(|version| versions.hold(&version)) {
        Handling::Here(*handler, export.to_owned())
    } else {
        Handling::OtherVersions(export.to_owned())
    }
}

/// What the host tells of changed keys.
const HEARS_OF_KEYS: &[&str] = &[
    "wasi:keyvalue/watcher@0.2.0-draft",
    "wasi:keyvalue/watcher@0.2.0-draft2",
    "wasmcloud:keyvalue/watcher@0.2.0",
];

/// Whether the host tells an export of this name of changed keys; an error where it would tell another version.
pub(crate) fn hears_of_keys(export: &str) -> Result<bool, ()> {
    is_one_of(HEARS_OF_KEYS, export)
}

/// What the host hands messages to.
const TAKES_MESSAGES: &[&str] = &[
    "wasi:messaging/incoming-handler@0.2.0-draft",
    "wasmcloud:messaging/handler@0.2.0",
    "wasmcloud:messaging/handler@0.3.0",
];

/// Whether the host hands messages to an export of this name; an error where it would to another version.
pub(crate) fn takes_messages(export: &str) -> Result<bool, ()> {
    is_one_of(TAKES_MESSAGES, export)
}

fn is_one_of(entered: &[&str], export: &str) -> Result<bool, ()> {
    if entered.contains(&export) {
        return Ok(true);
    }
    let path = split_version(export).0;
    let mut known = entered.iter().map(|known| split_version(known).0);
    if known.any(|known| known == path) {
        Err(())
    } else {
        Ok(false)
    }
}

/// Versions of an interface that the host offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    /// Those of WASI 0.2.
    P2,
    /// Those of WASI 0.3.
    P3,
    /// Both.
    Both,
    /// These drafts, and how they are told.
    Drafts(&'static [&'static str], &'static str),
    /// The same, and the interface without a version.
    DraftsOrNone(&'static [&'static str], &'static str),
}

/// The last version of WASI 0.2 that the engine knows.
const P2_LAST: u64 = 12;

impl Versions {
    fn hold(self, version: &Version) -> bool {
        let is_p2 = version.major == 0 && version.minor == 2 && version.patch <= P2_LAST;
        let is_p3 = version.major == 0 && version.minor == 3;
        match self {
            Self::Drafts(drafts, _) | Self::DraftsOrNone(drafts, _) => {
                drafts.contains(&version.to_string().as_str())
            }
            _ if !version.pre.is_empty() => false,
            Self::P2 => is_p2,
            Self::P3 => is_p3,
            Self::Both => is_p2 || is_p3,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::P2 => "0.2.0 to 0.2.12",
            Self::P3 => "0.3",
            Self::Both => "0.2.0 to 0.2.12 and 0.3",
            Self::Drafts(_, told) | Self::DraftsOrNone(_, told) => told,
        }
    }
}

const DIRECTORIES: Need = Need::Grant(GrantKind::Directories);
const ENVIRONMENT: Need = Need::Grant(GrantKind::Environment);
const NETWORK: Need = Need::Grant(GrantKind::Network);
const HTTP: Need = Need::Grant(GrantKind::Http);
const CLOCK: Need = Need::Grant(GrantKind::Clock);
const RANDOM: Need = Need::Grant(GrantKind::Random);
const STDIO: Need = Need::Grant(GrantKind::Stdio);
const CONFIG: Need = Need::Grant(GrantKind::Config);
const KEYVALUE: Need = Need::Grant(GrantKind::KeyValue);
const BLOBSTORE: Need = Need::Grant(GrantKind::BlobStore);
const MESSAGING: Need = Need::Grant(GrantKind::Messaging);
const SQL: Need = Need::Grant(GrantKind::Sql);
const LOGGING: Need = Need::Grant(GrantKind::Logging);

const CONFIG_DRAFTS: Versions = Versions::Drafts(
    &["0.2.0-rc.1", "0.2.0-draft", "0.2.0-draft-2024-09-27"],
    "0.2.0-rc.1, 0.2.0-draft and 0.2.0-draft-2024-09-27",
);
const KEYVALUE_DRAFTS: Versions =
    Versions::Drafts(&["0.2.0-draft", "0.2.0-draft2"], "0.2.0-draft and 0.2.0-draft2");
const SPIN_2: Versions = Versions::Drafts(&["2.0.0"], "2.0.0");
const SPIN_3: Versions = Versions::Drafts(&["3.0.0"], "3.0.0");
const WASMCLOUD_KEYVALUE: Versions = Versions::Drafts(&["0.2.0"], "0.2.0");
const BLOBSTORE_DRAFTS: Versions = Versions::Drafts(&["0.2.0-draft"], "0.2.0-draft");
const WASMCLOUD_BLOBSTORE: Versions = Versions::Drafts(&["0.1.0"], "0.1.0");
const MESSAGING_DRAFTS: Versions = Versions::Drafts(&["0.2.0-draft"], "0.2.0-draft");
const WASMCLOUD_MESSAGING: Versions = Versions::Drafts(&["0.2.0", "0.3.0"], "0.2.0 and 0.3.0");
const SPIN_SQLITE: Versions = Versions::Drafts(&["3.0.0", "3.1.0"], "3.0.0 and 3.1.0");
const SPIN_POSTGRES: Versions =
    Versions::Drafts(&["3.0.0", "4.0.0", "4.1.0", "4.2.0"], "3.0.0 and 4.0.0 to 4.2.0");
const WEFT_SQL: Versions = Versions::Drafts(&["0.1.0"], "0.1.0");
const LOGGING_DRAFTS: Versions = Versions::DraftsOrNone(&["0.1.0-draft"], "0.1.0-draft and none");

/// Every interface that the host offers.
const OFFERED: &[(&str, Versions, Need)] = &[
    ("fermyon:spin/key-value", SPIN_2, KEYVALUE),
    ("spin:key-value/key-value", SPIN_3, KEYVALUE),
    ("fermyon:spin/postgres", SPIN_2, SQL),
    ("fermyon:spin/rdbms-types", SPIN_2, Need::Nothing),
    ("fermyon:spin/sqlite", SPIN_2, SQL),
    ("spin:postgres/postgres", SPIN_POSTGRES, SQL),
    ("spin:sqlite/sqlite", SPIN_SQLITE, SQL),
    ("wasi:blobstore/blobstore", BLOBSTORE_DRAFTS, BLOBSTORE),
    ("wasi:blobstore/container", BLOBSTORE_DRAFTS, Need::Nothing),
    ("wasi:blobstore/types", BLOBSTORE_DRAFTS, Need::Nothing),
    ("wasi:cli/environment", Versions::Both, ENVIRONMENT),
    ("wasi:cli/exit", Versions::Both, Need::Nothing),
    ("wasi:cli/stdin", Versions::Both, STDIO),
    ("wasi:cli/stdout", Versions::Both, STDIO),
    ("wasi:cli/stderr", Versions::Both, STDIO),
    ("wasi:cli/terminal-input", Versions::Both, Need::Nothing),
    ("wasi:cli/terminal-output", Versions::Both, Need::Nothing),
    ("wasi:cli/terminal-stdin", Versions::Both, STDIO),
    ("wasi:cli/terminal-stdout", Versions::Both, STDIO),
    ("wasi:cli/terminal-stderr", Versions::Both, STDIO),
    ("wasi:cli/types", Versions::P3, Need::Nothing),
    ("wasi:clocks/monotonic-clock", Versions::Both, CLOCK),
    ("wasi:clocks/wall-clock", Versions::P2, CLOCK),
    ("wasi:clocks/system-clock", Versions::P3, CLOCK),
    ("wasi:clocks/types", Versions::P3, Need::Nothing),
    ("wasi:config/runtime", CONFIG_DRAFTS, CONFIG),
    ("wasi:config/store", CONFIG_DRAFTS, CONFIG),
    ("wasi:filesystem/preopens", Versions::Both, DIRECTORIES),
    ("wasi:filesystem/types", Versions::Both, Need::Nothing),
    ("wasi:http/client", Versions::P3, HTTP),
    ("wasi:http/outgoing-handler", Versions::P2, HTTP),
    ("wasi:http/types", Versions::Both, Need::Nothing),
    ("wasi:io/error", Versions::P2, Need::Nothing),
    ("wasi:io/poll", Versions::P2, Need::Nothing),
    ("wasi:io/streams", Versions::P2, Need::Nothing),
    ("wasi:keyvalue/atomics", KEYVALUE_DRAFTS, KEYVALUE),
    ("wasi:keyvalue/batch", KEYVALUE_DRAFTS, KEYVALUE),
    ("wasi:keyvalue/store", KEYVALUE_DRAFTS, KEYVALUE),
    ("wasi:logging/logging", LOGGING_DRAFTS, LOGGING),
    ("wasi:messaging/producer", MESSAGING_DRAFTS, MESSAGING),
    ("wasi:messaging/request-reply", MESSAGING_DRAFTS, MESSAGING),
    ("wasi:messaging/types", MESSAGING_DRAFTS, Need::Nothing),
    ("wasi:random/insecure", Versions::Both, RANDOM),
    ("wasi:random/insecure-seed", Versions::Both, RANDOM),
    ("wasi:random/random", Versions::Both, RANDOM),
    ("wasi:sockets/instance-network", Versions::P2, NETWORK),
    ("wasi:sockets/ip-name-lookup", Versions::Both, NETWORK),
    ("wasi:sockets/network", Versions::P2, Need::Nothing),
    ("wasi:sockets/tcp", Versions::P2, Need::Nothing),
    ("wasi:sockets/tcp-create-socket", Versions::P2, NETWORK),
    // In 0.3 sockets are made by the interface that also has their types, so it is never a matter of handles.
    ("wasi:sockets/types", Versions::P3, NETWORK),
    ("wasi:sockets/udp", Versions::P2, Need::Nothing),
    ("wasi:sockets/udp-create-socket", Versions::P2, NETWORK),
    ("wasmcloud:blobstore/blobstore", WASMCLOUD_BLOBSTORE, BLOBSTORE),
    (
        "wasmcloud:blobstore/container",
        WASMCLOUD_BLOBSTORE,
        Need::Nothing,
    ),
    ("wasmcloud:blobstore/types", WASMCLOUD_BLOBSTORE, Need::Nothing),
    ("wasmcloud:keyvalue/atomics", WASMCLOUD_KEYVALUE, KEYVALUE),
    ("wasmcloud:keyvalue/batch", WASMCLOUD_KEYVALUE, KEYVALUE),
    ("wasmcloud:keyvalue/cas", WASMCLOUD_KEYVALUE, KEYVALUE),
    ("wasmcloud:keyvalue/store", WASMCLOUD_KEYVALUE, KEYVALUE),
    ("wasmcloud:keyvalue/types", WASMCLOUD_KEYVALUE, Need::Nothing),
    ("wasmcloud:messaging/consumer", WASMCLOUD_MESSAGING, MESSAGING),
    ("wasmcloud:messaging/types", WASMCLOUD_MESSAGING, Need::Nothing),
    ("weft:sql/types", WEFT_SQL, SQL),
];

/// Whether the host offers an interface of this name.
pub(crate) fn offer(import: &str) -> Offer {
    let path = split_version(import).0;
    let Some((_, versions, need)) = OFFERED.iter().find(|(known, ..)| *known == path) else {
        return Offer::Unknown;
    };
    match version::of(import) {
        Some(version) if versions.hold(&version) => Offer::Offered(*need),
        None if split_version(import).1.is_none() && matches!(versions, Versions::DraftsOrNone(..)) => {
            Offer::Offered(*need)
        }
        _ => Offer::OtherVersions(versions.describe()),
    }
}

/// The line of a manifest that grants this kind, within `[component.NAME.grants]`.
pub(crate) fn grant_line(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Directories => "dir = [\"HOST::GUEST\"]",
        GrantKind::Environment => "env = { NAME = \"value\" }",
        GrantKind::Network => "tcp = [\"HOST:PORT\"]",
        GrantKind::Http => "http = [\"https://HOST\"]",
        GrantKind::Clock => "clock = \"real\"",
        GrantKind::Random => "random = \"real\"",
        GrantKind::Stdio => "stdio = \"all\"",
        GrantKind::Config => "config = { key = \"value\" }",
        GrantKind::KeyValue => "keyvalue = [\"STORE\"]",
        GrantKind::BlobStore => "blobstore = [\"STORE\"]",
        GrantKind::Messaging => "messaging = [\"QUEUE\"]",
        GrantKind::Sql => "sql = [\"DATABASE\"]",
        GrantKind::Logging => "logging = \"info\"",
    }
}

/// What a grant of this kind is about, in words.
pub(crate) fn describe(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Directories => "directories",
        GrantKind::Environment => "environment",
        GrantKind::Network => "network",
        GrantKind::Http => "outgoing HTTP",
        GrantKind::Clock => "clocks",
        GrantKind::Random => "randomness",
        GrantKind::Stdio => "standard streams",
        GrantKind::Config => "configuration",
        GrantKind::KeyValue => "keys and values",
        GrantKind::BlobStore => "objects",
        GrantKind::Messaging => "messages",
        GrantKind::Sql => "databases",
        GrantKind::Logging => "logging",
    }
}

/// Whether two components were granted the same of this kind.
pub(crate) fn same_grants(kind: GrantKind, one: &weft_app::Grants, other: &weft_app::Grants) -> bool {
    match kind {
        GrantKind::Directories => one.directories == other.directories,
        GrantKind::Environment => one.environment == other.environment,
        GrantKind::Network => one.network == other.network,
        GrantKind::Http => one.http == other.http,
        GrantKind::Clock => one.clock == other.clock,
        GrantKind::Random => one.random == other.random,
        GrantKind::Stdio => one.stdio == other.stdio,
        GrantKind::Config => one.config == other.config,
        GrantKind::KeyValue => one.keyvalue == other.keyvalue,
        GrantKind::BlobStore => one.blobstore == other.blobstore,
        GrantKind::Messaging => one.messaging == other.messaging,
        GrantKind::Sql => one.sql == other.sql,
        GrantKind::Logging => one.logging == other.logging,
    }
}

#[cfg(test)]
mod tests {
    use weft_inspect::Authority;

    use super::*;

    #[test]
    fn the_list_agrees_with_what_inspect_says_of_every_interface() {
        for (path, _, need) in OFFERED {
            let authority = Authority::of_interface(path);
            let expected = match authority {
                Authority::Filesystem => GrantKind::Directories,
                Authority::Environment => GrantKind::Environment,
                Authority::Sockets | Authority::NameLookup => GrantKind::Network,
                Authority::OutgoingHttp => GrantKind::Http,
                Authority::Clocks => GrantKind::Clock,
                Authority::Random => GrantKind::Random,
                Authority::Stdio | Authority::Terminal => GrantKind::Stdio,
                Authority::KeyValue => GrantKind::KeyValue,
                Authority::BlobStore => GrantKind::BlobStore,
                Authority::Messaging => GrantKind::Messaging,
                Authority::Sql => GrantKind::Sql,
                Authority::Logging => GrantKind::Logging,
                Authority::Service => GrantKind::Config,
                Authority::Harmless => {
                    assert_eq!(*need, Need::Nothing, "{path}");
                    continue;
                }
            };
            // Inspect lists what works on handles with the authority that hands the handles out.
            assert!(
                *need == Need::Grant(expected) || *need == Need::Nothing,
                "{path}: {need:?} {authority}"
            );
        }
    }

    #[test]
    fn versions_that_the_engine_does_not_know_are_told() {
        let offered = |name: &str| offer(name);
        assert_eq!(offered("wasi:cli/environment@0.2.0"), Offer::Offered(ENVIRONMENT));
        assert_eq!(offered("wasi:cli/environment@0.3.0"), Offer::Offered(ENVIRONMENT));
        assert_eq!(offered("wasi:sockets/types@0.3.0"), Offer::Offered(NETWORK));
        assert!(matches!(
            offered("wasi:cli/environment@0.2.13"),
            Offer::OtherVersions(_)
        ));
        assert!(matches!(
            offered("wasi:cli/environment@0.3.0-rc-1"),
            Offer::OtherVersions(_)
        ));
        assert!(matches!(
            offered("wasi:io/streams@0.3.0"),
            Offer::OtherVersions(_)
        ));
        assert!(matches!(offered("wasi:cli/environment"), Offer::OtherVersions(_)));
        assert_eq!(offered("wasi:logging/logging"), Offer::Offered(LOGGING));
        assert_eq!(
            offered("wasi:logging/logging@0.1.0-draft"),
            Offer::Offered(LOGGING)
        );
        assert!(matches!(
            offered("wasi:logging/logging@0.1.0"),
            Offer::OtherVersions(_)
        ));
        assert_eq!(offered("wasi:cli/surprise@0.2.0"), Offer::Unknown);
        assert_eq!(offered("evil:cli/environment@0.2.0"), Offer::Unknown);
    }
}
