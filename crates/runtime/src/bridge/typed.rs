//! What the engine is told so that it hands over values as they lie in the guest, and takes them in the same way.
//!
//! The engine's typed functions ask of a type how it is read from and written to a guest. The types here answer for
//! every signature: the one that the component declares, as it is found when the call is made. So bytes are copied as
//! bytes, where the engine's own dynamic values would make 24 bytes and a comparison of each ([performance](
//! ../../../../docs/performance.md)).
//!
//! This is one of the three files with `unsafe`: the engine's traits are unsafe to implement, because it believes them
//! how many values a signature takes. What is promised, and why it holds, stands at each place. Everything that reads
//! or writes values is safe code ([`super::lift`], [`super::lower`]).
#![allow(
    unsafe_code,
    reason = "the engine's traits for values of components are unsafe to implement; see the module's contract"
)]

use std::borrow::Borrow;
use std::cell::Cell as Slot;
use std::mem::MaybeUninit;

use wasmtime::component::__internal::wasmtime_environ::component::{InterfaceType, MAX_FLAT_PARAMS};
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, LiftContext, LowerContext};
use wasmtime::component::{
    ComponentNamedList, ComponentType, Func, FutureReader, Lift, Lower, ResourceAny, Source, StreamReader,
    TypedFunc,
};
use wasmtime::{AsContextMut, Result, ValRaw, bail};

use super::lift::Lifting;
use super::lower::{Lowering, Slots};
use super::pipe::{Content, Flow};
use super::transmit::Reader;
use super::wire::{self, End, Wire};

/// What a caller hands over: `N` core values, or one place in its memory where they are too many.
pub(super) struct Arguments<const N: usize>(pub(super) Wire);

/// What a caller gets back: `N` core values, at most one, or a place in its memory.
pub(super) struct Results<const N: usize>(pub(super) Wire);

/// What a callee is handed, owned or not. Up to [`MAX_FLAT_PARAMS`] core values, or one: the place in its memory where
/// more lie.
pub(super) struct Parameters<W>(pub(super) W);

/// What a callee gives back: `N` core values, or the first of them is a place in its memory.
pub(super) struct Returned<const N: usize>(pub(super) Wire);

/// Looks at an export as a function of any signature.
pub(super) fn any<W: Borrow<Wire> + Send + Sync, const N: usize>(
    function: Func,
) -> TypedFunc<Parameters<W>, Returned<N>> {
    // SAFETY: the types fit every signature whose results are `N` core values, which the caller of this function has
    // counted ([`super::signature`]), or one that says where they lie.
    unsafe { TypedFunc::new_unchecked(function) }
}

/// The layout that the engine is told. It never lays such a value out in memory itself: where it would, it is handed
/// the place, and [`super::lift`] and [`super::lower`] know what lies there.
const NOTHING: CanonicalAbiInfo = CanonicalAbiInfo {
    size32: 0,
    align32: 1,
    size64: 0,
    align64: 1,
    flat_count: None,
};

fn tuple(ty: &InterfaceType) -> Result<()> {
    match ty {
        InterfaceType::Tuple(_) => Ok(()),
        _ => bail!("only the parameters or the results of a function are handed over"),
    }
}

/// How many core values a signature's parameters or results are, where they are at most `max`.
fn flat_count(ty: &InterfaceType, types: &InstanceType<'_>, max: usize) -> Result<Option<usize>> {
    match ty {
        InterfaceType::Tuple(ty) => Ok(types.types[*ty].abi.flat_count(max)),
        _ => bail!("only the parameters or the results of a function are handed over"),
    }
}

// SAFETY: `Lower` is `N` core values, and `typecheck` refuses functions whose parameters are another number of them;
// where they are too many, the engine hands over the place instead, and `Lower` is not looked at.
unsafe impl<const N: usize> ComponentType for Arguments<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = NOTHING;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        match flat_count(ty, types, MAX_FLAT_PARAMS)? {
            Some(count) if count != N => bail!("a function takes {count} core values and not {N}"),
            _ => Ok(()),
        }
    }
}

// SAFETY: as above; the engine calls it for the parameters of a function only.
unsafe impl<const N: usize> ComponentNamedList for Arguments<N> {}

// SAFETY: it only reads what it is handed.
unsafe impl<const N: usize> Lift for Arguments<N> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        from: &[ValRaw; N],
    ) -> Result<Self> {
        let mut lifting = Lifting::new(cx, End::Caller);
        lifting.flat(ty, &mut from.iter())?;
        Ok(Self(lifting.finish()))
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        // `bytes` is empty, since the engine was told that nothing lies there. It begins where the values begin.
        let memory = cx.memory();
        let at = bytes.as_ptr().addr().wrapping_sub(memory.as_ptr().addr());
        let mut lifting = Lifting::new(cx, End::Caller);
        match memory.get(at..) {
            Some(rest) => lifting.load(ty, rest)?,
            None => bail!("the parameters lie beyond the guest's memory"),
        }
        Ok(Self(lifting.finish()))
    }
}

// SAFETY: as for `Arguments`; results are at most one core value.
unsafe impl<const N: usize> ComponentType for Results<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = NOTHING;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        match flat_count(ty, types, 1)? {
            Some(count) if count != N => bail!("a function returns {count} core values and not {N}"),
            _ => Ok(()),
        }
    }
}

// SAFETY: as above; the engine calls it for the results of a function only.
unsafe impl<const N: usize> ComponentNamedList for Results<N> {}

// SAFETY: all `N` core values are written, or an error is returned; memory is written by the engine's own checked
// slices.
unsafe impl<const N: usize> Lower for Results<N> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        into: &mut MaybeUninit<[ValRaw; N]>,
    ) -> Result<()> {
        into.write([ValRaw::u64(0); N]);
        Lowering::new(cx, &self.0).flat(ty, &mut Slots::new(slots(into)))
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        at: usize,
    ) -> Result<()> {
        Lowering::new(cx, &self.0).store(ty, at)
    }
}

// SAFETY: `Lower` has room for all core values that parameters can be. Those beyond what a signature takes are not
// written, and not read: the code that enters the guest reads as many as the signature has.
unsafe impl<W: Borrow<Wire> + Send + Sync> ComponentType for Parameters<W> {
    type Lower = [ValRaw; MAX_FLAT_PARAMS];
    const ABI: CanonicalAbiInfo = NOTHING;

    fn typecheck(ty: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        tuple(ty)
    }
}

// SAFETY: as above; the engine calls it for the parameters of a function only.
unsafe impl<W: Borrow<Wire> + Send + Sync> ComponentNamedList for Parameters<W> {}

// SAFETY: as many core values are written as the signature takes, or an error is returned.
unsafe impl<W: Borrow<Wire> + Send + Sync> Lower for Parameters<W> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        into: &mut MaybeUninit<[ValRaw; MAX_FLAT_PARAMS]>,
    ) -> Result<()> {
        let InterfaceType::Tuple(tuple) = ty else {
            bail!("only the parameters of a function are handed over")
        };
        let abi = &cx.types[tuple].abi;
        let mut lowering_into = Slots::new(slots(into));
        if abi.flat_count(MAX_FLAT_PARAMS).is_some() {
            return Lowering::new(cx, self.0.borrow()).flat(ty, &mut lowering_into);
        }
        // Too many: they lie in memory that the callee gives out, and it is handed the place.
        let at = cx.realloc(0, 0, abi.align32, abi.size32 as usize)?;
        Lowering::new(cx, self.0.borrow()).store(ty, at)?;
        lowering_into.put_place(at)
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        at: usize,
    ) -> Result<()> {
        Lowering::new(cx, self.0.borrow()).store(ty, at)
    }
}

// SAFETY: `Lower` is as many core values as the signature's results are; the caller of `any` has counted them.
unsafe impl<const N: usize> ComponentType for Returned<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = NOTHING;

    fn typecheck(ty: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        tuple(ty)
    }
}

// SAFETY: as above; the engine calls it for the results of a function only.
unsafe impl<const N: usize> ComponentNamedList for Returned<N> {}

// SAFETY: it only reads what it is handed.
unsafe impl<const N: usize> Lift for Returned<N> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        from: &[ValRaw; N],
    ) -> Result<Self> {
        let InterfaceType::Tuple(tuple) = ty else {
            bail!("only the results of a function are handed over")
        };
        let abi = &cx.types[tuple].abi;
        let (count, align, size) = (abi.flat_count(N), abi.align32, abi.size32 as usize);
        let mut lifting = Lifting::new(cx, End::Callee);
        if count.is_some() {
            lifting.flat(ty, &mut from.iter())?;
            return Ok(Self(lifting.finish()));
        }
        let Some(place) = from.first().map(ValRaw::get_u32) else {
            bail!("a function that returns nothing has results")
        };
        lifting.load_at(ty, place, align, size)?;
        Ok(Self(lifting.finish()))
    }

    fn linear_lift_from_memory(_: &mut LiftContext<'_>, _: InterfaceType, _: &[u8]) -> Result<Self> {
        bail!("results are handed over as core values")
    }
}

fn slots<const N: usize>(values: &mut MaybeUninit<[ValRaw; N]>) -> &mut [MaybeUninit<ValRaw>] {
    // SAFETY: an array of values that may not be there is as good as an array that may not be there.
    unsafe { &mut *values.as_mut_ptr().cast::<[MaybeUninit<ValRaw>; N]>() }
}

/// Text of a guest that keeps it in another encoding than UTF-8.
pub(super) fn lift_text(cx: &mut LiftContext<'_>, at: u32, length: u32) -> Result<String> {
    String::linear_lift_from_flat(cx, InterfaceType::String, &[ValRaw::u32(at), ValRaw::u32(length)])
}

/// The same into a guest: where it lies there, and how long it is.
pub(super) fn lower_text<T>(cx: &mut LowerContext<'_, T>, text: &str) -> Result<(u32, u32)> {
    let mut into = MaybeUninit::new([ValRaw::u32(0); 2]);
    text.linear_lower_to_flat(cx, InterfaceType::String, &mut into)?;
    // SAFETY: it was initialised before it was handed over.
    let [at, length] = unsafe { into.assume_init() };
    Ok((at.get_u32(), length.get_u32()))
}

/// A resource of the callee's own.
pub(super) fn lift_resource(cx: &mut LiftContext<'_>, ty: InterfaceType, index: u32) -> Result<ResourceAny> {
    ResourceAny::linear_lift_from_flat(cx, ty, &ValRaw::u32(index))
}

/// The same on its way back: the index by which the callee knows it.
pub(super) fn lower_resource<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    resource: &ResourceAny,
) -> Result<u32> {
    let mut into = MaybeUninit::new(ValRaw::u32(0));
    resource.linear_lower_to_flat(cx, ty, &mut into)?;
    // SAFETY: it was initialised before it was handed over.
    Ok(unsafe { into.assume_init() }.get_u32())
}

/// One value of a stream or a future, as it goes over the wire. No handle is in it.
#[derive(Debug)]
pub(super) struct Element(Wire);

impl Element {
    /// Bytes on the wire.
    pub(super) fn len(&self) -> usize {
        self.0.bytes.len()
    }
}

// SAFETY: such a value is in the memory of a guest only, and only as an element of a stream or a future: `Lift` and
// `Lower` refuse to take it from core values, of which it promises to be none.
unsafe impl ComponentType for Element {
    type Lower = [ValRaw; 0];
    const ABI: CanonicalAbiInfo = NOTHING;

    /// Any type: both ends of a link have been compared before ([`super::signature`]).
    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: memory is written by the engine's own checked slices.
unsafe impl Lower for Element {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut MaybeUninit<[ValRaw; 0]>,
    ) -> Result<()> {
        bail!("an element of a stream is handed over in memory")
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        at: usize,
    ) -> Result<()> {
        Self::linear_store_list_to_memory(cx, ty, at, std::slice::from_ref(self))
    }

    /// Writes as many elements as the engine says there is room for, each as large as its type is.
    fn linear_store_list_to_memory<T>(
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        at: usize,
        elements: &[Self],
    ) -> Result<()> {
        let (size, align) = wire::layout(cx.types, &ty);
        if !at.is_multiple_of(align as usize) {
            bail!("the guest asks for values at {at:#x}, which is not aligned to {align} bytes")
        }
        for (index, element) in elements.iter().enumerate() {
            Lowering::new(cx, &element.0).store(ty, at + index * size)?;
        }
        Ok(())
    }
}

std::thread_local! {
    /// Which element of a list is read next: the engine was told that elements have no size, and so names the place of
    /// the first one for each of them.
    static NEXT: Slot<usize> = const { Slot::new(0) };
}

// SAFETY: it only reads what it is handed.
unsafe impl Lift for Element {
    fn linear_lift_from_flat(_: &mut LiftContext<'_>, _: InterfaceType, _: &[ValRaw; 0]) -> Result<Self> {
        bail!("an element of a stream is handed over in memory")
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Self> {
        let first = bytes.as_ptr().addr().wrapping_sub(cx.memory().as_ptr().addr());
        let index = NEXT.replace(NEXT.get() + 1);
        let (size, align) = wire::layout(cx.types, &ty);
        let place = index
            .checked_mul(size)
            .and_then(|offset| offset.checked_add(first));
        let place = place.and_then(|place| u32::try_from(place).ok());
        let Some(place) = place else {
            bail!("an element of a stream lies beyond the guest's memory")
        };
        let mut lifting = Lifting::new(cx, End::Callee);
        lifting.load_at(ty, place, align, size)?;
        let read = lifting.finish();
        if !read.handles.is_empty() {
            bail!("a stream of handles does not cross an isolated link")
        }
        Ok(Self(read))
    }
}

/// Takes about so many of the elements that a writer hands over. At most once for each of its writes.
pub(super) fn read_elements(
    source: &mut Source<'_, Element>,
    store: impl AsContextMut,
    count: usize,
) -> Result<Vec<Element>> {
    NEXT.set(0);
    // Its capacity is what the engine fills; more than was asked for does no harm.
    let mut read = Vec::with_capacity(count);
    source.read(store, &mut read)?;
    Ok(read)
}

/// The readable end of a stream or a future that a guest hands over.
pub(super) fn lift_reader(cx: &mut LiftContext<'_>, ty: InterfaceType, index: u32) -> Result<Reader> {
    let Some((flow, content)) = wire::transmits(cx.types, ty) else {
        bail!("only streams and futures have readable ends")
    };
    let index = ValRaw::u32(index);
    Ok(match (flow, content) {
        (Flow::Stream, Content::Bytes) => Reader::Bytes(StreamReader::linear_lift_from_flat(cx, ty, &index)?),
        (Flow::Stream, Content::Values) => {
            Reader::Values(StreamReader::linear_lift_from_flat(cx, ty, &index)?)
        }
        (Flow::Stream, Content::Units) => Reader::Units(StreamReader::linear_lift_from_flat(cx, ty, &index)?),
        (Flow::Future, Content::Units) => {
            Reader::Signal(FutureReader::linear_lift_from_flat(cx, ty, &index)?)
        }
        (Flow::Future, _) => Reader::Value(FutureReader::linear_lift_from_flat(cx, ty, &index)?),
    })
}

/// The same into a guest: the index by which it knows the end.
pub(super) fn lower_reader<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    reader: &Reader,
) -> Result<u32> {
    let mut into = MaybeUninit::new(ValRaw::u32(0));
    match reader {
        Reader::Bytes(reader) => reader.linear_lower_to_flat(cx, ty, &mut into)?,
        Reader::Values(reader) => reader.linear_lower_to_flat(cx, ty, &mut into)?,
        Reader::Units(reader) => reader.linear_lower_to_flat(cx, ty, &mut into)?,
        Reader::Value(reader) => reader.linear_lower_to_flat(cx, ty, &mut into)?,
        Reader::Signal(reader) => reader.linear_lower_to_flat(cx, ty, &mut into)?,
    }
    // SAFETY: it was initialised before it was handed over.
    Ok(unsafe { into.assume_init() }.get_u32())
}
