//! Values into a guest: taken from the wire, written into its arguments or into memory that it gives out.

use std::mem::MaybeUninit;
use std::slice;

use wasmtime::component::__internal::LowerContext;
use wasmtime::component::__internal::wasmtime_environ::component::{
    ComponentTypes, InterfaceType, StringEncoding, TypeResourceTableIndex,
};
use wasmtime::{Result, ValRaw, bail};

use super::typed;
use super::wire::{
    Handle, Step, Wire, case_bytes, cases, flag_bytes, flag_words, is_solid, layout, next_offset, payload,
    steps,
};

pub(super) struct Lowering<'a, 'b, T: 'static> {
    cx: &'a mut LowerContext<'b, T>,
    types: &'b ComponentTypes,
    bytes: &'a [u8],
    handles: slice::Iter<'a, Handle>,
}

/// Arguments or results of a core function, to be filled from the front.
pub(super) struct Slots<'a>(slice::IterMut<'a, MaybeUninit<ValRaw>>);

impl<'a> Slots<'a> {
    pub(super) fn new(slots: &'a mut [MaybeUninit<ValRaw>]) -> Self {
        Self(slots.iter_mut())
    }

    fn put(&mut self, value: u64) -> Result<()> {
        match self.0.next() {
            // Each kind of number is read from the low bits, whatever slot it shares with numbers of other kinds.
            Some(slot) => slot.write(ValRaw::u64(value)),
            None => bail!("a function takes less than its type says"),
        };
        Ok(())
    }

    /// Where in the guest's memory the values lie.
    pub(super) fn put_place(&mut self, at: usize) -> Result<()> {
        self.put(u64::try_from(at)?)
    }

    fn left(&self) -> usize {
        self.0.len()
    }
}

impl<'a, 'b, T: 'static> Lowering<'a, 'b, T> {
    pub(super) fn new(cx: &'a mut LowerContext<'b, T>, wire: &'a Wire) -> Self {
        Self {
            types: cx.types,
            cx,
            bytes: &wire.bytes,
            handles: wire.handles.iter(),
        }
    }

    /// Hands a value over in arguments or results of core functions.
    pub(super) fn flat(&mut self, ty: InterfaceType, into: &mut Slots<'_>) -> Result<()> {
        use InterfaceType as T;
        match ty {
            T::Record(ty) => {
                let types = self.types;
                types[ty]
                    .fields
                    .iter()
                    .try_for_each(|field| self.flat(field.ty, into))
            }
            T::Tuple(ty) => {
                let types = self.types;
                types[ty].types.iter().try_for_each(|part| self.flat(*part, into))
            }
            T::Option(_) | T::Result(_) | T::Enum(_) | T::Variant(_) => self.flat_case(ty, into),
            T::Flags(ty) => {
                for _ in 0..flag_words(self.types[ty].names.len()) {
                    let word = self.number(4)?;
                    into.put(word.into())?;
                }
                Ok(())
            }
            T::String => {
                let (at, length) = self.text()?;
                into.put(at.into())?;
                into.put(length.into())
            }
            T::List(ty) => {
                let (at, length) = self.list(self.types[ty].element)?;
                into.put(at.into())?;
                into.put(length.into())
            }
            T::S64 | T::U64 | T::Float64 => {
                let value = u64::from_le_bytes(*self.take_chunk()?);
                into.put(value)
            }
            // Narrow signed numbers are widened with their sign.
            T::S8 => {
                let value = i32::from(i8::from_le_bytes(*self.take_chunk()?));
                into.put(u64::from(value.cast_unsigned()))
            }
            T::S16 => {
                let value = i32::from(i16::from_le_bytes(*self.take_chunk()?));
                into.put(u64::from(value.cast_unsigned()))
            }
            _ => {
                let word = self.word(ty)?;
                into.put(word.into())
            }
        }
    }

    fn flat_case(&mut self, ty: InterfaceType, into: &mut Slots<'_>) -> Result<()> {
        let slots = self.types.canonical_abi(&ty).flat_count(usize::MAX).unwrap_or(1);
        let before = into.left();
        let (case, payload) = self.case(ty)?;
        into.put(case.into())?;
        if let Some(payload) = payload {
            self.flat(payload, into)?;
        }
        // Other cases carry more.
        while before - into.left() < slots {
            into.put(0)?;
        }
        Ok(())
    }

    /// Writes a value at an offset of the guest's memory that the guest gave for it.
    pub(super) fn store(&mut self, ty: InterfaceType, at: usize) -> Result<()> {
        use InterfaceType as T;
        match ty {
            T::Record(ty) => {
                let (types, mut offset) = (self.types, 0);
                types[ty].fields.iter().try_for_each(|field| {
                    let inner = next_offset(types, &field.ty, &mut offset);
                    self.store(field.ty, at + inner)
                })
            }
            T::Tuple(ty) => {
                let (types, mut offset) = (self.types, 0);
                types[ty].types.iter().try_for_each(|part| {
                    let inner = next_offset(types, part, &mut offset);
                    self.store(*part, at + inner)
                })
            }
            T::Option(_) | T::Result(_) | T::Enum(_) | T::Variant(_) => {
                let Some(info) = cases(self.types, ty) else {
                    bail!("a type has no cases")
                };
                let (case, payload) = self.case(ty)?;
                self.write(at, case.to_le_bytes().get(..case_bytes(info)).unwrap_or_default())?;
                match payload {
                    Some(payload) => self.store(payload, at + info.payload_offset32 as usize),
                    None => Ok(()),
                }
            }
            T::Flags(ty) => {
                let count = self.types[ty].names.len();
                let words = self.take(4 * flag_words(count))?;
                self.write(at, words.get(..flag_bytes(count)).unwrap_or_default())
            }
            T::String => {
                let (place, length) = self.text()?;
                self.store_pair(at, place, length)
            }
            T::List(ty) => {
                let (place, length) = self.list(self.types[ty].element)?;
                self.store_pair(at, place, length)
            }
            T::Own(_) | T::Borrow(_) | T::Stream(_) | T::Future(_) => {
                let word = self.word(ty)?;
                self.write(at, &word.to_le_bytes())
            }
            _ => {
                let bytes = self.take(layout(self.types, &ty).0)?;
                self.write(at, bytes)
            }
        }
    }

    fn store_pair(&mut self, at: usize, place: u32, length: u32) -> Result<()> {
        self.write(at, &place.to_le_bytes())?;
        self.write(at + 4, &length.to_le_bytes())
    }

    fn case(&mut self, ty: InterfaceType) -> Result<(u32, Option<InterfaceType>)> {
        let bytes = cases(self.types, ty).map_or(1, case_bytes);
        let case = self.number(bytes)?;
        match payload(self.types, ty, case) {
            Some(payload) => Ok((case, payload)),
            None => bail!("case {case} is on the wire, of a type that has fewer"),
        }
    }

    /// A value of at most 32 bits that is not negative.
    fn word(&mut self, ty: InterfaceType) -> Result<u32> {
        use InterfaceType as T;
        match ty {
            T::Bool | T::U8 => self.number(1),
            T::U16 => self.number(2),
            T::S32 | T::U32 | T::Float32 | T::Char => self.number(4),
            T::Own(table) | T::Borrow(table) => self.handle(ty, table),
            T::Stream(_) | T::Future(_) => match self.handles.next() {
                Some(Handle::Reader(reader)) => typed::lower_reader(self.cx, ty, reader),
                _ => bail!("a stream is missing on the wire"),
            },
            _ => bail!("values of this type do not cross an isolated link"),
        }
    }

    fn handle(&mut self, ty: InterfaceType, table: TypeResourceTableIndex) -> Result<u32> {
        match self.handles.next() {
            Some(Handle::Proxy { id, owned: true }) => self.cx.guest_resource_lower_own(table, *id),
            Some(Handle::Proxy { .. }) => bail!("a borrowed handle cannot be returned"),
            Some(Handle::Real(resource)) => typed::lower_resource(self.cx, ty, resource),
            _ => bail!("a handle is missing on the wire"),
        }
    }

    fn text(&mut self) -> Result<(u32, u32)> {
        let length = self.number(4)? as usize;
        let bytes = self.take(length)?;
        if self.cx.options().string_encoding != StringEncoding::Utf8 {
            return typed::lower_text(self.cx, std::str::from_utf8(bytes)?);
        }
        let at = self.cx.realloc(0, 0, 1, length)?;
        self.write(at, bytes)?;
        Ok((u32::try_from(at)?, u32::try_from(length)?))
    }

    fn list(&mut self, element: InterfaceType) -> Result<(u32, u32)> {
        let count = self.number(4)? as usize;
        let (size, align) = layout(self.types, &element);
        let Some(room) = count.checked_mul(size) else {
            bail!("a list of {count} elements fits into no memory")
        };
        let at = self.cx.realloc(0, 0, align, room)?;
        if is_solid(self.types, element) {
            let bytes = self.take(room)?;
            self.write(at, bytes)?;
        } else if let Some(steps) = steps(self.types, element) {
            self.elements(&steps, at, size, count)?;
        } else {
            for index in 0..count {
                self.store(element, at + index * size)?;
            }
        }
        Ok((u32::try_from(at)?, u32::try_from(count)?))
    }

    fn elements(&mut self, steps: &[Step], at: usize, size: usize, count: usize) -> Result<()> {
        let each: usize = steps.iter().map(|step| step.bytes()).sum();
        let mut wire = self.take(count.saturating_mul(each))?;
        let memory = self.cx.as_slice_mut();
        let room = memory.get_mut(at..).and_then(|rest| rest.get_mut(..count * size));
        let Some(room) = room else {
            bail!("the guest gave out memory that it does not have")
        };
        for element in room.chunks_exact_mut(size.max(1)) {
            for step in steps {
                let (Step::Copy { at, .. } | Step::Bool { at } | Step::Char { at }) = *step;
                let (part, rest) = wire.split_at_checked(step.bytes()).unwrap_or_default();
                wire = rest;
                if let Some(place) = element.get_mut(at..).and_then(|rest| rest.get_mut(..part.len())) {
                    place.copy_from_slice(part);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let memory = self.cx.as_slice_mut();
        match memory.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
            Some(room) => room.copy_from_slice(bytes),
            None => bail!("the guest gave out memory that it does not have"),
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        match self.bytes.split_at_checked(length) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => bail!("the wire ends in the middle of a value"),
        }
    }

    fn take_chunk<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        match self.bytes.split_first_chunk() {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => bail!("the wire ends in the middle of a value"),
        }
    }

    /// A little-endian number of at most four bytes.
    fn number(&mut self, bytes: usize) -> Result<u32> {
        match bytes {
            1 => Ok(u32::from(u8::from_le_bytes(*self.take_chunk()?))),
            2 => Ok(u32::from(u16::from_le_bytes(*self.take_chunk()?))),
            _ => Ok(u32::from_le_bytes(*self.take_chunk()?)),
        }
    }
}
