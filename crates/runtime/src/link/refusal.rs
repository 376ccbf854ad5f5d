//! Refusals: host functions that say no in place of those that are not granted.

use std::future::Future;

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{LinkerInstance, Resource, ResourceType};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};
use weft_app::Grants;
use weft_app::grant::{ClockGrant, RandomGrant};

use super::interfaces::{Provided, Release};
use crate::cell::Cell;
use crate::denial::{Denial, DenialLog};

/// What one principal is refused although its interface is linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Refusals {
    pub(super) directories: bool,
    pub(super) clock: bool,
    pub(super) random: bool,
}

impl Refusals {
    pub(crate) fn of(grants: &Grants) -> Self {
        Self {
            directories: grants.directories.is_empty(),
            clock: grants.clock == ClockGrant::None,
            random: grants.random == RandomGrant::None,
        }
    }
}

pub(super) fn no_directory(interface: &'static str) -> Denial {
    Denial {
        interface: interface.into(),
        attempted: "look for directories; none is granted".to_owned(),
        flag: "--dir HOST::GUEST".to_owned(),
    }
}

pub(super) fn no_clock(interface: &'static str) -> Denial {
    Denial {
        interface: interface.into(),
        attempted: "read a clock".to_owned(),
        flag: "--clock real".to_owned(),
    }
}

pub(super) fn no_random(interface: &'static str) -> Denial {
    Denial {
        interface: interface.into(),
        attempted: "get random numbers".to_owned(),
        flag: "--random real".to_owned(),
    }
}

/// The error that ends a guest which uses something that has no error of its own to say no with.
#[derive(Debug, thiserror::Error)]
#[error("`{interface}` is not granted")]
pub(crate) struct NotGranted {
    interface: String,
}

/// Replaces the functions of an interface that a principal is refused, in an instance that has them already.
pub(super) fn refuse(
    instance: &mut LinkerInstance<'_, Cell>,
    provided: &Provided,
    principal: usize,
    refusals: Refusals,
) -> wasmtime::Result<()> {
    let path = provided.path;
    let mut deny = |functions: &[&str], denial| deny_functions(instance, path, principal, functions, denial);
    match path {
        "wasi:filesystem/preopens" if refusals.directories => note_missing_directories(instance, principal),
        "wasi:clocks/wall-clock" | "wasi:clocks/system-clock" if refusals.clock => deny(&["now"], no_clock),
        "wasi:clocks/monotonic-clock" if refusals.clock => {
            deny(&["now"], no_clock)?;
            match provided.release {
                Release::P2 => deny(&["subscribe-instant", "subscribe-duration"], no_clock),
                _ => deny_waits(instance, path, principal, &["wait-until", "wait-for"]),
            }
        }
        "wasi:random/random" if refusals.random => deny(&["get-random-bytes", "get-random-u64"], no_random),
        "wasi:random/insecure" if refusals.random => deny(
            &["get-insecure-random-bytes", "get-insecure-random-u64"],
            no_random,
        ),
        "wasi:random/insecure-seed" if refusals.random => match provided.release {
            Release::P2 => deny(&["insecure-seed"], no_random),
            _ => deny(&["get-insecure-seed"], no_random),
        },
        _ => Ok(()),
    }
}

/// Answers as the real function does when there are no directories, and notes that they were looked for:
/// a guest that fails afterwards most likely fails for that.
fn note_missing_directories(
    preopens: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    preopens.func_wrap("get-directories", move |mut store, (): ()| {
        let denial = no_directory("wasi:filesystem/preopens");
        store.data_mut().principal(principal).0.denials.record(denial);
        Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
    })
}

fn deny_functions(
    instance: &mut LinkerInstance<'_, Cell>,
    interface: &'static str,
    principal: usize,
    functions: &[&str],
    denial: fn(&'static str) -> Denial,
) -> wasmtime::Result<()> {
    for function in functions {
        instance.func_new(function, move |mut store, _, _, _| {
            store
                .data_mut()
                .principal(principal)
                .0
                .denials
                .record(denial(interface));
            Err(not_granted(interface))
        })?;
    }
    Ok(())
}

/// The waits of WASI 0.3 are asynchronous functions and need asynchronous replacements.
fn deny_waits(
    instance: &mut LinkerInstance<'_, Cell>,
    interface: &'static str,
    principal: usize,
    functions: &[&str],
) -> wasmtime::Result<()> {
    for function in functions {
        instance.func_new_concurrent(function, move |accessor, _, _, _| {
            accessor.with(|mut access| {
                access
                    .get()
                    .principal(principal)
                    .0
                    .denials
                    .record(no_clock(interface))
            });
            Box::pin(async move { Err(not_granted(interface)) })
        })?;
    }
    Ok(())
}

fn not_granted(interface: &str) -> wasmtime::Error {
    NotGranted {
        interface: interface.to_owned(),
    }
    .into()
}

/// Stands for the resources of an interface that nothing provides.
struct Absent;

/// Fills an instance so that a component which imports the interface starts, and ends when it uses it.
/// `provided`: the instance has its resources already, since other interfaces may use them.
pub(super) fn refuse_all(
    instance: &mut LinkerInstance<'_, Cell>,
    engine: &wasmtime::Engine,
    item: &ComponentItem,
    interface: &str,
    principal: usize,
    provided: bool,
) -> wasmtime::Result<()> {
    let ComponentItem::ComponentInstance(wanted) = item else {
        wasmtime::bail!("the import of `{interface}` is not an instance");
    };
    for (name, item) in wanted.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(function) => {
                refuse_function(instance, name, &function, interface, principal)?
            }
            ComponentItem::Resource(_) if !provided => {
                instance.resource(name, ResourceType::host::<Absent>(), |_, _| Ok(()))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn refuse_function(
    instance: &mut LinkerInstance<'_, Cell>,
    name: &str,
    function: &ComponentFunc,
    interface: &str,
    principal: usize,
) -> wasmtime::Result<()> {
    let interface = interface.to_owned();
    let denial = Denial {
        interface: interface.clone().into(),
        attempted: format!("call `{name}`"),
        flag: String::new(),
    };
    if function.async_() {
        instance.func_new_concurrent(name, move |accessor, _, _, _| {
            let denial = denial.clone();
            accessor.with(|mut access| access.get().principal(principal).0.denials.record(denial));
            let error = not_granted(&interface);
            Box::pin(async move { Err(error) })
        })
    } else {
        instance.func_new(name, move |mut store, _, _, _| {
            store
                .data_mut()
                .principal(principal)
                .0
                .denials
                .record(denial.clone());
            Err(not_granted(&interface))
        })
    }
}

type Exchange = Box<dyn Future<Output = Result<(), Error>> + Send>;
type SendRequest = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Exchange), Error>> + Send>;

/// Outgoing HTTP where none is granted: every request is refused with the interface's own error.
#[derive(Debug)]
pub(crate) struct DenyHttp(pub(crate) DenialLog);

impl WasiHttpHooks for DenyHttp {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Exchange,
    ) -> SendRequest {
        let uri = request.uri();
        let origin = format!(
            "{}://{}",
            uri.scheme_str().unwrap_or("http"),
            uri.authority().map_or("", |a| a.as_str())
        );
        self.0.record(Denial {
            interface: "wasi:http".into(),
            attempted: format!("send a request to `{origin}`"),
            flag: format!("--http {origin}"),
        });
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
