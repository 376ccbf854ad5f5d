//! Several clients at once: what they saw must be explained by some order of their calls.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use weft_stores::keyvalue::{Change, Store, Swap, Version};

use super::backends;

const CLIENTS: usize = 4;
const CALLS: usize = 9;

/// A call on one key, whose values are all different.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Get(Option<u64>),
    Set(u64),
    Delete,
    Swap {
        expected: Option<u64>,
        value: u64,
        is_done: bool,
    },
}

#[derive(Debug, Clone)]
struct Event {
    began: u64,
    ended: u64,
    call: Call,
}

fn number(value: &Bytes) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

async fn client(store: Arc<dyn Store>, clock: Arc<AtomicU64>, key: String, seed: u64) -> Vec<Event> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut events = Vec::new();
    let mut last: (Version, Option<u64>) = (Version::Absent, None);
    for _ in 0..CALLS {
        let value = clock.fetch_add(1, Ordering::SeqCst);
        let bytes = Bytes::from(value.to_string());
        let began = clock.fetch_add(1, Ordering::SeqCst);
        let call = match random.u8(..10) {
            0..=4 => {
                let found = store.get(&key).await.unwrap();
                let seen = found.as_ref().map(|entry| number(&entry.value));
                last = (found.map_or(Version::Absent, |entry| entry.version), seen);
                Call::Get(seen)
            }
            5..=6 => {
                store.write(vec![Change::Set(key.clone(), bytes)]).await.unwrap();
                Call::Set(value)
            }
            7 => {
                store.write(vec![Change::Delete(key.clone())]).await.unwrap();
                Call::Delete
            }
            _ => {
                let swapped = store.swap(&key, last.0.clone(), bytes).await.unwrap();
                Call::Swap {
                    expected: last.1,
                    value,
                    is_done: swapped == Swap::Done,
                }
            }
        };
        let ended = clock.fetch_add(1, Ordering::SeqCst);
        events.push(Event { began, ended, call });
        if random.bool() {
            tokio::task::yield_now().await;
        }
    }
    events
}

/// What the key has after a call, if the call could have seen what it saw.
fn apply(state: Option<u64>, call: &Call) -> Option<Option<u64>> {
    match call {
        Call::Get(seen) => (*seen == state).then_some(state),
        Call::Set(value) => Some(Some(*value)),
        Call::Delete => Some(None),
        Call::Swap {
            expected,
            value,
            is_done,
        } => match (*expected == state, is_done) {
            (true, true) => Some(Some(*value)),
            (false, false) => Some(state),
            _ => None,
        },
    }
}

/// Whether some order of the calls, in which none comes before one that had ended when it began, explains them.
fn is_explained(events: &[Event]) -> bool {
    let all = (1u64 << events.len()) - 1;
    let mut seen = HashSet::new();
    let mut open = vec![(0u64, None)];
    while let Some((done, state)) = open.pop() {
        if done == all {
            return true;
        }
        if !seen.insert((done, state)) {
            continue;
        }
        let left = || {
            events
                .iter()
                .enumerate()
                .filter(|(index, _)| done & (1 << index) == 0)
        };
        let first_end = left().map(|(_, event)| event.ended).min().unwrap();
        for (index, event) in left().filter(|(_, event)| event.began < first_end) {
            if let Some(state) = apply(state, &event.call) {
                open.push((done | 1 << index, state));
            }
        }
    }
    false
}

#[test]
fn the_search_for_an_order_finds_one_only_where_there_is_one() {
    let event = |began, ended, call| Event { began, ended, call };
    let set = event(0, 5, Call::Set(1));
    let old = event(1, 2, Call::Get(None));
    let new = event(3, 4, Call::Get(Some(1)));
    assert!(is_explained(&[set.clone(), old.clone(), new.clone()]));
    let new_first = event(1, 2, Call::Get(Some(1)));
    let old_then = event(3, 4, Call::Get(None));
    assert!(!is_explained(&[set, new_first, old_then]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_calls_on_one_key_can_be_put_in_order() {
    for backend in backends::every() {
        eprintln!("with {}", backend.name);
        let rounds = if backend.name == "sqlite, sync" { 40 } else { 300 };
        for round in 0..rounds {
            let clock = Arc::new(AtomicU64::new(1));
            let seed = fastrand::u64(..);
            let clients: Vec<_> = (0..CLIENTS as u64)
                .map(|number| {
                    let key = format!("key-{round}");
                    let store = Arc::clone(&backend.store);
                    tokio::spawn(client(store, Arc::clone(&clock), key, seed.wrapping_add(number)))
                })
                .collect();
            let mut events = Vec::new();
            for client in clients {
                events.extend(client.await.unwrap());
            }
            assert!(is_explained(&events), "{} seed {seed}: {events:#?}", backend.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_increment_is_lost() {
    for backend in backends::every() {
        eprintln!("with {}", backend.name);
        let count = |store: Arc<dyn Store>| async move {
            for _ in 0..50 {
                store.increment("n", 1).await.unwrap();
            }
        };
        let tasks: Vec<_> = (0..16)
            .map(|_| tokio::spawn(count(Arc::clone(&backend.store))))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(backend.store.increment("n", 0).await.unwrap(), 800);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_sees_half_of_several_changes() {
    for backend in backends::every() {
        eprintln!("with {}", backend.name);
        let keys: Vec<String> = ["x", "y", "z"].map(str::to_owned).to_vec();
        let store = Arc::clone(&backend.store);
        let written = keys.clone();
        let write = tokio::spawn(async move {
            for round in 0..100u32 {
                let value = Bytes::from(round.to_string());
                let changes = written.iter().map(|key| Change::Set(key.clone(), value.clone()));
                store.write(changes.collect()).await.unwrap();
            }
        });
        while !write.is_finished() {
            let found = backend.store.get_many(&keys).await.unwrap();
            let values: HashSet<_> = found
                .iter()
                .map(|entry| entry.as_ref().map(|entry| &entry.value))
                .collect();
            assert_eq!(values.len(), 1, "{found:?}");
        }
        write.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_writers_of_several_keys_never_mix() {
    for backend in backends::every() {
        eprintln!("with {}", backend.name);
        let keys: Vec<String> = ["x", "y", "z"].map(str::to_owned).to_vec();
        let writers: Vec<_> = (0..4u64)
            .map(|writer| {
                let (store, mut keys) = (Arc::clone(&backend.store), keys.clone());
                tokio::spawn(async move {
                    let mut random = fastrand::Rng::with_seed(writer);
                    for round in 0..50 {
                        random.shuffle(&mut keys);
                        let value = Bytes::from(format!("{writer}/{round}"));
                        let is_set = random.bool();
                        let change = |key: &String| match is_set {
                            true => Change::Set(key.clone(), value.clone()),
                            false => Change::Delete(key.clone()),
                        };
                        store.write(keys.iter().map(change).collect()).await.unwrap();
                    }
                })
            })
            .collect();
        let mut is_over = false;
        while !is_over {
            is_over = writers.iter().all(|writer| writer.is_finished());
            let found = backend.store.get_many(&keys).await.unwrap();
            let values: HashSet<_> = found
                .iter()
                .map(|entry| entry.as_ref().map(|entry| &entry.value))
                .collect();
            assert_eq!(values.len(), 1, "{found:?}");
        }
        for writer in writers {
            writer.await.unwrap();
        }
    }
}
