//! How the limits of a component are divided among its memories and tables.
//!
//! The engine counts per store, and a fused app is one store, so a component is kept within its limit by maxima
//! in its bytes. Its memories cannot be told to share one number; but how many there will be is known
//! ([`crate::census`]), so each gets an equal share, and what a memory declares not to need goes to the others.
//! Together they never have more than the limit, whoever calls and whichever host runs the bytes.

use weft_app::{ComponentLimits, quantity};

use crate::census::{self, Module, Size};

/// Bytes of one page of linear memory.
pub(crate) const PAGE_BYTES: u64 = 65_536;

/// Why the memories and tables of a component cannot be kept within its limits.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// They cannot be counted.
    #[error(transparent)]
    Uncountable(#[from] census::Error),
    /// All memories together begin with more than the component may ever have.
    #[error(
        "its memories, {count} in all instances, begin with {} together, its limit is {}",
        quantity::show_bytes(*.asked), quantity::show_bytes(*.limit)
    )]
    Memory {
        /// How many there are.
        count: u64,
        /// Bytes that they begin with.
        asked: u64,
        /// Bytes that they may have.
        limit: u64,
    },
    /// All tables together begin with more than the component may ever have.
    #[error(
        "its tables, {count} in all instances, begin with {asked} elements together, its limit is {limit}"
    )]
    Table {
        /// How many there are.
        count: u64,
        /// Elements that they begin with.
        asked: u64,
        /// Elements that they may have.
        limit: u64,
    },
}

/// What each memory and each table of a component may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// How many memories share its limit, the engine's heap among them.
    pub memories: u64,
    /// Bytes of each, except where it begins with more or declares less.
    pub memory_bytes_max: u64,
    /// How many tables share its limit.
    pub tables: u64,
    /// Elements of each, except where it begins with more or declares less.
    pub table_elements_max: u64,
    /// Whether it may keep structs, arrays or exceptions in the engine's heap.
    pub uses_heap: bool,
}

/// Divides the limits of a component.
pub(crate) fn divide(component: &[u8], limits: &ComponentLimits) -> Result<Shares, Error> {
    let modules: Vec<Module> = census::count(component)?
        .into_iter()
        .filter(|module| module.instances > 0)
        .collect();
    let uses_heap = modules.iter().any(|module| module.uses_heap);
    let mut memories = all(&modules, |module| &module.memories);
    if uses_heap {
        let heap = Size {
            minimum: 0,
            maximum: u64::MAX,
        };
        memories.push((heap, 1));
    }
    let tables = all(&modules, |module| &module.tables);
    let pages_max = limits.memory_bytes_max / PAGE_BYTES;
    let pages = level(&memories, pages_max).ok_or_else(|| Error::Memory {
        count: number(&memories),
        asked: bytes(total(&memories, 0)),
        limit: limits.memory_bytes_max,
    })?;
    let elements = level(&tables, limits.table_elements_max).ok_or_else(|| Error::Table {
        count: number(&tables),
        asked: u64::try_from(total(&tables, 0)).unwrap_or(u64::MAX),
        limit: limits.table_elements_max,
    })?;
    Ok(Shares {
        memories: number(&memories),
        memory_bytes_max: pages.saturating_mul(PAGE_BYTES),
        tables: number(&tables),
        table_elements_max: elements,
        uses_heap,
    })
}

/// Sizes, and how many times each is there.
fn all(modules: &[Module], of: impl Fn(&Module) -> &Vec<Size>) -> Vec<(Size, u64)> {
    let sizes = modules
        .iter()
        .flat_map(|module| of(module).iter().map(|size| (*size, module.instances)));
    sizes.collect()
}

fn number(sizes: &[(Size, u64)]) -> u64 {
    sizes.iter().map(|(_, count)| count).sum()
}

fn bytes(pages: u128) -> u64 {
    u64::try_from(pages.saturating_mul(u128::from(PAGE_BYTES))).unwrap_or(u64::MAX)
}

/// What all have together where each may have `level`.
fn total(sizes: &[(Size, u64)], level: u64) -> u128 {
    let sizes = sizes.iter().map(|(size, count)| {
        let each = size.maximum.min(level).max(size.minimum);
        u128::from(each).saturating_mul(u128::from(*count))
    });
    sizes.fold(0, u128::saturating_add)
}

/// The most that each may have so that all together stay within the limit; none where they begin with more.
fn level(sizes: &[(Size, u64)], limit: u64) -> Option<u64> {
    let fits = |level| total(sizes, level) <= u128::from(limit);
    if !fits(0) {
        return None;
    }
    let (mut fitting, mut beyond) = (0, limit.saturating_add(1));
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    Some(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(wat: &str, pages: u64) -> Result<(u64, u64), String> {
        let limits = ComponentLimits {
            memory_bytes_max: pages * PAGE_BYTES,
            table_elements_max: 100,
        };
        divide(&wat::parse_str(wat).unwrap(), &limits)
            .map(|shares| (shares.memories, shares.memory_bytes_max / PAGE_BYTES))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_limit_is_divided_among_all_instances_of_a_memory() {
        let once = "(component (core module $m (memory 1)) (core instance (instantiate $m)))";
        assert_eq!(divided(once, 100), Ok((1, 100)));
        let four = r#"(component (core module $m (memory 1)) (core instance (instantiate $m))
            (component $c
                (alias outer 1 $m (core module $same)) (core instance (instantiate $same)))
            (instance (instantiate $c)) (instance (instantiate $c)) (instance (instantiate $c)))"#;
        assert_eq!(divided(four, 100), Ok((4, 25)));
        assert_eq!(divided(four, 4), Ok((4, 1)));
        assert_eq!(
            divided(four, 3).unwrap_err(),
            "its memories, 4 in all instances, begin with 256 KiB together, its limit is 192 KiB"
        );
    }

    #[test]
    fn what_one_memory_declares_not_to_need_goes_to_the_others() {
        let uneven = r#"(component (core module $m (memory 1 10) (memory 50 50) (memory 1) (memory 1))
            (core instance (instantiate $m)) (core module (memory 7)))"#;
        assert_eq!(divided(uneven, 100), Ok((4, 20)));
    }

    #[test]
    fn a_module_that_is_handed_around_is_counted_where_it_is_instantiated() {
        let handed = r#"(component
            (component $holder (core module $m (memory 1)) (export "m" (core module $m)))
            (instance $held (instantiate $holder))
            (alias export $held "m" (core module $got))
            (component $runner (import "any" (core module $any))
                (core instance (instantiate $any)) (core instance (instantiate $any)))
            (instance (instantiate $runner (with "any" (core module $got))))
            (instance $bundle (export "m" (core module $got)))
            (component $deeper (import "in" (instance $in (export "m" (core module))))
                (alias export $in "m" (core module $m)) (core instance (instantiate $m)))
            (instance (instantiate $deeper (with "in" (instance $bundle)))))"#;
        assert_eq!(divided(handed, 90), Ok((3, 30)));
    }

    #[test]
    fn a_module_from_elsewhere_cannot_be_counted() {
        for foreign in [
            r#"(component (import "m" (core module $m)) (core instance (instantiate $m)))"#,
            r#"(component (import "c" (component $c)) (instance (instantiate $c)))"#,
            r#"(component (import "a:b/c" (instance $i (export "m" (core module))))
                (alias export $i "m" (core module $m)) (core instance (instantiate $m)))"#,
        ] {
            assert!(
                divided(foreign, 9).unwrap_err().contains("not its own"),
                "{foreign}"
            );
        }
    }

    #[test]
    fn instances_that_double_at_every_level_are_refused_at_once() {
        let mut text =
            "(component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))".to_owned();
        for level in 0..40 {
            text.push_str(&format!(
                "(component $c{next} (alias outer 1 $c{level} (component $x)) \
                 (instance (instantiate $x)) (instance (instantiate $x)))",
                next = level + 1
            ));
        }
        let doubling = format!("(component {text} (instance (instantiate $c40)))");
        assert_eq!(
            divided(&doubling, 9).unwrap_err(),
            "it makes more than 10000 instances of modules and components"
        );
    }

    #[test]
    fn the_heap_of_the_engine_is_one_more_memory() {
        let keeps = r#"(component (core module $m (memory 1) (type (struct (field i32))))
            (core instance (instantiate $m)))"#;
        assert_eq!(divided(keeps, 100), Ok((2, 50)));
    }
}
