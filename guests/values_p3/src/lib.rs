//! A component whose exports are asynchronous functions of the 0.3 kind.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

wit_bindgen::generate!({ world: "values-p3", path: "wit" });

use wasip3::clocks::monotonic_clock;

struct Component;
export!(Component);

impl Guest for Component {
    async fn identity_string(value: String) -> String {
        value
    }

    async fn add(a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }

    async fn add_slowly(a: i32, b: i32, milliseconds: u64) -> i32 {
        monotonic_clock::wait_for(milliseconds.saturating_mul(1_000_000)).await;
        a.wrapping_add(b)
    }

    async fn refuse(reason: String) -> Result<String, String> {
        Err(reason)
    }

    async fn trap() {
        core::arch::wasm32::unreachable()
    }
}
