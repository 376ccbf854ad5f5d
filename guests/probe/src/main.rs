//! A program that does the one thing its first argument names, and says what came of it.
//!
//! Only the standard library and its C library are used, so that the same source becomes a preview 1 module and a
//! 0.2 component and a test can ask both the same question. Every result is a line: `ok ...` with exit code 0, or
//! `error: KIND: TEXT` with exit code 1. A wrong command line ends with exit code 2.

mod clocks;
mod fate;
mod files;
mod process;
mod sockets;

use std::fmt;
use std::io;
use std::process::ExitCode;

/// What a command answers: the rest of its `ok` line, or why not.
type Answer = Result<String, Failure>;

/// Why a command did not do its work.
enum Failure {
    /// The system refused.
    System(io::Error),
    /// The guest found the answer wanting.
    Finding(String),
    /// The command line is wrong.
    Usage(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => write!(f, "{:?}: {error}", error.kind()),
            Self::Finding(text) | Self::Usage(text) => f.write_str(text),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match answer(&words) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(text)) => {
            println!("ok {text}");
            ExitCode::SUCCESS
        }
        Err(Failure::Usage(text)) => {
            eprintln!("usage: {text}");
            ExitCode::from(2)
        }
        Err(failure) => {
            println!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the words ask for; `None` where the output of the command itself is the answer.
fn answer(words: &[&str]) -> Result<Option<String>, Failure> {
    let text = match words {
        ["args", rest @ ..] => process::arguments(rest),
        ["own-name"] => Ok(std::env::args().next().unwrap_or_default()),
        ["env", name] => process::variable(name),
        ["env-all"] => process::variables(),
        ["cwd"] => process::current_folder(),
        ["echo"] => return process::echo().map(|()| None),
        ["err", text] => return process::complain(text).map(|()| None),
        ["output", bytes] => return process::output(number(bytes)?).map(|()| None),
        ["exit", code] => std::process::exit(number(code)?),

        ["read", path] => files::read(path),
        ["write", path, text] => files::write(path, text),
        ["append", path, text] => files::append(path, text),
        ["list", path] => files::list(path),
        ["stat", path] => files::stat(path),
        ["rename", from, to] => files::rename(from, to),
        ["remove", path] => files::remove(path),
        ["mkdir", path] => files::create_folder(path),
        ["link", target, path] => files::link(target, path),
        ["symlink", target, path] => files::symlink(target, path),
        ["read-link", path] => files::read_link(path),
        ["open-many", path, count] => files::open_many(path, number(count)?),

        ["clock"] => clocks::both(),
        ["sleep", milliseconds] => clocks::sleep(number(milliseconds)?),
        ["random", bytes] => clocks::random(number(bytes)?),
        ["hash-order"] => clocks::hash_order(),

        ["trap"] => fate::trap(),
        ["panic"] => fate::panic(),
        ["divide-by-zero"] => fate::divide_by_zero(),
        ["recurse"] => fate::recurse(),
        ["loop"] => fate::spin(),
        ["memory", mebibytes] => fate::memory(number(mebibytes)?),

        ["tcp-connect", address] => sockets::tcp_connect(address, None),
        ["tcp-connect", address, text] => sockets::tcp_connect(address, Some(text)),
        ["tcp-listen", address] => sockets::tcp_listen(address),
        ["udp-bind", address] => sockets::udp_bind(address),
        ["udp-send", address, text] => sockets::udp_send(address, text),
        ["udp-exchange", address, text] => sockets::udp_exchange(address, text),
        ["lookup", name] => sockets::lookup(name),

        _ => Err(Failure::Usage(format!(
            "no command reads {words:?}; `answer` in main.rs lists them all"
        ))),
    }?;
    Ok(Some(text))
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, Failure> {
    word.parse()
        .map_err(|_| Failure::Usage(format!("`{word}` is not a number that fits")))
}
