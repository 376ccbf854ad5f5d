//! Reads and writes streams and futures for a caller, and fails in the middle of them where it is asked to.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

use std::cell::Cell;

wit_bindgen::generate!({ world: "callee", path: "wit" });

use exports::test::flows::flows::{Entry, Guest, GuestJournal};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter, spawn_local};

/// Bytes that are read or written at once.
const PIECE_BYTES: usize = 8 * 1024;

std::thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
    static IS_READ: Cell<bool> = const { Cell::new(true) };
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

struct Flows;
export!(Flows);

fn count_call() {
    CALLS.set(CALLS.get() + 1);
}

fn turned(entry: Entry) -> Entry {
    Entry {
        number: entry.number.wrapping_mul(2),
        text: entry.text.chars().rev().collect(),
        parts: entry.parts.into_iter().rev().collect(),
        next: entry.next,
    }
}

/// Writes so many bytes; less where nobody reads them.
async fn write(writer: &mut StreamWriter<u8>, count: u64) {
    TAKEN.set(0);
    IS_READ.set(true);
    let mut at = 0u64;
    while at < count {
        let end = count.min(at + PIECE_BYTES as u64);
        let piece: Vec<u8> = (at..end).map(|at| (at % 251) as u8).collect();
        let left = writer.write_all(piece).await;
        TAKEN.set(end - left.len() as u64);
        if !left.is_empty() {
            IS_READ.set(false);
            return;
        }
        at = end;
    }
}

/// Everything that comes, handed to a function in pieces.
async fn read(mut reader: StreamReader<u8>, mut each: impl FnMut(&[u8])) {
    let mut buffer = Vec::with_capacity(PIECE_BYTES);
    loop {
        let (result, piece) = reader.read(buffer).await;
        each(&piece);
        if !matches!(result, StreamResult::Complete(_)) {
            return;
        }
        buffer = piece;
        buffer.clear();
    }
}

async fn sum(reader: StreamReader<u8>) -> u64 {
    let mut sum = 0;
    read(reader, |piece| sum += piece.iter().copied().map(u64::from).sum::<u64>()).await;
    sum
}

async fn copy(mut reader: StreamReader<u8>, mut writer: StreamWriter<u8>) {
    let mut buffer = Vec::with_capacity(PIECE_BYTES);
    loop {
        let (result, piece) = reader.read(buffer).await;
        let left = writer.write_all(piece).await;
        if !left.is_empty() || !matches!(result, StreamResult::Complete(_)) {
            return;
        }
        buffer = Vec::with_capacity(PIECE_BYTES);
    }
}

impl Guest for Flows {
    type Journal = Journal;

    async fn echo(it: StreamReader<u8>) -> StreamReader<u8> {
        count_call();
        let (writer, reader) = wit_stream::new();
        spawn_local(copy(it, writer));
        reader
    }

    async fn bytes(count: u64) -> StreamReader<u8> {
        count_call();
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move { write(&mut writer, count).await });
        reader
    }

    async fn taken() -> u64 {
        TAKEN.get()
    }

    async fn is_read() -> bool {
        IS_READ.get()
    }

    async fn turn(mut it: StreamReader<Entry>) -> StreamReader<Entry> {
        count_call();
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            let mut buffer = Vec::with_capacity(16);
            loop {
                let (result, entries) = it.read(buffer).await;
                let turned = entries.into_iter().map(turned).collect();
                if !writer.write_all(turned).await.is_empty() || !matches!(result, StreamResult::Complete(_)) {
                    return;
                }
                buffer = Vec::with_capacity(16);
            }
        });
        reader
    }

    async fn ticks(mut it: StreamReader<()>) -> StreamReader<()> {
        count_call();
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            loop {
                // A list of nothing has room for any number, so several may have come.
                let (result, units) = it.read(Vec::new()).await;
                for unit in units {
                    if writer.write_one(unit).await.is_some() {
                        return;
                    }
                }
                if !matches!(result, StreamResult::Complete(_)) {
                    return;
                }
            }
        });
        reader
    }

    async fn sum(it: StreamReader<u8>) -> u64 {
        count_call();
        sum(it).await
    }

    async fn sum_later(it: StreamReader<u8>) -> FutureReader<u64> {
        count_call();
        let (writer, reader) = wit_future::new(|| 0);
        spawn_local(async move { drop(writer.write(sum(it).await).await) });
        reader
    }

    async fn turn_later(it: FutureReader<Entry>) -> FutureReader<Entry> {
        count_call();
        let (writer, reader) = wit_future::new(|| unreachable!("it is written"));
        spawn_local(async move { drop(writer.write(turned(it.await)).await) });
        reader
    }

    async fn signal(it: FutureReader<()>) -> FutureReader<()> {
        count_call();
        let (writer, reader) = wit_future::new(|| ());
        spawn_local(async move {
            it.await;
            drop(writer.write(()).await);
        });
        reader
    }

    async fn take(mut it: StreamReader<u8>, count: u64) -> u64 {
        count_call();
        let mut taken = 0;
        while taken < count {
            let most = (count - taken).min(PIECE_BYTES as u64) as usize;
            let (result, piece) = it.read(Vec::with_capacity(most)).await;
            taken += piece.len() as u64;
            if !matches!(result, StreamResult::Complete(_)) {
                break;
            }
        }
        taken
    }

    async fn split(mut it: StreamReader<u8>) -> Vec<StreamReader<u8>> {
        count_call();
        let (mut even, first) = wit_stream::new();
        let (mut odd, second) = wit_stream::new();
        spawn_local(async move {
            let mut is_even = true;
            while let Some(byte) = it.next().await {
                let to = if is_even { &mut even } else { &mut odd };
                if !to.write_all(vec![byte]).await.is_empty() {
                    return;
                }
                is_even = !is_even;
            }
        });
        vec![first, second]
    }

    async fn trap_after(count: u64) -> StreamReader<u8> {
        count_call();
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            write(&mut writer, count).await;
            core::arch::wasm32::unreachable()
        });
        reader
    }

    async fn risky(count: u64) -> Result<StreamReader<u8>, String> {
        if count == 0 {
            core::arch::wasm32::unreachable()
        }
        Ok(Self::trap_after(count).await)
    }

    async fn trap_later() -> FutureReader<u64> {
        count_call();
        let (writer, reader) = wit_future::new(|| 0);
        spawn_local(async move {
            wit_bindgen::yield_async().await;
            if CALLS.get() > 0 {
                core::arch::wasm32::unreachable()
            }
            drop(writer);
        });
        reader
    }

    async fn calls() -> u32 {
        CALLS.get()
    }
}

struct Journal {
    name: String,
}

impl GuestJournal for Journal {
    fn new(name: String) -> Self {
        count_call();
        Self { name }
    }

    async fn lines(&self, count: u32) -> StreamReader<String> {
        let (mut writer, reader) = wit_stream::new();
        let lines: Vec<String> = (0..count).map(|line| format!("{} {line}", self.name)).collect();
        spawn_local(async move { drop(writer.write_all(lines).await) });
        reader
    }
}
