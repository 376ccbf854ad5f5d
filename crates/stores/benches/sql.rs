//! What checksums cost in databases: the same work of SQLite over the usual layer and over ours.
//!
//! `cargo bench -p weft-stores --bench sql`. Both sides run in turns, so that the load of the machine touches both.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at the first mistake"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use weft_stores::sql::sqlite::{Options, Sqlite};
use weft_testing::Scratch;

const ROWS: i64 = 200_000;
const ROUND: Duration = Duration::from_millis(500);
const ROUNDS: usize = 9;

/// Settings as databases have them here.
fn set_up(connection: &Connection, synchronous: &str) {
    for (setting, value) in [("journal_mode", "WAL"), ("synchronous", synchronous)] {
        connection.pragma_update(None, setting, value).unwrap();
    }
    connection.pragma_update(None, "cache_size", -2048).unwrap();
    connection.pragma_update(None, "mmap_size", 0).unwrap();
}

/// A connection over the layer with sums, which opening a database makes known.
fn sealed(folder: &Path, synchronous: &str) -> Connection {
    drop(Sqlite::open(folder, Options::default()).unwrap());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags_and_vfs(folder.join("data.db"), flags, c"weft-sums").unwrap();
    set_up(&connection, synchronous);
    connection
}

fn plain(folder: &Path, synchronous: &str) -> Connection {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.join("plain.db"), flags).unwrap();
    set_up(&connection, synchronous);
    connection
}

fn fill(connection: &Connection) {
    connection
        .execute_batch(&format!(
            "create table t (a integer primary key, b blob);
             create table written (a integer primary key, b blob);
             insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS})
             select i, randomblob(256) from n;
             pragma wal_checkpoint(truncate);"
        ))
        .unwrap();
}

/// Microseconds of one call.
fn time(mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut calls = 0.0;
    while begun.elapsed() < ROUND {
        call();
        calls += 1.0;
    }
    begun.elapsed().as_secs_f64() * 1e6 / calls
}

fn compare(name: &str, sides: [&Connection; 2], call: impl Fn(&Connection)) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (side, times) in sides.iter().zip(&mut times) {
            times.push(time(|| call(side)));
        }
    }
    // The best of the rounds: others use the disk, too.
    let [plain, sealed] = times.map(|times| times.into_iter().fold(f64::INFINITY, f64::min));
    let cost = (sealed / plain - 1.0) * 100.0;
    println!("{name:44} {plain:10.1} µs {sealed:10.1} µs {cost:6.1} %");
}

fn read(connection: &Connection, keys: i64) {
    let mut statement = connection.prepare_cached("select b from t where a = ?1").unwrap();
    let key = fastrand::i64(1..=keys);
    statement
        .query_row([key], |row| row.get::<_, Vec<u8>>(0))
        .unwrap();
}

fn insert(connection: &Connection, rows: usize) {
    connection.execute_batch("begin immediate").unwrap();
    let mut statement = connection
        .prepare_cached("insert into written (b) values (?1)")
        .unwrap();
    for _ in 0..rows {
        statement.execute([[7_u8; 256]]).unwrap();
    }
    connection.execute_batch("commit").unwrap();
}

fn main() {
    let scratch = Scratch::new();
    println!("{:44} {:>13} {:>13} {:>8}", "", "without", "with", "cost");
    for synchronous in ["NORMAL", "FULL"] {
        let folder = scratch.folder(synchronous);
        let sides = [
            plain(&folder, synchronous),
            sealed(&folder.join("d"), synchronous),
        ];
        sides.iter().for_each(fill);
        let sides = [&sides[0], &sides[1]];
        if synchronous == "NORMAL" {
            compare("a row by its key, in memory", sides, |side| read(side, 1000));
            compare("a row by its key, anywhere in 60 MB", sides, |side| {
                read(side, ROWS)
            });
            compare("all 200000 rows", sides, |side| {
                let sum = "select sum(length(b)) from t where b is not null";
                side.query_row(sum, [], |row| row.get::<_, i64>(0)).unwrap();
            });
        }
        let what = if synchronous == "FULL" { "sync" } else { "fast" };
        for rows in [1, 100] {
            compare(
                &format!("a transaction with {rows} rows, {what}"),
                sides,
                |side| {
                    insert(side, rows);
                },
            );
        }
    }
}
