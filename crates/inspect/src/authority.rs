//! Which authority an import carries, and which flag of `weft run` would grant it.
//!
//! A table, and nothing but a table: what an interface *could* let a guest do, judged by its name alone.
//! Interfaces that only work on handles are listed with the authority that hands those handles out.

use std::fmt;

use crate::description::Import;

/// What kind of power over the outside an import carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authority {
    /// Files and directories.
    Filesystem,
    /// Environment variables, arguments and the initial directory.
    Environment,
    /// TCP and UDP.
    Sockets,
    /// Looking up names of hosts.
    NameLookup,
    /// Sending HTTP requests.
    OutgoingHttp,
    /// Reading clocks and waiting.
    Clocks,
    /// Random numbers.
    Random,
    /// Standard input, output and error.
    Stdio,
    /// Finding out whether a standard stream is a terminal.
    Terminal,
    /// Keys with values that outlive the program.
    KeyValue,
    /// Objects that outlive the program.
    BlobStore,
    /// Messages to other programs.
    Messaging,
    /// Tables of databases.
    Sql,
    /// Lines for the log of the host.
    Logging,
    /// No power by itself: ending the program, streams, polling, the types of HTTP.
    Harmless,
    /// A service that is no part of these; nothing is known about its power.
    Service,
}

impl Authority {
    /// A short identifier for programs, such as `outgoing-http`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Filesystem => "filesystem",
            Self::Environment => "environment",
            Self::Sockets => "sockets",
            Self::NameLookup => "name-lookup",
            Self::OutgoingHttp => "outgoing-http",
            Self::Clocks => "clocks",
            Self::Random => "random",
            Self::Stdio => "stdio",
            Self::Terminal => "terminal",
            Self::KeyValue => "keyvalue",
            Self::BlobStore => "blobstore",
            Self::Messaging => "messaging",
            Self::Sql => "sql",
            Self::Logging => "logging",
            Self::Harmless => "harmless",
            Self::Service => "service",
        }
    }

    /// What an interface could let a component do, judged by its name, such as `wasi:cli/stdin@0.2.3`.
    #[must_use]
    pub fn of_interface(name: &str) -> Self {
        of_interface(name).0
    }

    /// Whether `weft run` grants this without being asked.
    #[must_use]
    pub fn is_granted_by_default(self) -> bool {
        matches!(
            self,
            Self::Clocks | Self::Random | Self::Stdio | Self::Terminal | Self::Logging | Self::Harmless
        )
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Filesystem => "files and directories",
            Self::Environment => "environment and arguments",
            Self::Sockets => "sockets",
            Self::NameLookup => "name lookup",
            Self::OutgoingHttp => "outgoing HTTP",
            Self::Clocks => "clocks",
            Self::Random => "randomness",
            Self::Stdio => "standard streams",
            Self::Terminal => "terminal",
            Self::KeyValue => "keys and values",
            Self::BlobStore => "objects in containers",
            Self::Messaging => "messages",
            Self::Sql => "databases",
            Self::Logging => "logging",
            Self::Harmless => "handles without power",
            Self::Service => "services",
        })
    }
}

/// The imports that carry one authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The authority.
    pub authority: Authority,
    /// The package that names the service, such as `wasi:keyvalue`; only for [`Authority::Service`].
    pub service: Option<String>,
    /// The flags of `weft run` that decide about it, with placeholders as in its help; empty where nothing
    /// needs to be granted, and for services, which no flag grants.
    pub flags: Vec<&'static str>,
    /// The imports, in the order of the file.
    pub imports: Vec<Import>,
}

/// An authority and the flags that grant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need(pub(crate) Authority, pub(crate) &'static [&'static str]);

const DIRECTORY: &[&str] = &["--dir HOST[::GUEST][:rw]"];
const VARIABLE: &[&str] = &["--env NAME=VALUE"];
const TCP: &[&str] = &["--tcp HOST[:PORT]", "--tcp-listen ADDRESS[:PORT]"];
const UDP: &[&str] = &["--udp HOST[:PORT]", "--udp-listen ADDRESS[:PORT]"];
const SOCKETS: &[&str] = &[
    "--tcp HOST[:PORT]",
    "--tcp-listen ADDRESS[:PORT]",
    "--udp HOST[:PORT]",
    "--udp-listen ADDRESS[:PORT]",
];
const NAMES: &[&str] = &["--dns NAME"];
const ORIGIN: &[&str] = &["--http ORIGIN"];
const CLOCK: &[&str] = &["--clock CLOCK"];
const RANDOM: &[&str] = &["--random RANDOM"];
const BUCKET: &[&str] = &["--keyvalue NAME[:ro]=WHERE"];
const CONTAINER: &[&str] = &["--blobstore NAME[:ro]=WHERE"];
const DATABASE: &[&str] = &["--sql NAME[:ro]=WHERE"];
const LEVEL: &[&str] = &["--logging LEVEL"];
const STDIO: &[&str] = &["--stdio STREAMS"];

/// Judges an import of a component by the name of its interface, such as `wasi:cli/stdin@0.2.3`.
pub(crate) fn of_interface(name: &str) -> Need {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let (package, interface) = name.split_once('/').unwrap_or((name, ""));
    match (package, interface) {
        ("wasi:filesystem", _) => Need(Authority::Filesystem, DIRECTORY),
        ("wasi:cli", "environment") => Need(Authority::Environment, VARIABLE),
        ("wasi:cli", "stdin" | "stdout" | "stderr") => Need(Authority::Stdio, STDIO),
        (
            "wasi:cli",
            "terminal-input" | "terminal-output" | "terminal-stdin" | "terminal-stdout" | "terminal-stderr",
        ) => Need(Authority::Terminal, &[]),
        ("wasi:cli", "exit" | "types") => Need(Authority::Harmless, &[]),
        ("wasi:sockets", "ip-name-lookup") => Need(Authority::NameLookup, NAMES),
        ("wasi:sockets", "tcp" | "tcp-create-socket") => Need(Authority::Sockets, TCP),
        ("wasi:sockets", "udp" | "udp-create-socket") => Need(Authority::Sockets, UDP),
        ("wasi:sockets", _) => Need(Authority::Sockets, SOCKETS),
        ("wasi:http", "outgoing-handler" | "client" | "handler") => Need(Authority::OutgoingHttp, ORIGIN),
        ("wasi:http", "types") | ("wasi:io", "error" | "poll" | "streams") => Need(Authority::Harmless, &[]),
        ("wasi:clocks", _) => Need(Authority::Clocks, CLOCK),
        ("wasi:keyvalue", "store" | "atomics" | "batch")
        | ("wasmcloud:keyvalue", "store" | "atomics" | "batch" | "cas")
        | ("fermyon:spin" | "spin:key-value", "key-value") => Need(Authority::KeyValue, BUCKET),
        ("wasmcloud:keyvalue", "types") => Need(Authority::Harmless, &[]),
        ("wasi:blobstore" | "wasmcloud:blobstore", "blobstore") => Need(Authority::BlobStore, CONTAINER),
        ("wasi:blobstore" | "wasmcloud:blobstore", "container" | "types") => Need(Authority::Harmless, &[]),
        ("wasi:messaging", "producer" | "request-reply") | ("wasmcloud:messaging", "consumer") => {
            Need(Authority::Messaging, &[])
        }
        ("wasi:messaging" | "wasmcloud:messaging", "types") => Need(Authority::Harmless, &[]),
        ("fermyon:spin" | "spin:sqlite", "sqlite")
        | ("fermyon:spin" | "spin:postgres", "postgres")
        | ("weft:sql", "types") => Need(Authority::Sql, DATABASE),
        ("fermyon:spin", "rdbms-types") => Need(Authority::Harmless, &[]),
        ("wasi:logging", "logging") => Need(Authority::Logging, LEVEL),
        ("wasi:random", _) => Need(Authority::Random, RANDOM),
        _ => Need(Authority::Service, &[]),
    }
}

/// Judges an import of a core module: functions of preview 1, and those of interfaces in modules that are to
/// become components. Everything else is a service of its module.
///
/// A descriptor may be a standard stream or a file. Functions that a program needs to print a line count as
/// standard streams; those that only make sense on files count as files.
pub(crate) fn of_function(module: &str, name: &str) -> Need {
    if !matches!(module, "wasi_snapshot_preview1" | "wasi_unstable") {
        return of_interface(module);
    }
    match name {
        "fd_read"
        | "fd_write"
        | "fd_close"
        | "fd_seek"
        | "fd_tell"
        | "fd_renumber"
        | "fd_fdstat_get"
        | "fd_fdstat_set_flags"
        | "fd_fdstat_set_rights" => Need(Authority::Stdio, STDIO),
        "args_get" | "args_sizes_get" | "environ_get" | "environ_sizes_get" => {
            Need(Authority::Environment, VARIABLE)
        }
        "clock_res_get" | "clock_time_get" | "poll_oneoff" => Need(Authority::Clocks, CLOCK),
        "random_get" => Need(Authority::Random, RANDOM),
        "proc_exit" | "proc_raise" | "sched_yield" => Need(Authority::Harmless, &[]),
        _ if name.starts_with("sock_") => Need(Authority::Sockets, SOCKETS),
        _ if name.starts_with("fd_") || name.starts_with("path_") => Need(Authority::Filesystem, DIRECTORY),
        _ => Need(Authority::Service, &[]),
    }
}

/// Puts imports into groups, in the order of [`Authority`]; services are grouped by package.
pub(crate) fn group(imports: Vec<(Need, Import)>) -> Vec<Group> {
    let mut groups = std::collections::BTreeMap::new();
    for (Need(authority, flags), import) in imports {
        let service = (authority == Authority::Service).then(|| service_name(&import));
        let group = groups
            .entry((authority, service.clone()))
            .or_insert_with(|| Group {
                authority,
                service,
                flags: Vec::new(),
                imports: Vec::new(),
            });
        for flag in flags {
            if !group.flags.contains(flag) {
                group.flags.push(flag);
            }
        }
        group.imports.push(import);
    }
    groups.into_values().collect()
}

/// The package of an interface, the module of a core import, or the name itself where there is neither.
fn service_name(import: &Import) -> String {
    if let Some(module) = &import.module {
        return module.clone();
    }
    let name = import
        .name
        .split_once('@')
        .map_or(import.name.as_str(), |(name, _)| name);
    name.split_once('/')
        .map_or(name, |(package, _)| package)
        .to_owned()
}
