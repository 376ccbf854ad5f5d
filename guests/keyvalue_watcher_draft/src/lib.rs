//! A component that is told of changed keys by `wasi:keyvalue` 0.2.0-draft, prints what it is told, and does what a value
//! says: `trap`, `spin`, `write:KEY:TEXT`, `read:KEY`, `count:N` (down, in the same key) or anything else.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

use exports::wasi::keyvalue::watcher::Guest;
use wasi::keyvalue::store::{Bucket, Error};

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

struct Component;
export!(Component);

impl Guest for Component {
    fn on_set(bucket: Bucket, key: String, value: Vec<u8>) {
        let text = String::from_utf8_lossy(&value);
        let words: Vec<&str> = text.splitn(3, ':').collect();
        let came = match words.as_slice() {
            ["trap"] => core::arch::wasm32::unreachable(),
            ["spin"] => loop {
                std::hint::black_box(&key);
            },
            ["write", other, text] => show(bucket.set(other, text.as_bytes()), |()| "written".to_owned()),
            ["read", other] => show(bucket.get(other), |value| match value {
                Some(value) => String::from_utf8_lossy(&value).into_owned(),
                None => "none".to_owned(),
            }),
            ["count", left] => match left.parse::<u32>().unwrap_or(0) {
                0 => "counted".to_owned(),
                left => show(bucket.set(&key, format!("count:{}", left - 1).as_bytes()), |()| {
                    "counting".to_owned()
                }),
            },
            _ if value.len() > 100 => format!("{} bytes", value.len()),
            _ => text.to_string(),
        };
        println!("{key}: {came}");
    }

    fn on_delete(_: Bucket, key: String) {
        println!("{key} is gone");
    }
}

fn show<T>(answer: Result<T, Error>, text: impl Fn(T) -> String) -> String {
    match answer {
        Ok(value) => text(value),
        Err(Error::NoSuchStore) => "error: no such store".to_owned(),
        Err(Error::AccessDenied) => "error: access denied".to_owned(),
        Err(Error::Other(why)) => format!("error: {why}"),
    }
}
