//! Core modules of WASI preview 1 among components.

use weft_app::grant::GrantKind;
use weft_compose::adapt;

use crate::parts::*;

const COMMAND: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))"#;

#[test]
fn a_module_of_preview_1_lives_beside_components_of_other_versions() {
    let module = wat::parse_str(COMMAND).unwrap();
    let adapted = adapt::component(&module).unwrap().into_owned();
    let kinds = [
        GrantKind::Stdio,
        GrantKind::Environment,
        GrantKind::Directories,
        GrantKind::Clock,
    ];
    let fused = app(vec![
        piece(
            "main",
            component(&[&import("test:peer/new"), &environment("0.3.0"), &command("0.3.0")]),
        )
        .grant(&kinds),
        piece(
            "new",
            component(&[&environment("0.2.0"), &export("test:peer/new")]),
        )
        .grant(&kinds),
        piece("old", adapted.clone()).grant(&kinds),
    ])
    .run("main")
    .fuse();
    assert_eq!(scoped(&fused).len(), 2);
    // As the command of an app by itself it has what the adapter asks for, all in its scope.
    let fused = app(vec![piece("old", adapted).grant(&kinds)]).fuse();
    let names = scoped(&fused);
    assert!(
        names.iter().all(|name| name.starts_with("old:wasi-")),
        "{names:?}"
    );
    assert!(
        names
            .iter()
            .any(|name| name.starts_with("old:wasi-cli/stdout@0.2.")),
        "{names:?}"
    );
}

#[test]
fn a_component_is_taken_as_it_is_and_other_things_are_refused() {
    let bytes = component(&[]);
    assert_eq!(adapt::component(&bytes).unwrap().as_ptr(), bytes.as_ptr());
    for (bytes, expected) in [
        (
            b"\x7fELF".to_vec(),
            "found a native ELF program or library, expected",
        ),
        (b"(module)".to_vec(), "found a WebAssembly text, expected"),
        (
            wat::parse_str(r#"(module (import "env" "surprise" (func)))"#).unwrap(),
            "the core module cannot be made a component",
        ),
        (b"\0asm\x01\0\0\0\xff".to_vec(), "the core module is not valid"),
    ] {
        let error = adapt::component(&bytes).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
