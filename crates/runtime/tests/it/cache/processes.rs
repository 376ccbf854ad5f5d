//! Many processes and threads on one cache, some of them killed, one without room on its disk.
//!
//! A test starts this very program again, for one test by name, with the variables below set.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test may stop at any surprise"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use weft_runtime::cache::{Cache, Error, Lookup, Reason, Which};

use super::{HOUR, Place, content, insert, key, meta, read_hit, set_age};

const ROOT_VARIABLE: &str = "WEFT_CACHE_TEST_ROOT";
const ROUNDS_VARIABLE: &str = "WEFT_CACHE_TEST_ROUNDS";

/// Keys that the processes fight over, with contents on both sides of what is read at once.
const CONTENDED: u64 = 6;

/// Less than all contents together, so that insertions evict all the time.
const CONTENDED_BYTES_MAX: u64 = 800_000;

fn contended(number: u64) -> (String, Vec<u8>) {
    let name = format!("contended {number}");
    let content = content(&name, 1000 + 70_000 * number as usize);
    (name, content)
}

/// Whatever is found is right; the only damage is an artifact that a cleaning was about to take with its index.
fn check_contended(cache: &Cache, number: u64) {
    let (name, content) = contended(number);
    match cache.lookup(&key(&name)).unwrap() {
        Lookup::Hit(hit) => assert!(read_hit(&hit) == content, "a wrong artifact was handed out"),
        Lookup::Absent => {}
        Lookup::Damaged(damage) => assert_eq!(damage.reason, Reason::ArtifactMissing, "{damage}"),
    }
}

fn rounds(root: &Path, rounds: u64, seed: u64, done: impl Fn(u64)) {
    let cache = Cache::open(root, CONTENDED_BYTES_MAX).unwrap();
    let mut state = seed | 1;
    for round in 0..rounds {
        // A linear congruential generator: the point is that processes differ, not that they are random.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let number = (state >> 33) % CONTENDED;
        match (state >> 50) % 16 {
            0..6 => {
                let (name, content) = contended(number);
                cache.insert(&key(&name), &meta(&name), &content).unwrap();
            }
            6 => drop(cache.clean(Which::All).unwrap()),
            7 => drop(cache.clean(Which::ToSize(CONTENDED_BYTES_MAX / 2)).unwrap()),
            8 => drop(cache.list().unwrap()),
            _ => check_contended(&cache, number),
        }
        done(round);
    }
}

/// Alone, a short run; started by the tests below, one of many processes at once.
#[test]
fn a_process_never_finds_a_wrong_artifact() {
    match (std::env::var_os(ROOT_VARIABLE), std::env::var(ROUNDS_VARIABLE)) {
        (Some(root), Ok(count)) => rounds(
            Path::new(&root),
            count.parse().unwrap(),
            u64::from(std::process::id()),
            |round| println!("round {round}"),
        ),
        _ => rounds(&Place::new().root(), 50, 1, |_| {}),
    }
}

fn start_process(root: &Path, rounds: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "cache::processes::a_process_never_finds_a_wrong_artifact",
            "--nocapture",
        ])
        .env(ROOT_VARIABLE, root)
        .env(ROUNDS_VARIABLE, rounds.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn many_processes_at_once_never_find_a_wrong_artifact() {
    let place = Place::new();
    let processes: Vec<Child> = (0..5).map(|_| start_process(&place.root(), 120)).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("round 119"),
            "the process did all its rounds"
        );
    }
    (0..CONTENDED).for_each(|number| check_contended(&place.cache(), number));
    assert!(place.cache().list().unwrap().artifact_bytes <= CONTENDED_BYTES_MAX);
}

#[test]
fn many_threads_at_once_never_find_a_wrong_artifact() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let root = place.root();
            scope.spawn(move || rounds(&root, 80, 1000 + seed * 7919, |_| {}));
        }
    });
    (0..CONTENDED).for_each(|number| check_contended(&place.cache(), number));
}

#[test]
fn processes_that_are_killed_while_they_write_harm_nobody() {
    let place = Place::new();
    let mut bystander = start_process(&place.root(), 100);
    for victim in 0..12 {
        let mut process = start_process(&place.root(), u64::MAX);
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // Its first rounds are over; where in the next one it dies is up to the scheduler.
        let last = format!("round {}", 3 + victim);
        assert!(lines.any(|line| line.unwrap().ends_with(&last)));
        process.kill().unwrap();
        assert!(!process.wait().unwrap().success());
        (0..CONTENDED).for_each(|number| check_contended(&place.cache(), number));
    }
    let mut said = String::new();
    bystander
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(bystander.wait().unwrap().success(), "{said}");
    for folder in ["index", "artifacts"] {
        for name in place.names(folder) {
            set_age(&place.folder(folder).join(name), HOUR * 2);
        }
    }
    place.cache().clean(Which::All).unwrap();
    assert!(
        place.names("index").is_empty() && place.names("artifacts").is_empty(),
        "no rubbish stays for good"
    );
}

/// Alone it inserts; under a limit on the size of files, as the next test starts it, it cannot.
#[test]
fn a_process_inserts_as_far_as_the_disk_allows() {
    let name = "a";
    match std::env::var_os(ROOT_VARIABLE) {
        None => assert_eq!(insert(&Place::new().cache(), name, 100_000).len(), 100_000),
        Some(root) => {
            let cache = Cache::open(PathBuf::from(root), 1 << 30).unwrap();
            let error = cache
                .insert(&key(name), &meta(name), &content(name, 100_000))
                .unwrap_err();
            assert!(matches!(error, Error::Io { action: "write", .. }), "{error:?}");
            assert!(matches!(cache.lookup(&key(name)).unwrap(), Lookup::Absent));
        }
    }
}

#[test]
fn a_full_disk_is_an_error_that_leaves_nothing_behind() {
    let place = Place::new();
    // The signal is ignored, so that writing past the limit is an error as on a full disk.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "cache::processes::a_process_inserts_as_far_as_the_disk_allows",
        ])
        .env(ROOT_VARIABLE, place.root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(place.names("index").is_empty() && place.names("artifacts").is_empty());
}
