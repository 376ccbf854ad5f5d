//! A command that does what its arguments say with buckets of `wasi:keyvalue` 0.2.0-draft2, one call each.
//!
//! An argument is words: `open NAME` changes the bucket, all others work on it. What each call came to is a line.

use std::process::ExitCode;
use std::time::Instant;

use wasi::keyvalue::atomics::{self, Cas, CasError};
use wasi::keyvalue::batch;
use wasi::keyvalue::store::{self, Bucket, Error};

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

/// What the calls have to do with each other.
#[derive(Default)]
struct State {
    bucket: Option<Bucket>,
    cas: Option<Cas>,
}

fn main() -> ExitCode {
    let mut state = State::default();
    for argument in std::env::args().skip(1) {
        let words: Vec<&str> = argument.split(' ').collect();
        match call(&mut state, &words) {
            Some(line) => println!("{line}"),
            None => {
                eprintln!("usage: `{argument}` is no call");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

fn call(state: &mut State, words: &[&str]) -> Option<String> {
    if let ["open", name] = words {
        return Some(match store::open(name) {
            Ok(bucket) => {
                state.bucket = Some(bucket);
                "opened".to_owned()
            }
            Err(error) => show_error(&error),
        });
    }
    let bucket = state.bucket.as_ref()?;
    Some(match words {
        ["get", key] => show(bucket.get(key), |value| show_value(value.as_deref())),
        ["set", key, value] => show(bucket.set(key, value.as_bytes()), done),
        ["set-size", key, size] => show(bucket.set(key, &vec![7; size.parse().ok()?]), done),
        ["delete", key] => show(bucket.delete(key), done),
        ["exists", key] => show(bucket.exists(key), |is_there| is_there.to_string()),
        ["list"] => list(bucket),
        ["list-from", cursor] => show(bucket.list_keys(Some(cursor)), |page| page.keys.join(" ")),
        ["increment", key, delta] => show(
            atomics::increment(bucket, key, delta.parse().ok()?),
            |sum| sum.to_string(),
        ),
        ["get-many", keys @ ..] => {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            show(batch::get_many(bucket, &keys), |found| {
                let pair = |pair: &Option<(String, Vec<u8>)>| match pair {
                    Some((key, value)) => format!("{key}={}", String::from_utf8_lossy(value)),
                    None => "none".to_owned(),
                };
                found.iter().map(pair).collect::<Vec<_>>().join(" ")
            })
        }
        ["set-many", pairs @ ..] => {
            let pair = |text: &&str| {
                let (key, value) = text.split_once('=')?;
                Some((key.to_owned(), value.as_bytes().to_vec()))
            };
            let pairs: Vec<_> = pairs.iter().map(pair).collect::<Option<_>>()?;
            show(batch::set_many(bucket, &pairs), done)
        }
        ["delete-many", keys @ ..] => {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            show(batch::delete_many(bucket, &keys), done)
        }
        ["cas", key] => match Cas::new(bucket, key) {
            Ok(cas) => {
                let line = show(cas.current(), |value| show_value(value.as_deref()));
                state.cas = Some(cas);
                line
            }
            Err(error) => show_error(&error),
        },
        ["swap", value] => match atomics::swap(state.cas.take()?, value.as_bytes()) {
            Ok(()) => "swapped".to_owned(),
            Err(CasError::StoreError(error)) => show_error(&error),
            Err(CasError::CasFailed(cas)) => {
                let now = show(cas.current(), |value| show_value(value.as_deref()));
                state.cas = Some(cas);
                format!("changed, now {now}")
            }
        },
        ["time-get", key, times] => {
            let mut taken = Vec::new();
            for _ in 0..times.parse().ok()? {
                let begun = Instant::now();
                bucket.get(key).ok()?;
                taken.push(begun.elapsed().as_nanos());
            }
            median(taken)
        }
        ["time-set", key, value, times] => {
            let mut taken = Vec::new();
            for _ in 0..times.parse().ok()? {
                let begun = Instant::now();
                bucket.set(key, value.as_bytes()).ok()?;
                taken.push(begun.elapsed().as_nanos());
            }
            median(taken)
        }
        _ => return None,
    })
}

/// Nanoseconds, of which half took less.
fn median(mut taken: Vec<u128>) -> String {
    taken.sort_unstable();
    taken.get(taken.len() / 2).map_or(0, |taken| *taken).to_string()
}

fn list(bucket: &Bucket) -> String {
    let (mut keys, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        match bucket.list_keys(cursor.as_deref()) {
            Ok(page) => {
                keys.extend(page.keys);
                pages += 1;
                cursor = page.cursor;
            }
            Err(error) => return show_error(&error),
        }
        if cursor.is_none() {
            keys.sort();
            return match keys.len() {
                0..20 => keys.join(" "),
                many => format!("{many} keys on {pages} pages"),
            };
        }
    }
}

fn show<T>(answer: Result<T, Error>, text: impl Fn(T) -> String) -> String {
    match answer {
        Ok(value) => text(value),
        Err(error) => show_error(&error),
    }
}

fn show_value(value: Option<&[u8]>) -> String {
    match value {
        Some(value) => String::from_utf8_lossy(value).into_owned(),
        None => "none".to_owned(),
    }
}

fn done((): ()) -> String {
    "done".to_owned()
}

fn show_error(error: &Error) -> String {
    match error {
        Error::NoSuchStore => "error: no such store".to_owned(),
        Error::AccessDenied => "error: access denied".to_owned(),
        Error::Other(why) => format!("error: {why}"),
    }
}
