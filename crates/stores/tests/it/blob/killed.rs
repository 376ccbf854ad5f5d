//! Nothing that was acknowledged is lost, and nothing is half there: whenever the process is killed, at whichever
//! call to the system, and where the machine loses power.
//!
//! A process of its own works on a store and notes what was acknowledged; it is this test program again, running
//! [`work`]. `WEFT_TEST_KILLS` says how often it is killed at random (a release wants 1000), `WEFT_TEST_FAULTS`
//! at how many calls of the enumeration (`all` for every one).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use weft_stores::blob::Store;
use weft_stores::blob::files::{Files, Options};
use weft_stores::keyvalue::Durability;
use weft_testing::Scratch;

use super::content::{content, names, no_file_is_left, read, write};
use crate::faults;

const CLIENTS: usize = 3;

/// What a client does, each with objects of its own; or one alone that makes and deletes the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Objects,
    Container,
}

/// One thing that a client does.
#[derive(Debug)]
enum Step {
    Write(String, Vec<u8>),
    Copy(String, String),
    Remove(Vec<String>),
    Clear(String),
    Delete,
    Create,
}

/// What is there of a client; none while there is no container.
type There = Option<BTreeMap<String, Vec<u8>>>;

impl Work {
    fn clients(self) -> usize {
        match self {
            Self::Objects => CLIENTS,
            Self::Container => 1,
        }
    }

    fn step(self, client: usize, number: usize) -> Step {
        let name = |number: usize| format!("client-{client}/{}", number % 5);
        let bytes = if number.is_multiple_of(2) {
            number * 37 % 9000
        } else {
            17_000 + number * 7919 % 150_000
        };
        let write = || Step::Write(name(number), content(number, bytes));
        match (self, number % 12) {
            (Self::Objects, 4 | 7) => Step::Copy(name(number + 4), name(number)),
            (Self::Objects, 5) => Step::Remove(vec![name(number), name(number + 3)]),
            (Self::Objects, 11) => Step::Clear(format!("client-{client}/")),
            (Self::Container, 5 | 11) => Step::Delete,
            (Self::Container, 0 | 6) => Step::Create,
            _ => write(),
        }
    }

    /// What is there after so many steps of a client.
    fn after(self, client: usize, steps: usize) -> There {
        let mut there = Some(BTreeMap::new());
        for number in 0..steps {
            self.step(client, number).apply(&mut there);
        }
        there
    }
}

impl Step {
    fn apply(self, there: &mut There) {
        match (self, &mut *there) {
            (Self::Delete, _) => *there = None,
            (Self::Create, None) => *there = Some(BTreeMap::new()),
            (Self::Write(name, content), Some(there)) => drop(there.insert(name, content)),
            (Self::Copy(from, to), Some(there)) => {
                let copied = there.get(&from).cloned();
                there.extend(copied.map(|copied| (to, copied)));
            }
            (Self::Remove(names), Some(there)) => there.retain(|name, _| !names.contains(name)),
            (Self::Clear(prefix), Some(there)) => there.retain(|name, _| !name.starts_with(&prefix)),
            // Of the first container: it is there already.
            (_, _) => {}
        }
    }

    async fn run(self, store: &dyn Store) {
        match self {
            Self::Delete => store.delete().await.unwrap(),
            Self::Create => drop(store.create().await.unwrap()),
            Self::Write(name, content) => write(store, &name, &content).await,
            Self::Copy(from, to) => drop(store.copy(&from, &to).await.unwrap()),
            Self::Remove(names) => store.remove(&names).await.unwrap(),
            Self::Clear(prefix) => store.clear(&prefix).await.unwrap(),
        }
    }
}

fn options(durability: Durability) -> Options {
    Options {
        durability,
        ..Options::default()
    }
}

/// Runs in the process that is killed.
#[test]
fn work() {
    let Ok(folder) = std::env::var("WEFT_TEST_BLOB_WORK") else {
        return;
    };
    let variable = |name: &str| std::env::var(name).unwrap();
    let durability = durability(&variable("WEFT_TEST_DURABILITY"));
    let work = if variable("WEFT_TEST_KIND") == "container" {
        Work::Container
    } else {
        Work::Objects
    };
    let steps: usize = variable("WEFT_TEST_STEPS").parse().unwrap();
    let notes = PathBuf::from(variable("WEFT_TEST_ACKNOWLEDGED"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let store = Files::open(Path::new(&folder), &options(durability)).unwrap();
        let client = async |client: usize| {
            let from = acknowledged(&notes, client);
            let note = notes.join(client.to_string());
            let options = fs_err::OpenOptions::new().append(true).create(true).open(note);
            let mut note = options.unwrap();
            for number in from..from + steps {
                work.step(client, number).run(&store).await;
                note.write_all(&u32::try_from(number + 1).unwrap().to_le_bytes())
                    .unwrap();
            }
        };
        futures::future::join_all((0..work.clients()).map(client)).await;
    });
}

fn durability(text: &str) -> Durability {
    if text == "sync" {
        Durability::Sync
    } else {
        Durability::Fast
    }
}

/// How many steps of a client were acknowledged.
fn acknowledged(notes: &Path, client: usize) -> usize {
    let noted = fs_err::read(notes.join(client.to_string())).unwrap_or_default();
    let last = noted.chunks_exact(4).next_back();
    last.map_or(0, |last| u32::from_le_bytes(last.try_into().unwrap()) as usize)
}

struct Worker<'a> {
    scratch: &'a Scratch,
    work: Work,
    durability: &'a str,
    steps: usize,
}

impl<'a> Worker<'a> {
    fn short(scratch: &'a Scratch, durability: &'a str, work: Work) -> Self {
        Self {
            scratch,
            work,
            durability,
            steps: 12,
        }
    }

    fn store(&self) -> PathBuf {
        self.scratch.path().join("stores/store")
    }

    fn notes(&self) -> PathBuf {
        self.scratch.folder("acknowledged")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let kind = if self.work == Work::Container {
            "container"
        } else {
            "objects"
        };
        command
            .args(["--exact", "blob::killed::work", "--test-threads", "1"])
            .env("WEFT_TEST_BLOB_WORK", self.store())
            .env("WEFT_TEST_KIND", kind)
            .env("WEFT_TEST_DURABILITY", self.durability)
            .env("WEFT_TEST_STEPS", self.steps.to_string())
            .env("WEFT_TEST_ACKNOWLEDGED", self.notes())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Opens the store, and compares what it has with what was acknowledged.
    ///
    /// The step after the last one that was acknowledged may have been made; then it is noted as well.
    async fn check(&self) {
        let begun = Instant::now();
        let store = Files::open(&self.store(), &options(durability(self.durability))).unwrap();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "opened in {took:?}");
        for client in 0..self.work.clients() {
            let steps = acknowledged(&self.notes(), client);
            let there = there(&store, client).await;
            let made = (steps..=steps + 1).find(|steps| self.work.after(client, *steps) == there);
            let made = made.unwrap_or_else(|| {
                let names = there.map(|there| there.into_keys().collect::<Vec<_>>());
                panic!("client {client}: {steps} steps were acknowledged, and these are there: {names:?}")
            });
            let note = u32::try_from(made).unwrap().to_le_bytes();
            fs_err::write(self.notes().join(client.to_string()), note).unwrap();
        }
        store.verify().await.unwrap();
        no_file_is_left(&self.store(), &store).await;
    }
}

async fn there(store: &dyn Store, client: usize) -> There {
    store.container().await.unwrap()?;
    let mut there = BTreeMap::new();
    for name in names(store, &format!("client-{client}/"), 100).await {
        let content = read(store, &name).await.unwrap();
        there.insert(name, content);
    }
    Some(there)
}

#[tokio::test]
async fn a_kill_at_a_random_moment_loses_nothing() {
    let kills = faults::number("WEFT_TEST_KILLS", 24);
    let mut scratch = Scratch::new();
    for kill in 0..kills {
        // Now and then from the beginning, so that stores are killed while they are made, too.
        if kill % 6 == 0 {
            scratch = Scratch::new();
        }
        let worker = Worker {
            scratch: &scratch,
            work: if kill / 6 % 4 == 3 {
                Work::Container
            } else {
                Work::Objects
            },
            durability: if kill / 6 % 2 == 0 { "sync" } else { "fast" },
            steps: 1_000_000,
        };
        let mut child = worker.command().spawn().unwrap();
        std::thread::sleep(Duration::from_micros(fastrand::u64(..150_000)));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "it ended by itself");
        worker.check().await;
    }
    println!("killed {kills} times, nothing lost");
}

async fn at_every_call(mode: &str, durability: &str, work: Work) {
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
    let whole = Worker::short(&scratch, durability, work);
    let status = faulty(&whole).env("WEFT_FAULT_COUNT", &counted).status().unwrap();
    assert!(status.success());
    whole.check().await;
    let calls: usize = fs_err::read_to_string(&counted).unwrap().parse().unwrap();
    assert!(calls > 50, "only {calls} calls were counted");
    let chosen = faults::chosen(calls, 16);
    let mut ended = 0;
    for at in &chosen {
        let scratch = Scratch::new();
        let worker = Worker::short(&scratch, durability, work);
        let status = faulty(&worker)
            .env("WEFT_FAULT_AT", at.to_string())
            .status()
            .unwrap();
        let is_expected = status.success() || status.signal() == Some(9);
        assert!(is_expected, "call {at}: {status}");
        ended += usize::from(!status.success());
        eprintln!("{mode} at call {at}");
        worker.check().await;
    }
    assert!(
        ended * 10 >= chosen.len() * 6,
        "{ended} of {} were ended",
        chosen.len()
    );
    println!("{mode}, {durability}, {work:?}: ended at {ended} of {calls} calls, nothing lost");
}

#[tokio::test]
async fn a_kill_at_any_call_to_the_system_loses_nothing() {
    at_every_call("kill", "sync", Work::Objects).await;
    at_every_call("kill", "fast", Work::Objects).await;
    at_every_call("kill", "fast", Work::Container).await;
}

#[tokio::test]
async fn a_write_that_was_cut_in_half_loses_nothing() {
    at_every_call("torn", "sync", Work::Objects).await;
}

#[tokio::test]
async fn a_power_loss_at_any_call_to_the_system_loses_nothing_that_was_synced() {
    at_every_call("power", "sync", Work::Objects).await;
    at_every_call("power", "sync", Work::Container).await;
}
