//! What a function takes and returns, as far as it matters to a link.

use wasmtime::component::types::{Case, ComponentFunc, Field, Type};

/// Whether an export can stand for an import: their types are the same, resources aside, which are proxies on one side.
pub(super) fn fits(import: &ComponentFunc, export: &ComponentFunc) -> bool {
    let parameters = |function: &ComponentFunc| function.params().map(|(_, ty)| ty).collect::<Vec<_>>();
    let results = |function: &ComponentFunc| function.results().collect::<Vec<_>>();
    import.async_() == export.async_()
        && all_same(&parameters(import), &parameters(export))
        && all_same(&results(import), &results(export))
}

fn all_same(one: &[Type], other: &[Type]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
}

fn maybe_same(one: Option<Type>, other: Option<Type>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => same(&one, &other),
        _ => false,
    }
}

/// Types nest to a depth that validation bounds.
fn same(one: &Type, other: &Type) -> bool {
    match (one, other) {
        (Type::List(one), Type::List(other)) => same(&one.ty(), &other.ty()),
        (Type::Record(one), Type::Record(other)) => {
            let is_same =
                |(one, other): (Field<'_>, Field<'_>)| one.name == other.name && same(&one.ty, &other.ty);
            one.fields().len() == other.fields().len() && one.fields().zip(other.fields()).all(is_same)
        }
        (Type::Tuple(one), Type::Tuple(other)) => all_same(
            &one.types().collect::<Vec<_>>(),
            &other.types().collect::<Vec<_>>(),
        ),
        (Type::Variant(one), Type::Variant(other)) => {
            let is_same =
                |(one, other): (Case<'_>, Case<'_>)| one.name == other.name && maybe_same(one.ty, other.ty);
            one.cases().len() == other.cases().len() && one.cases().zip(other.cases()).all(is_same)
        }
        (Type::Enum(one), Type::Enum(other)) => one.names().eq(other.names()),
        (Type::Flags(one), Type::Flags(other)) => one.names().eq(other.names()),
        (Type::Option(one), Type::Option(other)) => same(&one.ty(), &other.ty()),
        (Type::Result(one), Type::Result(other)) => {
            maybe_same(one.ok(), other.ok()) && maybe_same(one.err(), other.err())
        }
        (Type::Own(_), Type::Own(_)) | (Type::Borrow(_), Type::Borrow(_)) => true,
        (Type::Stream(one), Type::Stream(other)) => maybe_same(one.ty(), other.ty()),
        (Type::Future(one), Type::Future(other)) => maybe_same(one.ty(), other.ty()),
        (Type::ErrorContext | Type::Map(_) | Type::FixedLengthList(_), _) => false,
        (one, other) => one == other,
    }
}

/// Whether a function takes or returns a stream or a future.
pub(super) fn has_streams(function: &ComponentFunc) -> bool {
    function
        .params()
        .map(|(_, ty)| ty)
        .chain(function.results())
        .any(|ty| holds_stream(&ty))
}

fn holds_stream(ty: &Type) -> bool {
    let maybe = |ty: Option<Type>| ty.is_some_and(|ty| holds_stream(&ty));
    match ty {
        Type::Stream(_) | Type::Future(_) => true,
        Type::List(list) => holds_stream(&list.ty()),
        Type::Record(record) => record.fields().any(|field| holds_stream(&field.ty)),
        Type::Tuple(tuple) => tuple.types().any(|ty| holds_stream(&ty)),
        Type::Variant(variant) => variant.cases().any(|case| maybe(case.ty)),
        Type::Option(option) => holds_stream(&option.ty()),
        Type::Result(result) => maybe(result.ok()) || maybe(result.err()),
        _ => false,
    }
}

/// Core values that a function takes or returns, where they are at most `max`. Where they are more, none is handed over
/// but the place where they lie.
pub(super) fn core_values(types: &[Type], max: usize) -> Option<usize> {
    let count = types.iter().map(slots).fold(0_usize, usize::saturating_add);
    (count <= max).then_some(count)
}

/// Core values that a value of a type is.
fn slots(ty: &Type) -> usize {
    let sum =
        |types: &mut dyn Iterator<Item = Type>| types.fold(0_usize, |sum, ty| sum.saturating_add(slots(&ty)));
    let most = |types: &mut dyn Iterator<Item = Option<Type>>| {
        let carried = types.flatten().map(|ty| slots(&ty)).max();
        carried.unwrap_or(0).saturating_add(1)
    };
    match ty {
        Type::String | Type::List(_) => 2,
        Type::Record(record) => sum(&mut record.fields().map(|field| field.ty)),
        Type::Tuple(tuple) => sum(&mut tuple.types()),
        Type::Flags(flags) => super::wire::flag_words(flags.names().len()),
        Type::Variant(variant) => most(&mut variant.cases().map(|case| case.ty)),
        Type::Option(option) => most(&mut [Some(option.ty())].into_iter()),
        Type::Result(result) => most(&mut [result.ok(), result.err()].into_iter()),
        _ => 1,
    }
}
