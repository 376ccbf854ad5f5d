//! Values that a manifest writes down for calls that fail, as they go over the wire.

use wasmtime::component::Val;
use wasmtime::component::types::Type;

use super::wire::Wire;

/// Puts a value on the wire; `None` where it is not of the type, or has handles in it.
pub(super) fn encode(ty: &Type, value: &Val) -> Option<Wire> {
    let mut wire = Wire::default();
    put(ty, value, &mut wire)?;
    Some(wire)
}

fn put(ty: &Type, value: &Val, wire: &mut Wire) -> Option<()> {
    let mut bytes = |bytes: &[u8]| wire.bytes.extend_from_slice(bytes);
    match (ty, value) {
        (Type::Bool, Val::Bool(value)) => bytes(&[u8::from(*value)]),
        (Type::S8, Val::S8(value)) => bytes(&value.to_le_bytes()),
        (Type::U8, Val::U8(value)) => bytes(&value.to_le_bytes()),
        (Type::S16, Val::S16(value)) => bytes(&value.to_le_bytes()),
        (Type::U16, Val::U16(value)) => bytes(&value.to_le_bytes()),
        (Type::S32, Val::S32(value)) => bytes(&value.to_le_bytes()),
        (Type::U32, Val::U32(value)) => bytes(&value.to_le_bytes()),
        (Type::S64, Val::S64(value)) => bytes(&value.to_le_bytes()),
        (Type::U64, Val::U64(value)) => bytes(&value.to_le_bytes()),
        (Type::Float32, Val::Float32(value)) => bytes(&value.to_bits().to_le_bytes()),
        (Type::Float64, Val::Float64(value)) => bytes(&value.to_bits().to_le_bytes()),
        (Type::Char, Val::Char(value)) => bytes(&u32::from(*value).to_le_bytes()),
        (Type::String, Val::String(value)) => {
            bytes(&u32::try_from(value.len()).ok()?.to_le_bytes());
            bytes(value.as_bytes());
        }
        (Type::List(list), Val::List(values)) => {
            bytes(&u32::try_from(values.len()).ok()?.to_le_bytes());
            values.iter().try_for_each(|value| put(&list.ty(), value, wire))?;
        }
        (Type::Tuple(tuple), Val::Tuple(values)) if tuple.types().len() == values.len() => {
            tuple
                .types()
                .zip(values)
                .try_for_each(|(ty, value)| put(&ty, value, wire))?;
        }
        (Type::Record(record), Val::Record(values)) => {
            for field in record.fields() {
                let (_, value) = values.iter().find(|(name, _)| name == field.name)?;
                put(&field.ty, value, wire)?;
            }
        }
        (Type::Flags(flags), Val::Flags(set)) => {
            let mut words = vec![0_u32; super::wire::flag_words(flags.names().len())];
            for name in set {
                let at = flags.names().position(|known| known == name)?;
                *words.get_mut(at / 32)? |= 1 << (at % 32);
            }
            words.iter().for_each(|word| bytes(&word.to_le_bytes()));
        }
        (Type::Enum(names), Val::Enum(name)) => {
            let count = names.names().len();
            put_case(names.names().position(|known| known == name)?, count, wire);
        }
        (Type::Option(option), Val::Option(value)) => {
            put_case(usize::from(value.is_some()), 2, wire);
            if let Some(value) = value {
                put(&option.ty(), value, wire)?;
            }
        }
        (Type::Result(result), Val::Result(value)) => {
            put_case(usize::from(value.is_err()), 2, wire);
            match value {
                Ok(value) => put_carried(result.ok(), value.as_deref(), wire)?,
                Err(value) => put_carried(result.err(), value.as_deref(), wire)?,
            }
        }
        (Type::Variant(variant), Val::Variant(name, value)) => {
            let count = variant.cases().len();
            let (at, case) = variant.cases().enumerate().find(|(_, case)| case.name == name)?;
            put_case(at, count, wire);
            put_carried(case.ty, value.as_deref(), wire)?;
        }
        _ => return None,
    }
    Some(())
}

fn put_carried(ty: Option<Type>, value: Option<&Val>, wire: &mut Wire) -> Option<()> {
    match (ty, value) {
        (None, None) => Some(()),
        (Some(ty), Some(value)) => put(&ty, value, wire),
        _ => None,
    }
}

/// Which case it is, as wide as the canonical ABI has it.
fn put_case(case: usize, count: usize, wire: &mut Wire) {
    // There are at most as many cases as 32 bits can tell apart.
    let case = u32::try_from(case).unwrap_or(u32::MAX).to_le_bytes();
    let width = match count {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    };
    wire.bytes
        .extend_from_slice(case.get(..width).unwrap_or_default());
}
