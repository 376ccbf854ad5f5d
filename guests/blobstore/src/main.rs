//! A command that does what its arguments say with containers of `wasi:blobstore` 0.2.0-draft, one call each.
//!
//! An argument is words: `get NAME` and `create NAME` change the container, most others work on it. What each call came
//! to is a line.

use std::process::ExitCode;
use std::time::Instant;

use wasi::blobstore::blobstore::{self, ObjectId};
use wasi::blobstore::container::{Container, IncomingValue, OutgoingValue};
use wasi::io::streams::{InputStream, OutputStream, StreamError};

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

/// What the calls have to do with each other.
#[derive(Default)]
struct State {
    container: Option<Container>,
    held: Option<IncomingValue>,
    unfinished: Vec<OutgoingValue>,
}

fn main() -> ExitCode {
    let mut state = State::default();
    for argument in std::env::args().skip(1) {
        let words: Vec<&str> = argument.split(' ').collect();
        let answered = of_store(&mut state, &words).or_else(|| of_container(&mut state, &words));
        match answered {
            Some(Ok(line)) => println!("{line}"),
            Some(Err(error)) => println!("error: {error}"),
            None => {
                eprintln!("usage: `{argument}` is no call");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

type Answered = Result<String, String>;

fn done((): ()) -> String {
    "done".to_owned()
}

fn of_store(state: &mut State, words: &[&str]) -> Option<Answered> {
    let mut opened = |container: Result<Container, String>| {
        container.map(|container| {
            state.container = Some(container);
            "opened".to_owned()
        })
    };
    let id = |container: &str, object: &str| ObjectId {
        container: container.to_owned(),
        object: object.to_owned(),
    };
    Some(match words {
        ["get", name] => opened(blobstore::get_container(name)),
        ["create", name] => opened(blobstore::create_container(name)),
        ["exists", name] => blobstore::container_exists(name).map(|is_there| is_there.to_string()),
        ["delete-container", name] => blobstore::delete_container(name).map(done),
        ["copy", from, name, to, other] => blobstore::copy_object(&id(from, name), &id(to, other)).map(done),
        ["move", from, name, to, other] => blobstore::move_object(&id(from, name), &id(to, other)).map(done),
        _ => return None,
    })
}

fn of_container(state: &mut State, words: &[&str]) -> Option<Answered> {
    let container = state.container.as_ref()?;
    Some(match words {
        ["name"] => container.name(),
        ["info"] => container
            .info()
            .map(|info| format!("{} {}", info.name, info.created_at)),
        ["write", name, text] => write(container, name, text.as_bytes(), Aimed::Before),
        ["write-late", name, text] => write(container, name, text.as_bytes(), Aimed::After),
        ["write-size", name, bytes] => write(container, name, &vec![7; bytes.parse().ok()?], Aimed::Before),
        ["write-open", name] => write(container, name, b"open", Aimed::WithOpenStream),
        ["write-nothing", name] => {
            let value = OutgoingValue::new_outgoing_value();
            let written = container.write_data(name, &value);
            written.and_then(|()| OutgoingValue::finish(value)).map(done)
        }
        ["write-half", name, text] => {
            let value = OutgoingValue::new_outgoing_value();
            let written = container.write_data(name, &value);
            written.map(|()| {
                push(&value.outgoing_value_write_body().unwrap(), text.as_bytes()).unwrap();
                drop(value);
                "dropped".to_owned()
            })
        }
        ["write-twice", name] => {
            let value = OutgoingValue::new_outgoing_value();
            let _body = value.outgoing_value_write_body();
            let again = value.outgoing_value_write_body().is_err();
            let first = container.write_data(name, &value).is_ok();
            let second = container.write_data(name, &value);
            Ok(format!("{again} {first} {second:?}"))
        }
        ["gather", bytes] => {
            let value = OutgoingValue::new_outgoing_value();
            let pushed = push(
                &value.outgoing_value_write_body().unwrap(),
                &vec![7; bytes.parse().ok()?],
            );
            state.unfinished.push(value);
            pushed.map(done)
        }
        ["list"] => list(container, 1000),
        ["list-by", count] => list(container, count.parse().ok()?),
        ["skip", count] => container.list_objects().and_then(|names| {
            let (skipped, is_last) = names.skip_stream_object_names(count.parse().unwrap())?;
            let (rest, _) = names.read_stream_object_names(1000)?;
            Ok(format!("{skipped} {is_last} then {}", rest.join(" ")))
        }),
        ["has", name] => container.has_object(name).map(|is_there| is_there.to_string()),
        ["about", name] => container.object_info(name).map(|info| {
            format!(
                "{} of {}, {} bytes, {}",
                info.name,
                info.container,
                info.size,
                info.created_at > 0
            )
        }),
        ["delete", name] => container.delete_object(name).map(done),
        ["delete-many", names @ ..] => {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            container.delete_objects(&names).map(done)
        }
        ["clear"] => container.clear().map(done),
        ["time-write", name, bytes, times] => {
            let content = vec![7; bytes.parse().ok()?];
            timed(times.parse().ok()?, || {
                write(container, name, &content, Aimed::Before).map(drop)
            })
        }
        ["time-read", name, bytes, times] => {
            let bytes: usize = bytes.parse().ok()?;
            timed(times.parse().ok()?, || {
                let value = container.get_data(name, 0, u64::MAX)?;
                let read = IncomingValue::incoming_value_consume_sync(value)?;
                if read.len() == bytes {
                    Ok(())
                } else {
                    Err(format!("{} bytes", read.len()))
                }
            })
        }
        _ => return reading(container, &mut state.held, words),
    })
}

fn reading(container: &Container, held: &mut Option<IncomingValue>, words: &[&str]) -> Option<Answered> {
    let part = |name: &str, first: &str, last: &str| {
        container.get_data(name, first.parse().unwrap(), last.parse().unwrap())
    };
    let all = |name: &str| container.get_data(name, 0, u64::MAX);
    Some(match words {
        ["read", name] => all(name).and_then(at_once),
        ["part", name, first, last] => part(name, first, last).and_then(at_once),
        ["size", name, first, last] => part(name, first, last).map(|value| value.size().to_string()),
        ["stream", name] => all(name).and_then(streamed),
        ["stream-part", name, first, last] => part(name, first, last).and_then(streamed),
        ["hold", name] => all(name).map(|value| {
            *held = Some(value);
            "held".to_owned()
        }),
        ["held"] => streamed(held.take()?),
        _ => return None,
    })
}

/// Does something so often: nanoseconds, of which half took less.
fn timed(times: usize, mut does: impl FnMut() -> Result<(), String>) -> Answered {
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        does()?;
        taken.push(begun.elapsed().as_nanos());
    }
    taken.sort_unstable();
    Ok(taken.get(times / 2).map_or(0, |taken| *taken).to_string())
}

/// When a value is told where it goes.
#[derive(PartialEq)]
enum Aimed {
    Before,
    After,
    /// Before, and it is finished while its stream is still there.
    WithOpenStream,
}

fn write(container: &Container, name: &str, content: &[u8], aimed: Aimed) -> Answered {
    let value = OutgoingValue::new_outgoing_value();
    if aimed != Aimed::After {
        container.write_data(name, &value)?;
    }
    let body = value
        .outgoing_value_write_body()
        .map_err(|()| "no body".to_owned())?;
    push(&body, content)?;
    if aimed == Aimed::WithOpenStream {
        return OutgoingValue::finish(value).map(done);
    }
    drop(body);
    if aimed == Aimed::After {
        container.write_data(name, &value)?;
    }
    OutgoingValue::finish(value).map(done)
}

fn push(body: &OutputStream, content: &[u8]) -> Result<(), String> {
    for piece in content.chunks(4096) {
        body.blocking_write_and_flush(piece).map_err(show)?;
    }
    Ok(())
}

fn show(error: StreamError) -> String {
    match error {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(error) => error.to_debug_string(),
    }
}

fn at_once(value: IncomingValue) -> Answered {
    IncomingValue::incoming_value_consume_sync(value).map(|bytes| text(&bytes))
}

fn streamed(value: IncomingValue) -> Answered {
    let stream: InputStream = IncomingValue::incoming_value_consume_async(value)?;
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(100_000) {
            Ok(piece) => all.extend(piece),
            Err(StreamError::Closed) => return Ok(text(&all)),
            Err(error) => return Err(show(error)),
        }
    }
}

/// Short contents as they are, long ones by their length.
fn text(bytes: &[u8]) -> String {
    if bytes.len() <= 100 {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let is_right = bytes.iter().all(|byte| *byte == 7);
    format!("{} bytes, {is_right}", bytes.len())
}

fn list(container: &Container, count: u64) -> Answered {
    let names = container.list_objects()?;
    let mut all = Vec::new();
    let mut reads = 0;
    loop {
        let (some, is_last) = names.read_stream_object_names(count)?;
        reads += 1;
        all.extend(some);
        if is_last {
            all.sort();
            return Ok(format!("{reads}: {}", all.join(" ")));
        }
    }
}
