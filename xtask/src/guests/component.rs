//! Components made of commands of preview 1.

use std::path::Path;

use anyhow::{Context as _, Result};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wit_component::ComponentEncoder;

/// Turns the core module in a file into the component that the preview 1 adapter makes of it.
pub(super) fn adapt(file: &Path) -> Result<()> {
    let module = fs_err::read(file)?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| {
            encoder.adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
            )
        })
        .and_then(|mut encoder| encoder.encode())
        .context("cannot make a component of the module")?;
    fs_err::write(file, component)?;
    Ok(())
}
