//! The only `unsafe` of the workspace: turning bytes that claim to be machine code into code that runs.
//!
//! [`crate::program`] is the only caller. The engine checks its own version and settings in an artifact's
//! header; it cannot check the code. So an artifact may come here only after somebody proved that Weft made
//! it: [`crate::cache`] by the hash under which it stored it, [`crate::seal`] by the key of this machine.
#![allow(
    unsafe_code,
    reason = "loading precompiled code is unsafe by nature; see the module's contract"
)]

use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// Proof that the bytes or the file were written by Weft and not changed since. Made only by the two modules
/// that check exactly that.
#[derive(Debug)]
pub(crate) struct Vouched(());

impl Vouched {
    /// The caller has just compared the content with a hash or a seal made when Weft wrote it.
    pub(crate) fn checked() -> Self {
        Self(())
    }
}

pub(crate) fn component(engine: &Engine, bytes: &[u8], _: &Vouched) -> wasmtime::Result<Component> {
    // SAFETY: `Vouched` says that Weft itself made these bytes with `Engine::precompile_component`.
    unsafe { Component::deserialize(engine, bytes) }
}

pub(crate) fn module(engine: &Engine, bytes: &[u8], _: &Vouched) -> wasmtime::Result<Module> {
    // SAFETY: as in `component`.
    unsafe { Module::deserialize(engine, bytes) }
}

pub(crate) fn component_file(engine: &Engine, path: &Path, _: &Vouched) -> wasmtime::Result<Component> {
    // SAFETY: as in `component`; the file lies in the user's own cache folder, which others cannot write.
    unsafe { Component::deserialize_file(engine, path) }
}

pub(crate) fn module_file(engine: &Engine, path: &Path, _: &Vouched) -> wasmtime::Result<Module> {
    // SAFETY: as in `component_file`.
    unsafe { Module::deserialize_file(engine, path) }
}
