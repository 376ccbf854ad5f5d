//! How much memory the messages take that guests have in their hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that all messages together may have that a component has made or got, over all its instances.
pub(super) const HELD_BYTES_MAX: u64 = 64 << 20;

/// What one component holds.
#[derive(Debug, Default)]
pub(super) struct Held(AtomicU64);

/// The part of one message, which is given back with it.
#[derive(Debug, Default)]
pub(super) struct Room {
    of: Option<Arc<Held>>,
    bytes: u64,
}

impl Room {
    /// Has room for so many bytes.
    ///
    /// # Errors
    /// There is none. The interface has no word for it where messages are made, so the guest traps.
    pub(super) fn resize(&mut self, held: &Arc<Held>, bytes: u64) -> wasmtime::Result<()> {
        if !self.fits(held, bytes) {
            wasmtime::bail!("the messages of a component have more than {HELD_BYTES_MAX} bytes together");
        }
        Ok(())
    }

    /// Takes room for so many bytes; none, and false, where there is none.
    pub(super) fn fits(&mut self, held: &Arc<Held>, bytes: u64) -> bool {
        let of = self.of.get_or_insert_with(|| Arc::clone(held));
        of.0.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
        let taken = of.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            taken.checked_add(bytes).filter(|all| *all <= HELD_BYTES_MAX)
        });
        if taken.is_ok() {
            self.bytes = bytes;
        }
        taken.is_ok()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(of) = &self.of {
            of.0.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let held = Arc::new(Held::default());
        let (mut one, mut other) = (Room::default(), Room::default());
        one.resize(&held, HELD_BYTES_MAX - 1).unwrap();
        assert!(other.resize(&held, 2).is_err());
        other.resize(&held, 1).unwrap();
        one.resize(&held, 5).unwrap();
        drop(one);
        other.resize(&held, HELD_BYTES_MAX).unwrap();
        drop(other);
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
    }
}
