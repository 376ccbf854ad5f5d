//! Data of modules that have little of it: put into memory by code, and not kept as an image.
//!
//! The engine lays what a memory begins with on pages of their own, in a file, and maps them for each instance that did
//! not have the same slot before. That pays for the hundreds of pages of a large program. Where all data fits on one
//! page, mapping it costs ten times what copying it does, and all threads that load programs wait for one another to
//! change mappings. The engine copies data whose place it cannot know from the code alone, so the offset of one segment
//! becomes a sum: `64` becomes `64 + 0`. For the module nothing changes.

use wasmparser::{BinaryReader, ConstExpr, Data, DataKind, DataSectionReader, Operator};

use crate::Error;

/// Bytes of data that are little.
const BYTES_MAX: usize = 4096;

/// What is put before the end of an offset: adding nothing.
const PLUS_NOTHING_32: [u8; 3] = [0x41, 0x00, 0x6a];
const PLUS_NOTHING_64: [u8; 3] = [0x42, 0x00, 0x7c];

const END: u8 = 0x0b;

/// The body of a data section whose data will be copied; none where it stays as it is.
pub(crate) fn copied(section: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = 0;
    let mut found = None;
    for segment in DataSectionReader::new(BinaryReader::new(section, 0))? {
        let segment = segment?;
        if let DataKind::Active { .. } = segment.kind {
            bytes += segment.data.len();
            found = found.or(offset_of(&segment)?);
        }
    }
    let (Some((end, sum)), true) = (found, bytes <= BYTES_MAX) else {
        return Ok(None);
    };
    let (Some(before), Some(rest)) = (section.get(..end), section.get(end..)) else {
        return Ok(None);
    };
    debug_assert_eq!(rest.first(), Some(&END));
    Ok(Some([before, &sum, rest].concat()))
}

/// Where the offset of a segment ends that is a plain number, and what makes a sum of it.
fn offset_of(segment: &Data<'_>) -> Result<Option<(usize, [u8; 3])>, Error> {
    let DataKind::Active { offset_expr, .. } = &segment.kind else {
        return Ok(None);
    };
    let sum = match operators(offset_expr)?.as_slice() {
        [Operator::I32Const { .. }] => PLUS_NOTHING_32,
        [Operator::I64Const { .. }] => PLUS_NOTHING_64,
        // The engine does not know its place as it is.
        _ => return Ok(None),
    };
    let end = offset_expr.get_binary_reader().range().end;
    Ok(end.checked_sub(1).map(|end| (end, sum)))
}

fn operators<'a>(expression: &ConstExpr<'a>) -> Result<Vec<Operator<'a>>, Error> {
    let mut operators = Vec::new();
    for operator in expression.get_operators_reader() {
        match operator? {
            Operator::End => {}
            other => operators.push(other),
        }
    }
    Ok(operators)
}

#[cfg(test)]
mod tests {
    use wasmparser::{Parser, Payload, Validator, WasmFeatures};

    use crate::rewrite;

    /// How many operators the offset of each active segment has, after rewriting.
    fn offsets(text: &str) -> Vec<usize> {
        let wasm = rewrite(&wat::parse_str(text).unwrap()).unwrap();
        Validator::new_with_features(WasmFeatures::all())
            .validate_all(&wasm)
            .unwrap();
        let mut counts = Vec::new();
        for payload in Parser::new(0).parse_all(&wasm) {
            if let Payload::DataSection(section) = payload.unwrap() {
                for segment in section {
                    if let wasmparser::DataKind::Active { offset_expr, .. } = segment.unwrap().kind {
                        counts.push(super::operators(&offset_expr).unwrap().len());
                    }
                }
            }
        }
        counts
    }

    #[test]
    fn little_data_is_copied_whether_the_module_counts_or_not() {
        let data = r#"(memory 1) (data (i32.const 64) "a") (data (i32.const 600) "bc")"#;
        assert_eq!(offsets(&format!("(module {data})")), [3, 1]);
        assert_eq!(
            offsets(&format!("(module {data} (func (loop $on (br $on))))")),
            [3, 1]
        );
        assert_eq!(
            offsets(r#"(module (memory i64 1) (data (i64.const 70000) "a"))"#),
            [3]
        );
    }

    #[test]
    fn what_does_not_fit_on_a_page_stays_an_image() {
        let much = "x".repeat(4097);
        assert_eq!(
            offsets(&format!(r#"(module (memory 1) (data (i32.const 0) "{much}"))"#)),
            [1]
        );
    }

    #[test]
    fn what_the_engine_copies_anyway_is_left_alone() {
        let text =
            r#"(module (import "a" "b" (global i32)) (memory 1) (data (global.get 0) "a") (data "passive"))"#;
        assert_eq!(offsets(text), [1]);
        assert_eq!(offsets(r#"(module (memory 1) (data "passive"))"#), [0; 0]);
    }
}
