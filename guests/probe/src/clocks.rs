//! Clocks and random numbers: what makes one run differ from the next.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::io;
use std::time::{Duration, Instant, SystemTime};

use crate::{Answer, Failure};

/// Seconds of the wall clock, nanoseconds of the monotonic one.
pub(crate) fn both() -> Answer {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let wall = wall.map_err(|error| Failure::Finding(error.to_string()))?;
    Ok(format!(
        "wall {}.{:09} monotonic {}",
        wall.as_secs(),
        wall.subsec_nanos(),
        monotonic()?
    ))
}

/// The reading itself, which `Instant` does not tell.
fn monotonic() -> Result<u128, Failure> {
    #[repr(C)]
    struct Time {
        seconds: i64,
        nanoseconds: i32,
    }
    unsafe extern "C" {
        // WASI's C library names a clock by the address of an object.
        static _CLOCK_MONOTONIC: u8;
        fn clock_gettime(clock: *const u8, time: *mut Time) -> c_int;
    }
    let mut time = Time {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the clock exists in the C library, the time is ours and has the layout of its `struct timespec`.
    match unsafe { clock_gettime(&raw const _CLOCK_MONOTONIC, &raw mut time) } {
        0 => Ok(time.seconds as u128 * 1_000_000_000 + time.nanoseconds as u128),
        _ => Err(io::Error::last_os_error().into()),
    }
}

pub(crate) fn sleep(milliseconds: u64) -> Answer {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(format!("slept {} ms", start.elapsed().as_millis()))
}

/// So many random bytes in hexadecimal digits.
pub(crate) fn random(bytes: usize) -> Answer {
    unsafe extern "C" {
        fn getentropy(buffer: *mut c_void, length: usize) -> c_int;
    }
    /// What one call of `getentropy` gives at most.
    const PIECE: usize = 256;
    let mut buffer = vec![0u8; bytes];
    for piece in buffer.chunks_mut(PIECE) {
        // SAFETY: the pointer and the length describe one slice of ours.
        if unsafe { getentropy(piece.as_mut_ptr().cast(), piece.len()) } != 0 {
            return Err(io::Error::last_os_error().into());
        }
    }
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The order of a hash map: the standard library seeds it with random numbers.
pub(crate) fn hash_order() -> Answer {
    let map: HashMap<u32, ()> = (0..32).map(|key| (key, ())).collect();
    Ok(format!("{:?}", map.keys().collect::<Vec<_>>()))
}
