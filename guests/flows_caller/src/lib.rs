//! Calls functions that take and give streams and futures: `flows_caller WHAT [ROUNDS]`.
//!
//! Prints one line: `ok`, with what was counted, or `wrong`, with what was not as it should be.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

wit_bindgen::generate!({ world: "caller", path: "../flows/wit" });

use std::future::Future;
use std::task::Poll;

use test::flows::flows::{self, Entry, Journal};
use wasip3::cli::{environment, stdout};
use wasip3::clocks::monotonic_clock;
use wit_bindgen::{StreamReader, StreamResult, spawn_local};

const PIECE_BYTES: usize = 10_000;

struct Command;
wasip3::cli::command::export!(Command);

type Told = Result<String, String>;

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let arguments = environment::get_arguments();
        let what = arguments.get(1).map_or("", String::as_str);
        let rounds = arguments.get(2).and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
        let mut told = Ok(String::new());
        for _ in 0..rounds {
            told = scenario(what).await;
            if told.is_err() {
                break;
            }
        }
        let line = match &told {
            Ok(told) => format!("ok {told}\n"),
            Err(wrong) => format!("wrong: {wrong}\n"),
        };
        print(line).await?;
        told.map(drop).map_err(drop)
    }
}

async fn scenario(what: &str) -> Told {
    match what {
        "values" => values().await,
        "back-pressure" => back_pressure().await,
        "reader-leaves" => reader_leaves().await,
        "writer-hears" => writer_hears().await,
        "cancel" => cancel().await,
        "beside" => beside().await,
        "unread" => unread().await,
        "trap-mid-stream" => trap_mid_stream().await,
        "trap-later" => Ok(flows::trap_later().await.await.to_string()),
        "risky" => risky().await,
        "wait" => wait().await,
        other => Err(format!("there is no scenario `{other}`")),
    }
}

async fn print(line: String) -> Result<(), ()> {
    let (mut writer, reader) = wasip3::wit_stream::new();
    spawn_local(async move { drop(writer.write_all(line.into_bytes()).await) });
    stdout::write_via_stream(reader).await.map_err(drop)
}

fn pattern(at: u64) -> u8 {
    (at % 251) as u8
}

/// A stream of so many bytes.
fn source(count: u64) -> StreamReader<u8> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        let mut at = 0;
        while at < count {
            let end = count.min(at + PIECE_BYTES as u64);
            if !writer.write_all((at..end).map(pattern).collect()).await.is_empty() {
                return;
            }
            at = end;
        }
    });
    reader
}

/// Reads to the end, or so many bytes, and says how many there were.
async fn check(reader: &mut StreamReader<u8>, max: u64) -> Result<u64, String> {
    check_from(reader, 0, max).await
}

/// The same, where so many have been read before.
async fn check_from(reader: &mut StreamReader<u8>, before: u64, max: u64) -> Result<u64, String> {
    let end = before.saturating_add(max);
    let mut at = before;
    while at < end {
        let most = (end - at).min(PIECE_BYTES as u64) as usize;
        let mut buffer = Vec::new();
        buffer.reserve_exact(most);
        let (result, piece) = reader.read(buffer).await;
        for byte in &piece {
            if *byte != pattern(at) {
                return Err(format!("byte {at} is {byte}"));
            }
            at += 1;
        }
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    Ok(at - before)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Result<(), String> {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what} gave {got:?} and not {expected:?}"))
}

fn entry(number: u32) -> Entry {
    Entry {
        number,
        text: format!("{number:x}").repeat((number % 40) as usize),
        parts: (0..(number % 17) as u16).collect(),
        next: (number % 3 == 0).then_some((number % 256) as u8),
    }
}

fn is_turned(number: u32, turned: &Entry) -> bool {
    let original = entry(number);
    let text: String = original.text.chars().rev().collect();
    let parts: Vec<u16> = original.parts.into_iter().rev().collect();
    turned.number == number.wrapping_mul(2)
        && turned.text == text
        && turned.parts == parts
        && turned.next == original.next
}

/// Everything that can flow, in both directions.
async fn values() -> Told {
    for count in [0, 1, 9_999, 1_000_000] {
        expect("echo", check(&mut flows::echo(source(count)).await, u64::MAX).await?, count)?;
        expect("bytes", check(&mut flows::bytes(count).await, u64::MAX).await?, count)?;
        let sum = (0..count).map(|at| u64::from(pattern(at))).sum();
        expect("sum", flows::sum(source(count)).await, sum)?;
        expect("sum-later", flows::sum_later(source(count)).await.await, sum)?;
    }
    entries().await?;
    ticks().await?;
    let (writer, reader) = wit_future::new(|| entry(0));
    spawn_local(async move { drop(writer.write(entry(77)).await) });
    let turned = flows::turn_later(reader).await.await;
    expect("turn-later", is_turned(77, &turned), true)?;
    let (writer, reader) = wit_future::new(|| ());
    spawn_local(async move { drop(writer.write(()).await) });
    flows::signal(reader).await.await;
    let [even, odd] = <[_; 2]>::try_from(flows::split(source(100)).await).map_err(|_| "two were to come")?;
    let (even, odd) = futures_join(even.collect(), odd.collect()).await;
    expect("split", (even.len(), odd.len()), (50, 50))?;
    expect("the even ones", even, (0..50).map(|at| pattern(2 * at)).collect())?;
    let journal = Journal::new("diary");
    let lines = journal.lines(3).await.collect().await;
    expect("lines", lines.join(","), "diary 0,diary 1,diary 2".to_owned())?;
    Ok("all as it should be".to_owned())
}

async fn entries() -> Result<(), String> {
    const COUNT: u32 = 1000;
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move { drop(writer.write_all((0..COUNT).map(entry).collect()).await) });
    let turned = flows::turn(reader).await.collect().await;
    expect("turn", turned.len(), COUNT as usize)?;
    match (0..COUNT).zip(&turned).find(|(number, turned)| !is_turned(*number, turned)) {
        Some((number, turned)) => Err(format!("entry {number} came as {turned:?}")),
        None => Ok(()),
    }
}

async fn ticks() -> Result<(), String> {
    let (mut writer, reader) = wit_stream::new();
    // One at a time: the bindings take a list of nothing for one that is written.
    spawn_local(async move {
        for _ in 0..5000 {
            if writer.write_one(()).await.is_some() {
                return;
            }
        }
    });
    let mut ticks = flows::ticks(reader).await;
    let mut count = 0;
    loop {
        let (result, units) = ticks.read(Vec::new()).await;
        count += units.len();
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    expect("ticks", count, 5000)
}

async fn futures_join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut of_a, mut of_b) = (None, None);
    std::future::poll_fn(move |cx| {
        if of_a.is_none()
            && let Poll::Ready(done) = a.as_mut().poll(cx)
        {
            of_a = Some(done);
        }
        if of_b.is_none()
            && let Poll::Ready(done) = b.as_mut().poll(cx)
        {
            of_b = Some(done);
        }
        match (of_a.take(), of_b.take()) {
            (Some(of_a), Some(of_b)) => Poll::Ready((of_a, of_b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

async fn a_moment() {
    monotonic_clock::wait_for(100_000_000).await;
}

/// Reads a little of an endless stream, and asks how much was written of it.
async fn back_pressure() -> Told {
    const READ: u64 = 100_000;
    let mut reader = flows::bytes(1 << 40).await;
    expect("bytes", check(&mut reader, READ).await?, READ)?;
    a_moment().await;
    let taken = flows::taken().await;
    a_moment().await;
    expect("what was written without a reader", flows::taken().await, taken)?;
    if taken > READ + 256 * 1024 {
        return Err(format!("{taken} bytes were taken, and {READ} read"));
    }
    expect("bytes", check_from(&mut reader, READ, READ).await?, READ)?;
    Ok("it waited".to_owned())
}

/// Lets go of an endless stream in the middle.
async fn reader_leaves() -> Told {
    let mut reader = flows::bytes(1 << 40).await;
    expect("bytes", check(&mut reader, 50_000).await?, 50_000)?;
    expect("is-read", flows::is_read().await, true)?;
    drop(reader);
    for _ in 0..50 {
        if !flows::is_read().await {
            return Ok("it was told".to_owned());
        }
        a_moment().await;
    }
    Err("it writes on".to_owned())
}

/// Writes more than the other reads.
async fn writer_hears() -> Told {
    let (mut writer, reader) = wit_stream::new();
    let (count, left) = futures_join(flows::take(reader, 1000), async move {
        let mut left = Vec::new();
        for _ in 0..10_000 {
            left = writer.write_all(vec![7; PIECE_BYTES]).await;
            if !left.is_empty() {
                break;
            }
        }
        left.len()
    })
    .await;
    expect("take", count, 1000)?;
    if left == 0 {
        return Err("the writer never heard that nobody reads".to_owned());
    }
    Ok("it heard".to_owned())
}

/// Lets go of a call that waits for a stream.
async fn cancel() -> Told {
    let (mut writer, reader) = wit_stream::new();
    let mut call = Box::pin(flows::sum(reader));
    let is_pending = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
    expect("whether it waits", is_pending, true)?;
    expect("what was not written", writer.write_all(vec![1; 10]).await.len(), 0)?;
    drop(call);
    for _ in 0..50 {
        if !writer.write_all(vec![1; PIECE_BYTES]).await.is_empty() {
            expect("sum of another call", flows::sum(source(3)).await, 3)?;
            return Ok("it let go".to_owned());
        }
        a_moment().await;
    }
    Err("it reads on".to_owned())
}

/// Two calls whose streams depend on one another: neither ends alone.
async fn beside() -> Told {
    let first = flows::echo(source(300_000)).await;
    let mut second = flows::echo(first).await;
    expect("through both", check(&mut second, u64::MAX).await?, 300_000)?;
    expect("calls", flows::calls().await >= 2, true)?;
    Ok("through both".to_owned())
}

/// Streams that nobody ever reads.
async fn unread() -> Told {
    for _ in 0..100 {
        drop(flows::bytes(1 << 40).await);
        drop(flows::sum_later(source(10)).await);
    }
    expect("bytes", check(&mut flows::bytes(1000).await, u64::MAX).await?, 1000)?;
    Ok("forgotten".to_owned())
}

/// Reads what comes before a trap.
async fn trap_mid_stream() -> Told {
    let mut reader = flows::trap_after(100_000).await;
    let read = check(&mut reader, u64::MAX).await?;
    Ok(format!("{read} bytes, and an end"))
}

/// The same of a function that has an error.
async fn risky() -> Told {
    let error = flows::risky(0).await.err();
    expect("the error", error, Some("broken".to_owned()))?;
    let mut reader = flows::risky(100_000).await?;
    let read = check(&mut reader, u64::MAX).await?;
    Ok(format!("{read} bytes, and an end"))
}

/// A call that never returns.
async fn wait() -> Told {
    let (_kept, reader) = wit_stream::new();
    Ok(flows::sum(reader).await.to_string())
}
