//! A component that is told of changed keys by `wasmcloud:keyvalue` 0.2.0, prints what it is told, and does what a value
//! says: `trap`, `spin`, `write:KEY:TEXT`, `read:KEY`, `count:N` (down, in the same key) or anything else.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

use exports::wasmcloud::keyvalue::watcher::Guest;
use wasmcloud::keyvalue::types::{Bucket, Error};

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

struct Component;
export!(Component);

impl Guest for Component {
    async fn on_set(bucket: Bucket, key: String, value: Vec<u8>) {
        let text = String::from_utf8_lossy(&value).into_owned();
        let words: Vec<&str> = text.splitn(3, ':').collect();
        let came = match words.as_slice() {
            ["trap"] => core::arch::wasm32::unreachable(),
            ["spin"] => loop {
                std::hint::black_box(&key);
            },
            ["write", other, text] => write(&bucket, other, text, "written").await,
            ["read", other] => match bucket.get((*other).to_owned()).await {
                Ok(Some(value)) => String::from_utf8_lossy(&value).into_owned(),
                Ok(None) => "none".to_owned(),
                Err(error) => show(&error),
            },
            ["count", left] => match left.parse::<u32>().unwrap_or(0) {
                0 => "counted".to_owned(),
                left => write(&bucket, &key, &format!("count:{}", left - 1), "counting").await,
            },
            _ if value.len() > 100 => format!("{} bytes", value.len()),
            _ => text,
        };
        println!("{key}: {came}");
    }

    async fn on_delete(_: Bucket, key: String) {
        println!("{key} is gone");
    }
}

async fn write(bucket: &Bucket, key: &str, text: &str, done: &str) -> String {
    match bucket.set(key.to_owned(), text.as_bytes().to_vec(), None).await {
        Ok(()) => done.to_owned(),
        Err(error) => show(&error),
    }
}

fn show(error: &Error) -> String {
    match error {
        Error::AccessDenied => "error: access denied".to_owned(),
        other => format!("error: {other:?}"),
    }
}
