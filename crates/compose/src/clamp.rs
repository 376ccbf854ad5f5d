//! Limits of one component's memories and tables, written into its bytes.
//!
//! The engine counts memory per store, and a fused app is one store: so that one component cannot spend what
//! was meant for its neighbours, every memory and table that it defines, at any depth, gets a maximum: its share
//! of the component's limit ([`crate::shares`]). Memories that a nested module imports are defined by a sibling
//! and therefore bounded too.

use wasmparser::{BinaryReader, BinaryReaderError, ConstExpr, RefType};
use weft_app::{ComponentLimits, quantity};

use crate::shares::{self, PAGE_BYTES, Shares};
use weft_sections::{HEADER_BYTES, put_number, put_section, sections};

/// Pages of a memory, one less than can be addressed with 32 bits: by that the engine's heap is told from a memory.
const PAGES_MAX: u64 = (1 << 16) - 1;

/// Sections of a component that hold a part of it.
const MODULE: u8 = 1;
const COMPONENT: u8 = 4;
/// Sections of a core module.
const TABLES: u8 = 4;
const MEMORIES: u8 = 5;

/// Bits of the byte in front of the limits of a memory or table.
const HAS_MAXIMUM: u8 = 0x01;
const IS_SHARED: u8 = 0x02;
const IS_64: u8 = 0x04;

/// Begins a table whose elements start out as something else than null.
const INITIALISED: [u8; 2] = [0x40, 0x00];

/// Why the memories and tables of a component cannot be bounded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The bytes do not read.
    #[error("the component does not read")]
    Malformed(#[from] BinaryReaderError),
    /// A memory begins with more than the component may ever have.
    #[error(
        "one of its memories begins with {}, its limit is {}",
        quantity::show_bytes(*.asked), quantity::show_bytes(*.limit)
    )]
    Memory {
        /// Bytes that the memory begins with.
        asked: u64,
        /// Bytes that it may have.
        limit: u64,
    },
    /// A table begins with more than the component may ever have.
    #[error("one of its tables begins with {asked} elements, its limit is {limit}")]
    Table {
        /// Elements that the table begins with.
        asked: u64,
        /// Elements that it may have.
        limit: u64,
    },
    /// A memory whose pages have an unusual size.
    #[error("one of its memories has pages of a size of its own, which cannot be bounded yet")]
    PageSize,
    /// A memory for threads, which are not there.
    #[error("one of its memories is shared between threads, and programs with threads do not run")]
    Shared,
    /// Limits written in a way that is not known.
    #[error("one of its memories or tables has limits of an unknown kind ({flags:#04x})")]
    UnknownLimits {
        /// The byte that says the kind.
        flags: u8,
    },
    /// All of them together do not fit.
    #[error(transparent)]
    Together(#[from] shares::Error),
    /// Components inside components beyond all reason.
    #[error("components are nested more than {} deep", weft_inspect::bounds::DEPTH_MAX)]
    TooDeep,
}

/// Gives every memory and table that the component defines a maximum, so that all together stay within what it
/// may have; says what the share of each is.
///
/// # Errors
/// They begin with more than that, or are of a kind that cannot be bounded or counted.
pub(crate) fn clamp(component: &[u8], limits: &ComponentLimits) -> Result<(Vec<u8>, Shares), Error> {
    let bounds = Bounds {
        limits,
        shares: shares::divide(component, limits)?,
    };
    Ok((part(component, true, &bounds, 0)?, bounds.shares))
}

/// Checks without writing that [`clamp`] would succeed, and says the shares.
pub(crate) fn check(component: &[u8], limits: &ComponentLimits) -> Result<Shares, Error> {
    // Building the bytes costs a copy; a second reader of the same format would cost a second set of mistakes.
    clamp(component, limits).map(|(_, shares)| shares)
}

/// What is written into the bytes.
struct Bounds<'a> {
    limits: &'a ComponentLimits,
    shares: Shares,
}

/// Recursive, but not deeper than the bound of the check that every file passes first.
fn part(wasm: &[u8], is_component: bool, bounds: &Bounds<'_>, depth: usize) -> Result<Vec<u8>, Error> {
    if depth > weft_inspect::bounds::DEPTH_MAX + 1 {
        return Err(Error::TooDeep);
    }
    let mut clamped = Vec::with_capacity(wasm.len() + 64);
    clamped.extend_from_slice(wasm.get(..HEADER_BYTES).unwrap_or_default());
    for section in sections(wasm) {
        let section = section?;
        match (is_component, section.id) {
            (true, id @ (MODULE | COMPONENT)) => {
                let inner = part(section.body, id == COMPONENT, bounds, depth + 1)?;
                put_section(&mut clamped, id, &inner);
            }
            (false, MEMORIES) => put_section(&mut clamped, MEMORIES, &memories(section.body, bounds)?),
            (false, TABLES) => put_section(&mut clamped, TABLES, &tables(section.body, bounds)?),
            _ => clamped.extend_from_slice(section.whole),
        }
    }
    Ok(clamped)
}

fn memories(body: &[u8], bounds: &Bounds<'_>) -> Result<Vec<u8>, Error> {
    let mut reader = BinaryReader::new(body, 0);
    let mut clamped = Vec::with_capacity(body.len() + 16);
    let count = reader.read_var_u32()?;
    put_number(&mut clamped, u64::from(count));
    let limit = bounds.limits.memory_bytes_max;
    let bound = Bound {
        share: (bounds.shares.memory_bytes_max / PAGE_BYTES).min(PAGES_MAX),
        limit: limit / PAGE_BYTES,
    };
    for _ in 0..count {
        put_limits(&mut clamped, &mut reader, bound, |pages| Error::Memory {
            asked: pages.saturating_mul(PAGE_BYTES),
            limit,
        })?;
    }
    Ok(clamped)
}

fn tables(body: &[u8], bounds: &Bounds<'_>) -> Result<Vec<u8>, Error> {
    let mut reader = BinaryReader::new(body, 0);
    let mut clamped = Vec::with_capacity(body.len() + 16);
    let count = reader.read_var_u32()?;
    put_number(&mut clamped, u64::from(count));
    let limit = bounds.limits.table_elements_max;
    let bound = Bound {
        share: bounds.shares.table_elements_max,
        limit,
    };
    for _ in 0..count {
        let start = reader.original_position();
        let is_initialised = body
            .get(start..)
            .is_some_and(|rest| rest.starts_with(&INITIALISED));
        if is_initialised {
            reader.read_bytes(INITIALISED.len())?;
        }
        let _: RefType = reader.read()?;
        copy(&mut clamped, body, start, &reader);
        put_limits(&mut clamped, &mut reader, bound, |asked| Error::Table {
            asked,
            limit,
        })?;
        if is_initialised {
            let start = reader.original_position();
            let _: ConstExpr<'_> = reader.read()?;
            copy(&mut clamped, body, start, &reader);
        }
    }
    Ok(clamped)
}

/// What one memory or table may have, in pages or elements.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// The share of each.
    share: u64,
    /// What none may begin with more than, also where it is never made.
    limit: u64,
}

fn copy(clamped: &mut Vec<u8>, body: &[u8], start: usize, reader: &BinaryReader<'_>) {
    clamped.extend_from_slice(body.get(start..reader.original_position()).unwrap_or_default());
}

fn put_limits(
    clamped: &mut Vec<u8>,
    reader: &mut BinaryReader<'_>,
    bound: Bound,
    too_large: impl Fn(u64) -> Error,
) -> Result<(), Error> {
    const HAS_PAGE_SIZE: u8 = 0x08;
    let flags = reader.read_u8()?;
    if flags & HAS_PAGE_SIZE != 0 {
        return Err(Error::PageSize);
    }
    if flags & IS_SHARED != 0 {
        return Err(Error::Shared);
    }
    if flags & !(HAS_MAXIMUM | IS_SHARED | IS_64) != 0 {
        return Err(Error::UnknownLimits { flags });
    }
    let is_64 = flags & IS_64 != 0;
    let minimum = number(reader, is_64)?;
    if minimum > bound.limit {
        return Err(too_large(minimum));
    }
    let declared = if flags & HAS_MAXIMUM != 0 {
        number(reader, is_64)?
    } else {
        u64::MAX
    };
    // What cannot be addressed cannot be declared either.
    let addressable = if is_64 { u64::MAX } else { u64::from(u32::MAX) };
    clamped.push(flags | HAS_MAXIMUM);
    put_number(clamped, minimum);
    // One that begins with more than its share was counted with what it begins with.
    let maximum = declared.min(bound.share).max(minimum);
    put_number(clamped, maximum.min(addressable));
    Ok(())
}

fn number(reader: &mut BinaryReader<'_>, is_64: bool) -> Result<u64, BinaryReaderError> {
    if is_64 {
        reader.read_var_u64()
    } else {
        reader.read_var_u32().map(u64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(pages: u64, elements: u64) -> ComponentLimits {
        ComponentLimits {
            memory_bytes_max: pages * PAGE_BYTES,
            table_elements_max: elements,
        }
    }

    /// Every memory and table after clamping, as text.
    fn clamped(wat: &str, limits: &ComponentLimits) -> Result<Vec<String>, Error> {
        let (wasm, _) = clamp(&wat::parse_str(wat).unwrap(), limits)?;
        wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all())
            .validate_all(&wasm)
            .unwrap();
        let mut found = Vec::new();
        for payload in wasmparser::Parser::new(0).parse_all(&wasm) {
            match payload.unwrap() {
                wasmparser::Payload::MemorySection(section) => {
                    found.extend(section.into_iter().map(|memory| {
                        let memory = memory.unwrap();
                        format!("memory {}..{:?}", memory.initial, memory.maximum)
                    }));
                }
                wasmparser::Payload::TableSection(section) => {
                    found.extend(section.into_iter().map(|table| {
                        let ty = table.unwrap().ty;
                        format!("table {}..{:?}", ty.initial, ty.maximum)
                    }));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    #[test]
    fn growing_memory_beyond_its_own_limit_is_ruled_out_at_any_depth() {
        let nested = r#"(component
            (core module (memory 1) (memory 2 3) (memory 1 9000))
            (component (component (core module (memory i64 1)))))"#;
        let expected = ["memory 1..Some(16)", "memory 2..Some(3)", "memory 1..Some(16)"];
        let found = clamped(nested, &limits(16, 10)).unwrap();
        assert_eq!(found[..3], expected);
        assert_eq!(found[3..], ["memory 1..Some(16)"]);
    }

    #[test]
    fn tables_are_bounded_with_and_without_first_elements() {
        let tables = r#"(component (core module
            (table 1 funcref) (table 2 5 externref) (table i64 1 funcref)
            (func $f) (table 3 (ref func) (ref.func $f))))"#;
        let found = clamped(tables, &limits(1, 100)).unwrap();
        assert_eq!(
            found,
            [
                "table 1..Some(100)",
                "table 2..Some(5)",
                "table 1..Some(100)",
                "table 3..Some(100)"
            ]
        );
    }

    #[test]
    fn beginning_with_more_than_the_limit_is_an_error_with_both_numbers() {
        let error = clamped("(component (core module (memory 17)))", &limits(16, 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "one of its memories begins with 1.1 MiB, its limit is 1 MiB"
        );
        let error = clamped("(component (core module (table 17 funcref)))", &limits(16, 16)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "one of its tables begins with 17 elements, its limit is 16"
        );
    }

    #[test]
    fn pages_of_another_size_and_memories_for_threads_are_refused() {
        let shared = "(component (core module (memory 1 2 shared)))";
        assert!(matches!(clamped(shared, &limits(16, 1)), Err(Error::Shared)));
        let odd = "(component (core module (memory 1 (pagesize 1))))";
        assert!(matches!(clamped(odd, &limits(16, 1)), Err(Error::PageSize)));
    }
}
