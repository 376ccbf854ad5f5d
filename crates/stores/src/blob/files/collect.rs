//! What a process that was killed left behind: files that no index names, and objects of deleted containers.
//!
//! Runs on a thread of its own after a store was opened, and counts the bytes of the store on the way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::Inner;
use super::data::Id;
use super::index::wait;

/// The store was closed before its bytes were counted.
#[derive(Debug, thiserror::Error)]
#[error("it was closed")]
struct Closed;

/// Starts with the files that were there while nobody was writing.
pub(super) fn start(inner: Arc<Inner>, candidates: Vec<Id>) -> std::io::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name("weft-store-collect".to_owned());
    thread.spawn(move || run(&inner, candidates))
}

fn run(inner: &Arc<Inner>, candidates: Vec<Id>) {
    let begun = Instant::now();
    let shared = Arc::clone(inner);
    let scan = wait(
        inner
            .index
            .scan(move || shared.is_closing.load(Ordering::Acquire)),
    );
    let scan = match scan {
        Ok(Some(scan)) => scan,
        Ok(None) => return inner.usage.set(Err(inner.place.failed(Closed)), begun.elapsed()),
        // Nothing is collected by an index that is damaged.
        Err(error) => return inner.usage.set(Err(error), begun.elapsed()),
    };
    inner.usage.set(Ok(scan.bytes), begun.elapsed());
    for id in candidates {
        if inner.is_closing.load(Ordering::Acquire) {
            return;
        }
        if !scan.files.contains(&id) {
            inner.data.remove(id);
        }
    }
    // What cannot be swept now is swept when the store is opened again; calls meet the same trouble and tell it.
    drop(inner.sweep());
}
