//! Values out of a guest: read from its arguments or its memory, checked as the canonical ABI says, and put on the wire.
//!
//! The guest is hostile. Lengths, places, text, characters and cases are checked before they are believed, and what is
//! copied counts against the bound on one host call.

use std::slice;

use wasmtime::component::__internal::LiftContext;
use wasmtime::component::__internal::wasmtime_environ::component::{
    ComponentTypes, InterfaceType, StringEncoding, TypeResourceTableIndex,
};
use wasmtime::{Result, ValRaw, bail};

use super::typed;
use super::wire::{
    End, Handle, Step, Wire, case_bytes, cases, flag_bytes, flag_mask, flag_words, is_solid, layout,
    next_offset, payload, steps,
};

pub(super) struct Lifting<'a, 'b> {
    cx: &'a mut LiftContext<'b>,
    types: &'b ComponentTypes,
    end: End,
    wire: Wire,
}

type Flat<'a> = slice::Iter<'a, ValRaw>;

impl<'a, 'b> Lifting<'a, 'b> {
    pub(super) fn new(cx: &'a mut LiftContext<'b>, end: End) -> Self {
        let types: &'b ComponentTypes = cx.types;
        Self {
            cx,
            types,
            end,
            wire: Wire::default(),
        }
    }

    pub(super) fn finish(self) -> Wire {
        self.wire
    }

    /// Reads a value that is handed over in arguments or results of core functions.
    pub(super) fn flat(&mut self, ty: InterfaceType, from: &mut Flat<'_>) -> Result<()> {
        use InterfaceType as T;
        match ty {
            T::Record(ty) => {
                let types = self.types;
                types[ty]
                    .fields
                    .iter()
                    .try_for_each(|field| self.flat(field.ty, from))
            }
            T::Tuple(ty) => {
                let types = self.types;
                types[ty].types.iter().try_for_each(|part| self.flat(*part, from))
            }
            T::Option(_) | T::Result(_) | T::Enum(_) | T::Variant(_) => self.flat_case(ty, from),
            T::Flags(ty) => {
                let count = self.types[ty].names.len();
                for word in 0..flag_words(count) {
                    self.put(&(next(from)?.get_u32() & flag_mask(count, word)).to_le_bytes());
                }
                Ok(())
            }
            T::String => {
                let (at, length) = (next(from)?.get_u32(), next(from)?.get_u32());
                self.text(at, length)
            }
            T::List(ty) => {
                let (at, length) = (next(from)?.get_u32(), next(from)?.get_u32());
                self.list(self.types[ty].element, at, length)
            }
            T::S64 | T::U64 | T::Float64 => {
                self.put(&next(from)?.get_u64().to_le_bytes());
                Ok(())
            }
            _ => self.word(ty, next(from)?.get_u32()),
        }
    }

    fn flat_case(&mut self, ty: InterfaceType, from: &mut Flat<'_>) -> Result<()> {
        let slots = self.types.canonical_abi(&ty).flat_count(usize::MAX);
        let left = from.len();
        let case = next(from)?.get_u32();
        if let Some(payload) = self.case(ty, case)? {
            self.flat(payload, from)?;
        }
        // Other cases may carry more.
        let taken = left - from.len();
        if let Some(more) = slots.and_then(|slots| slots.checked_sub(taken + 1)) {
            from.nth(more);
        }
        Ok(())
    }

    /// Reads a value at an offset of the guest's memory. The caller has checked that it lies in there.
    pub(super) fn load(&mut self, ty: InterfaceType, bytes: &[u8]) -> Result<()> {
        use InterfaceType as T;
        match ty {
            T::Record(ty) => {
                let (types, mut offset) = (self.types, 0);
                types[ty].fields.iter().try_for_each(|field| {
                    let at = next_offset(types, &field.ty, &mut offset);
                    self.load(field.ty, rest(bytes, at)?)
                })
            }
            T::Tuple(ty) => {
                let (types, mut offset) = (self.types, 0);
                types[ty].types.iter().try_for_each(|part| {
                    let at = next_offset(types, part, &mut offset);
                    self.load(*part, rest(bytes, at)?)
                })
            }
            T::Option(_) | T::Result(_) | T::Enum(_) | T::Variant(_) => self.load_case(ty, bytes),
            T::Flags(ty) => {
                let count = self.types[ty].names.len();
                let bytes = bytes.get(..flag_bytes(count)).unwrap_or_default();
                for (word, chunk) in bytes.chunks(4).enumerate() {
                    self.put(&(number(chunk) & flag_mask(count, word)).to_le_bytes());
                }
                Ok(())
            }
            T::String => {
                let (at, length) = pair(bytes)?;
                self.text(at, length)
            }
            T::List(ty) => {
                let (at, length) = pair(bytes)?;
                self.list(self.types[ty].element, at, length)
            }
            T::S8 | T::U8 => self.copy::<1>(bytes),
            T::S16 | T::U16 => self.copy::<2>(bytes),
            T::S32 | T::U32 | T::Float32 => self.copy::<4>(bytes),
            T::S64 | T::U64 | T::Float64 => self.copy::<8>(bytes),
            T::Bool => self.word(ty, number(bytes.get(..1).unwrap_or_default())),
            _ => self.word(ty, number(bytes.get(..4).unwrap_or_default())),
        }
    }

    /// Reads a value at a place that the guest says.
    pub(super) fn load_at(&mut self, ty: InterfaceType, at: u32, align: u32, size: usize) -> Result<()> {
        if !at.is_multiple_of(align) {
            bail!("the guest handed over values at {at:#x}, which is not aligned to {align} bytes")
        }
        let bytes = self.within(at, size)?;
        self.load(ty, bytes)
    }

    fn load_case(&mut self, ty: InterfaceType, bytes: &[u8]) -> Result<()> {
        let Some(info) = cases(self.types, ty) else {
            bail!("a type has no cases")
        };
        let case = number(bytes.get(..case_bytes(info)).unwrap_or_default());
        let at = info.payload_offset32 as usize;
        match self.case(ty, case)? {
            Some(payload) => self.load(payload, rest(bytes, at)?),
            None => Ok(()),
        }
    }

    /// Puts down which case it is, and says what that carries.
    fn case(&mut self, ty: InterfaceType, case: u32) -> Result<Option<InterfaceType>> {
        let (Some(info), Some(payload)) = (cases(self.types, ty), payload(self.types, ty, case)) else {
            bail!("the guest handed over case {case} of a type that has fewer")
        };
        let bytes = case.to_le_bytes();
        self.put(bytes.get(..case_bytes(info)).unwrap_or_default());
        Ok(payload)
    }

    /// A value of at most 32 bits.
    fn word(&mut self, ty: InterfaceType, word: u32) -> Result<()> {
        use InterfaceType as T;
        let bytes = word.to_le_bytes();
        match ty {
            T::Bool => self.put(&[u8::from(word != 0)]),
            T::S8 | T::U8 => self.put(&bytes[..1]),
            T::S16 | T::U16 => self.put(&bytes[..2]),
            T::S32 | T::U32 | T::Float32 => self.put(&bytes),
            T::Char => match char::from_u32(word) {
                Some(_) => self.put(&bytes),
                None => bail!("the guest handed over {word:#x}, which is no character"),
            },
            T::Own(table) => self.handle(ty, table, word, true)?,
            T::Borrow(table) => self.handle(ty, table, word, false)?,
            T::Stream(_) | T::Future(_) => {
                let reader = typed::lift_reader(self.cx, ty, word)?;
                self.wire.handles.push(Handle::Reader(reader));
            }
            _ => bail!("values of this type do not cross an isolated link"),
        }
        Ok(())
    }

    fn handle(
        &mut self,
        ty: InterfaceType,
        table: TypeResourceTableIndex,
        index: u32,
        owned: bool,
    ) -> Result<()> {
        let handle = match self.end {
            End::Caller if owned => Handle::Proxy {
                id: self.cx.guest_resource_lift_own(table, index)?.0,
                owned,
            },
            End::Caller => Handle::Proxy {
                id: self.cx.guest_resource_lift_borrow(table, index)?,
                owned,
            },
            End::Callee => Handle::Real(typed::lift_resource(self.cx, ty, index)?),
        };
        self.wire.handles.push(handle);
        Ok(())
    }

    fn text(&mut self, at: u32, length: u32) -> Result<()> {
        if self.cx.options().string_encoding != StringEncoding::Utf8 {
            let text = typed::lift_text(self.cx, at, length)?;
            self.put_length(text.len())?;
            self.put(text.as_bytes());
            return Ok(());
        }
        self.cx.consume_fuel(length as usize)?;
        let bytes = self.within(at, length as usize)?;
        if let Err(error) = std::str::from_utf8(bytes) {
            bail!("the guest handed over text that is not UTF-8: {error}")
        }
        self.put_length(bytes.len())?;
        self.put(bytes);
        Ok(())
    }

    fn list(&mut self, element: InterfaceType, at: u32, length: u32) -> Result<()> {
        let (size, align) = layout(self.types, &element);
        let count = length as usize;
        // What takes no room in memory takes time all the same.
        self.cx.consume_fuel_array(count, size.max(1))?;
        if !at.is_multiple_of(align) {
            bail!("the guest handed over a list at {at:#x}, which is not aligned to {align} bytes")
        }
        let bytes = match count.checked_mul(size) {
            Some(bytes) => self.within(at, bytes)?,
            None => bail!("the guest handed over a list of {count} elements, which no memory holds"),
        };
        self.put_length(count)?;
        if is_solid(self.types, element) {
            self.put(bytes);
            return Ok(());
        }
        if let Some(steps) = steps(self.types, element) {
            let each: usize = steps.iter().map(|step| step.bytes()).sum();
            self.wire.bytes.reserve(count.saturating_mul(each));
            // Elements without size have no steps either.
            return bytes
                .chunks_exact(size.max(1))
                .try_for_each(|element| self.step(&steps, element));
        }
        for index in 0..count {
            self.load(element, rest(bytes, index * size)?)?;
        }
        Ok(())
    }

    fn step(&mut self, steps: &[Step], element: &[u8]) -> Result<()> {
        for step in steps {
            match *step {
                Step::Copy { at, bytes } => {
                    let part = rest(element, at)?;
                    match bytes {
                        4 => self.copy::<4>(part)?,
                        8 => self.copy::<8>(part)?,
                        _ => self.put(part.get(..bytes).unwrap_or_default()),
                    }
                }
                Step::Bool { at } => self.put(&[u8::from(element.get(at) != Some(&0))]),
                Step::Char { at } => self.load(InterfaceType::Char, rest(element, at)?)?,
            }
        }
        Ok(())
    }

    /// Bytes of the guest's memory.
    fn within(&self, at: u32, length: usize) -> Result<&'b [u8]> {
        let memory = self.cx.memory();
        let found = memory.get(at as usize..).and_then(|rest| rest.get(..length));
        match found {
            Some(bytes) => Ok(bytes),
            None => bail!("the guest handed over {length} bytes at {at:#x}, beyond its memory"),
        }
    }

    fn copy<const N: usize>(&mut self, bytes: &[u8]) -> Result<()> {
        match bytes.first_chunk::<N>() {
            Some(bytes) => self.put(bytes),
            None => bail!("a value lies beyond the guest's memory"),
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        self.wire.bytes.extend_from_slice(bytes);
    }

    fn put_length(&mut self, length: usize) -> Result<()> {
        let length = u32::try_from(length)?;
        self.put(&length.to_le_bytes());
        Ok(())
    }
}

fn next<'a>(from: &mut Flat<'a>) -> Result<&'a ValRaw> {
    match from.next() {
        Some(value) => Ok(value),
        None => bail!("a function hands over less than its type says"),
    }
}

fn rest(bytes: &[u8], at: usize) -> Result<&[u8]> {
    match bytes.get(at..) {
        Some(rest) => Ok(rest),
        None => bail!("a value lies beyond the guest's memory"),
    }
}

/// A little-endian number of at most four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Where something lies and how long it is.
fn pair(bytes: &[u8]) -> Result<(u32, u32)> {
    match bytes.first_chunk::<8>() {
        Some([a, b, c, d, e, f, g, h]) => Ok((
            u32::from_le_bytes([*a, *b, *c, *d]),
            u32::from_le_bytes([*e, *f, *g, *h]),
        )),
        None => bail!("a value lies beyond the guest's memory"),
    }
}
