//! What a file is made to be: a command, something that answers HTTP, a library.

use std::fmt;

use crate::kind::Kind;
use crate::structure::{Item, Structure};

/// What a file is made to be, judged by what it imports and exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A component that runs and ends: it exports `wasi:cli/run`.
    Command {
        /// The version of the interface, such as `0.2.3`.
        version: String,
    },
    /// A component that answers HTTP requests through `wasi:http/incoming-handler`.
    HttpProxy {
        /// The version of the interface.
        version: String,
    },
    /// A component that answers HTTP requests through `wasi:http/handler`.
    HttpService {
        /// The version of the interface.
        version: String,
    },
    /// A component with other exports, to be called or composed.
    Library,
    /// A WIT package in binary form: types without code.
    WitPackage,
    /// A core module of WASI preview 1 with a `_start` function.
    PreviewOneCommand,
    /// A core module of WASI preview 1 without `_start`, whose functions are called.
    PreviewOneReactor,
    /// A core module that imports nothing.
    BareModule,
    /// A core module that imports things which are no part of WASI.
    ForeignModule,
}

impl Role {
    /// A short identifier for programs, such as `http-proxy`.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Command { .. } => "command",
            Self::HttpProxy { .. } => "http-proxy",
            Self::HttpService { .. } => "http-service",
            Self::Library => "library",
            Self::WitPackage => "wit-package",
            Self::PreviewOneCommand => "preview1-command",
            Self::PreviewOneReactor => "preview1-reactor",
            Self::BareModule => "bare-module",
            Self::ForeignModule => "foreign-module",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { version } => write!(out, "command of WASI {version}"),
            Self::HttpProxy { version } => write!(out, "HTTP proxy of WASI {version}"),
            Self::HttpService { version } => write!(out, "HTTP service of WASI {version}"),
            Self::Library => out.write_str("library"),
            Self::WitPackage => out.write_str("WIT package"),
            Self::PreviewOneCommand => out.write_str("command of WASI preview 1"),
            Self::PreviewOneReactor => out.write_str("reactor of WASI preview 1"),
            Self::BareModule => out.write_str("module without imports"),
            Self::ForeignModule => out.write_str("module with imports from outside WASI"),
        }
    }
}

/// Judges a file. A component can play several roles at once; a file always has at least one.
pub(crate) fn of(kind: Kind, structure: &Structure, is_wit_package: bool) -> Vec<Role> {
    if kind == Kind::CoreModule {
        return vec![of_module(structure)];
    }
    if is_wit_package {
        return vec![Role::WitPackage];
    }
    let mut roles: Vec<Role> = structure.exports.iter().filter_map(of_export).collect();
    if roles.is_empty() {
        roles.push(Role::Library);
    }
    roles
}

fn of_export(export: &Item) -> Option<Role> {
    let (name, version) = export.name.split_once('@')?;
    let version = version.to_owned();
    match name {
        "wasi:cli/run" => Some(Role::Command { version }),
        "wasi:http/incoming-handler" => Some(Role::HttpProxy { version }),
        "wasi:http/handler" => Some(Role::HttpService { version }),
        _ => None,
    }
}

fn of_module(structure: &Structure) -> Role {
    if structure.imports.is_empty() {
        return Role::BareModule;
    }
    let is_preview_one =
        |import: &Item| matches!(import.module.as_str(), "wasi_snapshot_preview1" | "wasi_unstable");
    if !structure.imports.iter().all(is_preview_one) {
        return Role::ForeignModule;
    }
    if structure
        .exports
        .iter()
        .any(|export| export.kind == "func" && export.name == "_start")
    {
        Role::PreviewOneCommand
    } else {
        Role::PreviewOneReactor
    }
}
