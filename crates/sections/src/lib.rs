//! The outermost layer of a WebAssembly binary: a header, then sections with a number and a length.
//!
//! What rewrites modules and components works on sections: it copies those that it leaves alone, byte for byte, and
//! writes the others anew. Nothing here knows what is in them.

use wasmparser::{BinaryReader, BinaryReaderError};

/// The magic number, the version and the layer.
pub const HEADER_BYTES: usize = 8;

/// One section as it stands in a file.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// Its number.
    pub id: u8,
    /// What it holds.
    pub body: &'a [u8],
    /// The same with number and length in front.
    pub whole: &'a [u8],
}

/// The sections of one module or component; what is nested inside them is not entered.
///
/// # Errors
/// Of a section that is cut off or has no number that can be read; it is the last one that is given.
pub fn sections(wasm: &[u8]) -> impl Iterator<Item = Result<Section<'_>, BinaryReaderError>> {
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
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a section.
pub fn put_section(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    out.push(id);
    put_number(out, body.len() as u64);
    out.extend_from_slice(body);
}
