//! A part of a store in memory, whose changes take their time, and what its quota makes of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

const MAX: u64 = 1000;

/// Values by their keys, of which only the lengths count.
#[derive(Default)]
struct Kept {
    lengths: Mutex<BTreeMap<u8, u64>>,
    counted: AtomicUsize,
    was_over: AtomicBool,
}

impl Kept {
    fn bytes(&self) -> u64 {
        self.lengths.lock().values().sum()
    }

    fn length(&self, key: u8) -> u64 {
        self.lengths.lock().get(&key).copied().unwrap_or(0)
    }

    fn put(&self, key: u8, length: u64) {
        let mut lengths = self.lengths.lock();
        let before = lengths.values().sum::<u64>();
        lengths.insert(key, length);
        let after = lengths.values().sum::<u64>();
        if after > MAX && after > before {
            self.was_over.store(true, Ordering::Relaxed);
        }
    }
}

/// A key that is to have a value of another length.
struct Put(Arc<Kept>, u8, u64);

#[derive(Debug, PartialEq, Eq)]
enum Error {
    Full,
    Unknown,
    Store,
}

impl Change for Put {
    type Error = Error;

    fn adds_at_most(&self) -> u64 {
        self.2
    }

    async fn exactly(&self) -> Result<Option<Exactly>, Error> {
        tokio::task::yield_now().await;
        Ok(Some(Exactly {
            removes: self.0.length(self.1),
            adds: self.2,
        }))
    }

    async fn count(&self) -> Result<u64, Error> {
        self.0.counted.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        Ok(self.0.bytes())
    }

    fn takes(&self) -> u64 {
        self.2
    }

    fn all_take_at_most(&self) -> u64 {
        20 << 10
    }

    fn full(_: u64) -> Error {
        Error::Full
    }

    fn unknown(_: &'static str) -> Error {
        Error::Unknown
    }
}

async fn put(quota: &Arc<Quota>, kept: &Arc<Kept>, key: u8, length: u64) -> Result<(), Error> {
    let make = {
        let kept = Arc::clone(kept);
        async move {
            tokio::task::yield_now().await;
            kept.put(key, length);
            tokio::task::yield_now().await;
            (Outcome::Made, Ok(()))
        }
    };
    quota.change(MAX, Put(Arc::clone(kept), key, length), make).await
}

fn new() -> (Arc<Quota>, Arc<Kept>) {
    (Arc::default(), Arc::default())
}

/// Numbers that look as if chosen by chance, and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

#[tokio::test]
async fn what_fits_is_made_and_nothing_else_is() {
    for seed in 0..3 {
        let (quota, kept) = new();
        let mut numbers = Numbers(seed);
        for _ in 0..200 {
            let key = u8::try_from(numbers.below(12)).unwrap();
            let length = [0, 1, 50, 100, 200, 990][usize::try_from(numbers.below(6)).unwrap()];
            let (before, all) = (kept.length(key), kept.bytes());
            let fits = length <= before || all - before + length <= MAX;
            let made = put(&quota, &kept, key, length).await;
            let expected = if fits { Ok(()) } else { Err(Error::Full) };
            assert_eq!(made, expected, "{length} for {before} of {all}, seed {seed}");
        }
    }
}

#[tokio::test]
async fn what_was_more_than_the_bound_from_the_start_may_become_less_and_not_more() {
    let (quota, kept) = new();
    kept.put(1, 2000);
    kept.put(2, 500);
    assert_eq!(put(&quota, &kept, 3, 1).await, Err(Error::Full));
    assert_eq!(put(&quota, &kept, 1, 1999).await, Ok(()));
    assert_eq!(put(&quota, &kept, 2, 501).await, Err(Error::Full));
    assert_eq!(put(&quota, &kept, 1, 0).await, Ok(()));
    assert_eq!(put(&quota, &kept, 3, 500).await, Ok(()));
    assert_eq!(put(&quota, &kept, 4, 1).await, Err(Error::Full));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_beside_one_another_never_come_to_more_than_the_bound() {
    let (quota, kept) = new();
    let client = |seed: u64| {
        let (quota, kept) = (Arc::clone(&quota), Arc::clone(&kept));
        tokio::spawn(async move {
            let (mut numbers, mut made) = (Numbers(seed), 0);
            for _ in 0..200 {
                let key = u8::try_from(numbers.below(20)).unwrap();
                let length = [0, 10, 60, 100, 120][usize::try_from(numbers.below(5)).unwrap()];
                match put(&quota, &kept, key, length).await {
                    Ok(()) => made += 1,
                    Err(error) => assert_eq!(error, Error::Full),
                }
            }
            made
        })
    };
    let clients: Vec<_> = (0..16).map(client).collect();
    let mut made = 0;
    for client in clients {
        made += client.await.unwrap();
    }
    assert!(!kept.was_over.load(Ordering::Relaxed));
    assert!(made > 1000, "{made} changes were made");
}

#[tokio::test]
async fn writing_the_same_again_and_again_is_not_counted_twice_for_ever() {
    let (quota, kept) = new();
    for _ in 0..1000 {
        put(&quota, &kept, 1, 400).await.unwrap();
        put(&quota, &kept, 2, 600).await.unwrap();
    }
    assert_eq!(put(&quota, &kept, 3, 1).await, Err(Error::Full));
}

#[tokio::test]
async fn nothing_makes_it_count_more_often_than_it_may() {
    let (quota, kept) = new();
    let begun = Instant::now();
    for round in 0..50 {
        put(&quota, &kept, 1, 870).await.unwrap();
        assert_eq!(put(&quota, &kept, 2, 500).await, Err(Error::Full));
        put(&quota, &kept, 1, 0).await.unwrap();
        put(&quota, &kept, 2, round % 3).await.unwrap();
    }
    let counted = u32::try_from(kept.counted.load(Ordering::Relaxed)).unwrap();
    // As often as the pauses between them allow, which are never shorter than this.
    let allowed = begun.elapsed().as_millis() / 10 + 2;
    assert!(
        u128::from(counted) <= allowed,
        "{counted} times where {allowed} are allowed"
    );
}

#[tokio::test]
async fn a_change_that_may_still_come_keeps_its_room() {
    let (quota, kept) = new();
    put(&quota, &kept, 1, 100).await.unwrap();
    let lost = async { (Outcome::Unknown, Err::<(), _>(Error::Store)) };
    let change = Put(Arc::clone(&kept), 2, 500);
    assert_eq!(quota.change(MAX, change, lost).await, Err(Error::Store));
    assert_eq!(put(&quota, &kept, 3, 401).await, Err(Error::Full));
    assert_eq!(put(&quota, &kept, 3, 300).await, Ok(()));
    kept.put(2, 500);
    assert_eq!(put(&quota, &kept, 4, 101).await, Err(Error::Full));
    assert!(!kept.was_over.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_change_that_the_store_refuses_takes_no_room() {
    let (quota, kept) = new();
    for _ in 0..10 {
        let refused = async { (Outcome::Refused, Err::<(), _>(Error::Store)) };
        let change = Put(Arc::clone(&kept), 2, 500);
        assert_eq!(quota.change(MAX, change, refused).await, Err(Error::Store));
    }
    assert_eq!(put(&quota, &kept, 1, MAX).await, Ok(()));
}

#[tokio::test]
async fn whoever_goes_away_leaves_nobody_waiting_and_what_he_began_is_made() {
    let (quota, kept) = new();
    let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
    let made = {
        let kept = Arc::clone(&kept);
        async move {
            let _ = wait.await;
            kept.put(1, 900);
            (Outcome::Made, Ok::<_, Error>(()))
        }
    };
    let (change, with) = (Put(Arc::clone(&kept), 1, 900), Arc::clone(&quota));
    let caller = tokio::spawn(async move { with.change(MAX, change, made).await });
    while !quota.count.lock().is_counted() {
        tokio::task::yield_now().await;
    }
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go_on.send(()).unwrap();
    assert_eq!(put(&quota, &kept, 2, 101).await, Err(Error::Full));
    assert_eq!(kept.length(1), 900);
    assert_eq!(put(&quota, &kept, 2, 100).await, Ok(()));
}

#[tokio::test]
async fn what_only_takes_away_needs_no_count() {
    struct Uncounted(Put);
    impl Change for Uncounted {
        type Error = Error;
        fn adds_at_most(&self) -> u64 {
            self.0.adds_at_most()
        }
        async fn exactly(&self) -> Result<Option<Exactly>, Error> {
            Err(Error::Store)
        }
        async fn count(&self) -> Result<u64, Error> {
            Err(Error::Store)
        }
        fn takes(&self) -> u64 {
            0
        }
        fn all_take_at_most(&self) -> u64 {
            0
        }
        fn full(bytes_max: u64) -> Error {
            Put::full(bytes_max)
        }
        fn unknown(why: &'static str) -> Error {
            Put::unknown(why)
        }
    }
    let (quota, kept) = new();
    let made = || async { (Outcome::Made, Ok::<_, Error>(())) };
    let change = |length| Uncounted(Put(Arc::clone(&kept), 1, length));
    assert_eq!(quota.change(MAX, change(0), made()).await, Ok(()));
    assert_eq!(quota.change(MAX, change(1), made()).await, Err(Error::Store));
    assert_eq!(quota.change(MAX, change(0), made()).await, Ok(()));
}

#[test]
fn a_part_has_one_quota_and_other_parts_have_others() {
    let quotas: Quotas<str> = Quotas::default();
    let (store, other): (Arc<str>, Arc<str>) = ("a".into(), "a".into());
    let quota = quotas.of(&store, "p/");
    assert!(Arc::ptr_eq(&quota, &quotas.of(&store, "p/")));
    assert!(!Arc::ptr_eq(&quota, &quotas.of(&store, "")));
    assert!(!Arc::ptr_eq(&quota, &quotas.of(&other, "p/")));
}
