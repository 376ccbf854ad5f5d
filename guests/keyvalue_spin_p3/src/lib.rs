//! A command of 0.3 that does what its arguments say with stores of `spin:key-value/key-value` 3.0.0, one call each.
//!
//! An argument is words: `open NAME` changes the store, all others work on it. What each call came to is a line.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

use spin::key_value::key_value::{Error, Store};
use wasip3::cli::{environment, exit, stdout};
use wit_bindgen::StreamResult;

struct Command;
wasip3::cli::command::export!(Command);

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let mut opened = Vec::new();
        for argument in environment::get_arguments().into_iter().skip(1) {
            let words: Vec<&str> = argument.split(' ').collect();
            match call(&mut opened, &words).await {
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

async fn call(opened: &mut Vec<Store>, words: &[&str]) -> Option<String> {
    match words {
        ["open", name] => return Some(open(opened, name).await),
        // Keeps them all, but for two that make room for what printing takes.
        ["open-many", name, count] => {
            let count: usize = count.parse().ok()?;
            let mut line = None;
            for _ in 0..count {
                line = Some(open(opened, name).await);
            }
            opened.truncate(opened.len().saturating_sub(2));
            return line;
        }
        _ => {}
    }
    let store = opened.last()?;
    Some(match words {
        ["get", key] => show(store.get((*key).to_owned()).await, show_value),
        ["set", key, value] => show(store.set((*key).to_owned(), value.as_bytes().to_vec()).await, done),
        ["set-size", key, size] => {
            show(store.set((*key).to_owned(), vec![7; size.parse().ok()?]).await, done)
        }
        ["delete", key] => show(store.delete((*key).to_owned()).await, done),
        ["exists", key] => show(store.exists((*key).to_owned()).await, |is_there| is_there.to_string()),
        ["list"] => list(store, 64).await,
        ["list-by", count] => list(store, count.parse().ok()?).await,
        // Stops after the first keys.
        ["list-some"] => {
            let (mut keys, end) = store.get_keys().await;
            let (_, some) = keys.read(Vec::with_capacity(2)).await;
            drop(keys);
            show(end.await, |()| some.join(" "))
        }
        // Keeps many listings at one time, none of which is read.
        ["list-beside", count] => {
            let count: usize = count.parse().ok()?;
            let mut listings = Vec::new();
            for _ in 0..count {
                listings.push(store.get_keys().await);
            }
            let line = list(store, 64).await;
            drop(listings);
            format!("{line}, then {}", list(store, 64).await)
        }
        ["set-numbered", count] => {
            let count: usize = count.parse().ok()?;
            let mut line = String::new();
            for number in 0..count {
                line = show(store.set(format!("k{number}"), vec![1]).await, done);
            }
            line
        }
        _ => return None,
    })
}

async fn open(opened: &mut Vec<Store>, name: &str) -> String {
    match Store::open(name.to_owned()).await {
        Ok(store) => {
            opened.push(store);
            "opened".to_owned()
        }
        Err(error) => show_error(&error),
    }
}

/// Reads so many keys at a time.
async fn list(store: &Store, count: usize) -> String {
    let (mut stream, end) = store.get_keys().await;
    let mut keys = Vec::new();
    loop {
        let (result, some) = stream.read(Vec::with_capacity(count)).await;
        keys.extend(some);
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    show(end.await, |()| {
        keys.sort();
        match keys.len() {
            0..20 => keys.join(" "),
            many => format!("{many} keys"),
        }
    })
}

fn show<T>(answer: Result<T, Error>, text: impl FnOnce(T) -> String) -> String {
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
        Error::StoreTableFull => "error: store table full".to_owned(),
        Error::NoSuchStore => "error: no such store".to_owned(),
        Error::AccessDenied => "error: access denied".to_owned(),
        Error::Other(why) => format!("error: {why}"),
    }
}
