//! The same questions as `probe` asks, put to the interfaces of 0.3 themselves.
//!
//! Does the one thing its first argument names and prints one line: `ok ...`, after which the command succeeds, or
//! `error: CODE`, after which it ends with an error. A wrong command line ends with exit code 2.

mod files;
mod sockets;
mod streams;

use std::fmt::Debug;

use wasip3::cli::{environment, exit};
use wasip3::clocks::{monotonic_clock, system_clock};
use wasip3::random::random;

struct Command;
wasip3::cli::command::export!(Command);

/// What a command answers: the rest of its `ok` line, or why not.
type Answer = Result<String, Failure>;

/// Why a command did not do its work.
enum Failure {
    /// What the interface answered, or what the guest found wanting.
    Refused(String),
    /// The command line is wrong.
    Usage(String),
}

/// Makes a failure of an interface's error code.
fn refused(code: impl Debug) -> Failure {
    Failure::Refused(format!("{code:?}"))
}

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let arguments = environment::get_arguments();
        let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
        match answer(&words).await {
            Ok(None) => Ok(()),
            Ok(Some(text)) => streams::print(format!("ok {text}\n")).await,
            Err(Failure::Usage(text)) => {
                streams::complain(format!("usage: {text}\n")).await?;
                exit::exit_with_code(2);
                Err(())
            }
            Err(Failure::Refused(text)) => {
                streams::print(format!("error: {text}\n")).await?;
                Err(())
            }
        }
    }
}

/// Does what the words ask for; `None` where the output of the command itself is the answer.
async fn answer(words: &[&str]) -> Result<Option<String>, Failure> {
    let text = match words {
        ["args", rest @ ..] => Ok(format!("{rest:?}")),
        ["env", name] => variable(name),
        ["env-all"] => Ok(format!("{:?}", environment::get_environment())),
        ["cwd"] => environment::get_initial_cwd().ok_or_else(|| Failure::Refused("no initial folder".into())),
        ["echo"] => return streams::echo().await.map(|()| None),
        ["err", text] => {
            streams::complain(format!("{text}\n"))
                .await
                .map_err(|()| Failure::Refused("standard error".into()))?;
            return Ok(None);
        }
        ["output", bytes] => return streams::output(number(bytes)?).await.map(|()| None),

        ["read", path] => files::read(path).await,
        ["write", path, text] => files::write(path, text).await,
        ["list", path] => files::list(path).await,
        ["stat", path] => files::stat(path).await,
        ["remove", path] => files::remove(path).await,

        ["clock"] => Ok(both_clocks()),
        ["sleep", milliseconds] => sleep(number(milliseconds)?).await,
        ["random", bytes] => Ok(random_bytes(number(bytes)?)),

        ["tcp-connect", address] => sockets::tcp_connect(address, None).await,
        ["tcp-connect", address, text] => sockets::tcp_connect(address, Some(text)).await,
        ["udp-exchange", address, text] => sockets::udp_exchange(address, text).await,
        ["lookup", name] => sockets::lookup(name).await,

        ["exit", code] => {
            exit::exit_with_code(number(code)?);
            Ok("still here".into())
        }
        ["error"] => Err(Failure::Refused("asked for".into())),
        ["trap"] => core::arch::wasm32::unreachable(),
        ["loop"] => spin(),
        _ => Err(Failure::Usage(format!(
            "no command reads {words:?}; `answer` in lib.rs lists them all"
        ))),
    }?;
    Ok(Some(text))
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, Failure> {
    word.parse()
        .map_err(|_| Failure::Usage(format!("`{word}` is not a number that fits")))
}

fn variable(name: &str) -> Answer {
    let found = environment::get_environment()
        .into_iter()
        .find(|(known, _)| known == name);
    found
        .map(|(_, value)| value)
        .ok_or_else(|| Failure::Refused(format!("`{name}` is not set")))
}

fn both_clocks() -> String {
    let wall = system_clock::now();
    format!(
        "wall {}.{:09} monotonic {}",
        wall.seconds,
        wall.nanoseconds,
        monotonic_clock::now()
    )
}

async fn sleep(milliseconds: u64) -> Answer {
    let start = monotonic_clock::now();
    monotonic_clock::wait_for(milliseconds.saturating_mul(1_000_000)).await;
    Ok(format!(
        "slept {} ms",
        (monotonic_clock::now() - start) / 1_000_000
    ))
}

fn random_bytes(bytes: u64) -> String {
    random::get_random_bytes(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Never ends and never calls the host.
fn spin() -> Answer {
    let mut turns = 0u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
