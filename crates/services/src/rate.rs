//! How often something may be done: a bucket of tokens that fills up again.

use std::num::NonZeroU32;
use std::time::Instant;

use parking_lot::Mutex;

/// So many calls in a second, on average, and as many at once.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    filled: Instant,
}

impl Rate {
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        let per_second = f64::from(per_second.get());
        Self {
            per_second,
            state: Mutex::new(State {
                tokens: per_second,
                filled: Instant::now(),
            }),
        }
    }

    /// Takes one call, if there is one left.
    pub(crate) fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let passed = now.saturating_duration_since(state.filled).as_secs_f64();
        state.tokens = (state.tokens + passed * self.per_second).min(self.per_second);
        state.filled = now;
        let has_one = state.tokens >= 1.0;
        if has_one {
            state.tokens -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_used_up_comes_back_with_time_and_never_more_than_that() {
        let rate = Rate::new(NonZeroU32::new(10).unwrap());
        let start = Instant::now();
        let taken = |at: Duration| (0..100).filter(|_| rate.take_at(start + at)).count();
        assert_eq!(taken(Duration::ZERO), 10);
        assert_eq!(taken(Duration::from_millis(550)), 5);
        assert_eq!(taken(Duration::from_secs(60)), 10);
    }
}
