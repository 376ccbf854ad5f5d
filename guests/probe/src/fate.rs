//! Ways for a program to come to grief.

use std::hint::black_box;

use crate::{Answer, Failure};

/// Calls one function more than needed, so that a backtrace has something to show.
#[inline(never)]
pub(crate) fn trap() -> Answer {
    deliberately_unreachable()
}

#[inline(never)]
fn deliberately_unreachable() -> Answer {
    core::arch::wasm32::unreachable()
}

#[inline(never)]
pub(crate) fn panic() -> Answer {
    panic!("the guest panics on purpose")
}

/// The division of the machine, not Rust's, which would panic before it.
#[inline(never)]
pub(crate) fn divide_by_zero() -> Answer {
    #[repr(C)]
    struct Division {
        quotient: i32,
        remainder: i32,
    }
    unsafe extern "C" {
        fn div(numerator: i32, denominator: i32) -> Division;
    }
    // SAFETY: none is needed: the C library divides with the machine's instruction, which traps.
    let division = unsafe { div(black_box(1), black_box(0)) };
    Ok(format!("{} {}", division.quotient, division.remainder))
}

/// Calls itself until the stack ends.
pub(crate) fn recurse() -> Answer {
    Ok(descend(black_box(0)).to_string())
}

#[inline(never)]
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    let deeper = if depth == u64::MAX { 0 } else { descend(depth + 1) };
    deeper + frame[(depth % 16) as usize]
}

/// Never ends and never calls the host.
#[inline(never)]
pub(crate) fn spin() -> Answer {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Allocates so much memory, one mebibyte after the other, and writes into all of it.
pub(crate) fn memory(mebibytes: usize) -> Answer {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    while kept.len() < mebibytes {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(1 << 20).is_err() {
            return Err(Failure::Finding(format!(
                "OutOfMemory: after {} of {mebibytes} MiB",
                kept.len()
            )));
        }
        piece.resize(1 << 20, 1);
        kept.push(black_box(piece));
    }
    Ok(format!("{mebibytes} MiB"))
}
