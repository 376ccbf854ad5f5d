//! Objects in files against what one would write first: a file that is written aside, synced and renamed.
//!
//! `cargo bench -p weft-stores --bench blobs`. Both sides run in turns, so that the load of the machine touches both.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at the first mistake"
)]

mod rates;

use std::io::Write as _;
use std::path::Path;

use rates::{ROUNDS, rate};
use weft_stores::blob::files::{Files, Options};
use weft_stores::blob::{READ_BYTES_MAX, Spool, Store};
use weft_testing::Scratch;

const NAMES: usize = 200;
const COMPONENTS: usize = 16;

fn main() {
    for (size, bytes) in [("1 KiB", 1 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)] {
        for at_once in [1, COMPONENTS] {
            writes(size, bytes, at_once);
        }
        reads(size, bytes);
    }
}

fn name(random: &mut fastrand::Rng) -> String {
    format!("object-{:03}", random.usize(..NAMES))
}

/// What the system promises to be there after the power was lost.
fn write_plainly(folder: &Path, name: &str, content: &[u8]) {
    let aside = folder.join(format!("{name}-{}", fastrand::u64(..)));
    let mut file = fs_err::File::create(&aside).unwrap();
    file.write_all(content).unwrap();
    file.sync_all().unwrap();
    fs_err::rename(&aside, folder.join(name)).unwrap();
    fs_err::File::open(folder).unwrap().sync_all().unwrap();
}

async fn write(store: &Files, name: &str, content: &[u8]) {
    let mut spool = Spool::new();
    spool.push(content).unwrap();
    store.write(name, spool).await.unwrap();
}

fn made(scratch: &Scratch) -> Files {
    Files::open(&scratch.path().join("store"), &Options::default()).unwrap()
}

fn writes(size: &str, bytes: usize, at_once: usize) {
    let scratch = Scratch::new();
    let (folder, store) = (scratch.folder("plain"), made(&scratch));
    let content = vec![7; bytes];
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        before.push(rate(at_once, async |random: &mut fastrand::Rng| {
            write_plainly(&folder, &name(random), &content);
        }));
        after.push(rate(at_once, async |random: &mut fastrand::Rng| {
            write(&store, &name(random), &content).await;
        }));
    }
    show(&format!("written, {size}, {at_once} at once"), &before, &after);
}

fn reads(size: &str, bytes: usize) {
    let scratch = Scratch::new();
    let (folder, store) = (scratch.folder("plain"), made(&scratch));
    let content = vec![7; bytes];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for number in 0..NAMES {
        let name = format!("object-{number:03}");
        fs_err::write(folder.join(&name), &content).unwrap();
        runtime.block_on(write(&store, &name, &content));
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        before.push(rate(1, async |random: &mut fastrand::Rng| {
            let read = fs_err::read(folder.join(name(random))).unwrap();
            assert_eq!(read.len(), bytes);
        }));
        after.push(rate(1, async |random: &mut fastrand::Rng| {
            let object = store.open(&name(random)).await.unwrap().unwrap();
            let mut read = 0;
            while read < bytes {
                read += object.read(read as u64, READ_BYTES_MAX).await.unwrap().len();
            }
        }));
    }
    show(&format!("read, {size}"), &before, &after);
}

fn show(what: &str, plain: &[f64], ours: &[f64]) {
    rates::show(what, ("plain files", plain), ("store", ours));
}
