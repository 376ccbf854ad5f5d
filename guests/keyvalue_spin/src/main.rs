//! A command that does what its arguments say with stores of `fermyon:spin/key-value` 2.0.0, one call each.
//!
//! An argument is words: `open NAME` changes the store, all others work on it. What each call came to is a line.

use std::process::ExitCode;

use fermyon::spin::key_value::{Error, Store};

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

fn main() -> ExitCode {
    let mut opened = Vec::new();
    for argument in std::env::args().skip(1) {
        let words: Vec<&str> = argument.split(' ').collect();
        match call(&mut opened, &words) {
            Some(line) => println!("{line}"),
            None => {
                eprintln!("usage: `{argument}` is no call");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

fn call(opened: &mut Vec<Store>, words: &[&str]) -> Option<String> {
    match words {
        ["open", name] => return Some(open(opened, name)),
        // Keeps them all, but for two that make room for what printing takes.
        ["open-many", name, count] => {
            let count: usize = count.parse().ok()?;
            let lines: Vec<String> = (0..count).map(|_| open(opened, name)).collect();
            opened.truncate(opened.len().saturating_sub(2));
            return lines.last().cloned();
        }
        _ => {}
    }
    let store = opened.last()?;
    Some(match words {
        ["get", key] => show(store.get(key), |value| show_value(value.as_deref())),
        ["set", key, value] => show(store.set(key, value.as_bytes()), done),
        ["set-size", key, size] => show(store.set(key, &vec![7; size.parse().ok()?]), done),
        ["delete", key] => show(store.delete(key), done),
        ["exists", key] => show(store.exists(key), |is_there| is_there.to_string()),
        ["list"] => show(store.get_keys(), |mut keys| {
            keys.sort();
            match keys.len() {
                0..20 => keys.join(" "),
                many => format!("{many} keys"),
            }
        }),
        ["set-numbered", count] => {
            let count: usize = count.parse().ok()?;
            let mut set = (0..count).map(|number| store.set(&format!("k{number}"), b"x"));
            show(set.try_for_each(|set| set), done)
        }
        _ => return None,
    })
}

fn open(opened: &mut Vec<Store>, name: &str) -> String {
    show(Store::open(name).map(|store| opened.push(store)), |()| "opened".to_owned())
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
        Error::StoreTableFull => "error: store table full".to_owned(),
        Error::NoSuchStore => "error: no such store".to_owned(),
        Error::AccessDenied => "error: access denied".to_owned(),
        Error::Other(why) => format!("error: {why}"),
    }
}
