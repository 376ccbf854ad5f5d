//! Bytes of WebAssembly, written: numbers, sections, and the few instructions that are added to guest code.

use wasmparser::{BinaryReader, BinaryReaderError};

/// The magic number, the version and the layer.
pub(crate) const HEADER_BYTES: usize = 8;

/// The type of a block that takes and leaves nothing.
pub(crate) const EMPTY: u8 = 0x40;

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

/// Writes a number with a sign in LEB128.
pub(crate) fn put_signed(out: &mut Vec<u8>, mut number: i64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        let is_last = (number == 0 && low & 0x40 == 0) || (number == -1 && low & 0x40 != 0);
        out.push(if is_last { low } else { low | 0x80 });
        if is_last {
            return;
        }
    }
}

/// Writes a section.
pub(crate) fn put_section(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    out.push(id);
    put_number(out, body.len() as u64);
    out.extend_from_slice(body);
}

/// Writes a section that holds a list: as many old entries as there were, and new ones behind them.
pub(crate) fn put_longer_list(out: &mut Vec<u8>, id: u8, old_count: u32, old: &[u8], new: &[Vec<u8>]) {
    let mut body = Vec::with_capacity(old.len() + 16);
    put_number(&mut body, u64::from(old_count) + new.len() as u64);
    body.extend_from_slice(old);
    for entry in new {
        body.extend_from_slice(entry);
    }
    put_section(out, id, &body);
}

/// Instructions, in the order in which they are written.
#[derive(Debug, Default)]
pub(crate) struct Code(pub(crate) Vec<u8>);

impl Code {
    fn with(&mut self, opcode: u8, index: u32) -> &mut Self {
        self.0.push(opcode);
        put_number(&mut self.0, u64::from(index));
        self
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn block(&mut self, ty: &[u8]) -> &mut Self {
        self.raw(&[0x02]).raw(ty)
    }

    pub(crate) fn r#loop(&mut self, ty: &[u8]) -> &mut Self {
        self.raw(&[0x03]).raw(ty)
    }

    pub(crate) fn r#if(&mut self) -> &mut Self {
        self.raw(&[0x04, EMPTY])
    }

    pub(crate) fn end(&mut self) -> &mut Self {
        self.raw(&[0x0b])
    }

    pub(crate) fn br(&mut self, depth: u32) -> &mut Self {
        self.with(0x0c, depth)
    }

    pub(crate) fn br_if(&mut self, depth: u32) -> &mut Self {
        self.with(0x0d, depth)
    }

    pub(crate) fn call(&mut self, function: u32) -> &mut Self {
        self.with(0x10, function)
    }

    pub(crate) fn drop(&mut self) -> &mut Self {
        self.raw(&[0x1a])
    }

    pub(crate) fn local_get(&mut self, local: u32) -> &mut Self {
        self.with(0x20, local)
    }

    pub(crate) fn local_set(&mut self, local: u32) -> &mut Self {
        self.with(0x21, local)
    }

    pub(crate) fn local_tee(&mut self, local: u32) -> &mut Self {
        self.with(0x22, local)
    }

    pub(crate) fn global_get(&mut self, global: u32) -> &mut Self {
        self.with(0x23, global)
    }

    pub(crate) fn global_set(&mut self, global: u32) -> &mut Self {
        self.with(0x24, global)
    }

    pub(crate) fn i32_const(&mut self, value: i32) -> &mut Self {
        self.0.push(0x41);
        put_signed(&mut self.0, i64::from(value));
        self
    }

    pub(crate) fn i64_const(&mut self, value: i64) -> &mut Self {
        self.0.push(0x42);
        put_signed(&mut self.0, value);
        self
    }

    pub(crate) fn i32_sub(&mut self) -> &mut Self {
        self.raw(&[0x6b])
    }

    /// Whether the number on top is below zero.
    pub(crate) fn is_negative(&mut self) -> &mut Self {
        self.i32_const(0).raw(&[0x48])
    }

    pub(crate) fn i32_and(&mut self) -> &mut Self {
        self.raw(&[0x71])
    }

    pub(crate) fn i32_shr_u(&mut self) -> &mut Self {
        self.raw(&[0x76])
    }

    pub(crate) fn i64_shr_u(&mut self) -> &mut Self {
        self.raw(&[0x88])
    }

    pub(crate) fn i32_wrap_i64(&mut self) -> &mut Self {
        self.raw(&[0xa7])
    }
}

#[cfg(test)]
mod tests {
    use super::{put_number, put_signed};

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for number in [
            0,
            1,
            -1,
            63,
            64,
            -64,
            -65,
            127,
            128,
            i64::MAX,
            i64::MIN,
            0xffff_ffff,
        ] {
            let mut out = Vec::new();
            put_signed(&mut out, number);
            assert_eq!(
                wasmparser::BinaryReader::new(&out, 0).read_var_i64().unwrap(),
                number
            );
        }
        for number in [0, 1, 127, 128, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            assert_eq!(
                wasmparser::BinaryReader::new(&out, 0).read_var_u64().unwrap(),
                number
            );
        }
    }
}
