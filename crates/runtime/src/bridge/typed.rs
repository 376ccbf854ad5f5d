//! What the engine is told so that it hands over values as they lie in the guest, and takes them in the same way.
//!
//! The engine's typed functions ask of a type how it is read from and written to a guest. The types here answer for
//! every signature: the one that the component declares, as it is found when the call is made. So bytes are copied as
//! bytes, where the engine's own dynamic values would make 24 bytes and a comparison of each ([performance](
//! ../../../../docs/performance.md)).
//!
//! This is one of the two files with `unsafe`: the engine's traits are unsafe to implement, because it believes them
//! how many values a signature takes. What is promised, and why it holds, stands at each place. Everything that reads
//! or writes values is safe code ([`super::lift`], [`super::lower`]).
#![allow(
    unsafe_code,
    reason = "the engine's traits for values of components are unsafe to implement; see the module's contract"
)]

use std::mem::MaybeUninit;

use wasmtime::component::__internal::wasmtime_environ::component::{InterfaceType, MAX_FLAT_PARAMS};
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, LiftContext, LowerContext};
use wasmtime::component::{ComponentNamedList, ComponentType, Func, Lift, Lower, ResourceAny, TypedFunc};
use wasmtime::{Result, ValRaw, bail};

use super::lift::Lifting;
use super::lower::{Lowering, Slots};
use super::wire::{End, Wire};

/// What a caller hands over: `N` core values, or one place in its memory where they are too many.
pub(super) struct Arguments<const N: usize>(pub(super) Wire);

/// What a caller gets back: `N` core values, at most one, or a place in its memory.
pub(super) struct Results<const N: usize>(pub(super) Wire);

/// What a callee is handed. Up to [`MAX_FLAT_PARAMS`] core values, or one: the place in its memory where more lie.
pub(super) struct Parameters<'a>(pub(super) &'a Wire);

/// What a callee gives back: `N` core values, or the first of them is a place in its memory.
pub(super) struct Returned<const N: usize>(pub(super) Wire);

/// Looks at an export as a function of any signature.
pub(super) fn any<'a, const N: usize>(function: Func) -> TypedFunc<Parameters<'a>, Returned<N>> {
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
unsafe impl ComponentType for Parameters<'_> {
    type Lower = [ValRaw; MAX_FLAT_PARAMS];
    const ABI: CanonicalAbiInfo = NOTHING;

    fn typecheck(ty: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        tuple(ty)
    }
}

// SAFETY: as above; the engine calls it for the parameters of a function only.
unsafe impl ComponentNamedList for Parameters<'_> {}

// SAFETY: as many core values are written as the signature takes, or an error is returned.
unsafe impl Lower for Parameters<'_> {
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
            return Lowering::new(cx, self.0).flat(ty, &mut lowering_into);
        }
        // Too many: they lie in memory that the callee gives out, and it is handed the place.
        let at = cx.realloc(0, 0, abi.align32, abi.size32 as usize)?;
        Lowering::new(cx, self.0).store(ty, at)?;
        lowering_into.put_place(at)
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        at: usize,
    ) -> Result<()> {
        Lowering::new(cx, self.0).store(ty, at)
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
