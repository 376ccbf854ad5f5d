//! What every queue must do.

mod behaviour;
mod histories;

use std::sync::Arc;
use std::time::Duration;

use weft_stores::keyvalue::Durability;
use weft_stores::keyvalue::sqlite::Options;
use weft_stores::queue::kept::Kept;
use weft_stores::queue::{Delivery, Message, Pattern, Queue, Taking};
use weft_testing::Scratch;

/// A queue, and what has to live as long as it does.
struct Backend {
    name: &'static str,
    queue: Arc<dyn Queue>,
    scratch: Option<Scratch>,
}

/// An empty queue of every kind.
fn every() -> Vec<Backend> {
    let memory = Backend {
        name: "memory",
        queue: Arc::new(Kept::in_memory(64 << 20)),
        scratch: None,
    };
    let folder = |durability, name| {
        let scratch = Scratch::new();
        Backend {
            name,
            queue: Arc::new(open(&scratch, durability)),
            scratch: Some(scratch),
        }
    };
    vec![
        memory,
        folder(Durability::Fast, "folder, fast"),
        folder(Durability::Sync, "folder, sync"),
    ]
}

fn open(scratch: &Scratch, durability: Durability) -> Kept {
    let options = Options {
        durability,
        ..Options::default()
    };
    Kept::open(&scratch.path().join("queue"), &options).unwrap()
}

fn message(subject: &str, body: impl Into<String>) -> Message {
    Message::new(subject.parse().unwrap(), body.into())
}

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.body.to_vec()).unwrap()
}

/// What comes next, which must be soon.
async fn next(taking: &dyn Taking) -> Delivery {
    let next = tokio::time::timeout(Duration::from_secs(10), taking.next()).await;
    next.expect("nothing came").unwrap()
}

/// That nothing comes.
async fn nothing(taking: &dyn Taking) {
    let next = tokio::time::timeout(Duration::from_millis(150), taking.next()).await;
    assert!(next.is_err(), "{next:?}");
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}
