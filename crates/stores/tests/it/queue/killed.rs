//! Nothing that was acknowledged is lost, and nothing is half there, in a queue in a folder: whenever the process is
//! killed, at whichever call to the system, and where the machine loses power.
//!
//! A process of its own publishes and works on messages, and notes what was acknowledged; it is this test program again,
//! running [`work`]. What was published is there for every group or for none, and what a group was done with does not
//! come again. The variables are those of the key-value store's tests.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use weft_stores::keyvalue::sqlite::Sqlite;
use weft_stores::keyvalue::{LIST_MAX, Store};
use weft_stores::queue::kept::MESSAGES;

use super::*;
use crate::faults;

const CLIENTS: usize = 3;
/// The group whose messages are worked on, and those that only wait.
const WORKED: &str = "worked";
const WAITING: [&str; 2] = ["one", "two"];

fn opened(folder: &Path, durability: &str) -> Kept {
    let options = Options {
        durability: match durability {
            "sync" => Durability::Sync,
            _ => Durability::Fast,
        },
        ..Options::default()
    };
    Kept::open(folder, &options).unwrap()
}

/// Runs in the process that is killed.
#[test]
fn work() {
    let Ok(folder) = std::env::var("WEFT_TEST_QUEUE") else {
        return;
    };
    let variable = |name: &str| std::env::var(name).unwrap();
    let messages: usize = variable("WEFT_TEST_MESSAGES").parse().unwrap();
    let notes = PathBuf::from(variable("WEFT_TEST_NOTES"));
    let note = |name: &str| {
        let note = notes.join(name);
        let note = fs_err::OpenOptions::new().append(true).create(true).open(note);
        let mut note = note.unwrap();
        move |text: &str| writeln!(note, "{text}").unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let queue = opened(Path::new(&folder), &variable("WEFT_TEST_DURABILITY"));
        for group in WAITING {
            queue.join(group, &pattern(">")).await.unwrap();
        }
        let taking = queue.take(WORKED, &pattern("a")).await.unwrap();
        note("joined")("");
        let publish = async |client: usize| {
            let mut acknowledged = note("acknowledged");
            for number in 0..messages {
                let text = format!("{client}/{number}");
                let long = format!("{text} {}", "x".repeat(number * 97 % 3000));
                queue.publish(message("a", long)).await.unwrap();
                acknowledged(&text);
            }
        };
        let take = async {
            let mut done = note("done");
            for _ in 0..messages * CLIENTS {
                let delivery = taking.next().await.unwrap();
                match delivery.attempts {
                    0 if body(&delivery).len().is_multiple_of(3) => {
                        taking.again(delivery, Duration::ZERO).await.unwrap();
                    }
                    _ => {
                        taking.done(&delivery).await.unwrap();
                        done(&name(&delivery));
                    }
                }
            }
        };
        tokio::join!(futures::future::join_all((0..CLIENTS).map(publish)), take);
    });
}

/// What tells a message from all others.
fn name(delivery: &Delivery) -> String {
    let body = body(delivery);
    body.split(' ').next().unwrap_or_default().to_owned()
}

struct Worker<'a> {
    scratch: &'a Scratch,
    durability: &'a str,
    messages: usize,
}

impl<'a> Worker<'a> {
    fn short(scratch: &'a Scratch, durability: &'a str) -> Self {
        Self {
            scratch,
            durability,
            messages: 6,
        }
    }

    fn queue(&self) -> PathBuf {
        self.scratch.path().join("queues/queue")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "queue::killed::work", "--test-threads", "1"])
            .env("WEFT_TEST_QUEUE", self.queue())
            .env("WEFT_TEST_DURABILITY", self.durability)
            .env("WEFT_TEST_MESSAGES", self.messages.to_string())
            .env("WEFT_TEST_NOTES", self.scratch.folder("notes"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// What was noted, without a line that was cut off.
    fn noted(&self, name: &str) -> BTreeSet<String> {
        let text = fs_err::read_to_string(self.scratch.path().join("notes").join(name));
        let text = text.unwrap_or_default();
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(str::to_owned)
            .collect()
    }

    /// Opens the queue, and compares what it hands out with what was acknowledged.
    async fn check(&self) {
        let begun = Instant::now();
        let queue = opened(&self.queue(), self.durability);
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "opened in {:?}",
            begun.elapsed()
        );
        if self.noted("joined").is_empty() {
            return;
        }
        let acknowledged = self.noted("acknowledged");
        let done = self.noted("done");
        let store = Sqlite::open(&self.queue().join(MESSAGES), &Options::default()).unwrap();
        let [one, two] = WAITING;
        let waiting = take_all(&queue, &store, one).await;
        assert_eq!(
            waiting,
            take_all(&queue, &store, two).await,
            "published for one group only"
        );
        assert!(
            acknowledged.is_subset(&waiting),
            "{acknowledged:?} and {waiting:?}"
        );
        // Each client had one under way at most.
        assert!(waiting.len() <= acknowledged.len() + CLIENTS, "{waiting:?}");
        let left = take_all(&queue, &store, WORKED).await;
        assert!(left.is_subset(&waiting), "{left:?} and {waiting:?}");
        assert!(left.is_disjoint(&done), "{left:?} came again, {done:?} was done");
        // One may have been done, and not noted.
        let gone: Vec<&String> = waiting
            .iter()
            .filter(|name| !left.contains(*name) && !done.contains(*name))
            .collect();
        assert!(gone.len() <= 1, "{gone:?} were lost");
    }
}

/// Works on everything that waits for a group, and says what it was.
async fn take_all(queue: &Kept, store: &Sqlite, group: &str) -> BTreeSet<String> {
    let (mut count, mut cursor) = (0, None);
    loop {
        let page = store
            .list(&format!("m/{group}/"), cursor.as_deref(), LIST_MAX)
            .await;
        let page = page.unwrap();
        count += page.keys.len();
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let taking = queue.take(group, &pattern("a")).await.unwrap();
    let mut all = BTreeSet::new();
    for _ in 0..count {
        let delivery = next(&*taking).await;
        taking.done(&delivery).await.unwrap();
        assert!(all.insert(name(&delivery)), "{} is there twice", name(&delivery));
    }
    all
}

#[test]
fn a_kill_at_a_random_moment_loses_nothing() {
    let kills = faults::number("WEFT_TEST_KILLS", 16);
    for kill in 0..kills {
        let scratch = Scratch::new();
        let worker = Worker {
            scratch: &scratch,
            durability: if kill % 2 == 0 { "sync" } else { "fast" },
            messages: 1_000_000,
        };
        let mut child = worker.command().spawn().unwrap();
        std::thread::sleep(Duration::from_micros(fastrand::u64(..150_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        block_on(worker.check());
    }
    println!("killed {kills} times, nothing lost");
}

fn at_every_call(mode: &str, durability: &str) {
    let tools = Scratch::new();
    let Some(library) = faults::library(tools.path()) else {
        return;
    };
    let faulty = |worker: &Worker<'_>| {
        let mut command = worker.command();
        command
            .env("LD_PRELOAD", &library)
            .env("WEFT_FAULT_FOLDER", worker.scratch.path().join("queues"))
            .env("WEFT_FAULT_MODE", mode);
        command
    };
    let scratch = Scratch::new();
    let counted = tools.path().join("count");
    let whole = Worker::short(&scratch, durability);
    let status = faulty(&whole).env("WEFT_FAULT_COUNT", &counted).status().unwrap();
    assert!(status.success());
    block_on(whole.check());
    let calls: usize = fs_err::read_to_string(&counted).unwrap().parse().unwrap();
    assert!(calls > 50, "only {calls} calls were counted");
    let chosen = faults::chosen(calls, 15);
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
