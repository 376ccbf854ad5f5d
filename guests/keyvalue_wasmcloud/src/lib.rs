//! A command of 0.3 that does what its arguments say with buckets of `wasmcloud:keyvalue` 0.2.0, one call each.
//!
//! An argument is words: `open NAME` changes the bucket, all others work on it. What each call came to is a line.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

use std::future::Future;
use std::task::Poll;

use wasip3::cli::{environment, exit, stdout};
use wasmcloud::keyvalue::types::{Bucket, Error, SetOptions};
use wasmcloud::keyvalue::{atomics, batch, cas, store};

struct Command;
wasip3::cli::command::export!(Command);

/// What the calls have to do with each other.
#[derive(Default)]
struct State {
    bucket: Option<Bucket>,
    version: Option<String>,
}

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let mut state = State::default();
        for argument in environment::get_arguments().into_iter().skip(1) {
            let words: Vec<&str> = argument.split(' ').collect();
            match call(&mut state, &words).await {
                Some(line) => print(line + "\n").await?,
                None => {
                    print(format!("usage: `{argument}` is no call\n")).await?;
                    exit::exit_with_code(2);
                }
            }
        }
        Ok(())
    }
}

async fn print(line: String) -> Result<(), ()> {
    let (mut writer, reader) = wasip3::wit_stream::new();
    wit_bindgen::spawn_local(async move { drop(writer.write_all(line.into_bytes()).await) });
    stdout::write_via_stream(reader).await.map_err(drop)
}

async fn call(state: &mut State, words: &[&str]) -> Option<String> {
    if let ["open", name] = words {
        return Some(match store::open((*name).to_owned()).await {
            Ok(bucket) => {
                state.bucket = Some(bucket);
                "opened".to_owned()
            }
            Err(error) => show_error(&error),
        });
    }
    let bucket = state.bucket.as_ref()?;
    let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    Some(match words {
        ["get", key] => show(bucket.get((*key).to_owned()).await, show_value),
        ["set", key, value] => set(bucket, key, value.as_bytes().to_vec(), None).await,
        ["set-size", key, size] => set(bucket, key, vec![7; size.parse().ok()?], None).await,
        ["set-new", key, value] => {
            let options = SetOptions {
                ttl_ms: None,
                if_not_exists: true,
            };
            set(bucket, key, value.as_bytes().to_vec(), Some(options)).await
        }
        ["set-for", key, value, millis] => {
            let options = SetOptions {
                ttl_ms: Some(millis.parse().ok()?),
                if_not_exists: false,
            };
            set(bucket, key, value.as_bytes().to_vec(), Some(options)).await
        }
        ["delete", key] => show(bucket.delete((*key).to_owned()).await, done),
        ["exists", key] => show(bucket.exists((*key).to_owned()).await, |there| there.to_string()),
        ["list"] => list(bucket, None).await,
        ["list", prefix] => list(bucket, Some(prefix)).await,
        ["list-from", prefix, cursor] => {
            let page = bucket.list_keys(Some((*prefix).to_owned()), Some((*cursor).to_owned()));
            show(page.await, |page| page.keys.join(" "))
        }
        ["cursor"] => show(bucket.list_keys(None, None).await, |page| {
            page.cursor.unwrap_or_else(|| "none".to_owned())
        }),
        ["increment", key, delta] => {
            let sum = atomics::increment(bucket, (*key).to_owned(), delta.parse().ok()?);
            show(sum.await, |sum| sum.to_string())
        }
        ["get-many", keys @ ..] => show(batch::get_many(bucket, owned(keys)).await, |found| {
            let pair = |pair: &Option<(String, Vec<u8>)>| match pair {
                Some((key, value)) => format!("{key}={}", String::from_utf8_lossy(value)),
                None => "none".to_owned(),
            };
            found.iter().map(pair).collect::<Vec<_>>().join(" ")
        }),
        ["set-many", pairs @ ..] => {
            let pair = |text: &&str| {
                let (key, value) = text.split_once('=')?;
                Some((key.to_owned(), value.as_bytes().to_vec()))
            };
            let pairs: Vec<_> = pairs.iter().map(pair).collect::<Option<_>>()?;
            show(batch::set_many(bucket, pairs).await, done)
        }
        ["delete-many", keys @ ..] => show(batch::delete_many(bucket, owned(keys)).await, done),
        ["set-beside", count] => beside(bucket, count.parse().ok()?, 100).await,
        ["set-large-beside", count] => beside(bucket, count.parse().ok()?, 1 << 20).await,
        _ => return swapping(state, words).await,
    })
}

async fn swapping(state: &mut State, words: &[&str]) -> Option<String> {
    let bucket = state.bucket.as_ref()?;
    let swap = async |key: &str, value: &str, version: Option<String>, found: Option<&str>| {
        let options = cas::CasOptions {
            require_version: version,
            require_value: found.map(|found| found.as_bytes().to_vec()),
        };
        let swapped = cas::swap(bucket, key.to_owned(), value.as_bytes().to_vec(), options);
        show(swapped.await, |came| match came {
            cas::CasResult::Swapped => "swapped".to_owned(),
            cas::CasResult::Stale(now) => {
                format!("stale, now {}", show_value(now.map(|now| now.value)))
            }
        })
    };
    Some(match words {
        ["current", key] => match cas::current(bucket, (*key).to_owned()).await {
            Ok(found) => {
                state.version = found.as_ref().map(|found| found.version.clone());
                show_value(found.map(|found| found.value))
            }
            Err(error) => show_error(&error),
        },
        ["swap", key, value] => swap(key, value, Some(state.version.clone()?), None).await,
        ["swap-version", key, version, value] => {
            swap(key, value, Some((*version).to_owned()), None).await
        }
        ["swap-value", key, found, value] => swap(key, value, None, Some(found)).await,
        ["swap-both", key, found, value] => swap(key, value, Some(state.version.clone()?), Some(found)).await,
        ["swap-blindly", key, value] => swap(key, value, None, None).await,
        ["count-beside", key, count] => count_beside(bucket, key, count.parse().ok()?).await,
        _ => return None,
    })
}

async fn set(bucket: &Bucket, key: &str, value: Vec<u8>, options: Option<SetOptions>) -> String {
    show(bucket.set(key.to_owned(), value, options).await, done)
}

/// Has many writes under way at one time, and says how many were done, and what the others came to.
async fn beside(bucket: &Bucket, count: usize, bytes: usize) -> String {
    let calls = (0..count).map(|number| bucket.set(format!("k{number}"), vec![7; bytes], None));
    let came = all(calls).await;
    let done = came.iter().filter(|came| came.is_ok()).count();
    let wrong = came.iter().find_map(|came| came.as_ref().err());
    let wrong = wrong.map_or_else(String::new, |error| format!(", {}", show_error(error)));
    format!("{done} done{wrong}")
}

/// Counts by swaps that get in each other's way, each of which is tried until it is made.
async fn count_beside(bucket: &Bucket, key: &str, count: usize) -> String {
    let one = async || {
        loop {
            let found = cas::current(bucket, key.to_owned()).await?;
            let Some(found) = found else { return Ok(()) };
            let number: u64 = String::from_utf8_lossy(&found.value).parse().unwrap_or_default();
            let options = cas::CasOptions {
                require_version: Some(found.version),
                require_value: None,
            };
            let next = (number + 1).to_string().into_bytes();
            let swapped = cas::swap(bucket, key.to_owned(), next, options).await?;
            if matches!(swapped, cas::CasResult::Swapped) {
                return Ok(());
            }
        }
    };
    let came: Vec<Result<(), Error>> = all((0..count).map(|_| one())).await;
    match came.into_iter().find_map(Result::err) {
        Some(error) => show_error(&error),
        None => "counted".to_owned(),
    }
}

/// Polls all of them until each has come to something.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (future, came) in &mut futures {
            if came.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *came = Some(value),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    futures.into_iter().filter_map(|(_, came)| came).collect()
}

async fn list(bucket: &Bucket, prefix: Option<&str>) -> String {
    let (mut keys, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        match bucket.list_keys(prefix.map(str::to_owned), cursor).await {
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

fn show_value(value: Option<Vec<u8>>) -> String {
    match value {
        Some(value) => String::from_utf8_lossy(&value).into_owned(),
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
        Error::InvalidArgument => "error: invalid argument".to_owned(),
        Error::PreconditionFailed => "error: precondition failed".to_owned(),
        Error::Timeout => "error: timeout".to_owned(),
        Error::StoreUnavailable => "error: store unavailable".to_owned(),
        Error::QuotaExceeded => "error: quota exceeded".to_owned(),
        Error::Other(why) => format!("error: {why}"),
    }
}
