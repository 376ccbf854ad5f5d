//! Clocks and random numbers that are the same in every run.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::TryRng;
use tokio::time::Instant;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// A clock that shows the time a guest has waited, and nothing else.
///
/// It follows tokio's clock, which the caller pauses: then waiting takes no real time and advances this clock
/// by exactly what was waited for. Every reading advances it by a microsecond, so that a guest which polls
/// the clock in a loop gets on.
#[derive(Debug, Clone)]
pub(crate) struct VirtualClock {
    start: Instant,
    readings: Arc<AtomicU64>,
    epoch: Duration,
}

impl VirtualClock {
    pub(crate) fn starting_at(epoch: Duration) -> Self {
        Self {
            start: Instant::now(),
            readings: Arc::default(),
            epoch,
        }
    }

    fn elapsed(&self) -> Duration {
        let readings = self.readings.fetch_add(1, Ordering::Relaxed);
        self.start.elapsed() + Duration::from_micros(readings)
    }
}

impl HostMonotonicClock for VirtualClock {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl HostWallClock for VirtualClock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        self.epoch + self.elapsed()
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): short, well spread, and fixed for all time, unlike the standard
/// generators of a library. Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct SeededRandom {
    state: u64,
}

impl SeededRandom {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl TryRng for SeededRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            for (slot, byte) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *slot = byte;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_the_published_numbers() {
        // First outputs of SplitMix64 for seed 1234567, as its authors' reference code prints them.
        let mut random = SeededRandom::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_advances_the_clock_by_what_was_waited_for() {
        let clock = VirtualClock::starting_at(Duration::from_secs(5));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(HostWallClock::now(&clock), Duration::from_secs(3605));
        assert_eq!(HostMonotonicClock::now(&clock), 3_600_000_001_000);
    }
}
