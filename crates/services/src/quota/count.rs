//! What a part of a store has at most, as far as it is known.

use std::time::{Duration, Instant};

/// This part of a bound is near it.
const NEAR: u64 = 8;
/// How long nothing is counted again, at least, and how many times as long as counting took.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_TIMES: u32 = 10;
/// When others may have written so much that it is worth counting again before a change is refused.
const OTHERS: Duration = Duration::from_secs(1);
/// How long a count is good for, at least, and how many times as long as it took.
const GOOD_FOR_MIN: Duration = Duration::from_secs(10);
const GOOD_FOR_TIMES: u32 = 100;
/// How long a change may still come whose answer did not.
const DOUBT: Duration = Duration::from_secs(60);

/// What a change does to what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Exactly {
    /// Bytes that are there before, and are not afterwards.
    pub(crate) removes: u64,
    /// Bytes that are there afterwards.
    pub(crate) adds: u64,
}

/// What has become of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is made.
    Made,
    /// It is not, and never will be.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// What there is at most, and how far that can be relied on.
#[derive(Debug)]
pub(super) struct Count {
    /// What there is at most, changes that are under way included; none until it was counted.
    bytes: Option<u64>,
    /// Whether there may be less, for what the process has done itself.
    is_loose: bool,
    /// Of these bytes, those of changes that may still come.
    in_doubt: u64,
    in_doubt_until: Instant,
    /// When it may be counted again.
    again: Instant,
    /// When it was counted.
    counted: Instant,
    good_until: Instant,
}

impl Default for Count {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            bytes: None,
            is_loose: false,
            in_doubt: 0,
            in_doubt_until: now,
            again: now,
            counted: now,
            good_until: now,
        }
    }
}

impl Count {
    /// Adds what a change adds at most, if that is far from the bound.
    pub(super) fn add(&mut self, bytes: u64, bytes_max: u64, now: Instant) -> bool {
        let Some(before) = self.bytes.filter(|_| now < self.good_until) else {
            return false;
        };
        let after = before.saturating_add(bytes);
        if is_near(after, bytes_max) {
            return false;
        }
        self.bytes = Some(after);
        self.is_loose = true;
        true
    }

    /// Whether it is time to count, before anything is asked about a change.
    pub(super) fn is_due(&self, bytes_max: u64, now: Instant) -> bool {
        match self.bytes {
            None => true,
            Some(bytes) => {
                let is_worth_it = self.is_loose && is_near(bytes, bytes_max);
                now >= self.good_until || is_worth_it && now >= self.again
            }
        }
    }

    /// Adds what a change adds, if it fits. One that adds no more than it removes always does.
    pub(super) fn fit(&mut self, exactly: Exactly, bytes_max: u64) -> Option<u64> {
        let bytes = self.bytes.unwrap_or(u64::MAX);
        let added = exactly.adds.saturating_sub(exactly.removes);
        let after = bytes.saturating_add(added);
        if added > 0 && after > bytes_max {
            return None;
        }
        self.bytes = Some(after);
        Some(added)
    }

    /// Takes what was counted while nothing was under way; none where that failed.
    pub(super) fn set(&mut self, counted: Option<&u64>, begun: Instant, now: Instant) {
        let took = now.saturating_duration_since(begun);
        self.again = now + PAUSE_MIN.max(took * PAUSE_TIMES);
        let Some(bytes) = counted else { return };
        if now >= self.in_doubt_until {
            self.in_doubt = 0;
        }
        self.bytes = Some(bytes.saturating_add(self.in_doubt));
        self.is_loose = self.in_doubt > 0;
        self.counted = now;
        self.good_until = now + GOOD_FOR_MIN.max(took * GOOD_FOR_TIMES);
    }

    /// Notes what has become of a change for which `added` was added.
    pub(super) fn end(&mut self, exactly: Exactly, added: u64, outcome: Outcome, now: Instant) {
        let Exactly { removes, adds } = exactly;
        self.bytes = self.bytes.map(|bytes| match outcome {
            Outcome::Made => bytes.saturating_sub(removes.saturating_sub(adds)),
            Outcome::Refused => bytes.saturating_sub(added),
            // It may still be made, whatever becomes of what it was to replace.
            Outcome::Unknown => bytes.saturating_add(adds.saturating_sub(added)),
        });
        if outcome == Outcome::Unknown {
            self.in_doubt = self.in_doubt.saturating_add(adds);
            self.in_doubt_until = now + DOUBT;
            self.is_loose = true;
        }
    }

    pub(super) fn is_counted(&self) -> bool {
        self.bytes.is_some()
    }

    /// Whether there may be less than is said here, so that counting may find room.
    pub(super) fn may_be_less(&self, now: Instant) -> bool {
        self.is_loose || now.saturating_duration_since(self.counted) >= OTHERS
    }

    /// Something is taken away, and nobody knows how much.
    pub(super) fn loosen(&mut self) {
        self.is_loose = true;
    }

    /// The same, if it is far from the bound what there is.
    pub(super) fn take_away(&mut self, bytes_max: u64) -> bool {
        let is_near = self.bytes.is_some_and(|bytes| is_near(bytes, bytes_max));
        self.is_loose |= !is_near;
        !is_near
    }

    /// How long it is not to be counted again.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        self.again.saturating_duration_since(now)
    }
}

fn is_near(bytes: u64, bytes_max: u64) -> bool {
    bytes > bytes_max - bytes_max / NEAR
}
