//! A component whose exports take and give every type of value; `wit/values.wit` says what each is for.
//!
//! Most are identities: what goes in must come out, which checks reading, passing and printing of a value at once.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

mod shapes;

wit_bindgen::generate!({ world: "values", path: "wit" });

struct Component;
export!(Component);

/// Functions that answer with their argument.
macro_rules! identities {
    ($($name:ident: $value:ty;)*) => {
        $(fn $name(value: $value) -> $value {
            value
        })*
    };
}

impl Guest for Component {
    identities! {
        identity_bool: bool;
        identity_u8: u8;
        identity_u16: u16;
        identity_u32: u32;
        identity_u64: u64;
        identity_s8: i8;
        identity_s16: i16;
        identity_s32: i32;
        identity_s64: i64;
        identity_f32: f32;
        identity_f64: f64;
        identity_char: char;
        identity_string: String;
        identity_bytes: Vec<u8>;
        identity_strings: Vec<String>;
        identity_records: Vec<Person>;
        identity_nested: Vec<Vec<Vec<u16>>>;
        identity_tuple: (u8, String, bool);
        identity_record: Person;
        identity_variant: Message;
        identity_enum: Colour;
        identity_flags: Permissions;
        identity_option: Option<u32>;
        identity_option_option: Option<Option<String>>;
        identity_result: Result<u32, String>;
        identity_result_empty: Result<(), String>;
        identity_result_bare: Result<(), ()>;
    }

    fn add(a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }

    fn nothing() {}

    fn join(parts: Vec<String>, separator: String) -> String {
        parts.join(&separator)
    }

    fn refuse(reason: String) -> Result<String, String> {
        Err(reason)
    }

    fn trap() {
        core::arch::wasm32::unreachable()
    }

    fn spin() {
        let mut turns = 0u64;
        loop {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    }

    fn many_bytes(length: u32) -> Vec<u8> {
        vec![b'x'; length as usize]
    }
}
