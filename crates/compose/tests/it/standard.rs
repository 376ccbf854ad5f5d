//! The form that other hosts take.

use weft_app::grant::{GrantKind, StdioGrant};
use weft_compose::{Obstacle, StandardError, standard};

use crate::parts::*;

fn two(change: impl FnOnce(&mut TestApp)) -> Result<Vec<u8>, StandardError> {
    let mut app = app(vec![
        piece("log", component(&[&streams("0.2.3"), &stdout("0.2.3"), SINK]))
            .grant(&[GrantKind::Stdio])
            .grants(|grants| grants.stdio = StdioGrant::default()),
        piece(
            "web",
            component(&[
                &streams("0.2.6"),
                &stdout("0.2.6"),
                &environment("0.2.6"),
                SINK_IMPORT,
                &command("0.2.6"),
            ]),
        )
        .grant(&[GrantKind::Stdio, GrantKind::Environment])
        .grants(|grants| grants.stdio = StdioGrant::default())
        .limits(1 << 20, 10),
    ]);
    change(&mut app);
    let plan = app.plan();
    standard(&app.app, &plan, &plan.entries()[0], &app.parts())
}

#[test]
fn components_with_equal_grants_are_joined_under_the_names_that_everybody_knows() {
    let component = two(|_| {}).unwrap();
    let mut imports = imports_of(&component);
    imports.sort();
    assert_eq!(
        imports,
        [
            "wasi:cli/environment@0.2.6",
            "wasi:cli/stdout@0.2.6",
            "wasi:io/error@0.2.6",
            "wasi:io/streams@0.2.6",
        ]
    );
    assert_eq!(exports_of(&component), ["wasi:cli/run@0.2.6"]);
    // Another tool that joins components reads it as one of its own.
    let mut types = wac_types::Types::default();
    wac_types::Package::from_bytes("test:app", None, component, &mut types).unwrap();
}

#[test]
fn grants_that_differ_have_no_standard_form() {
    let error = two(|app| app.app.components[0].grants.stdio.input = false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "another host could not keep the rights of the components apart: components `log` and `web` both import `wasi:cli/stdout@0.2.6` and were granted different standard streams"
    );
}

#[test]
fn what_is_withheld_here_would_be_given_elsewhere() {
    let error = two(|app| {
        let web = &mut app.app.components[1];
        web.granted.remove(&GrantKind::Environment);
        web.grant_on_use = weft_app::GrantOnUse::Trap;
    })
    .unwrap_err();
    let StandardError::Rights(obstacles) = error else {
        panic!("{error}")
    };
    assert_eq!(
        obstacles,
        [Obstacle::Withheld {
            component: name("web"),
            interface: "wasi:cli/environment@0.2.6".to_owned()
        }]
    );
}
