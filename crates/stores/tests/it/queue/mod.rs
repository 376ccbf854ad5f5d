//! What every queue must do.

mod behaviour;
mod histories;
mod killed;
mod nats;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use weft_stores::keyvalue::Durability;
use weft_stores::keyvalue::sqlite::Options;
use weft_stores::queue::kept::Kept;
use weft_stores::queue::nats::{self as server, Nats};
use weft_stores::queue::{Delivery, MESSAGE_BYTES_MAX, Message, Pattern, Queue, Taking};
use weft_testing::Scratch;
use weft_testing::nats::Nats as NatsServer;

/// A queue, and what has to live as long as it does.
struct Backend {
    name: &'static str,
    queue: Arc<dyn Queue>,
    /// Opens it once more, as another process would; none where no other can.
    another: Option<Box<dyn Fn() -> Arc<dyn Queue>>>,
    takers: Takers,
    /// The largest body of a message of which little else is said.
    body_bytes_max: usize,
    _below: Box<dyn Any>,
}

/// Who takes for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takers {
    /// One, and then the next.
    One,
    /// Whoever wants to, each message to one of them.
    Many,
}

/// An empty queue of every kind that can be had here.
fn every() -> Vec<Backend> {
    let mut every = vec![memory(), folder(Durability::Fast), folder(Durability::Sync)];
    every.extend(on_nats());
    every
}

fn memory() -> Backend {
    Backend {
        name: "memory",
        queue: Arc::new(Kept::in_memory(64 << 20)),
        another: None,
        takers: Takers::One,
        body_bytes_max: MESSAGE_BYTES_MAX - 1,
        _below: Box::new(()),
    }
}

fn folder(durability: Durability) -> Backend {
    let scratch = Scratch::new();
    let options = Options {
        durability,
        ..Options::default()
    };
    let folder = scratch.path().join("queue");
    let open = move || -> Arc<dyn Queue> { Arc::new(Kept::open(&folder, &options).unwrap()) };
    Backend {
        name: match durability {
            Durability::Fast => "folder, fast",
            Durability::Sync => "folder, sync",
        },
        queue: open(),
        another: Some(Box::new(open)),
        takers: Takers::One,
        body_bytes_max: MESSAGE_BYTES_MAX - 1,
        _below: Box::new(scratch),
    }
}

fn on_nats() -> Option<Backend> {
    let server = NatsServer::start()?;
    let address = server.address();
    let open = move || -> Arc<dyn Queue> { Arc::new(open_on(&address, "weft-test")) };
    Some(Backend {
        name: "nats",
        queue: open(),
        another: Some(Box::new(open)),
        takers: Takers::Many,
        // What a server takes by itself, less what there is to say of a message.
        body_bytes_max: (1 << 20) - 1024,
        _below: Box::new(server),
    })
}

fn open_on(address: &str, stream: &str) -> Nats {
    let options = server::Options {
        stream: stream.to_owned(),
        // The machine may have much else to do.
        timeout: Duration::from_secs(10),
        hold: Duration::from_secs(2),
        ..server::Options::default()
    };
    Nats::new(address, options).unwrap()
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
