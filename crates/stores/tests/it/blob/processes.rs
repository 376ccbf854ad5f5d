//! Several users of one folder at once: in one process, and in two.

use std::process::{Command, Stdio};
use std::sync::Arc;

use weft_stores::blob::files::{Files, Options};
use weft_stores::blob::{Error, Store};
use weft_stores::keyvalue::Durability;
use weft_testing::Scratch;

use super::content::{content, names, no_file_is_left, read, spool, try_read, write};

fn options() -> Options {
    Options {
        durability: Durability::Fast,
        bytes_max: 4 << 20,
    }
}

#[tokio::test]
async fn what_another_has_done_is_seen_at_once() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let (one, other) = (
        Files::open(&folder, &options()).unwrap(),
        Files::open(&folder, &options()).unwrap(),
    );
    for number in 0..10 {
        let content = content(number, 1000 + number * 9000);
        write(&other, "a", &content).await;
        assert_eq!(read(&one, "a").await, Some(content));
        other.remove(&["a".to_owned()]).await.unwrap();
        assert_eq!(read(&one, "a").await, None);
    }
    other.delete().await.unwrap();
    assert_eq!(one.container().await.unwrap(), None);
    assert!(matches!(
        one.write("a", spool(b"x")).await,
        Err(Error::NoContainer)
    ));
    let made = other.create().await.unwrap();
    assert_eq!(one.container().await.unwrap(), Some(made));
    write(&one, "a", b"x").await;
    assert_eq!(names(&other, "", 10).await, ["a"]);
}

#[tokio::test]
async fn room_that_another_has_made_is_found() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let (one, other) = (
        Files::open(&folder, &options()).unwrap(),
        Files::open(&folder, &options()).unwrap(),
    );
    write(&one, "a", &content(1, 3 << 20)).await;
    other.clear("").await.unwrap();
    // It is counted again, but not for every write that is refused.
    let begun = std::time::Instant::now();
    while let Err(error) = one.write("b", spool(&content(2, 3 << 20))).await {
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(read(&other, "b").await, Some(content(2, 3 << 20)));
}

/// Writes, copies and removes a few objects over and over; whoever reads one has a whole one.
async fn work(store: Arc<dyn Store>, rounds: usize) {
    let mut random = fastrand::Rng::new();
    for _ in 0..rounds {
        let name = format!("n{}", random.u8(..3));
        match random.u8(..8) {
            0..=2 => {
                let number = random.usize(..1000);
                let mut whole = number.to_le_bytes().to_vec();
                whole.extend(content(number, random.usize(..120_000)));
                write(store.as_ref(), &name, &whole).await;
            }
            3 => store.remove(std::slice::from_ref(&name)).await.unwrap(),
            4 => drop(store.copy(&name, "n0").await.unwrap()),
            _ => {
                let found = try_read(store.as_ref(), &name).await.unwrap();
                if let Some((number, rest)) = found.as_ref().and_then(|whole| whole.split_first_chunk::<8>())
                {
                    assert!(
                        *rest == content(usize::from_le_bytes(*number), rest.len()),
                        "half of two"
                    );
                }
            }
        }
    }
}

const ROUNDS: usize = 250;

/// Runs in the other process.
#[test]
fn other_process() {
    let Ok(folder) = std::env::var("WEFT_TEST_OTHER_PROCESS") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(Files::open(folder.as_ref(), &options()).unwrap());
        let clients = (0..2).map(|_| work(Arc::clone(&store), ROUNDS));
        futures::future::join_all(clients).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_work_in_one_folder() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("store");
    let store: Arc<dyn Store> = Arc::new(Files::open(&folder, &options()).unwrap());
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "blob::processes::other_process", "--test-threads", "1"])
        .env("WEFT_TEST_OTHER_PROCESS", &folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    futures::future::join_all((0..2).map(|_| work(Arc::clone(&store), ROUNDS))).await;
    // And one that comes and goes, and collects what it may.
    for _ in 0..5 {
        let third = Files::open(&folder, &options()).unwrap();
        work(Arc::new(third), 20).await;
    }
    let ended = tokio::task::spawn_blocking(move || other.wait().unwrap())
        .await
        .unwrap();
    assert!(ended.success());
    drop(store);
    let store = Files::open(&folder, &options()).unwrap();
    store.verify().await.unwrap();
    no_file_is_left(&folder, &store).await;
}
