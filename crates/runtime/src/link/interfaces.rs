//! Every interface that Weft provides, and how it is registered for one principal.
//!
//! Adding an interface: one line in the table of its version, and its refusals in [`super::refusal`].

use wasmtime::component::{HasData, LinkerInstance, ResourceTable};
use wasmtime_wasi::cli::WasiCli;
use wasmtime_wasi::clocks::WasiClocks;
use wasmtime_wasi::filesystem::WasiFilesystem;
use wasmtime_wasi::p2::bindings::{LinkOptions, cli, clocks, filesystem, random, sockets};
use wasmtime_wasi::p3::bindings as p3;
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::WasiSockets;
use wasmtime_wasi_http::WasiHttp;
use wasmtime_wasi_http::p2::bindings as http_p2;
use wasmtime_wasi_http::p3::bindings as http_p3;
use wasmtime_wasi_io::bindings::wasi::io;

use super::config;
use super::slot::Slot;
use crate::cell::Cell;
use crate::engine::Concurrency;
use crate::network::host;
use crate::service::{RegisterService, ServiceInterface};

/// Registers one interface in an instance of the linker.
pub(super) type Register = fn(&mut LinkerInstance<'_, Cell>, &Slot) -> wasmtime::Result<()>;

/// The releases of WASI that components import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    P2,
    P3,
    /// Not part of a release yet.
    Draft,
}

/// An interface by its name without the version, its release, and how it is registered.
pub(super) struct Provided {
    pub(super) path: &'static str,
    pub(super) release: Release,
    by: By,
}

/// Who registers an interface.
enum By {
    Us(Register),
    Service(RegisterService, Option<RegisterService>),
}

impl Provided {
    /// Registers the interface for a principal, whose slot and number are given.
    pub(super) fn register(
        &self,
        instance: &mut LinkerInstance<'_, Cell>,
        slot: &Slot,
        principal: usize,
    ) -> wasmtime::Result<()> {
        match self.by {
            By::Us(register) => register(instance, slot),
            By::Service(register, register_async) => {
                register(instance, principal)?;
                register_async.map_or(Ok(()), |register| register(instance, principal))
            }
        }
    }
}

/// The kind of the table itself, for interfaces that work on nothing but handles.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// Finds what provides an import of this name. Pre-releases are other interfaces under the same name.
pub(super) fn find(
    import: &str,
    concurrency: Concurrency,
    services: &[&'static ServiceInterface],
) -> Option<Provided> {
    if let Some(service) = services.iter().find(|service| service.name == import) {
        return Some(Provided {
            path: service.name,
            release: Release::Draft,
            by: By::Service(
                service.register,
                service.register_async.filter(|_| concurrency == Concurrency::On),
            ),
        });
    }
    let (path, version) = import.split_once('@')?;
    if config::is_name(path) {
        return Some(Provided {
            path: "wasi:config",
            release: Release::Draft,
            by: By::Us(config::add_to_instance),
        });
    }
    let (release, table) = match version {
        _ if version.contains('-') => return None,
        _ if version.starts_with("0.2.") => (Release::P2, P2),
        _ if version.starts_with("0.3.") && concurrency == Concurrency::On => (Release::P3, P3),
        _ => return None,
    };
    table
        .iter()
        .find(|(known, _)| *known == path)
        .map(|&(path, register)| Provided {
            path,
            release,
            by: By::Us(register),
        })
}

type Row = (&'static str, Register);

const P2: &[Row] = &[
    ("wasi:io/error", |instance, _| {
        io::error::add_to_linker_instance::<_, Table>(instance, Cell::table)
    }),
    ("wasi:io/poll", |instance, _| {
        io::poll::add_to_linker_instance::<_, Table>(instance, Cell::table)
    }),
    ("wasi:io/streams", |instance, _| {
        io::streams::add_to_linker_instance::<_, Table>(instance, Cell::table)
    }),
    ("wasi:cli/environment", |instance, slot| {
        cli::environment::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/exit", |instance, slot| {
        cli::exit::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/stdin", |instance, slot| {
        cli::stdin::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/stdout", |instance, slot| {
        cli::stdout::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/stderr", |instance, slot| {
        cli::stderr::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-input", |instance, slot| {
        cli::terminal_input::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-output", |instance, slot| {
        cli::terminal_output::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-stdin", |instance, slot| {
        cli::terminal_stdin::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-stdout", |instance, slot| {
        cli::terminal_stdout::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-stderr", |instance, slot| {
        cli::terminal_stderr::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:clocks/wall-clock", |instance, slot| {
        clocks::wall_clock::add_to_linker_instance::<_, WasiClocks>(instance, slot.clocks)
    }),
    ("wasi:clocks/monotonic-clock", |instance, slot| {
        clocks::monotonic_clock::add_to_linker_instance::<_, WasiClocks>(instance, slot.clocks)
    }),
    ("wasi:filesystem/types", |instance, slot| {
        filesystem::types::add_to_linker_instance::<_, WasiFilesystem>(instance, slot.filesystem)
    }),
    ("wasi:filesystem/preopens", |instance, slot| {
        filesystem::preopens::add_to_linker_instance::<_, WasiFilesystem>(instance, slot.filesystem)
    }),
    ("wasi:random/random", |instance, slot| {
        random::random::add_to_linker_instance::<_, WasiRandom>(instance, slot.random)
    }),
    ("wasi:random/insecure", |instance, slot| {
        random::insecure::add_to_linker_instance::<_, WasiRandom>(instance, slot.random)
    }),
    ("wasi:random/insecure-seed", |instance, slot| {
        random::insecure_seed::add_to_linker_instance::<_, WasiRandom>(instance, slot.random)
    }),
    ("wasi:sockets/network", |instance, slot| {
        sockets::network::add_to_linker_instance::<_, WasiSockets>(
            instance,
            &(&LinkOptions::default()).into(),
            slot.sockets,
        )
    }),
    ("wasi:sockets/instance-network", |instance, slot| {
        sockets::instance_network::add_to_linker_instance::<_, WasiSockets>(instance, slot.sockets)
    }),
    ("wasi:sockets/tcp", |instance, slot| {
        sockets::tcp::add_to_linker_instance::<_, WasiSockets>(instance, slot.sockets)
    }),
    ("wasi:sockets/tcp-create-socket", |instance, slot| {
        sockets::tcp_create_socket::add_to_linker_instance::<_, WasiSockets>(instance, slot.sockets)
    }),
    ("wasi:sockets/udp", |instance, slot| {
        sockets::udp::add_to_linker_instance::<_, WasiSockets>(instance, slot.sockets)
    }),
    ("wasi:sockets/udp-create-socket", |instance, slot| {
        sockets::udp_create_socket::add_to_linker_instance::<_, WasiSockets>(instance, slot.sockets)
    }),
    ("wasi:sockets/ip-name-lookup", |instance, slot| {
        host::p2::add_to_instance::<Cell>(instance, slot.names)
    }),
    ("wasi:http/types", |instance, slot| {
        let options = http_p2::LinkOptions::default();
        http_p2::http::types::add_to_linker_instance::<_, WasiHttp>(instance, &(&options).into(), slot.http)
    }),
    ("wasi:http/outgoing-handler", |instance, slot| {
        http_p2::http::outgoing_handler::add_to_linker_instance::<_, WasiHttp>(instance, slot.http)
    }),
];

const P3: &[Row] = &[
    ("wasi:cli/types", |_, _| Ok(())),
    ("wasi:cli/environment", |instance, slot| {
        p3::cli::environment::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/exit", |instance, slot| {
        p3::cli::exit::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/stdin", |instance, slot| {
        p3::cli::stdin::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/stdout", |instance, slot| {
        p3::cli::stdout::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/stderr", |instance, slot| {
        p3::cli::stderr::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-input", |instance, slot| {
        p3::cli::terminal_input::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-output", |instance, slot| {
        p3::cli::terminal_output::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-stdin", |instance, slot| {
        p3::cli::terminal_stdin::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-stdout", |instance, slot| {
        p3::cli::terminal_stdout::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:cli/terminal-stderr", |instance, slot| {
        p3::cli::terminal_stderr::add_to_linker_instance::<_, WasiCli>(instance, slot.cli)
    }),
    ("wasi:clocks/types", |instance, slot| {
        p3::clocks::types::add_to_linker_instance::<_, WasiClocks>(instance, slot.clocks)
    }),
    ("wasi:clocks/system-clock", |instance, slot| {
        p3::clocks::system_clock::add_to_linker_instance::<_, WasiClocks>(instance, slot.clocks)
    }),
    ("wasi:clocks/monotonic-clock", |instance, slot| {
        p3::clocks::monotonic_clock::add_to_linker_instance::<_, WasiClocks>(instance, slot.clocks)
    }),
    ("wasi:filesystem/types", |instance, slot| {
        p3::filesystem::types::add_to_linker_instance::<_, WasiFilesystem>(instance, slot.filesystem)
    }),
    ("wasi:filesystem/preopens", |instance, slot| {
        p3::filesystem::preopens::add_to_linker_instance::<_, WasiFilesystem>(instance, slot.filesystem)
    }),
    ("wasi:random/random", |instance, slot| {
        p3::random::random::add_to_linker_instance::<_, WasiRandom>(instance, slot.random)
    }),
    ("wasi:random/insecure", |instance, slot| {
        p3::random::insecure::add_to_linker_instance::<_, WasiRandom>(instance, slot.random)
    }),
    ("wasi:random/insecure-seed", |instance, slot| {
        p3::random::insecure_seed::add_to_linker_instance::<_, WasiRandom>(instance, slot.random)
    }),
    ("wasi:sockets/types", |instance, slot| {
        p3::sockets::types::add_to_linker_instance::<_, WasiSockets>(instance, slot.sockets)
    }),
    ("wasi:sockets/ip-name-lookup", |instance, slot| {
        host::p3::add_to_instance::<Cell>(instance, slot.names)
    }),
    ("wasi:http/types", |instance, slot| {
        http_p3::http::types::add_to_linker_instance::<_, WasiHttp>(instance, slot.http)
    }),
    ("wasi:http/client", |instance, slot| {
        http_p3::http::client::add_to_linker_instance::<_, WasiHttp>(instance, slot.http)
    }),
];
