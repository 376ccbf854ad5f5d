//! New names for the imports of a component, written into its bytes.
//!
//! The rest of a component refers to an import by its index, so a new name changes the name's bytes and nothing
//! else: only import sections at the top level are written anew, every other section is copied as it stands.
//! That keeps this small enough to be read whole, which matters, because who gets whose rights hangs on it.

use wasmparser::{BinaryReader, BinaryReaderError, ComponentExternName, ComponentTypeRef};

use weft_sections::{HEADER_BYTES, put_number, put_section, sections};

/// The number of the section that holds the imports of a component.
const IMPORTS: u8 = 10;

/// Gives the imports of a component the names that `new_name` says; those for which it says none keep theirs.
///
/// # Errors
/// The bytes do not read.
pub(crate) fn rename(
    component: &[u8],
    mut new_name: impl FnMut(&str) -> Option<String>,
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut renamed = Vec::with_capacity(component.len() + 512);
    renamed.extend_from_slice(component.get(..HEADER_BYTES).unwrap_or_default());
    for section in sections(component) {
        let section = section?;
        if section.id == IMPORTS {
            put_section(&mut renamed, IMPORTS, &imports(section.body, &mut new_name)?);
        } else {
            renamed.extend_from_slice(section.whole);
        }
    }
    Ok(renamed)
}

fn imports(
    body: &[u8],
    new_name: &mut impl FnMut(&str) -> Option<String>,
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut reader = BinaryReader::new(body, 0);
    let count = reader.read_var_u32()?;
    let mut renamed = Vec::with_capacity(body.len() + 64);
    put_number(&mut renamed, u64::from(count));
    for _ in 0..count {
        let start = reader.original_position();
        let name: ComponentExternName<'_> = reader.read()?;
        let ty_start = reader.original_position();
        let _: ComponentTypeRef = reader.read()?;
        let end = reader.original_position();
        let kept = match new_name(name.name) {
            Some(new) => {
                put_name(&mut renamed, &new);
                ty_start..end
            }
            None => start..end,
        };
        renamed.extend_from_slice(body.get(kept).unwrap_or_default());
    }
    Ok(renamed)
}

/// Writes the name of an import of a component, without attributes.
fn put_name(out: &mut Vec<u8>, name: &str) {
    out.push(0);
    put_number(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::rename;

    const TWO: &str = r#"(component
        (import "wasi:cli/environment@0.2.3" (instance $env
            (export "get-arguments" (func (result (list string))))))
        (import "docs:markup/render" (instance (export "f" (func))))
        (component $inner (import "wasi:cli/environment@0.2.3" (instance (export "get-arguments" (func (result (list string)))))))
        (instance (instantiate $inner (with "wasi:cli/environment@0.2.3" (instance $env)))))"#;

    #[test]
    fn only_the_named_import_of_the_outermost_component_changes() {
        let before = wat::parse_str(TWO).unwrap();
        let after = rename(&before, |name| {
            name.starts_with("wasi:")
                .then(|| "a:wasi-cli/environment@0.2.3".to_owned())
        })
        .unwrap();
        wasmparser::Validator::new().validate_all(&after).unwrap();
        let text = String::from_utf8_lossy(&after).into_owned();
        assert_eq!(text.matches("a:wasi-cli/environment@0.2.3").count(), 1);
        assert_eq!(text.matches("wasi:cli/environment@0.2.3").count(), 2);
        assert_eq!(text.matches("docs:markup/render").count(), 1);
    }

    #[test]
    fn without_a_new_name_the_bytes_stay_as_they_are() {
        let before = wat::parse_str(TWO).unwrap();
        assert_eq!(rename(&before, |_| None).unwrap(), before);
    }

    #[test]
    fn a_cut_off_file_is_an_error_at_every_length_that_cuts_a_section() {
        let whole = wat::parse_str(TWO).unwrap();
        for length in 0..whole.len() {
            // Some cuts lie between two sections; none may panic.
            let _ = rename(&whole[..length], |_| Some("a:b/c".to_owned()));
        }
        assert!(rename(&whole[..20], |_| None).is_err());
    }
}
