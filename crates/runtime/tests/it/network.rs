//! The network border as guests of WASI 0.2 and 0.3 meet it: real sockets on this machine, a resolver of our own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at any surprise"
)]

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::timeout;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::sockets::WasiSocketsCtxView;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};
use weft_app::grant::NetworkGrant;
use weft_runtime::denial::{DenialLog, Denials};
use weft_runtime::network::NetworkPolicy;
use weft_runtime::network::host::{self, NameLookupView};
use weft_testing::server::{TcpEcho, UdpEcho};

const BOTH: [Version; 2] = [Version::P2, Version::P3];

/// More than enough for a guest on a busy machine; a test that would hang ends here.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
enum Version {
    P2,
    P3,
}

/// What a store needs for the network and nothing else.
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    policy: NetworkPolicy,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

fn name_lookup(state: &mut State) -> NameLookupView<'_> {
    let sockets = WasiSocketsCtxView {
        ctx: state.wasi.sockets(),
        table: &mut state.table,
    };
    NameLookupView {
        policy: &state.policy,
        sockets,
    }
}

/// Both guests, compiled once for all tests.
struct Guests {
    engine: Engine,
    p2: Component,
    p3: Component,
}

static GUESTS: LazyLock<Guests> = LazyLock::new(|| {
    let engine = Engine::default();
    let load = |name| Component::from_file(&engine, weft_testing::guest(name)).unwrap();
    Guests {
        p2: load("probe.p2"),
        p3: load("probe_p3"),
        engine: engine.clone(),
    }
});

/// The names of these tests. `inside.example.com` is a public name that leads to this machine.
fn resolve(name: &str) -> io::Result<Vec<std::net::IpAddr>> {
    match name {
        "localhost" | "inside.example.com" => Ok(vec![[127, 0, 0, 1].into()]),
        "outside.example.com" => Ok(vec![[93, 184, 216, 34].into(), [93, 184, 216, 35].into()]),
        _ => Err(io::Error::other("no such name")),
    }
}

fn grant(flags: &[&str]) -> NetworkGrant {
    let mut grant = NetworkGrant::default();
    for flag in flags {
        let (name, value) = flag.split_once(' ').unwrap();
        match name {
            "--tcp" => grant.tcp_connect.push(value.parse().unwrap()),
            "--tcp-listen" => grant.tcp_listen.push(value.parse().unwrap()),
            "--udp" => grant.udp_connect.push(value.parse().unwrap()),
            "--udp-listen" => grant.udp_listen.push(value.parse().unwrap()),
            "--dns" => grant.names.push(value.parse().unwrap()),
            _ => panic!("`{name}` is no flag"),
        }
    }
    grant
}

/// Runs one command of the probe to its end; what it printed goes to `output` while it runs.
async fn run(version: Version, words: &[&str], flags: &[&str], output: MemoryOutputPipe) -> Denials {
    let denials = DenialLog::default();
    let policy = NetworkPolicy::with_resolver(grant(flags), denials.clone(), Arc::new(resolve));
    let mut wasi = WasiCtx::builder();
    policy.install(&mut wasi);
    wasi.stdout(output).inherit_stderr().arg("probe").args(words);
    let state = State {
        wasi: wasi.build(),
        table: ResourceTable::new(),
        policy,
    };
    timeout(PATIENCE, call(version, Store::new(&GUESTS.engine, state)))
        .await
        .unwrap()
        .unwrap();
    denials.take()
}

async fn call(version: Version, mut store: Store<State>) -> wasmtime::Result<()> {
    let mut linker = Linker::<State>::new(&GUESTS.engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    linker.allow_shadowing(true);
    let name = "wasi:sockets/ip-name-lookup";
    host::p2::add_to_instance(&mut linker.instance(&format!("{name}@0.2.12"))?, name_lookup)?;
    host::p3::add_to_instance(&mut linker.instance(&format!("{name}@0.3.0"))?, name_lookup)?;
    // Whether the guest found what it wanted stands in its output.
    match version {
        Version::P2 => {
            let command =
                wasmtime_wasi::p2::bindings::Command::instantiate_async(&mut store, &GUESTS.p2, &linker);
            match command.await?.wasi_cli_run().call_run(&mut store).await {
                Ok(_) => Ok(()),
                Err(error) if error.is::<wasmtime_wasi::I32Exit>() => Ok(()),
                Err(error) => Err(error),
            }
        }
        Version::P3 => {
            let command =
                wasmtime_wasi::p3::bindings::Command::instantiate_async(&mut store, &GUESTS.p3, &linker);
            let command = command.await?;
            let run = async |accessor: &wasmtime::component::Accessor<State>| {
                command.wasi_cli_run().call_run(accessor).await
            };
            match store.run_concurrent(run).await? {
                Ok(_) => Ok(()),
                Err(error) if error.is::<wasmtime_wasi::I32Exit>() => Ok(()),
                Err(error) => Err(error),
            }
        }
    }
}

/// The line that the probe printed, and the flags that were missing.
async fn probe(version: Version, words: &[&str], flags: &[&str]) -> (String, Vec<String>) {
    let output = MemoryOutputPipe::new(1 << 16);
    let denials = run(version, words, flags, output.clone()).await;
    assert_eq!(denials.omitted, 0);
    let line = String::from_utf8(output.contents().into())
        .unwrap()
        .trim_end()
        .to_owned();
    (
        line,
        denials.entries.into_iter().map(|denial| denial.flag).collect(),
    )
}

/// How the guest's standard library says that access was denied.
fn is_access_denied(version: Version, line: &str) -> bool {
    match version {
        Version::P2 => line.starts_with("error: PermissionDenied: "),
        Version::P3 => line.starts_with("error: ErrorCode::AccessDenied"),
    }
}

#[tokio::test]
async fn a_connection_without_a_grant_never_reaches_the_server() {
    let server = TcpEcho::start();
    let (address, flag) = (
        server.address().to_string(),
        format!("--tcp {}", server.address()),
    );
    let elsewhere = format!("--tcp 127.0.0.1:{}", server.address().port() ^ 1);
    for version in BOTH {
        for flags in [
            &[][..],
            &[elsewhere.as_str()],
            &["--tcp 192.0.2.0/24"],
            &["--tcp-listen 127.0.0.1:*"],
        ] {
            let (line, missing) = probe(version, &["tcp-connect", &address, "hello"], flags).await;
            assert!(is_access_denied(version, &line), "{version:?} {flags:?}: {line}");
            assert_eq!(missing, [flag.as_str()]);
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_granted_connection_works_as_any_other() {
    let server = TcpEcho::start();
    let (address, port) = (server.address().to_string(), server.address().port());
    for version in BOTH {
        for host in ["127.0.0.1", "127.0.0.0/8", "localhost", "*"] {
            let flag = format!("--tcp {host}:{port}");
            let (line, missing) = probe(version, &["tcp-connect", &address, "hello"], &[&flag]).await;
            assert_eq!(
                (line.as_str(), missing.len()),
                ("ok reply \"hello\"", 0),
                "{version:?} {flag}"
            );
        }
        let localhost = format!("localhost:{port}");
        let (line, missing) = probe(
            version,
            &["tcp-connect", &localhost, "hello"],
            &[&format!("--tcp {localhost}")],
        )
        .await;
        assert_eq!(
            (line.as_str(), missing.len()),
            ("ok reply \"hello\"", 0),
            "{version:?} by name"
        );
    }
}

#[tokio::test]
async fn a_public_name_leads_to_a_private_address_only_when_that_is_granted_too() {
    let server = TcpEcho::start();
    let (address, port) = (server.address(), server.address().port());
    let words = ["tcp-connect", &format!("inside.example.com:{port}"), "hello"];
    let (name, own) = (
        format!("--tcp inside.example.com:{port}"),
        format!("--tcp {address}"),
    );
    for version in BOTH {
        let (line, missing) = probe(version, &words, &[&name]).await;
        assert!(is_access_denied(version, &line), "{version:?}: {line}");
        assert_eq!(missing, [own.as_str()]);
        assert_eq!(server.connections(), 0);
    }
    for version in BOTH {
        let (line, missing) = probe(version, &words, &[&name, &own]).await;
        assert_eq!(
            (line.as_str(), missing.len()),
            ("ok reply \"hello\"", 0),
            "{version:?}"
        );
    }
}

#[tokio::test]
async fn a_granted_name_is_looked_up() {
    let addresses = "ok [\"93.184.216.34\", \"93.184.216.35\"]";
    for version in BOTH {
        for flag in [
            "--dns outside.example.com",
            "--dns *.example.com",
            "--dns *",
            "--tcp outside.example.com:80",
        ] {
            let (line, missing) = probe(version, &["lookup", "outside.example.com"], &[flag]).await;
            assert_eq!(
                (line.as_str(), missing.len()),
                (addresses, 0),
                "{version:?} {flag}"
            );
        }
    }
}

#[tokio::test]
async fn a_look_up_fails_with_the_error_of_its_interface() {
    // The C library of a 0.2 guest has one word for each of these, and the standard library one for all.
    let table = [
        (
            "outside.example.com",
            "ErrorCode::AccessDenied",
            Some("--dns outside.example.com"),
        ),
        (
            "93.184.216.34",
            "ErrorCode::AccessDenied",
            Some("--dns 93.184.216.34"),
        ),
        ("missing.example.org", "ErrorCode::NameUnresolvable", None),
        ("not a name", "ErrorCode::InvalidArgument", None),
    ];
    for (name, error, flag) in table {
        let (line, missing) = probe(Version::P3, &["lookup", name], &["--dns *.example.org"]).await;
        assert!(line.starts_with(&format!("error: {error}")), "{name}: {line}");
        assert_eq!(missing.first().map(String::as_str), flag, "{name}");
    }
    for (name, _, flag) in [table[0], table[2], table[3]] {
        let (line, missing) = probe(Version::P2, &["lookup", name], &["--dns *.example.org"]).await;
        assert!(line.starts_with("error: "), "{name}: {line}");
        assert_eq!(missing.first().map(String::as_str), flag, "{name}");
    }
}

#[tokio::test]
async fn datagrams_go_where_they_are_granted() {
    let server = UdpEcho::start();
    let address = server.address().to_string();
    let (words, flag) = (["udp-exchange", &address, "hello"], format!("--udp {address}"));
    for version in BOTH {
        let (line, missing) = probe(version, &words, &[&format!("--tcp {address}")]).await;
        assert!(is_access_denied(version, &line), "{version:?}: {line}");
        assert_eq!(missing, [flag.as_str()]);
        assert_eq!(server.datagrams(), 0);
    }
    for version in BOTH {
        let (line, missing) = probe(version, &words, &[&flag]).await;
        assert_eq!(
            (line, missing.len()),
            (format!("ok reply \"hello\" from {address}"), 0),
            "{version:?}"
        );
    }
}

#[tokio::test]
async fn listening_without_a_grant_is_refused_by_the_port_that_was_asked_for() {
    let client = "--tcp 192.0.2.1:80";
    for address in ["127.0.0.1:0", "0.0.0.0:0", "0.0.0.0:65432"] {
        for flags in [&[][..], &[client]] {
            let (line, missing) = probe(Version::P2, &["tcp-listen", address], flags).await;
            assert!(
                is_access_denied(Version::P2, &line),
                "{address} {flags:?}: {line}"
            );
            assert_eq!(missing, [format!("--tcp-listen {address}")], "{flags:?}");
        }
    }
}

#[tokio::test]
async fn a_guest_that_may_listen_serves() {
    for flag in [
        "--tcp-listen 127.0.0.1:0",
        "--tcp-listen localhost:*",
        "--tcp-listen *",
    ] {
        let output = MemoryOutputPipe::new(1 << 16);
        let client = async {
            let address = timeout(PATIENCE, listening_at(&output)).await.unwrap();
            tokio::task::spawn_blocking(move || exchange(address))
                .await
                .unwrap()
        };
        let (words, flags) = (["tcp-listen", "127.0.0.1:0"], [flag]);
        let guest = run(Version::P2, &words, &flags, output.clone());
        let (denials, reply) = tokio::join!(guest, client);
        let printed = String::from_utf8_lossy(&output.contents()).into_owned();
        assert_eq!(denials, Denials::default(), "{flag}");
        assert!(
            reply.as_ref().is_ok_and(|reply| reply == "hello"),
            "{flag}: {reply:?}, the guest says {printed}"
        );
        assert!(printed.contains("ok echoed 5 bytes"), "{flag}: {printed}");
    }
}

/// Waits for the guest to say where it listens.
async fn listening_at(output: &MemoryOutputPipe) -> SocketAddr {
    loop {
        let text = String::from_utf8(output.contents().into()).unwrap();
        if let Some((line, _)) = text.split_once('\n') {
            return line.strip_prefix("ok listening on ").unwrap().parse().unwrap();
        }
        tokio::task::yield_now().await;
    }
}

fn exchange(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"hello")?;
    stream.shutdown(Shutdown::Write)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}
