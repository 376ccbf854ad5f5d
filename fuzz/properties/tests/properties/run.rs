//! Runs a property over a corpus and its mutations, and says how to have the failing input again.

use std::env;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::corpus;
use crate::mutate::{self, Random};

/// A promise of one second, with room for a slow and busy machine.
const TIME_MAX: Duration = Duration::from_secs(10);

/// The promise is 256 MiB; the engines and the other targets of this process have theirs beside it.
const MEMORY_KIB_MAX: u64 = 512 << 10;

/// Memory is looked at once in so many inputs.
const MEMORY_EVERY: u64 = 32;

/// The stack of a program's main thread, on which the commands read their input.
const STACK_BYTES: usize = 8 << 20;

/// A property and how to try it.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) property: fn(&[u8]),
    /// Pieces that mean something in its inputs.
    pub(crate) words: &'static [&'static [u8]],
    /// How many mutations are tried.
    pub(crate) rounds: u64,
}

/// Tries a target.
pub(crate) fn run(target: Target) {
    let seed = number("WEFT_FUZZ_SEED").unwrap_or(1);
    let rounds = number("WEFT_FUZZ_ROUNDS").unwrap_or(target.rounds);
    let seeds = corpus::read(target.name);
    let mut worker = Worker::start(target);
    for seed in &seeds {
        worker.check(&seed.name, &seed.bytes);
    }
    let mut pool: Vec<Vec<u8>> = seeds.into_iter().map(|seed| seed.bytes).collect();
    let kept_max = pool.len() * 2;
    let mut random = Random::new(seed);
    for round in 0..rounds {
        let (input, donor) = (random.pick(&pool), random.pick(&pool));
        let input = mutate::mutate(input, donor, target.words, &mut random);
        worker.check(&format!("WEFT_FUZZ_SEED={seed}, round {round}"), &input);
        // Some mutations are mutated again, so that changes add up.
        if pool.len() < kept_max {
            pool.push(input);
        } else if random.below(4) == 0 {
            let place = kept_max / 2 + random.below(kept_max / 2);
            pool[place] = input;
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("`{name}` is `{text}`, expected a number")),
    )
}

/// A thread that tries inputs, so that one which never comes back is noticed.
struct Worker {
    target: Target,
    inputs: SyncSender<Vec<u8>>,
    verdicts: Receiver<()>,
    /// The input under test, for when it ends the whole process. Open all the time: some file systems write
    /// to the disk at once when a file that was emptied is closed.
    kept: fs_err::File,
    checked: u64,
}

impl Worker {
    fn start(target: Target) -> Self {
        let (inputs, work) = sync_channel::<Vec<u8>>(1);
        let (done, verdicts) = sync_channel(1);
        let property = target.property;
        let worker = thread::Builder::new()
            .stack_size(STACK_BYTES)
            .name(target.name.to_owned());
        let started = worker.spawn(move || {
            // A property that panics ends the thread, and with it the channel of verdicts.
            for input in work {
                property(&input);
                if done.send(()).is_err() {
                    return;
                }
            }
        });
        started.unwrap();
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}.input", target.name));
        Self {
            target,
            inputs,
            verdicts,
            kept: fs_err::File::create(kept).unwrap(),
            checked: 0,
        }
    }

    fn check(&mut self, name: &str, input: &[u8]) {
        self.kept.set_len(input.len() as u64).unwrap();
        self.kept.file().write_all_at(input, 0).unwrap();
        self.inputs.send(input.to_vec()).unwrap();
        match self.verdicts.recv_timeout(TIME_MAX) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => self.fail(name, input, "did not come back within 10 s"),
            Err(RecvTimeoutError::Disconnected) => self.fail(name, input, "broke the property, see above"),
        }
        self.checked += 1;
        if self.checked.is_multiple_of(MEMORY_EVERY) && peak_memory_kib() > MEMORY_KIB_MAX {
            let what = format!("or one of the {MEMORY_EVERY} before, or one of another target, took 512 MiB");
            self.fail(name, input, &what);
        }
    }

    fn fail(&self, name: &str, input: &[u8], what: &str) -> ! {
        let target = self.target.name;
        let shown: String = input.escape_ascii().to_string().chars().take(2000).collect();
        panic!(
            "target `{target}`, {name}: the input {what}\nit lies in {}; keep it in fuzz/regressions/{target}\n{shown}",
            self.kept.path().display()
        );
    }
}

/// The most memory that this process ever had resident.
fn peak_memory_kib() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let text = line.and_then(|line| line.split_whitespace().next()).unwrap();
    text.parse().unwrap()
}
