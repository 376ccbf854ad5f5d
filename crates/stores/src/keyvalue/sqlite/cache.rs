//! Values that were read or written last, so that reading them again asks nobody.
//!
//! What always holds: a key is never answered from here while it is being written, and never with a value older than
//! a write that was acknowledged. The writer marks a key before its write can be seen and clears the mark after; in
//! between readers ask the database. What a reader found is kept only if no write of its shard began meanwhile.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;

use crate::keyvalue::{Entry, Version};

const SHARDS: usize = 16;
/// What a kept entry costs beside its key and value.
const OVERHEAD_BYTES: usize = 160;
/// Other processes may write too. What is older than this is asked for again.
const TRUSTED_FOR: Duration = Duration::from_millis(100);

/// Kept values, or that there is none.
#[derive(Debug)]
pub(super) struct Cache {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    shard_bytes_max: usize,
    started: Instant,
    /// When it was last made sure that nobody else had written, in microseconds since the start.
    looked: AtomicU64,
}

#[derive(Debug)]
struct Shard {
    kept: LruCache<Box<str>, Option<Kept>>,
    bytes: usize,
    /// Keys that are being written, and how often.
    busy: HashMap<Box<str>, usize>,
    /// Counts beginnings and ends of writes.
    turn: u64,
}

#[derive(Debug, Clone)]
struct Kept {
    value: Bytes,
    revision: u64,
}

/// What the cache says of a key.
#[derive(Debug)]
pub(super) enum Found {
    /// This is it.
    Known(Option<Entry>),
    /// Ask, and hand in the answer with this.
    Unknown(Ticket),
}

/// Says when a question was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket(u64);

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        let shard = || {
            Mutex::new(Shard {
                kept: LruCache::unbounded(),
                bytes: 0,
                busy: HashMap::new(),
                turn: 0,
            })
        };
        Self {
            hasher: RandomState::new(),
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            shard_bytes_max: bytes_max / SHARDS,
            started: Instant::now(),
            looked: AtomicU64::new(0),
        }
    }

    fn shard(&self, key: &str) -> Option<&Mutex<Shard>> {
        let hash = self.hasher.hash_one(key);
        let number = NonZeroUsize::new(self.shards.len())?;
        self.shards.get(usize::try_from(hash >> 32).ok()? % number)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether it was made sure lately that nobody else has written.
    pub(super) fn is_fresh(&self) -> bool {
        let age = self.now().saturating_sub(self.looked.load(Ordering::Acquire));
        Duration::from_micros(age) < TRUSTED_FOR
    }

    /// Somebody looked, and found that nobody else has written before this call.
    pub(super) fn confirm(&self, asked: Asked) {
        self.looked.fetch_max(asked.0, Ordering::AcqRel);
    }

    /// The moment from which on a look counts.
    pub(super) fn ask(&self) -> Asked {
        Asked(self.now())
    }

    pub(super) fn find(&self, key: &str) -> Found {
        let Some(shard) = self.shard(key) else {
            return Found::Unknown(Ticket(0));
        };
        let is_fresh = self.is_fresh();
        let mut shard = shard.lock();
        let ticket = Found::Unknown(Ticket(shard.turn));
        if !is_fresh || (!shard.busy.is_empty() && shard.busy.contains_key(key)) {
            return ticket;
        }
        match shard.kept.get(key) {
            Some(kept) => Found::Known(kept.as_ref().map(|kept| Entry {
                value: kept.value.clone(),
                version: Version::Revision(kept.revision),
            })),
            None => ticket,
        }
    }

    /// Keeps what was found, unless it may be old already.
    pub(super) fn keep(&self, ticket: Ticket, key: &str, found: Option<(Bytes, u64)>) {
        if let Some(shard) = self.shard(key) {
            let mut shard = shard.lock();
            if shard.turn == ticket.0 && shard.busy.is_empty() {
                shard.put(key, found, self.shard_bytes_max);
            }
        }
    }

    /// A write of this key begins.
    pub(super) fn begin(&self, key: &str) {
        if let Some(shard) = self.shard(key) {
            let mut shard = shard.lock();
            shard.turn += 1;
            shard.remove(key);
            *shard.busy.entry(key.into()).or_default() += 1;
        }
    }

    /// A write of this key has ended, with what is there now or with nobody knows what.
    pub(super) fn end(&self, key: &str, now: Option<Option<(Bytes, u64)>>) {
        if let Some(shard) = self.shard(key) {
            let mut shard = shard.lock();
            shard.turn += 1;
            match shard.busy.get_mut(key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    shard.busy.remove(key);
                }
            }
            if let Some(now) = now {
                shard.put(key, now, self.shard_bytes_max);
            }
        }
    }

    /// Forgets a key: somebody else has written it.
    pub(super) fn forget(&self, key: &str) {
        self.begin(key);
        self.end(key, None);
    }

    /// Forgets everything: somebody else has written.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.turn += 1;
            shard.kept.clear();
            shard.bytes = 0;
        }
    }
}

/// When a look at the database began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked(u64);

impl Shard {
    fn put(&mut self, key: &str, found: Option<(Bytes, u64)>, bytes_max: usize) {
        self.remove(key);
        let kept = found.map(|(value, revision)| Kept { value, revision });
        let added = size(key, kept.as_ref());
        if added > bytes_max {
            return;
        }
        self.bytes += added;
        self.kept.put(key.into(), kept);
        while self.bytes > bytes_max
            && let Some((key, kept)) = self.kept.pop_lru()
        {
            self.bytes -= size(&key, kept.as_ref());
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(kept) = self.kept.pop(key) {
            self.bytes -= size(key, kept.as_ref());
        }
    }
}

fn size(key: &str, kept: Option<&Kept>) -> usize {
    OVERHEAD_BYTES + key.len() + kept.map_or(0, |kept| kept.value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<(Bytes, u64)> {
        Some((Bytes::copy_from_slice(text.as_bytes()), 1))
    }

    fn fresh(bytes: usize) -> Cache {
        let cache = Cache::new(bytes);
        cache.confirm(cache.ask());
        cache
    }

    fn ticket(cache: &Cache, key: &str) -> Ticket {
        match cache.find(key) {
            Found::Unknown(ticket) => ticket,
            Found::Known(_) => panic!("`{key}` is known"),
        }
    }

    fn known(cache: &Cache, key: &str) -> Option<Option<Bytes>> {
        match cache.find(key) {
            Found::Known(entry) => Some(entry.map(|entry| entry.value)),
            Found::Unknown(_) => None,
        }
    }

    #[test]
    fn an_answer_from_before_a_write_is_not_kept() {
        let cache = fresh(1 << 20);
        let old = ticket(&cache, "a");
        cache.begin("a");
        cache.keep(old, "a", value("old"));
        assert_eq!(known(&cache, "a"), None);
        cache.end("a", Some(value("new")));
        cache.keep(old, "a", value("old"));
        assert_eq!(known(&cache, "a"), Some(Some(Bytes::from("new"))));
    }

    #[test]
    fn nothing_is_answered_and_nothing_kept_of_a_key_that_is_being_written() {
        let cache = fresh(1 << 20);
        cache.keep(ticket(&cache, "a"), "a", value("old"));
        assert_eq!(known(&cache, "a"), Some(Some(Bytes::from("old"))));
        cache.begin("a");
        let during = ticket(&cache, "a");
        cache.keep(during, "a", value("old"));
        assert_eq!(known(&cache, "a"), None);
        cache.end("a", None);
        assert_eq!(known(&cache, "a"), None);
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let cache = fresh(SHARDS * 1000);
        for number in 0..10_000 {
            let key = format!("key-{number}");
            cache.keep(ticket(&cache, &key), &key, value(&"x".repeat(number % 300)));
        }
        for shard in &cache.shards {
            let shard = shard.lock();
            let counted: usize = shard
                .kept
                .iter()
                .map(|(key, kept)| size(key, kept.as_ref()))
                .sum();
            assert_eq!(counted, shard.bytes);
            assert!(shard.bytes <= 1000);
        }
    }

    #[test]
    fn a_key_that_is_forgotten_is_asked_for_by_everybody_who_comes_after() {
        let cache = fresh(1 << 20);
        let old = ticket(&cache, "a");
        cache.keep(old, "a", value("old"));
        cache.forget("a");
        assert_eq!(known(&cache, "a"), None);
        cache.keep(old, "a", value("old"));
        assert_eq!(known(&cache, "a"), None);
        cache.keep(ticket(&cache, "a"), "a", value("new"));
        assert_eq!(known(&cache, "a"), Some(Some(Bytes::from("new"))));
    }

    #[test]
    fn what_somebody_else_may_have_written_is_asked_for_again() {
        let cache = fresh(1 << 20);
        cache.keep(ticket(&cache, "a"), "a", value("old"));
        cache.clear();
        assert_eq!(known(&cache, "a"), None);
    }
}
