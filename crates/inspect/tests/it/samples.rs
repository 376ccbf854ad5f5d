//! The files that the tests look at, written as text and made binary here.

#![allow(clippy::unwrap_used, reason = "a sample that does not read is a broken test")]

/// A component that is a command, asks for several things, and holds a core module with a name.
pub(crate) const COMMAND: &str = r#"
(component $greeter
  (import "wasi:cli/environment@0.2.3"
    (instance (export "get-environment" (func (result (list (tuple string string)))))))
  (import "wasi:sockets/tcp-create-socket@0.2.3" (instance))
  (import "wasi:io/poll@0.2.3" (instance))
  (import "acme:billing/ledger@1.0.0"
    (instance (export "post" (func (param "amount" u64) (result (result (error string)))))))
  (core module $main
    (memory (export "memory") 1 4)
    (table 2 10 funcref)
    (func $run (export "run") (result i32) i32.const 0)
    (data (i32.const 0) "hello"))
  (core instance $instance (instantiate $main))
  (func $run (result (result)) (canon lift (core func $instance "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $exported)))
"#;

/// A core module of preview 1.
pub(crate) const PREVIEW_ONE: &str = r#"
(module $old
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
  (memory (export "memory") 2)
  (func (export "_start"))
  (func $__wasm_call_ctors)
  (@producers (language "C11" "") (processed-by "clang" "19.1.0")))
"#;

/// A core module that imports nothing and computes.
pub(crate) const BARE: &str = r#"
(module
  (memory i64 1 2)
  (func $add (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))
  (func $loop (param i32) (loop $again (br_if $again (local.get 0)))))
"#;

/// Makes a binary of text.
pub(crate) fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// Wraps the contents of a section into a component.
pub(crate) fn component_with_section(id: u8, contents: &[u8]) -> Vec<u8> {
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    component.push(id);
    component.extend(number(contents.len()));
    component.extend_from_slice(contents);
    component
}

/// A number as WebAssembly binaries write it.
pub(crate) fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
