//! No committed transaction is lost, and none is half there: whenever the process is killed, at whichever call to the
//! system, and where the machine loses power.
//!
//! A process of its own works on a database and notes what was acknowledged; it is this test program again, running
//! [`work`]. So it is for a database that gets its checksums meanwhile. `WEFT_TEST_KILLS` and `WEFT_TEST_FAULTS` say how often, as for stores of keys with values.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use weft_stores::keyvalue::Durability;
use weft_stores::sql::sqlite::{Options, Rights, Session, Sqlite};
use weft_stores::sql::{Connection as _, Error, Value};
use weft_testing::Scratch;

use super::*;
use crate::faults;

const CLIENTS: i64 = 3;
const TABLES: [&str; 2] = [
    "create table if not exists lines (client integer, line integer, text text, primary key (client, line))",
    "create table if not exists clients (client integer primary key, last integer, sum integer)",
];

fn options_of(durability: &str) -> Options {
    Options {
        durability: if durability == "sync" {
            Durability::Sync
        } else {
            Durability::Fast
        },
        ..options()
    }
}

/// The statements of one transaction: a row with a long text, and the sum of all of a client's numbers.
fn statements(client: i64, number: i64) -> Vec<(String, Vec<Value>)> {
    let text = format!("{number};").repeat(usize::try_from(1 + number * 37 % 300).unwrap());
    vec![
        (
            "insert or replace into lines values (?1, ?2, ?3)".to_owned(),
            vec![Value::Integer(client), Value::Integer(number % 7), Value::Text(text)],
        ),
        (
            "insert into clients values (?1, ?2, ?2) on conflict (client) do update set last = ?2, sum = sum + ?2"
                .to_owned(),
            vec![Value::Integer(client), Value::Integer(number)],
        ),
    ]
}

/// Runs in the process that is killed.
#[test]
fn work() {
    let Ok(folder) = std::env::var("WEFT_TEST_WORK") else {
        return;
    };
    let variable = |name: &str| std::env::var(name).unwrap();
    let writes: i64 = variable("WEFT_TEST_WRITES").parse().unwrap();
    let first_client: i64 = variable("WEFT_TEST_FIRST_CLIENT").parse().unwrap();
    let acknowledged = PathBuf::from(variable("WEFT_TEST_ACKNOWLEDGED"));
    block_on(async {
        let options = options_of(&variable("WEFT_TEST_DURABILITY"));
        let database = Sqlite::open(folder.as_ref(), options).unwrap();
        let first = connect(&database).await;
        for table in TABLES {
            first.execute(table.to_owned(), vec![]).await.unwrap();
        }
        let client = async |client: i64| {
            let session = connect(&database).await;
            let note = acknowledged.join(client.to_string());
            let open = fs_err::OpenOptions::new().append(true).create(true).open(note);
            let mut note = open.unwrap();
            let from = last(&session, client)
                .await
                .unwrap()
                .map_or(0, |(last, _)| last + 1);
            // What was read is as good as acknowledged.
            if from > 0 {
                note.write_all(&(from - 1).to_le_bytes()).unwrap();
            }
            for number in from..from + writes {
                // Another process may hold the database for longer than one waits for it.
                while let Err(error) = session.batch(statements(client, number)).await {
                    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
                }
                note.write_all(&number.to_le_bytes()).unwrap();
            }
        };
        futures::future::join_all((first_client..first_client + CLIENTS).map(client)).await;
    });
}

async fn connect(database: &Sqlite) -> Session {
    database.side(Rights::all()).connect().await.unwrap()
}

/// The last number of a client, and the sum of all. None where there is no table yet, or nothing of it.
async fn last(session: &Session, client: i64) -> Result<Option<(i64, i64)>, Error> {
    let select = "select last, sum from clients where client = ?1".to_owned();
    let rows = match session.gather(select, vec![Value::Integer(client)]).await {
        Ok(gathered) => gathered.rows,
        Err(Error::Statement(said)) if said.message.contains("no such table") => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(match rows.first().map(Vec::as_slice) {
        Some([Value::Integer(last), Value::Integer(sum)]) => Some((*last, *sum)),
        None => None,
        other => panic!("{other:?}"),
    })
}

struct Worker<'a> {
    scratch: &'a Scratch,
    durability: &'a str,
    writes: i64,
    first_client: i64,
}

impl<'a> Worker<'a> {
    fn short(scratch: &'a Scratch, durability: &'a str) -> Self {
        Self {
            scratch,
            durability,
            writes: 12,
            first_client: 0,
        }
    }

    fn database(&self) -> PathBuf {
        self.scratch.path().join("stores/database")
    }

    fn acknowledged(&self) -> PathBuf {
        self.scratch.folder("acknowledged")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "sql::killed::work", "--test-threads", "1"])
            .env("WEFT_TEST_WORK", self.database())
            .env("WEFT_TEST_DURABILITY", self.durability)
            .env("WEFT_TEST_WRITES", self.writes.to_string())
            .env("WEFT_TEST_FIRST_CLIENT", self.first_client.to_string())
            .env("WEFT_TEST_ACKNOWLEDGED", self.acknowledged())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Opens the database, and compares what it has with what was acknowledged.
    async fn check(&self) {
        let begun = Instant::now();
        let database = Sqlite::open(&self.database(), options_of(self.durability)).unwrap();
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "opened in {:?}",
            begun.elapsed()
        );
        let session = connect(&database).await;
        for client in 0..self.first_client + CLIENTS {
            let noted = fs_err::read(self.acknowledged().join(client.to_string())).unwrap_or_default();
            let noted = noted.chunks_exact(8).next_back();
            let acknowledged = noted.map(|noted| i64::from_le_bytes(noted.try_into().unwrap()));
            let found = last(&session, client).await.unwrap();
            let last = found.map(|(last, _)| last);
            assert!(
                last >= acknowledged,
                "client {client}: {acknowledged:?} was acknowledged, {last:?} is there"
            );
            assert!(last.unwrap_or(-1) <= acknowledged.unwrap_or(-1) + 1);
            let Some((last, sum)) = found else { continue };
            assert_eq!(sum, last * (last + 1) / 2, "client {client} after {last}");
            let select = "select text from lines where client = ?1 and line = ?2".to_owned();
            for number in (last - 6).max(0)..=last {
                let key = vec![Value::Integer(client), Value::Integer(number % 7)];
                let found = session.gather(select.clone(), key).await.unwrap().rows;
                let expected = statements(client, number)[0].1[2].clone();
                assert_eq!(found, [[expected]], "client {client}: line {number} after {last}");
            }
        }
    }
}

#[test]
fn a_kill_at_a_random_moment_loses_nothing() {
    let kills = faults::number("WEFT_TEST_KILLS", 24);
    let mut scratch = Scratch::new();
    for kill in 0..kills {
        // Now and then from the beginning, so that databases are killed while they are made, too.
        if kill % 12 == 0 {
            scratch = Scratch::new();
        }
        let worker = Worker {
            scratch: &scratch,
            durability: if kill / 12 % 2 == 0 { "sync" } else { "fast" },
            writes: 1_000_000,
            first_client: 0,
        };
        let mut child = worker.command().spawn().unwrap();
        std::thread::sleep(Duration::from_micros(fastrand::u64(..120_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        block_on(worker.check());
    }
    println!("killed {kills} times, nothing lost");
}

#[test]
fn a_kill_of_one_of_two_processes_loses_nothing_of_either() {
    for kill in 0..faults::number("WEFT_TEST_KILLS", 24) / 4 {
        let scratch = Scratch::new();
        let durability = if kill % 2 == 0 { "sync" } else { "fast" };
        let mut workers: Vec<_> = (0..2)
            .map(|worker| {
                let worker = Worker {
                    scratch: &scratch,
                    durability,
                    writes: 1_000_000,
                    first_client: worker * CLIENTS,
                };
                let child = worker.command().spawn().unwrap();
                (worker, child)
            })
            .collect();
        if kill % 3 == 0 {
            workers.reverse();
        }
        for (_, child) in &mut workers {
            std::thread::sleep(Duration::from_micros(fastrand::u64(50_000..200_000)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let all = workers.iter().max_by_key(|(worker, _)| worker.first_client);
        block_on(all.unwrap().0.check());
    }
}

/// A database without checksums, in which some transactions were acknowledged.
fn prepare_old(worker: &Worker<'_>) {
    let folder = worker.scratch.folder("old");
    let old = rusqlite::Connection::open(folder.join("data.db")).unwrap();
    old.execute_batch("pragma journal_mode = wal").unwrap();
    for table in TABLES {
        old.execute_batch(table).unwrap();
    }
    for client in 0..CLIENTS {
        for number in 0..9 {
            for (statement, values) in statements(client, number) {
                let values = values.into_iter().map(|value| match value {
                    Value::Integer(number) => rusqlite::types::Value::Integer(number),
                    Value::Text(text) => rusqlite::types::Value::Text(text),
                    other => panic!("{other:?}"),
                });
                old.execute(&statement, rusqlite::params_from_iter(values))
                    .unwrap();
            }
        }
        let note = worker.acknowledged().join(client.to_string());
        fs_err::write(note, 8_i64.to_le_bytes()).unwrap();
    }
    // With its log, as a kill leaves it.
    damage::copy(&folder, &worker.database());
    assert!(worker.database().join("data.db-wal").exists());
}

fn at_every_call(mode: &str, durability: &str) {
    at_every_call_after(mode, durability, |_| {});
}

fn at_every_call_after(mode: &str, durability: &str, prepare: impl Fn(&Worker<'_>)) {
    let tools = Scratch::new();
    let Some(library) = faults::library(tools.path()) else {
        return;
    };
    let faulty = |worker: &Worker<'_>| {
        let mut command = worker.command();
        command
            .env("LD_PRELOAD", &library)
            .env("WEFT_FAULT_FOLDER", worker.scratch.path().join("stores"))
            .env("WEFT_FAULT_MODE", mode);
        command
    };
    let scratch = Scratch::new();
    let counted = tools.path().join("count");
    let whole = Worker::short(&scratch, durability);
    prepare(&whole);
    let status = faulty(&whole).env("WEFT_FAULT_COUNT", &counted).status().unwrap();
    assert!(status.success());
    block_on(whole.check());
    let calls: usize = fs_err::read_to_string(&counted).unwrap().parse().unwrap();
    assert!(calls > 50, "only {calls} calls were counted");
    let chosen = faults::chosen(calls, 25);
    let mut ended = 0;
    for at in &chosen {
        let scratch = Scratch::new();
        let worker = Worker::short(&scratch, durability);
        prepare(&worker);
        let status = faulty(&worker)
            .env("WEFT_FAULT_AT", at.to_string())
            .status()
            .unwrap();
        assert!(
            status.success() || status.signal() == Some(9),
            "call {at}: {status}"
        );
        ended += usize::from(!status.success());
        eprintln!("{mode} at call {at}");
        block_on(worker.check());
    }
    assert!(
        ended * 10 >= chosen.len() * 6,
        "{ended} of {} were ended",
        chosen.len()
    );
    println!("{mode}, {durability}: ended at {ended} of {calls} calls, nothing lost");
}

#[test]
fn a_kill_at_any_call_to_the_system_loses_nothing() {
    at_every_call("kill", "sync");
    at_every_call("kill", "fast");
}

#[test]
fn a_write_that_was_cut_in_half_loses_nothing() {
    at_every_call("torn", "sync");
}

#[test]
fn a_power_loss_at_any_call_to_the_system_loses_nothing_that_was_synced() {
    at_every_call("power", "sync");
}

#[test]
fn a_kill_while_checksums_are_added_loses_nothing() {
    at_every_call_after("kill", "fast", prepare_old);
    at_every_call_after("torn", "sync", prepare_old);
    at_every_call_after("power", "sync", prepare_old);
}
