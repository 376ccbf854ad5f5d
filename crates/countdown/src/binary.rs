//! Bytes of WebAssembly, written: numbers with a sign, lists, and the few instructions that are added to guest code.

use weft_sections::{put_number, put_section};

/// The type of a block that takes and leaves nothing.
pub(crate) const EMPTY: u8 = 0x40;

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
