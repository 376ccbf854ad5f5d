//! Linking: which host functions a guest finds under which names.
//!
//! Interfaces of WASI are always there, so that programs which import what they never use still start; what
//! is not granted is refused inside, by the interface's own error where it has one. Interfaces outside WASI
//! are not provided here, and a program that imports one does not start.

use std::future::Future;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, Resource};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};
use weft_app::Grants;
use weft_app::grant::{ClockGrant, RandomGrant};

use crate::cell::Cell;
use crate::denial::{Denial, DenialLog};
use crate::engine::{Concurrency, Engine};
use crate::error::SetupError;
use crate::network;

/// The versions under which the engine's crates register WASI; guests of every 0.2 and 0.3 release match.
const P2: &str = "0.2.12";
const P3: &str = "0.3.0";

/// A linker for components.
pub(crate) fn components(engine: &Engine, grants: &Grants) -> Result<Linker<Cell>, SetupError> {
    let mut linker = Linker::new(engine.wasmtime());
    link_components(&mut linker, engine.profile().concurrency(), grants)
        .map_err(|error| SetupError::Link(error.into()))?;
    Ok(linker)
}

fn link_components(
    linker: &mut Linker<Cell>,
    concurrency: Concurrency,
    grants: &Grants,
) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    network::host::p2::add_to_linker(linker, Cell::name_lookup)?;
    if grants.directories.is_empty() {
        note_missing_directories(&mut linker.instance(&format!("wasi:filesystem/preopens@{P2}"))?)?;
    }
    deny(linker, P2, grants)?;
    if concurrency == Concurrency::On {
        linker.allow_shadowing(false);
        wasmtime_wasi::p3::add_to_linker(linker)?;
        wasmtime_wasi_http::p3::add_to_linker(linker)?;
        linker.allow_shadowing(true);
        network::host::p3::add_to_linker(linker, Cell::name_lookup)?;
        if grants.directories.is_empty() {
            note_missing_directories(&mut linker.instance(&format!("wasi:filesystem/preopens@{P3}"))?)?;
        }
        deny(linker, P3, grants)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// A linker for core modules.
pub(crate) fn modules(engine: &Engine, grants: &Grants) -> Result<wasmtime::Linker<Cell>, SetupError> {
    let mut linker = wasmtime::Linker::new(engine.wasmtime());
    link_modules(&mut linker, grants).map_err(|error| SetupError::Link(error.into()))?;
    Ok(linker)
}

const P1_NAMES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];
/// `errno.badf` and `errno.notcapable` of preview 1.
const BAD_FILE_DESCRIPTOR: i32 = 8;
const NOT_CAPABLE: i32 = 76;

fn link_modules(linker: &mut wasmtime::Linker<Cell>, grants: &Grants) -> wasmtime::Result<()> {
    wasmtime_wasi::p1::add_to_linker_async(linker, |cell: &mut Cell| &mut cell.wasi)?;
    wasmtime_wasi::p0::add_to_linker_async(linker, |cell: &mut Cell| &mut cell.wasi)?;
    linker.allow_shadowing(true);
    for name in P1_NAMES {
        if grants.directories.is_empty() {
            linker.func_wrap(
                name,
                "fd_prestat_get",
                |mut caller: wasmtime::Caller<'_, Cell>, _: i32, _: i32| {
                    caller
                        .data_mut()
                        .denials
                        .record(no_directory("wasi_snapshot_preview1"));
                    BAD_FILE_DESCRIPTOR
                },
            )?;
        }
        if grants.clock == ClockGrant::None {
            linker.func_wrap(
                name,
                "clock_time_get",
                |mut caller: wasmtime::Caller<'_, Cell>, _: i32, _: i64, _: i32| {
                    caller
                        .data_mut()
                        .denials
                        .record(no_clock("wasi_snapshot_preview1"));
                    NOT_CAPABLE
                },
            )?;
        }
        if grants.random == RandomGrant::None {
            linker.func_wrap(
                name,
                "random_get",
                |mut caller: wasmtime::Caller<'_, Cell>, _: i32, _: i32| {
                    caller
                        .data_mut()
                        .denials
                        .record(no_random("wasi_snapshot_preview1"));
                    NOT_CAPABLE
                },
            )?;
        }
    }
    linker.allow_shadowing(false);
    Ok(())
}

fn no_directory(interface: &'static str) -> Denial {
    Denial {
        interface,
        attempted: "look for directories; none is granted".to_owned(),
        flag: "--dir HOST::GUEST".to_owned(),
    }
}

fn no_clock(interface: &'static str) -> Denial {
    Denial {
        interface,
        attempted: "read a clock".to_owned(),
        flag: "--clock real".to_owned(),
    }
}

fn no_random(interface: &'static str) -> Denial {
    Denial {
        interface,
        attempted: "get random numbers".to_owned(),
        flag: "--random real".to_owned(),
    }
}

/// Answers as the real function does when there are no directories, and notes that they were looked for:
/// a guest that fails afterwards most likely fails for that.
fn note_missing_directories(preopens: &mut LinkerInstance<'_, Cell>) -> wasmtime::Result<()> {
    preopens.func_wrap("get-directories", |mut store, (): ()| {
        store
            .data_mut()
            .denials
            .record(no_directory("wasi:filesystem/preopens"));
        Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
    })
}

/// The error that ends a guest which uses something that has no error of its own to say no with.
#[derive(Debug, thiserror::Error)]
#[error("`{interface}` is not granted")]
pub(crate) struct NotGranted {
    interface: String,
}

/// Replaces the functions of clocks and randomness that are not granted. Their interfaces know no errors, so
/// using them ends the guest.
fn deny(linker: &mut Linker<Cell>, version: &str, grants: &Grants) -> wasmtime::Result<()> {
    if grants.clock == ClockGrant::None {
        let (wall, waits): (&str, &[&str]) = match version {
            P2 => (
                "wasi:clocks/wall-clock",
                &["subscribe-instant", "subscribe-duration"],
            ),
            _ => ("wasi:clocks/system-clock", &["wait-until", "wait-for"]),
        };
        deny_functions(linker, wall, version, &["now"], no_clock)?;
        deny_functions(linker, "wasi:clocks/monotonic-clock", version, &["now"], no_clock)?;
        if version == P2 {
            deny_functions(linker, "wasi:clocks/monotonic-clock", version, waits, no_clock)?;
        } else {
            deny_waits(linker, version, waits)?;
        }
    }
    if grants.random == RandomGrant::None {
        let seed = if version == P2 {
            "insecure-seed"
        } else {
            "get-insecure-seed"
        };
        let insecure = ["get-insecure-random-bytes", "get-insecure-random-u64"];
        deny_functions(
            linker,
            "wasi:random/random",
            version,
            &["get-random-bytes", "get-random-u64"],
            no_random,
        )?;
        deny_functions(linker, "wasi:random/insecure", version, &insecure, no_random)?;
        deny_functions(linker, "wasi:random/insecure-seed", version, &[seed], no_random)?;
    }
    Ok(())
}

fn deny_functions(
    linker: &mut Linker<Cell>,
    interface: &'static str,
    version: &str,
    functions: &[&str],
    denial: fn(&'static str) -> Denial,
) -> wasmtime::Result<()> {
    let mut instance = linker.instance(&format!("{interface}@{version}"))?;
    for function in functions {
        instance.func_new(function, move |mut store, _, _, _| {
            store.data_mut().denials.record(denial(interface));
            Err(NotGranted {
                interface: interface.to_owned(),
            }
            .into())
        })?;
    }
    Ok(())
}

/// The waits of WASI 0.3 are asynchronous functions and need asynchronous replacements.
fn deny_waits(linker: &mut Linker<Cell>, version: &str, functions: &[&str]) -> wasmtime::Result<()> {
    let interface = "wasi:clocks/monotonic-clock";
    let mut instance = linker.instance(&format!("{interface}@{version}"))?;
    for function in functions {
        instance.func_new_concurrent(function, move |accessor, _, _, _| {
            accessor.with(|mut access| access.get().denials.record(no_clock(interface)));
            Box::pin(async move {
                Err(NotGranted {
                    interface: interface.to_owned(),
                }
                .into())
            })
        })?;
    }
    Ok(())
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
            interface: "wasi:http",
            attempted: format!("send a request to `{origin}`"),
            flag: format!("--http {origin}"),
        });
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

/// Names of a component's imports that nothing here provides. What holds only types needs no provider.
pub(crate) fn missing(component: &Component, engine: &Engine) -> Vec<String> {
    let (ty, wasmtime) = (component.component_type(), engine.wasmtime());
    ty.imports(wasmtime)
        .filter(|(name, item)| {
            !is_provided(name, engine.profile().concurrency()) && !holds_only_types(&item.ty, wasmtime)
        })
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn holds_only_types(item: &ComponentItem, engine: &wasmtime::Engine) -> bool {
    match item {
        ComponentItem::Type(_) => true,
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .all(|(_, item)| holds_only_types(&item.ty, engine)),
        _ => false,
    }
}

fn is_provided(name: &str, concurrency: Concurrency) -> bool {
    const PACKAGES: [&str; 7] = [
        "wasi:io/",
        "wasi:cli/",
        "wasi:clocks/",
        "wasi:filesystem/",
        "wasi:random/",
        "wasi:sockets/",
        "wasi:http/",
    ];
    let known = PACKAGES.iter().any(|package| name.starts_with(package));
    let version = name.rsplit_once('@').map_or("", |(_, version)| version);
    let release = |track: &str| version.starts_with(track) && !version.contains('-');
    known && (release("0.2.") || (release("0.3.") && concurrency == Concurrency::On))
}
