//! The embedded queue against what one would write first: a table of messages behind a lock, a commit for each step.
//!
//! `cargo bench -p weft-stores --bench queues`. Both sides run in turns, so that the load of the machine touches both.

#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at the first mistake"
)]

mod rates;

use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;
use rates::{ROUNDS, rate};
use rusqlite::Connection;
use weft_stores::keyvalue::Durability;
use weft_stores::keyvalue::sqlite::Options;
use weft_stores::queue::kept::Kept;
use weft_stores::queue::{Message, Pattern, Queue};
use weft_testing::Scratch;

const BODY: usize = 256;
const COMPONENTS: usize = 16;

fn main() {
    for in_flight in [1, COMPONENTS, COMPONENTS * 16] {
        publishing(in_flight);
    }
    taking();
}

/// A table, of which the first message is the next one.
struct Table(Mutex<Connection>);

impl Table {
    fn make(folder: &Path) -> Self {
        let connection = Connection::open(folder.join("naive.db")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "synchronous", "FULL").unwrap();
        connection
            .execute_batch("CREATE TABLE message (number INTEGER PRIMARY KEY, subject TEXT, body BLOB)")
            .unwrap();
        Self(Mutex::new(connection))
    }

    fn publish(&self) {
        let connection = self.0.lock();
        let mut insert = connection
            .prepare_cached("INSERT INTO message (subject, body) VALUES (?1, ?2)")
            .unwrap();
        insert.execute(("order.new", vec![7u8; BODY])).unwrap();
    }

    fn take(&self) {
        let connection = self.0.lock();
        let mut next = connection
            .prepare_cached("SELECT number, body FROM message ORDER BY number LIMIT 1")
            .unwrap();
        let (number, body): (i64, Vec<u8>) =
            next.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(body.len(), BODY);
        let mut done = connection
            .prepare_cached("DELETE FROM message WHERE number = ?1")
            .unwrap();
        done.execute([number]).unwrap();
    }
}

fn ours(folder: &Path) -> Kept {
    let options = Options {
        durability: Durability::Sync,
        ..Options::default()
    };
    let queue = Kept::open(&folder.join("queue"), &options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Where nobody takes them, messages are not kept.
    runtime
        .block_on(queue.join("ship", &Pattern::everything()))
        .unwrap();
    queue
}

fn message() -> Message {
    Message::new("order.new".parse().unwrap(), vec![7u8; BODY])
}

fn publishing(in_flight: usize) {
    let scratch = Scratch::new();
    let (naive, ours) = (Table::make(scratch.path()), ours(scratch.path()));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let threads = in_flight.min(COMPONENTS);
    let each = in_flight / threads;
    for _ in 0..ROUNDS {
        before.push(rate(threads, async |_: &mut fastrand::Rng| naive.publish()));
        let calls = rate(threads, async |_: &mut fastrand::Rng| {
            let all = (0..each).map(|_| ours.publish(message()));
            futures::future::try_join_all(all).await.unwrap();
        });
        after.push(calls * each as f64);
    }
    show(&format!("published, {in_flight} in flight"), &before, &after);
}

/// How long a message is waited for. All of them may have been taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Messages that wait are handed out and worked on: by one who takes one after the other, and by one who works on 16 at
/// once.
fn taking() {
    const WAITING: usize = 400_000;
    let scratch = Scratch::new();
    let (naive, ours) = (Table::make(scratch.path()), ours(scratch.path()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    naive.0.lock().execute_batch("BEGIN").unwrap();
    for _ in 0..WAITING {
        naive.publish();
    }
    naive.0.lock().execute_batch("COMMIT").unwrap();
    runtime.block_on(async {
        for _ in 0..WAITING / 250 {
            let some = (0..250).map(|_| ours.publish(message()));
            futures::future::try_join_all(some).await.unwrap();
        }
    });
    let taking = runtime
        .block_on(ours.take("ship", &Pattern::everything()))
        .unwrap();
    for at_once in [1, COMPONENTS] {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            before.push(rate(1, async |_: &mut fastrand::Rng| naive.take()));
            let calls = rate(1, async |_: &mut fastrand::Rng| {
                let all = (0..at_once).map(async |_| {
                    let next = tokio::time::timeout(PATIENCE, taking.next()).await;
                    let next = next.expect("more should wait").unwrap();
                    assert_eq!(next.message.body.len(), BODY);
                    taking.done(&next).await.unwrap();
                });
                futures::future::join_all(all).await;
            });
            after.push(calls * at_once as f64);
        }
        show(
            &format!("taken and worked on, {at_once} at once"),
            &before,
            &after,
        );
    }
}

fn show(what: &str, naive: &[f64], ours: &[f64]) {
    rates::show(what, ("one connection", naive), ("queue", ours));
}
