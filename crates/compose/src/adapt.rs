//! Core modules of WASI preview 1, wrapped into components.
//!
//! The wrapper is the adapter that belongs to the engine's version. What comes out asks for interfaces of WASI
//! 0.2 like any other component, and is treated like one from there on.

use std::borrow::Cow;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use weft_inspect::contain::{Cause, contained};
use weft_inspect::kind::{self, Kind};
use weft_inspect::structure;
use weft_inspect::{bounds, validate};
use wit_component::ComponentEncoder;

/// Why some bytes cannot be part of an app.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are neither a component nor a core module.
    #[error("found {found}, expected a component or a core module of WASI preview 1")]
    Other {
        /// What they are.
        found: String,
    },
    /// The file is nested too deep or divided into too many pieces.
    #[error(transparent)]
    Bounds(#[from] bounds::Error),
    /// The module is malformed or invalid.
    #[error("the core module is not valid")]
    Invalid(#[from] validate::Error),
    /// The module does not read.
    #[error("the core module cannot be read")]
    Unreadable(#[from] structure::Error),
    /// The module is no command or reactor of preview 1.
    #[error("the core module cannot be made a component")]
    Encode(#[source] Cause),
}

/// The bytes as a component: as they are, or wrapped by the adapter of preview 1.
///
/// # Errors
/// They are neither a component nor a core module that the adapter fits.
pub fn component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    match kind::recognise(bytes) {
        Ok(Kind::Component) => Ok(Cow::Borrowed(bytes)),
        Ok(Kind::CoreModule) => wrap(bytes).map(Cow::Owned),
        Ok(other) => Err(Error::Other {
            found: format!("a {other}"),
        }),
        Err(error) => Err(Error::Other {
            found: error.found.to_string(),
        }),
    }
}

fn wrap(module: &[u8]) -> Result<Vec<u8>, Error> {
    bounds::check(module)?;
    validate::validate(module)?;
    let exports = structure::read(module)?.exports;
    // A command is entered at `_start`; a module without it is a library, and the other adapter is for those.
    let adapter = if exports.iter().any(|export| export.name == "_start") {
        WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    let encoded = contained(|| {
        ComponentEncoder::default()
            .validate(false)
            .module(module)
            .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
            .and_then(|mut encoder| encoder.encode())
            .map_err(Cause::from)
    });
    encoded.map_err(Error::Encode)
}
