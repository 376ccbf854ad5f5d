//! Values on their way from one cell to another: neither end's memory, in a form that both can make and read.
//!
//! A value is the sequence of its parts, little-endian and without padding: numbers as they are, a `char` as its
//! number, text and lists with their length in front, the case of a variant before what it carries. Nothing of the
//! sender's memory but the value itself is in it. Handles do not stand in the bytes; they come along in their order.

use std::sync::Weak;

use smallvec::SmallVec;
use wasmtime::component::__internal::wasmtime_environ::component::{
    ComponentTypes, InterfaceType, VariantInfo,
};
use wasmtime::component::ResourceAny;

use super::pipe::{Content, Flow, Pipe, Readable};
use super::transmit::Reader;

/// The parameters or the results of one call.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(super) bytes: SmallVec<[u8; INLINE]>,
    pub(super) handles: Vec<Handle>,
}

/// Bytes for which nothing is allocated.
const INLINE: usize = 32;

impl Wire {
    /// The same values again; `None` where a stream or a future is among them, which cannot be read twice.
    pub(super) fn again(&self) -> Option<Self> {
        let again = |handle: &Handle| match handle {
            Handle::Proxy { id, owned } => Some(Handle::Proxy {
                id: *id,
                owned: *owned,
            }),
            Handle::Real(resource) => Some(Handle::Real(*resource)),
            Handle::Reader(_) | Handle::Pipe(_) => None,
        };
        Some(Self {
            bytes: self.bytes.clone(),
            handles: self.handles.iter().map(again).collect::<Option<_>>()?,
        })
    }

    /// The streams and futures that go along.
    pub(super) fn pipes(&self) -> impl Iterator<Item = Weak<Pipe>> {
        self.handles.iter().filter_map(|handle| match handle {
            Handle::Pipe(pipe) => Some(pipe.downgrade()),
            _ => None,
        })
    }
}

/// What cannot be written down in bytes: a resource of the callee, or something to read from, on its way.
#[derive(Debug)]
pub(super) enum Handle {
    /// A resource as the caller has it: a number that stands for it.
    Proxy { id: u32, owned: bool },
    /// A resource as the callee's store has it.
    Real(ResourceAny),
    /// A stream or a future as the store has it that it was taken from, or that it is handed to.
    Reader(Reader),
    /// A stream or a future between two stores.
    Pipe(Readable),
}

/// What a stream or a future carries; `None` where the type is neither.
pub(super) fn transmits(types: &ComponentTypes, ty: InterfaceType) -> Option<(Flow, Content)> {
    let (flow, payload) = match ty {
        InterfaceType::Stream(ty) => (Flow::Stream, types[types[ty].ty].payload),
        InterfaceType::Future(ty) => (Flow::Future, types[types[ty].ty].payload),
        _ => return None,
    };
    let content = match payload {
        None => Content::Units,
        Some(InterfaceType::U8) if flow == Flow::Stream => Content::Bytes,
        Some(_) => Content::Values,
    };
    Some((flow, content))
}

/// Which end of a link a value is read from or written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The one that calls: resources are proxies there.
    Caller,
    /// The one that is called: resources are its own there.
    Callee,
}

/// What a case of a variant, option, result or enumeration carries; `None` where there is no such case.
pub(super) fn payload(types: &ComponentTypes, ty: InterfaceType, case: u32) -> Option<Option<InterfaceType>> {
    match (ty, case) {
        (InterfaceType::Option(_), 0) => Some(None),
        (InterfaceType::Option(ty), 1) => Some(Some(types[ty].ty)),
        (InterfaceType::Result(ty), 0) => Some(types[ty].ok),
        (InterfaceType::Result(ty), 1) => Some(types[ty].err),
        (InterfaceType::Enum(ty), case) => {
            let count = types[ty].names.len();
            usize::try_from(case)
                .is_ok_and(|case| case < count)
                .then_some(None)
        }
        (InterfaceType::Variant(ty), case) => {
            let (_, payload) = types[ty].cases.get_index(usize::try_from(case).ok()?)?;
            Some(*payload)
        }
        _ => None,
    }
}

/// How the cases of a type are laid out, where it has cases.
pub(super) fn cases(types: &ComponentTypes, ty: InterfaceType) -> Option<&VariantInfo> {
    match ty {
        InterfaceType::Option(ty) => Some(&types[ty].info),
        InterfaceType::Result(ty) => Some(&types[ty].info),
        InterfaceType::Enum(ty) => Some(&types[ty].info),
        InterfaceType::Variant(ty) => Some(&types[ty].info),
        _ => None,
    }
}

/// Bytes of the number that says which case it is.
pub(super) fn case_bytes(info: &VariantInfo) -> usize {
    usize::from(info.size)
}

/// Where the next part of a record or tuple lies: a running offset.
pub(super) fn next_offset(types: &ComponentTypes, ty: &InterfaceType, offset: &mut u32) -> usize {
    // An offset fits: it lies in a memory of 32 bits.
    types.canonical_abi(ty).next_field32(offset) as usize
}

/// Bytes and alignment of a type in a memory of 32 bits.
pub(super) fn layout(types: &ComponentTypes, ty: &InterfaceType) -> (usize, u32) {
    let abi = types.canonical_abi(ty);
    (abi.size32 as usize, abi.align32)
}

/// Whether every byte of a type in memory belongs to the value and any bytes are a value: then memory is the wire.
pub(super) fn is_solid(types: &ComponentTypes, ty: InterfaceType) -> bool {
    use InterfaceType as T;
    match ty {
        T::S8 | T::U8 | T::S16 | T::U16 | T::S32 | T::U32 | T::S64 | T::U64 | T::Float32 | T::Float64 => true,
        T::Record(ty) => {
            let ty = &types[ty];
            are_solid(types, ty.fields.iter().map(|field| field.ty), ty.abi.size32)
        }
        T::Tuple(ty) => {
            let ty = &types[ty];
            are_solid(types, ty.types.iter().copied(), ty.abi.size32)
        }
        _ => false,
    }
}

/// How one part of an element goes from memory to the wire, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Bytes that are the same in both.
    Copy { at: usize, bytes: usize },
    /// One byte, of which only zero or not counts.
    Bool { at: usize },
    /// Four bytes that must be a character.
    Char { at: usize },
}

impl Step {
    /// Bytes on the wire.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Copy { bytes, .. } => bytes,
            Self::Bool { .. } => 1,
            Self::Char { .. } => 4,
        }
    }
}

pub(super) type Steps = SmallVec<[Step; 16]>;

/// The steps for each element of a list, where they are the same for all: numbers, truths and characters, alone or in
/// records. Thought out once, they are quick to take a thousand times.
pub(super) fn steps(types: &ComponentTypes, ty: InterfaceType) -> Option<Steps> {
    let mut steps = Steps::new();
    add_steps(types, ty, 0, &mut steps)?;
    Some(steps)
}

fn add_steps(types: &ComponentTypes, ty: InterfaceType, at: usize, steps: &mut Steps) -> Option<()> {
    use InterfaceType as T;
    const STEPS_MAX: usize = 256;
    if steps.len() > STEPS_MAX {
        return None;
    }
    match ty {
        _ if is_solid(types, ty) => {
            let bytes = layout(types, &ty).0;
            match steps.last_mut() {
                // What lies behind one another goes together.
                Some(Step::Copy {
                    at: before,
                    bytes: so_far,
                }) if *before + *so_far == at => *so_far += bytes,
                _ => steps.push(Step::Copy { at, bytes }),
            }
        }
        T::Bool => steps.push(Step::Bool { at }),
        T::Char => steps.push(Step::Char { at }),
        T::Record(ty) => {
            let mut offset = 0;
            for field in &types[ty].fields {
                let inner = next_offset(types, &field.ty, &mut offset);
                add_steps(types, field.ty, at + inner, steps)?;
            }
        }
        T::Tuple(ty) => {
            let mut offset = 0;
            for part in &types[ty].types {
                let inner = next_offset(types, part, &mut offset);
                add_steps(types, *part, at + inner, steps)?;
            }
        }
        _ => return None,
    }
    Some(())
}

fn are_solid(types: &ComponentTypes, mut parts: impl Iterator<Item = InterfaceType>, size: u32) -> bool {
    let mut sum = 0;
    let each = parts.all(|part| {
        sum += types.canonical_abi(&part).size32;
        is_solid(types, part)
    });
    each && sum == size
}

/// Words of 32 bits that hold so many flags.
pub(super) fn flag_words(count: usize) -> usize {
    count.div_ceil(32)
}

/// Bytes that so many flags take in memory.
pub(super) fn flag_bytes(count: usize) -> usize {
    match count {
        0 => 0,
        1..=8 => 1,
        9..=16 => 2,
        _ => 4 * flag_words(count),
    }
}

/// The bits of the word at this place that stand for flags.
pub(super) fn flag_mask(count: usize, word: usize) -> u32 {
    match count.saturating_sub(word * 32) {
        left @ 0..32 => (1 << left) - 1,
        _ => u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_take_the_room_that_the_canonical_abi_gives_them() {
        let room = |count| (flag_bytes(count), flag_words(count));
        assert_eq!(
            [0, 1, 8, 9, 16, 17, 32, 33].map(room),
            [(0, 0), (1, 1), (1, 1), (2, 1), (2, 1), (4, 1), (4, 1), (8, 2)]
        );
        assert_eq!(flag_mask(3, 0), 0b111);
        assert_eq!(flag_mask(33, 0), u32::MAX);
        assert_eq!(flag_mask(33, 1), 1);
    }
}
