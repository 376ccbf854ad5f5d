//! The border to the guest.

mod wasi;
mod wasmcloud;
mod wasmcloud_async;

use std::fmt;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Lower};
use wasmtime_wasi::ResourceTable;
use weft_runtime::{Cell, ServiceInterface};

use super::{Messaging, Refusal};

pub(super) use wasmcloud::BrokerMessage;
pub(super) use wasmcloud_async::{BrokerMessage as StreamedMessage, HandleMessageError};

/// Every interface.
pub(super) const INTERFACES: &[ServiceInterface] = &[
    ServiceInterface::new("wasi:messaging/types@0.2.0-draft", wasi::types),
    ServiceInterface::new("wasi:messaging/producer@0.2.0-draft", wasi::producer),
    ServiceInterface::new("wasi:messaging/request-reply@0.2.0-draft", wasi::request_reply),
    ServiceInterface::new("wasmcloud:messaging/types@0.2.0", wasmcloud::types),
    ServiceInterface::new("wasmcloud:messaging/consumer@0.2.0", wasmcloud::consumer),
    ServiceInterface::new("wasmcloud:messaging/types@0.3.0", wasmcloud::types),
    ServiceInterface::new("wasmcloud:messaging/consumer@0.3.0", wasmcloud::types)
        .with_async(wasmcloud_async::consumer),
];

/// The variant `error`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
pub(super) enum Error {
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "connection")]
    Connection(String),
    #[component(name = "permission-denied")]
    PermissionDenied(String),
    #[component(name = "other")]
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => out.write_str("timeout"),
            Self::Connection(why) => write!(out, "connection: {why}"),
            Self::PermissionDenied(why) => write!(out, "permission denied: {why}"),
            Self::Other(why) => out.write_str(why),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(why) => Self::PermissionDenied(why),
            Refusal::Timeout => Self::Timeout,
            Refusal::Connection(why) => Self::Connection(why),
            Refusal::Subject(why) | Refusal::TooLarge(why) | Refusal::Full(why) | Refusal::Other(why) => {
                Self::Other(why)
            }
        }
    }
}

type Guest<'a> = StoreContextMut<'a, Cell>;

fn service<'a>(
    store: &'a mut Guest<'_>,
    principal: usize,
) -> wasmtime::Result<(&'a Messaging, &'a mut ResourceTable)> {
    let found = store.data_mut().service::<Messaging>(principal);
    found.ok_or_else(|| wasmtime::format_err!("component {principal} has no messaging service"))
}

fn table<'a>(store: &'a mut Guest<'_>, principal: usize) -> wasmtime::Result<&'a mut ResourceTable> {
    Ok(service(store, principal)?.1)
}
