//! `wasi:config`: the configuration values that a component was granted.
//!
//! The interface is a draft with several versions of one shape, and had the name `runtime` before it was called
//! `store`. Values are fixed before the run, so nothing fails.

use wasmtime::component::{ComponentType, LinkerInstance, Lower};

use super::slot::Slot;
use crate::cell::Cell;

/// The error of the interface, which never happens here.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
#[expect(dead_code, reason = "the type of the functions names both cases")]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

/// Whether this is a name of the interface.
pub(super) fn is_name(path: &str) -> bool {
    matches!(path, "wasi:config/store" | "wasi:config/runtime")
}

/// Registers the interface.
pub(super) fn add_to_instance(instance: &mut LinkerInstance<'_, Cell>, slot: &Slot) -> wasmtime::Result<()> {
    let values = slot.config;
    instance.func_wrap("get", move |mut store, (key,): (String,)| {
        let values = &values(store.data_mut()).values;
        let value = values.iter().find(|(known, _)| *known == key);
        Ok((Ok::<_, Error>(value.map(|(_, value)| value.reveal().to_owned())),))
    })?;
    instance.func_wrap("get-all", move |mut store, (): ()| {
        let values = &values(store.data_mut()).values;
        let revealed = values
            .iter()
            .map(|(key, value)| (key.clone(), value.reveal().to_owned()));
        Ok((Ok::<_, Error>(revealed.collect::<Vec<_>>()),))
    })
}
