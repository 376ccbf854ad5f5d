//! Random histories of one client, held against a model.

use std::collections::BTreeMap;

use bytes::Bytes;
use weft_stores::keyvalue::{Change, Error, Store, Swap, Version};

use super::backends;

/// What a store should hold, and how often each key was written.
#[derive(Default)]
struct Model {
    entries: BTreeMap<String, Bytes>,
    writes: BTreeMap<String, u64>,
}

/// A version that was read, with what the model knew then.
struct Read {
    key: String,
    version: Version,
    writes: u64,
}

impl Model {
    fn set(&mut self, key: &str, value: Option<Bytes>) {
        *self.writes.entry(key.to_owned()).or_default() += 1;
        match value {
            Some(value) => self.entries.insert(key.to_owned(), value),
            None => self.entries.remove(key),
        };
    }

    fn writes(&self, key: &str) -> u64 {
        self.writes.get(key).copied().unwrap_or_default()
    }

    /// Whether a version that was read then still stands.
    fn stands(&self, read: &Read) -> bool {
        match &read.version {
            Version::Absent => !self.entries.contains_key(&read.key),
            Version::Revision(_) => self.writes(&read.key) == read.writes,
            Version::Value(value) => self.entries.get(&read.key) == Some(value),
        }
    }
}

fn seed() -> u64 {
    match std::env::var("WEFT_TEST_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => fastrand::u64(..),
    }
}

#[tokio::test]
async fn random_histories_agree_with_the_model() {
    let seed = seed();
    for backend in backends::every() {
        eprintln!("with {}, WEFT_TEST_SEED={seed}", backend.name);
        let steps = match backend.name {
            "sqlite, sync" => 400,
            "nats" => 1000,
            _ => 4000,
        };
        run(backend.store.as_ref(), &mut fastrand::Rng::with_seed(seed), steps).await;
    }
}

async fn run(store: &dyn Store, random: &mut fastrand::Rng, steps: usize) {
    let mut model = Model::default();
    let mut reads: Vec<Read> = Vec::new();
    for step in 0..steps {
        let key = key(random);
        match random.u8(..10) {
            0..=2 => {
                let found = store.get(&key).await.unwrap();
                assert_eq!(
                    found.as_ref().map(|entry| &entry.value),
                    model.entries.get(&key),
                    "step {step}: `{key}`"
                );
                reads.push(Read {
                    version: found.map_or(Version::Absent, |entry| entry.version),
                    writes: model.writes(&key),
                    key,
                });
            }
            3..=5 => {
                let changes: Vec<Change> = (0..random.usize(1..5)).map(|_| change(random)).collect();
                store.write(changes.clone()).await.unwrap();
                for change in changes {
                    match change {
                        Change::Set(key, value) => model.set(&key, Some(value)),
                        Change::Delete(key) => model.set(&key, None),
                    }
                }
            }
            6 => {
                let delta = random.i64(-5..5);
                let number = model.entries.get(&key).map_or(Some(0), |value| {
                    let text = std::str::from_utf8(value).ok()?;
                    text.parse::<i64>()
                        .ok()
                        .filter(|number| number.to_string() == text)
                });
                match (store.increment(&key, delta).await, number) {
                    (Ok(sum), Some(number)) => {
                        assert_eq!(sum, number + delta, "step {step}");
                        model.set(&key, Some(sum.to_string().into()));
                    }
                    (Err(Error::NotANumber { .. }), None) => {}
                    (got, number) => panic!("step {step}: {got:?} for {number:?}"),
                }
            }
            7 if !reads.is_empty() => {
                let read = reads.swap_remove(random.usize(..reads.len()));
                let stands = model.stands(&read);
                let value = value(random);
                let swapped = store.swap(&read.key, read.version, value.clone()).await.unwrap();
                assert_eq!(swapped == Swap::Done, stands, "step {step}: `{}`", read.key);
                if stands {
                    model.set(&read.key, Some(value));
                }
            }
            8 => {
                let keys: Vec<String> = (0..random.usize(..6)).map(|_| self::key(random)).collect();
                let found = store.get_many(&keys).await.unwrap();
                for (key, found) in keys.iter().zip(found) {
                    assert_eq!(
                        found.map(|entry| entry.value).as_ref(),
                        model.entries.get(key),
                        "step {step}"
                    );
                }
            }
            _ => {
                let prefix = if random.bool() { "" } else { "k1" };
                let expected: Vec<&String> = model
                    .entries
                    .keys()
                    .filter(|key| key.starts_with(prefix))
                    .collect();
                let mut found = Vec::new();
                let (limit, mut cursor) = (random.usize(1..40), None);
                loop {
                    let page = store.list(prefix, cursor.as_deref(), limit).await.unwrap();
                    found.extend(page.keys);
                    cursor = page.cursor;
                    if cursor.is_none() {
                        break;
                    }
                }
                found.sort();
                found.dedup();
                assert_eq!(found.iter().collect::<Vec<_>>(), expected, "step {step}");
            }
        }
    }
}

fn key(random: &mut fastrand::Rng) -> String {
    format!("k{}", random.u8(..40))
}

fn value(random: &mut fastrand::Rng) -> Bytes {
    if random.bool() {
        return random.i32(..).to_string().into();
    }
    let length = if random.u8(..10) == 0 { 20_000 } else { 200 };
    let mut bytes = vec![0; random.usize(..length)];
    random.fill(&mut bytes);
    bytes.into()
}

fn change(random: &mut fastrand::Rng) -> Change {
    let key = key(random);
    if random.u8(..4) == 0 {
        Change::Delete(key)
    } else {
        Change::Set(key, value(random))
    }
}
