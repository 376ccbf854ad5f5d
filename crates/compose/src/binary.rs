//! The outermost layer of a WebAssembly binary: a header, then sections with a number and a length.

use wasmparser::{BinaryReader, BinaryReaderError};

/// The magic number, the version and the layer.
pub(crate) const HEADER_BYTES: usize = 8;

/// One section as it stands in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section<'a> {
    /// Its number.
    pub(crate) id: u8,
    /// What it holds.
    pub(crate) body: &'a [u8],
    /// The same with number and length in front.
    pub(crate) whole: &'a [u8],
}

/// The sections of one module or component; what is nested inside them is not entered.
pub(crate) fn sections(wasm: &[u8]) -> impl Iterator<Item = Result<Section<'_>, BinaryReaderError>> {
    let mut reader = BinaryReader::new(wasm.get(HEADER_BYTES..).unwrap_or_default(), HEADER_BYTES);
    std::iter::from_fn(move || {
        if reader.eof() {
            return None;
        }
        let section = next_section(&mut reader, wasm);
        if section.is_err() {
            // What follows a broken section is unknowable.
            reader = BinaryReader::new(&[], 0);
        }
        Some(section)
    })
}

fn next_section<'a>(reader: &mut BinaryReader<'a>, wasm: &'a [u8]) -> Result<Section<'a>, BinaryReaderError> {
    let start = reader.original_position();
    let id = reader.read_u8()?;
    let length = reader.read_var_u32()?;
    let body = reader.read_bytes(usize::try_from(length).unwrap_or(usize::MAX))?;
    let whole = wasm.get(start..reader.original_position()).unwrap_or_default();
    Ok(Section { id, body, whole })
}

/// Writes a number in LEB128.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes the name of an import of a component, without attributes.
pub(crate) fn put_name(out: &mut Vec<u8>, name: &str) {
    out.push(0);
    put_number(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
}

/// Writes a section.
pub(crate) fn put_section(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    out.push(id);
    put_number(out, body.len() as u64);
    out.extend_from_slice(body);
}
