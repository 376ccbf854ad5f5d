//! Nothing that was acknowledged is lost, and nothing is half there: whenever the process is killed, at whichever
//! call to the system, and where the machine loses power.
//!
//! A process of its own works on a store and notes what was acknowledged; it is this test program again, running
//! [`work`]. `WEFT_TEST_KILLS` says how often it is killed at random (a release wants 1000), `WEFT_TEST_FAULTS`
//! at how many calls of the enumeration (`all` for every one).

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use weft_stores::keyvalue::sqlite::{Options, Sqlite};
use weft_stores::keyvalue::{Change, Durability, Store};
use weft_testing::Scratch;

use crate::faults;

const CLIENTS: usize = 4;
/// Keys of each client; a write changes two of them and the one that says which write it was.
const KEYS: usize = 5;

fn options(durability: Durability) -> Options {
    Options {
        durability,
        ..Options::default()
    }
}

/// The changes of a client's write, which is told apart from all others.
fn changes(client: usize, number: usize) -> Vec<Change> {
    let key = |key: usize| format!("client-{client}/{}", key % KEYS);
    let value = Bytes::from(format!("{number};").repeat(1 + number * 37 % 300));
    let mut changes = vec![
        Change::Set(format!("client-{client}/last"), number.to_string().into()),
        Change::Set(key(number), value.clone()),
    ];
    changes.push(if number.is_multiple_of(3) {
        Change::Delete(key(number + 1))
    } else {
        Change::Set(key(number + 2), value)
    });
    changes
}

/// Runs in the process that is killed.
#[test]
fn work() {
    let Ok(folder) = std::env::var("WEFT_TEST_WORK") else {
        return;
    };
    let variable = |name: &str| std::env::var(name).unwrap();
    let durability = if variable("WEFT_TEST_DURABILITY") == "sync" {
        Durability::Sync
    } else {
        Durability::Fast
    };
    let writes: usize = variable("WEFT_TEST_WRITES").parse().unwrap();
    let from: usize = variable("WEFT_TEST_FROM").parse().unwrap();
    let acknowledged = PathBuf::from(variable("WEFT_TEST_ACKNOWLEDGED"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(Path::new(&folder), &options(durability)).unwrap());
        let client = async |client: usize| {
            let note = acknowledged.join(client.to_string());
            let mut note = fs_err::OpenOptions::new()
                .append(true)
                .create(true)
                .open(note)
                .unwrap();
            for number in from..from + writes {
                store.write(changes(client, number)).await.unwrap();
                note.write_all(&u32::try_from(number).unwrap().to_le_bytes())
                    .unwrap();
            }
        };
        futures::future::join_all((0..CLIENTS).map(client)).await;
    });
}

struct Worker<'a> {
    scratch: &'a Scratch,
    durability: &'a str,
    writes: usize,
    from: usize,
}

impl<'a> Worker<'a> {
    fn short(scratch: &'a Scratch, durability: &'a str) -> Self {
        Self {
            scratch,
            durability,
            writes: 12,
            from: 0,
        }
    }

    fn store(&self) -> PathBuf {
        self.scratch.path().join("stores/store")
    }

    fn acknowledged(&self) -> PathBuf {
        self.scratch.folder("acknowledged")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "keyvalue::killed::work", "--test-threads", "1"])
            .env("WEFT_TEST_WORK", self.store())
            .env("WEFT_TEST_DURABILITY", self.durability)
            .env("WEFT_TEST_WRITES", self.writes.to_string())
            .env("WEFT_TEST_FROM", self.from.to_string())
            .env("WEFT_TEST_ACKNOWLEDGED", self.acknowledged())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The number of the last write of a client that was acknowledged.
    fn last_acknowledged(&self, client: usize) -> Option<usize> {
        let noted = fs_err::read(self.acknowledged().join(client.to_string())).unwrap_or_default();
        let last = noted.chunks_exact(4).next_back()?;
        Some(u32::from_le_bytes(last.try_into().unwrap()) as usize)
    }

    /// Opens the store, and compares what it has with what was acknowledged.
    async fn check(&self) {
        let durability = if self.durability == "sync" {
            Durability::Sync
        } else {
            Durability::Fast
        };
        let begun = Instant::now();
        let store = Sqlite::open(&self.store(), &options(durability)).unwrap();
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "opened in {:?}",
            begun.elapsed()
        );
        for client in 0..CLIENTS {
            let last = store.get(&format!("client-{client}/last")).await.unwrap();
            let last: Option<usize> =
                last.map(|entry| std::str::from_utf8(&entry.value).unwrap().parse().unwrap());
            let acknowledged = self.last_acknowledged(client);
            assert!(
                last >= acknowledged,
                "client {client}: write {acknowledged:?} was acknowledged, {last:?} is there"
            );
            assert!(last.map_or(0, |last| last + 1) <= acknowledged.map_or(0, |number| number + 1) + 1);
            let mut expected = std::collections::BTreeMap::new();
            for number in 0..last.map_or(0, |last| last + 1) {
                for change in changes(client, number) {
                    match change {
                        Change::Set(key, value) => expected.insert(key, value),
                        Change::Delete(key) => expected.remove(&key),
                    };
                }
            }
            for key in (0..KEYS).map(|key| format!("client-{client}/{key}")) {
                let found = store.get(&key).await.unwrap().map(|entry| entry.value);
                assert_eq!(found.as_ref(), expected.get(&key), "`{key}` after write {last:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_kill_at_a_random_moment_loses_nothing() {
    let kills = faults::number("WEFT_TEST_KILLS", 24);
    let mut scratch = Scratch::new();
    let mut from = 0;
    for kill in 0..kills {
        // Now and then from the beginning, so that stores are killed while they are made, too.
        if kill % 12 == 0 {
            (scratch, from) = (Scratch::new(), 0);
        }
        let worker = Worker {
            scratch: &scratch,
            durability: if kill / 12 % 2 == 0 { "sync" } else { "fast" },
            writes: 1_000_000,
            from,
        };
        let mut child = worker.command().spawn().unwrap();
        std::thread::sleep(Duration::from_micros(fastrand::u64(..120_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        worker.check().await;
        // Every client goes on where all of them can: what was written twice is the same.
        let lasts = (0..CLIENTS)
            .filter_map(|client| worker.last_acknowledged(client))
            .max();
        from = next_start(&worker, lasts).await;
    }
    println!("killed {kills} times, nothing lost");
}

/// Brings all clients to the same write, by the rules, and says which comes next.
async fn next_start(worker: &Worker<'_>, last: Option<usize>) -> usize {
    let store = Sqlite::open(&worker.store(), &options(Durability::Sync)).unwrap();
    let until = last.map_or(0, |last| last + 2);
    for client in 0..CLIENTS {
        let have = store.get(&format!("client-{client}/last")).await.unwrap();
        let have = have.map_or(0, |entry| {
            std::str::from_utf8(&entry.value)
                .unwrap()
                .parse::<usize>()
                .unwrap()
                + 1
        });
        let note = worker.acknowledged().join(client.to_string());
        for number in have..until {
            store.write(changes(client, number)).await.unwrap();
        }
        if let Some(number) = until.checked_sub(1) {
            fs_err::write(note, u32::try_from(number).unwrap().to_le_bytes()).unwrap();
        }
    }
    until
}

async fn at_every_call(mode: &str, durability: &str) {
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
    let status = faulty(&whole).env("WEFT_FAULT_COUNT", &counted).status().unwrap();
    assert!(status.success());
    whole.check().await;
    let calls: usize = fs_err::read_to_string(&counted).unwrap().parse().unwrap();
    assert!(calls > 50, "only {calls} calls were counted");
    let chosen = faults::chosen(calls, 25);
    let mut ended = 0;
    for at in &chosen {
        let scratch = Scratch::new();
        let worker = Worker::short(&scratch, durability);
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
        worker.check().await;
    }
    assert!(
        ended * 10 >= chosen.len() * 6,
        "{ended} of {} were ended",
        chosen.len()
    );
    println!("{mode}, {durability}: ended at {ended} of {calls} calls, nothing lost");
}

#[tokio::test]
async fn a_kill_at_any_call_to_the_system_loses_nothing() {
    at_every_call("kill", "sync").await;
    at_every_call("kill", "fast").await;
}

#[tokio::test]
async fn a_write_that_was_cut_in_half_loses_nothing() {
    at_every_call("torn", "sync").await;
}

#[tokio::test]
async fn a_power_loss_at_any_call_to_the_system_loses_nothing_that_was_synced() {
    at_every_call("power", "sync").await;
}
