//! What a run may still allocate: memories and tables, counted over the whole run.
//!
//! The engine's heap for structs, arrays and exceptions counts as a memory. In an app it has a bound of its own,
//! and is told from the other memories by its maximum: theirs were written into the components, and are smaller.

use wasmtime::ResourceLimiter;
use weft_app::Limits;

use crate::stop::LimitHit;

/// What the engine says of its heap, and of other memories of 32 bits that declare no maximum.
const HEAP_MAXIMUM: u64 = 1 << 32;

/// Counts what the memories and tables of one store hold, and refuses what goes over.
///
/// A refused `memory.grow` returns -1 in the guest, as the specification says; the refusal is remembered, so
/// that the trap which usually follows can be explained.
#[derive(Debug)]
pub(crate) struct Budget {
    memory: Account,
    table: Account,
    heap_bytes_max: Option<u64>,
    refused: Option<LimitHit>,
}

#[derive(Debug, Default)]
struct Account {
    used: u64,
    max: Option<u64>,
    /// The last growth that was allowed, taken back when it then fails.
    last: u64,
}

impl Account {
    /// Takes the growth from the account, or says how much would have been in use.
    fn take(&mut self, current: usize, desired: usize) -> Result<(), (u64, u64)> {
        let growth = (desired as u64).saturating_sub(current as u64);
        let asked = self.used.saturating_add(growth);
        match self.max {
            Some(max) if asked > max => Err((asked, max)),
            _ => {
                self.used = asked;
                self.last = growth;
                Ok(())
            }
        }
    }

    fn give_back(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last));
    }
}

impl Budget {
    pub(crate) fn new(limits: &Limits, heap_bytes_max: Option<u64>) -> Self {
        let account = |max| Account {
            max,
            ..Account::default()
        };
        Self {
            memory: account(limits.memory_bytes_max),
            table: account(limits.table_elements_max),
            heap_bytes_max,
            refused: None,
        }
    }

    /// Bytes that all memories together have.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory.used
    }

    /// The first thing that was refused.
    pub(crate) fn refused(&self) -> Option<&LimitHit> {
        self.refused.as_ref()
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false); // the memory's own bound, not ours
        }
        let is_heap = maximum.is_none_or(|maximum| maximum as u64 == HEAP_MAXIMUM);
        if let (true, Some(max)) = (is_heap, self.heap_bytes_max)
            && desired as u64 > max
        {
            let asked = desired as u64;
            self.refused.get_or_insert(LimitHit::Heap { asked, max });
            return Ok(false);
        }
        let Err((asked, max)) = self.memory.take(current, desired) else {
            return Ok(true);
        };
        self.refused.get_or_insert(LimitHit::Memory { asked, max });
        Ok(false)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.give_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let Err((asked, max)) = self.table.take(current, desired) else {
            return Ok(true);
        };
        self.refused.get_or_insert(LimitHit::TableElements { asked, max });
        Ok(false)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.table.give_back();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(memory: u64) -> Budget {
        let limits = Limits {
            memory_bytes_max: Some(memory),
            ..Limits::default()
        };
        Budget::new(&limits, None)
    }

    #[test]
    fn memories_of_one_run_share_one_limit() {
        let mut budget = budget(100);
        assert!(budget.memory_growing(0, 60, None).unwrap());
        assert!(!budget.memory_growing(0, 60, None).unwrap());
        assert_eq!(budget.refused(), Some(&LimitHit::Memory { asked: 120, max: 100 }));
        assert!(budget.memory_growing(60, 100, None).unwrap());
    }

    #[test]
    fn growth_that_fails_afterwards_is_given_back() {
        let mut budget = budget(100);
        assert!(budget.memory_growing(0, 100, None).unwrap());
        budget
            .memory_grow_failed(wasmtime::Error::msg("no memory"))
            .unwrap();
        assert!(budget.memory_growing(0, 100, None).unwrap());
    }

    #[test]
    fn a_memorys_own_bound_is_not_reported_as_ours() {
        let mut budget = budget(100);
        assert!(!budget.memory_growing(0, 300, Some(200)).unwrap());
        assert_eq!(budget.refused(), None);
    }

    #[test]
    fn a_heap_has_a_bound_of_its_own() {
        let mut budget = Budget::new(&Limits::default(), Some(100));
        assert!(budget.memory_growing(0, 300, Some(300)).unwrap());
        assert!(budget.memory_growing(0, 100, Some(1 << 32)).unwrap());
        assert!(!budget.memory_growing(100, 101, Some(1 << 32)).unwrap());
        assert_eq!(budget.refused(), Some(&LimitHit::Heap { asked: 101, max: 100 }));
    }
}
