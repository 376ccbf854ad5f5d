//! A library that reads a clock through its language's standard library: built for preview 1 it is a core module that
//! says of itself what component it wants to be.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

use std::time::SystemTime;

wit_bindgen::generate!({ world: "teller", path: "wit" });

struct Teller;
export!(Teller);

impl exports::docs::time::preview1::Guest for Teller {
    fn seconds() -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |since| since.as_secs())
    }
}
