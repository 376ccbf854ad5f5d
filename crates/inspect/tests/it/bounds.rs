//! Files that are nested or divided beyond all reason.

use weft_inspect::bounds::{self, Error};

use crate::samples;

#[test]
fn types_nested_without_end_are_refused_before_anything_recursive_reads_them() {
    // A component type that declares one type, which is a component type, and so on.
    let mut types = vec![0x01];
    for _ in 0..1_000_000 {
        types.extend([0x41, 0x01, 0x01]);
    }
    let component = samples::component_with_section(7, &types);
    assert!(matches!(bounds::check(&component), Err(Error::TooDeep { .. })));
    assert!(weft_inspect::describe(&component).is_err());
    assert!(weft_inspect::validate::validate(&component).is_err());
    assert!(weft_inspect::wit::world(&component, Default::default()).is_err());
    assert!(weft_inspect::print::text(&component, Default::default(), &mut Vec::new()).is_err());
}

#[test]
fn components_nested_without_end_are_refused() {
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..200 {
        component = samples::component_with_section(4, &component);
    }
    assert!(matches!(bounds::check(&component), Err(Error::TooDeep { .. })));
}

#[test]
fn nesting_of_ordinary_files_passes() {
    assert_eq!(bounds::check(&samples::binary(samples::COMMAND)), Ok(()));
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..bounds::DEPTH_MAX {
        component = samples::component_with_section(4, &component);
    }
    assert_eq!(bounds::check(&component), Ok(()));
}

#[test]
fn too_many_sections_and_entries_are_refused() {
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..=bounds::SECTIONS_MAX {
        component.extend([7, 1, 0]);
    }
    assert!(matches!(
        bounds::check(&component),
        Err(Error::TooManySections { .. })
    ));
    let mut functions = samples::number(2_000_001);
    functions.resize(functions.len() + 2_000_001, 0);
    let mut module = samples::component_with_section(3, &functions);
    module.splice(4..8, [1, 0, 0, 0]);
    assert!(matches!(
        bounds::check(&module),
        Err(Error::TooManyEntries { .. })
    ));
}

#[test]
fn types_in_groups_are_counted_one_by_one() {
    let mut types = samples::number(3);
    for _ in 0..3 {
        types.push(0x4e);
        types.extend(samples::number(900_000));
        types.extend([0x60, 0, 0].repeat(900_000));
    }
    let mut module = samples::component_with_section(1, &types);
    module.splice(4..8, [1, 0, 0, 0]);
    assert!(matches!(
        bounds::check(&module),
        Err(Error::TooManyEntries { .. })
    ));
}

#[test]
fn text_with_too_many_parentheses_is_refused() {
    let text = format!("(module {})", "(func)".repeat(300_000));
    let message = weft_inspect::describe(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        message,
        "the text opens 300001 parentheses, more than the 300000 allowed"
    );
}
