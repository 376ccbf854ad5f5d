//! The embedded store against what one would write first: one SQLite connection behind a lock, a commit for each write.
//!
//! `cargo bench -p weft-stores`. Both sides run in turns, so that the load of the machine touches both.

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

fn key(number: usize) -> String {
    format!("key-{number:06}")
}

fn show(what: &str, naive: &[f64], ours: &[f64]) {
    rates::show(what, ("one connection", naive), ("store", ours));
}

fn main() {
    reads();
    for in_flight in [1, COMPONENTS, COMPONENTS * 16] {
        writes(in_flight);
    }
    one_get();
}

fn naive(folder: &Path) -> Arc<Mutex<Connection>> {
    let connection = Connection::open(folder.join("naive.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection
        .execute_batch("CREATE TABLE entry (key TEXT PRIMARY KEY, value BLOB NOT NULL)")
        .unwrap();
    let filling = connection.unchecked_transaction().unwrap();
    for number in 0..KEYS {
        filling
            .prepare_cached("INSERT INTO entry VALUES (?1, ?2)")
            .unwrap()
            .execute((key(number), vec![7u8; VALUE]))
            .unwrap();
    }
    filling.commit().unwrap();
    Arc::new(Mutex::new(connection))
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

fn reads() {
    let scratch = Scratch::new();
    let (naive, ours) = (naive(scratch.path()), ours(scratch.path(), Durability::Sync));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let naive = &naive;
        before.push(rate(COMPONENTS, async |random: &mut fastrand::Rng| {
            let connection = naive.lock();
            let mut statement = connection
                .prepare_cached("SELECT value FROM entry WHERE key = ?1")
                .unwrap();
            let value: Vec<u8> = statement
                .query_row([key(random.usize(..KEYS))], |row| row.get(0))
                .unwrap();
            assert_eq!(value.len(), VALUE);
        }));
        let ours = &ours;
        after.push(rate(COMPONENTS, async |random: &mut fastrand::Rng| {
            let found = ours.get(&key(random.usize(..KEYS))).await.unwrap();
            assert_eq!(found.unwrap().value.len(), VALUE);
        }));
    }
    show("reads, 16 components", &before, &after);
}

fn writes(in_flight: usize) {
    let scratch = Scratch::new();
    let (naive, ours) = (naive(scratch.path()), ours(scratch.path(), Durability::Sync));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let threads = in_flight.min(COMPONENTS);
    let each = in_flight / threads;
    for _ in 0..ROUNDS {
        let naive = &naive;
        before.push(rate(threads, async |random: &mut fastrand::Rng| {
            let connection = naive.lock();
            let mut statement = connection
                .prepare_cached("INSERT OR REPLACE INTO entry VALUES (?1, ?2)")
                .unwrap();
            statement
                .execute((key(random.usize(..KEYS)), vec![8u8; VALUE]))
                .unwrap();
        }));
        let ours = &ours;
        let calls = rate(threads, async |random: &mut fastrand::Rng| {
            let write = |number| ours.write(vec![Change::Set(key(number), vec![8u8; VALUE].into())]);
            let writes: Vec<_> = (0..each).map(|_| write(random.usize(..KEYS))).collect();
            for written in futures::future::join_all(writes).await {
                written.unwrap();
            }
        });
        after.push(calls * each as f64);
    }
    show(&format!("durable writes, {in_flight} in flight"), &before, &after);
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
