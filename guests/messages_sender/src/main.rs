//! A command that sends messages of `wasi:messaging` 0.2.0-draft, one for each argument: `connect NAME`, then
//! `send TOPIC TEXT`, `send-size TOPIC BYTES` or `send-told TOPIC TEXT`, of which more is said. `time-send TOPIC TIMES
//! TEXT` says of how many nanoseconds half of them took less.

use std::process::ExitCode;
use std::time::Instant;

use wasi::messaging::producer;
use wasi::messaging::types::{Client, Error, Message};

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

fn main() -> ExitCode {
    let mut client = None;
    for argument in std::env::args().skip(1) {
        let words: Vec<&str> = argument.splitn(3, ' ').collect();
        if let (["time-send", topic, rest], Some(client)) = (words.as_slice(), &client) {
            println!(
                "{}",
                timed(client, topic, rest).unwrap_or_else(|error| show(Err(error)))
            );
            continue;
        }
        let done = match (words.as_slice(), &client) {
            (["connect", name], _) => Client::connect(name).map(|connected| client = Some(connected)),
            (["send", topic, text], Some(client)) => {
                producer::send(client, topic, Message::new(text.as_bytes()))
            }
            (["send-size", topic, bytes], Some(client)) => {
                producer::send(client, topic, Message::new(&vec![7; bytes.parse().unwrap()]))
            }
            (["send-told", topic, text], Some(client)) => {
                let message = Message::new(b"nothing");
                message.set_data(text.as_bytes());
                message.set_content_type("text/plain");
                message.set_metadata(&[("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
                message.add_metadata("a", "3");
                message.add_metadata("c", "4");
                message.remove_metadata("b");
                producer::send(client, topic, message)
            }
            _ => {
                eprintln!("usage: `{argument}` is no call, or nothing is connected");
                return ExitCode::from(2);
            }
        };
        println!("{}", show(done));
    }
    ExitCode::SUCCESS
}

/// Sends a text so often, and says of how many nanoseconds half took less.
fn timed(client: &Client, topic: &str, rest: &str) -> Result<String, Error> {
    let (times, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let times = times.parse().unwrap();
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        producer::send(client, topic, Message::new(text.as_bytes()))?;
        taken.push(begun.elapsed().as_nanos());
    }
    taken.sort_unstable();
    Ok(taken.get(times / 2).map_or(0, |taken| *taken).to_string())
}

fn show(done: Result<(), Error>) -> String {
    match done {
        Ok(()) => "done".to_owned(),
        Err(Error::Timeout) => "error: timeout".to_owned(),
        Err(Error::PermissionDenied(_)) => "error: permission denied".to_owned(),
        Err(Error::Connection(why) | Error::Other(why)) => format!("error: {why}"),
    }
}
