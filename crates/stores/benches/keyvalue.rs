//! The embedded store against one SQLite connection behind a lock and a commit for each write.
//!
//! That is what Spin does by default, with the journal that SQLite has where nothing else is said; and what one would
//! write first, with a write-ahead log. `cargo bench -p weft-stores`. All run in turns, so that the load of the machine
//! touches each.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at the first mistake"
)]

mod rates;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use rates::{ROUNDS, median, rate};
use rusqlite::Connection;
use weft_stores::keyvalue::sqlite::{Options, Sqlite};
use weft_stores::keyvalue::{Change, Durability, Store};
use weft_testing::Scratch;

const KEYS: usize = 10_000;
const VALUE: usize = 256;
const COMPONENTS: usize = 16;

/// Bytes that are not there yet: SQLite writes nothing where nothing changes.
fn fresh(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut value = vec![0; VALUE];
    random.fill(&mut value);
    value
}

fn key(number: usize) -> String {
    format!("key-{number:06}")
}

fn main() {
    reads();
    for in_flight in [1, COMPONENTS, COMPONENTS * 16] {
        writes(in_flight);
    }
    one_get();
}

/// One connection behind a lock.
struct Naive {
    name: &'static str,
    connection: Mutex<Connection>,
}

impl Naive {
    const SET: &str = "INSERT INTO entry VALUES ('default', ?1, ?2)
        ON CONFLICT (store, key) DO UPDATE SET value = excluded.value";

    /// As `spin up` has it, and the same with a log.
    fn both(folder: &Path) -> [Self; 2] {
        [
            Self::new(folder, "Spin's design", "DELETE"),
            Self::new(folder, "the same with a log", "WAL"),
        ]
    }

    fn new(folder: &Path, name: &'static str, journal: &str) -> Self {
        let connection = Connection::open(folder.join(format!("{journal}.db"))).unwrap();
        connection.pragma_update(None, "journal_mode", journal).unwrap();
        connection.pragma_update(None, "synchronous", "FULL").unwrap();
        connection
            .execute_batch(
                "CREATE TABLE entry (store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
                    PRIMARY KEY (store, key))",
            )
            .unwrap();
        let naive = Self {
            name,
            connection: Mutex::new(connection),
        };
        let connection = naive.connection.lock();
        let filling = connection.unchecked_transaction().unwrap();
        for number in 0..KEYS {
            let mut statement = filling.prepare_cached(Self::SET).unwrap();
            statement.execute((key(number), vec![7u8; VALUE])).unwrap();
        }
        filling.commit().unwrap();
        drop(connection);
        naive
    }

    fn get(&self, key: &str) -> Vec<u8> {
        let connection = self.connection.lock();
        let mut statement = connection
            .prepare_cached("SELECT value FROM entry WHERE store = 'default' AND key = ?1")
            .unwrap();
        statement.query_row([key], |row| row.get(0)).unwrap()
    }

    fn set(&self, key: &str, value: Vec<u8>) {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(Self::SET).unwrap();
        statement.execute((key, value)).unwrap();
    }
}

fn ours(folder: &Path, durability: Durability) -> Arc<dyn Store> {
    let options = Options {
        durability,
        ..Options::default()
    };
    let store = Sqlite::open(&folder.join("store"), &options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let all: Vec<Change> = (0..KEYS)
        .map(|number| Change::Set(key(number), Bytes::from(vec![7u8; VALUE])))
        .collect();
    runtime.block_on(store.write(all)).unwrap();
    Arc::new(store)
}

fn show(what: &str, naive: [&Naive; 2], before: &[Vec<f64>; 2], ours: &[f64]) {
    for (naive, before) in naive.into_iter().zip(before) {
        rates::show(what, (naive.name, before), ("store", ours));
    }
}

fn reads() {
    let scratch = Scratch::new();
    let (naive, ours) = (
        Naive::both(scratch.path()),
        ours(scratch.path(), Durability::Sync),
    );
    let (mut before, mut after) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..ROUNDS {
        for (naive, before) in naive.iter().zip(&mut before) {
            before.push(rate(COMPONENTS, async |random: &mut fastrand::Rng| {
                assert_eq!(naive.get(&key(random.usize(..KEYS))).len(), VALUE);
            }));
        }
        let ours = &ours;
        after.push(rate(COMPONENTS, async |random: &mut fastrand::Rng| {
            let found = ours.get(&key(random.usize(..KEYS))).await.unwrap();
            assert_eq!(found.unwrap().value.len(), VALUE);
        }));
    }
    show("reads, 16 components", naive.each_ref(), &before, &after);
}

fn writes(in_flight: usize) {
    let scratch = Scratch::new();
    let (naive, ours) = (
        Naive::both(scratch.path()),
        ours(scratch.path(), Durability::Sync),
    );
    let (mut before, mut after) = ([Vec::new(), Vec::new()], Vec::new());
    let threads = in_flight.min(COMPONENTS);
    let each = in_flight / threads;
    for _ in 0..ROUNDS {
        for (naive, before) in naive.iter().zip(&mut before) {
            before.push(rate(threads, async |random: &mut fastrand::Rng| {
                naive.set(&key(random.usize(..KEYS)), fresh(random));
            }));
        }
        let ours = &ours;
        let calls = rate(threads, async |random: &mut fastrand::Rng| {
            let mut write = || ours.write(vec![Change::Set(key(random.usize(..KEYS)), fresh(random).into())]);
            let writes: Vec<_> = (0..each).map(|_| write()).collect();
            for written in futures::future::join_all(writes).await {
                written.unwrap();
            }
        });
        after.push(calls * each as f64);
    }
    let what = format!("durable writes, {in_flight} in flight");
    show(&what, naive.each_ref(), &before, &after);
}

/// What one get costs whoever is alone.
fn one_get() {
    let scratch = Scratch::new();
    let store = ours(scratch.path(), Durability::Sync);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for (what, keys) in [("kept", 100), ("from the file", KEYS)] {
            let options = Options {
                cache_bytes_max: if keys == KEYS { 0 } else { 16 << 20 },
                ..Options::default()
            };
            let other = Sqlite::open(&scratch.path().join("store"), &options).unwrap();
            let mut times = Vec::new();
            for number in 0..20_000 {
                let key = key(number % keys);
                let begun = Instant::now();
                other.get(&key).await.unwrap().unwrap();
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            println!("one get, {what:<36} {:>9.2} µs", median(times));
        }
    });
    drop(store);
}
