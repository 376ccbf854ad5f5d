//! Functions on disk: what the first request of each costs, what it costs to keep it loaded, and how soon a component
//! answers that was compiled before and is not loaded.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use weft_testing::guests;

use super::super::numbers::Sample;
use super::super::server::Server;
use super::client::get;
use super::{Bench, Row};

/// What the guest that is copied answers; each copy answers something else, of the same length.
const ANSWER: &str = "hello world";

/// Threads that compile, and connections that ask: one for each processor of the machine that the bars are for.
const AT_A_TIME: usize = 2;

/// Functions that one process compiles.
const BATCH: usize = 500;

const SECONDS_MAX: f64 = 5.0;
const TAIL_US_MAX: f64 = 300.0;
const LOADED_BYTES_MAX: f64 = 30.0 * 1024.0;
const FIRST_US_MAX: f64 = 1000.0;

/// Functions that are kept loaded while memory is looked at.
const KEPT: usize = 2000;

/// Components whose first response is waited for.
const FIRST: usize = 20;

/// Time until a server has given back what it does not need.
const REST: Duration = Duration::from_secs(1);

pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let count = bench.arguments.functions;
    make(bench, folder.path(), count)?;
    let mut rows = invoke_all(bench, folder.path(), count)?;
    rows.push(keep(bench, folder.path(), count.min(KEPT))?);
    for guest in ["http-hello.wat", "web"] {
        rows.push(first(bench, guest)?);
    }
    Ok(rows)
}

fn name(number: usize) -> String {
    format!("f{number:06}")
}

fn answer(number: usize) -> String {
    format!("hi   {number:06}")
}

/// Makes so many components that differ, and compiles each.
fn make(bench: &Bench<'_>, folder: &Path, count: usize) -> Result<()> {
    let template = fs_err::read(guests::find("http-hello.wat")?.build()?)?;
    let at = template
        .windows(ANSWER.len())
        .position(|window| window == ANSWER.as_bytes())
        .context("the guest does not answer what it should")?;
    let numbers: Vec<usize> = (0..count).collect();
    let batches: Vec<&[usize]> = numbers.chunks(BATCH).collect();
    std::thread::scope(|scope| {
        let work = |part: usize| {
            let mine = batches.iter().skip(part).step_by(AT_A_TIME);
            mine.clone()
                .try_for_each(|batch| make_some(bench, folder, &template, at, batch))
        };
        let threads: Vec<_> = (0..AT_A_TIME)
            .map(|part| scope.spawn(move || work(part)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            let made = thread.join();
            made.unwrap_or_else(|_| bail!("a thread that compiled panicked"))
        })
    })
}

fn make_some(bench: &Bench<'_>, folder: &Path, template: &[u8], at: usize, numbers: &[usize]) -> Result<()> {
    let mut sources: Vec<PathBuf> = Vec::new();
    for &number in numbers {
        let mut component = template.to_vec();
        let place = component.get_mut(at..at + ANSWER.len());
        place
            .context("the answer is cut off")?
            .copy_from_slice(answer(number).as_bytes());
        let path = folder.join(format!("{}.wasm", name(number)));
        fs_err::write(&path, component)?;
        sources.push(path);
    }
    let compile = bench.programs.weft().args(["compile", "--serving"]);
    compile.args(&sources).output()?;
    sources.iter().try_for_each(|path| Ok(fs_err::remove_file(path)?))
}

fn serve(bench: &Bench<'_>, folder: &Path, loaded: usize) -> Result<Server> {
    let mut launch = bench.serve(folder, "/");
    launch.arguments.push(format!("--loaded={loaded}"));
    Server::start(&launch)
}

/// Asks each function once, in the order of its number.
fn invoke_all(bench: &Bench<'_>, folder: &Path, count: usize) -> Result<Vec<Row>> {
    let server = serve(bench, folder, 100)?;
    let address = server.address();
    let begun = Instant::now();
    let latencies = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..AT_A_TIME)
            .map(|part| scope.spawn(move || ask(address, (part..count).step_by(AT_A_TIME))))
            .collect();
        let mut all = Sample::default();
        for thread in asking {
            let asked = thread.join();
            all.extend(asked.unwrap_or_else(|_| bail!("a thread that asked panicked"))?);
        }
        anyhow::Ok(all)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let processor = server.processor_seconds()? * 1e6 / count as f64;
    let tail = latencies.quantile(0.99);
    // The bar is for 120 000 of them.
    let bar = SECONDS_MAX * count as f64 / 120_000.0;
    Ok(vec![
        Row::new(
            format!("{count} functions on disk, each loaded and asked once"),
            format!("{seconds:.2} s"),
        )
        .bar("≤ 5 s for 120 000", seconds <= bar),
        Row::new(
            "the first request of one of them, p50 and p99",
            format!("{:.0} µs, {tail:.0} µs", latencies.median()),
        )
        .bar("p99 ≤ 300 µs", tail <= TAIL_US_MAX),
        Row::new(
            "processor time of the server for one of them",
            format!("{processor:.0} µs"),
        ),
    ])
}

/// Asks for functions on one connection, one after the other: microseconds of each.
fn ask(address: SocketAddr, numbers: impl Iterator<Item = usize>) -> Result<Sample> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut latencies = Sample::default();
    for number in numbers {
        let begun = Instant::now();
        let body = ask_one(&mut stream, &format!("/{}", name(number)))?;
        latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        ensure!(
            body.ends_with(&answer(number)),
            "`{}` answered `{body}`",
            name(number)
        );
    }
    Ok(latencies)
}

/// A request and its response, which fits into one read.
fn ask_one(stream: &mut TcpStream, path: &str) -> Result<String> {
    stream.write_all(&get(path))?;
    let mut room = [0; 4096];
    let length = stream.read(&mut room)?;
    Ok(String::from_utf8_lossy(room.get(..length).unwrap_or_default()).into_owned())
}

/// Memory that a function takes which stays loaded.
fn keep(bench: &Bench<'_>, folder: &Path, count: usize) -> Result<Row> {
    let server = serve(bench, folder, count + 1)?;
    // What the first ones need is needed once.
    ask(server.address(), 0..count / 4)?;
    std::thread::sleep(REST);
    let before = server.resident_kib()?;
    let kept = count / 4..count;
    let more = kept.len();
    ask(server.address(), kept)?;
    std::thread::sleep(REST);
    let bytes = (server.resident_kib()? - before) * 1024.0 / more as f64;
    Ok(Row::new(
        format!("memory of each of {more} loaded functions"),
        format!("{:.1} KiB", bytes / 1024.0),
    )
    .bar("≤ 30 KiB", bytes <= LOADED_BYTES_MAX))
}

/// Time until the first response of a component that is in the cache and was not loaded before.
fn first(bench: &Bench<'_>, guest: &str) -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let bytes = fs_err::read(guests::find(guest)?.build()?)?;
    let mut paths = Vec::new();
    for number in 0..FIRST {
        // A section that says nothing makes each of them another component.
        let mut component = bytes.clone();
        component.extend_from_slice(&[0, 3, 1, b'n', u8::try_from(number)?]);
        let path = folder.path().join(format!("{}.wasm", name(number)));
        fs_err::write(&path, component)?;
        paths.push(path);
    }
    let warm = bench.programs.weft().args(["cache", "warm"]);
    warm.args(&paths).output()?;
    let server = serve(bench, folder.path(), 100)?;
    let mut latencies = Sample::default();
    for number in 0..FIRST {
        let mut stream = TcpStream::connect(server.address())?;
        stream.set_nodelay(true)?;
        let begun = Instant::now();
        let said = ask_one(&mut stream, &format!("/{}", name(number)))?;
        latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        ensure!(said.starts_with("HTTP/1.1 200"), "`{guest}` answered `{said}`");
    }
    let (middle, tail) = (latencies.median(), latencies.max());
    Ok(Row::new(
        format!("first response of `{guest}`, compiled and not loaded (median and longest of {FIRST})"),
        format!("{middle:.0} µs, {tail:.0} µs"),
    )
    .bar("≤ 1 ms", middle <= FIRST_US_MAX))
}
