//! What a request costs without any socket: `cargo bench --workspace --bench requests`.
//!
//! Everything from an HTTP request in memory to the whole response in memory: a store, an instance, the guest, and
//! dropping all of it; or an instance that is kept. Words behind `--` measure only the rows that begin with them.
//! Measured is the processor time of the one thread, in batches; the middle batch counts.

#![allow(clippy::print_stdout, reason = "a bench prints what it measures")]

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use rustix::time::{ClockId, clock_gettime};
use weft_app::trigger::http::Reuse;
use weft_app::{Grants, Limits};
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::http::{Background, BodyError, HttpProgram, ServedPrincipal, Serving, Transport};
use weft_runtime::{Concurrency, Engine, EngineOptions, Imports, Profile, Program};
use weft_testing::guest;

const BATCHES: usize = 25;
const BATCH: usize = 1000;

const ROWS: [(&str, &str, Concurrency, u32); 7] = [
    ("http-hello.wat", "/", Concurrency::Off, 1),
    ("http-hello.wat", "/", Concurrency::On, 1),
    ("http-hello.wat", "/", Concurrency::Off, u32::MAX),
    ("web", "/hello", Concurrency::Off, 1),
    ("web", "/hello", Concurrency::Off, u32::MAX),
    ("web_p3", "/hello", Concurrency::On, 1),
    ("web_p3", "/hello", Concurrency::On, u32::MAX),
];

fn main() -> Result<()> {
    println!("Microseconds for a request and its response (least / median of {BATCHES} batches).\n");
    println!(
        "| {:<14} | {:<18} | {:<8} | {:>15} |",
        "guest", "profile", "instance", "µs"
    );
    println!("| {:-<14} | {:-<18} | {:-<8} | {:->14}: |", "", "", "", "");
    // Cargo itself passes `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wanted = words.join(" ");
    for (guest, path, concurrency, requests_max) in ROWS {
        let profile = Profile::Serving(concurrency);
        let kept = if requests_max == 1 { "fresh" } else { "kept" };
        if !format!("{guest} {} {kept}", profile.name()).starts_with(&wanted) {
            continue;
        }
        let (least, median) = measure(guest, path, profile, requests_max)
            .with_context(|| format!("cannot measure `{guest}`"))?;
        let time = format!("{least:.2} / {median:.2}");
        println!(
            "| {guest:<14} | {:<18} | {kept:<8} | {time:>15} |",
            profile.name()
        );
    }
    Ok(())
}

/// The least and the median of the batches' means, in microseconds.
fn measure(name: &str, path: &str, profile: Profile, requests_max: u32) -> Result<(f64, f64)> {
    let engine = Engine::new(profile, EngineOptions::default())?;
    let program = Program::compile(&engine, &fs_err::read(guest(name))?)?;
    let serving = Serving {
        principals: vec![ServedPrincipal {
            grants: Grants::default().into(),
            arguments: [].into(),
            http: None,
            services: weft_runtime::Services::default(),
            denials: DenialLog::default(),
        }],
        imports: Imports::Own,
        links: weft_runtime::Links::default(),
        heap_bytes_max: None,
        limits: Limits::default(),
        reuse: Reuse {
            requests_max,
            ..Reuse::default()
        },
    };
    let background = Background::start(1, vec![engine])?;
    let program = HttpProgram::new(&program, serving, background)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut batches = Vec::with_capacity(BATCHES);
        for batch in 0..=BATCHES {
            let started = processor_time();
            for _ in 0..BATCH {
                answer(&program, path).await?;
            }
            // The first one is for getting warm.
            if batch > 0 {
                batches.push((processor_time() - started) / BATCH as f64);
            }
        }
        batches.sort_by(f64::total_cmp);
        let at = |index: usize| batches.get(index).copied().context("no batch was measured");
        Ok((at(0)?, at(BATCHES / 2)?))
    })
}

async fn answer(program: &HttpProgram, path: &str) -> Result<()> {
    let body = Empty::<Bytes>::new().map_err(|never| -> BodyError { match never {} });
    let request = Request::builder()
        .uri(path)
        .header("host", "localhost")
        .body(body)?;
    let response = program.handle(request, Transport::Plain).await?;
    ensure!(
        response.status() == StatusCode::OK,
        "the guest answered {}",
        response.status()
    );
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(!body.is_empty(), "the guest answered without a body");
    Ok(())
}

/// Processor time of this thread, in microseconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
