//! What a guest waits for a server, beside the same question asked through the same client library by itself: `cargo
//! bench --workspace --bench servers`.
//!
//! Both ask one question after the other over one connection to one server on this machine, in turns; taken is the time
//! of each question as whoever asks sees it, and compared are the medians. Everybody is on one processor: where the
//! system puts the two ends of a connection decides more than what is measured here (20 or 60 µs), and it puts them now
//! so and now so. Servers that are not there are left out, and it is said.

#![allow(clippy::print_stdout, reason = "a bench prints what it measures")]

mod native;

use anyhow::{Context as _, Result, ensure};
use weft_testing::weft::Run;
use weft_testing::{nats, postgres, redis};

use native::Native;

const ROUNDS: usize = 7;
/// Questions in each round.
const TIMES: usize = 2000;
/// What a guest may wait longer, as a share of what the library takes.
const BAR: f64 = 0.15;
/// A value of 256 bytes.
const VALUE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// One question, asked by a guest and by the library.
struct Question {
    what: &'static str,
    guest: &'static str,
    grant: String,
    /// What the guest does before, and how it asks.
    calls: Vec<String>,
    native: Native,
}

fn main() -> Result<()> {
    let mut one = rustix::thread::CpuSet::new();
    one.set(0);
    // What is started from here on inherits it.
    rustix::thread::sched_setaffinity(None, &one)?;
    println!(
        "Microseconds for a question, as the one who asks sees it (medians; the median of {ROUNDS} rounds of {TIMES}).\n"
    );
    println!("| question | library by itself | guest | more | bar | |");
    println!("|---|---|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (redis, postgres, nats) = (
        redis::Redis::start(),
        postgres::Postgres::start(),
        nats::Nats::start(),
    );
    if let Some(server) = &redis {
        let address = server.address();
        let grant = format!("default={address}");
        for (what, call, is_reading) in [
            ("Redis: get, 256 bytes", format!("time-get key {TIMES}"), true),
            (
                "Redis: set, 256 bytes",
                format!("time-set key {VALUE} {TIMES}"),
                false,
            ),
        ] {
            let native = runtime.block_on(Native::redis(&address, is_reading))?;
            measure(&runtime, Question::keyvalue(what, &grant, call, native))?;
        }
    }
    if let Some(server) = &postgres {
        let address = server.address();
        let grant = format!("default={address}");
        let call = format!("time-get key {TIMES}");
        let question = "PostgreSQL: get, 256 bytes";
        // The first one makes the table.
        guest(
            "keyvalue",
            &["--keyvalue", &grant],
            &["open default".to_owned(), format!("set key {VALUE}")],
        )?;
        let native = runtime.block_on(Native::postgres_get(&address))?;
        measure(&runtime, Question::keyvalue(question, &grant, call, native))?;
        let native = runtime.block_on(Native::postgres_query(&address))?;
        measure(
            &runtime,
            Question {
                what: "PostgreSQL: a row by its key, in SQL",
                guest: "sql_spin",
                grant,
                calls: vec![
                    "pg4 open default".to_owned(),
                    format!("pg4 time-{TIMES} {} | i:7", native::QUERY),
                ],
                native,
            },
        )?;
    }
    if let Some(server) = &nats {
        let address = server.address();
        let grant = format!("default={address}");
        let call = format!("time-get key {TIMES}");
        guest(
            "keyvalue",
            &["--keyvalue", &grant],
            &["open default".to_owned(), format!("set key {VALUE}")],
        )?;
        let native = runtime.block_on(Native::nats(&address))?;
        measure(
            &runtime,
            Question::keyvalue("NATS: get, 256 bytes", &grant, call, native),
        )?;
    }
    Ok(())
}

impl Question {
    fn keyvalue(what: &'static str, grant: &str, call: String, native: Native) -> Self {
        Self {
            what,
            guest: "keyvalue",
            grant: grant.to_owned(),
            calls: vec!["open default".to_owned(), format!("set key {VALUE}"), call],
            native,
        }
    }
}

fn measure(runtime: &tokio::runtime::Runtime, mut question: Question) -> Result<()> {
    let (mut by_itself, mut by_guest) = (Vec::new(), Vec::new());
    let flag = if question.guest == "keyvalue" {
        "--keyvalue"
    } else {
        "--sql"
    };
    for _ in 0..ROUNDS {
        by_itself.push(runtime.block_on(question.native.median(TIMES))?);
        let told = guest(question.guest, &[flag, &question.grant], &question.calls)?;
        let told = told.lines().last().context("the guest said nothing")?;
        let nanos: f64 = told.parse().with_context(|| format!("the guest said `{told}`"))?;
        by_guest.push(nanos / 1000.0);
    }
    let (by_itself, by_guest) = (middle(by_itself), middle(by_guest));
    let more = by_guest / by_itself - 1.0;
    println!(
        "| {} | {by_itself:.1} | {by_guest:.1} | {:.0} % | ≤ {:.0} % | {} |",
        question.what,
        more * 100.0,
        BAR * 100.0,
        if more <= BAR { "held" } else { "missed" }
    );
    Ok(())
}

/// What a guest prints.
fn guest(name: &str, grants: &[&str], calls: &[String]) -> Result<String> {
    let outcome = Run::new(env!("CARGO_BIN_EXE_weft"))
        .arg("run")
        .args(grants)
        .arg(weft_testing::guest(name))
        .args(calls)
        .run();
    ensure!(outcome.stderr().is_empty(), "{}", outcome.stderr());
    Ok(outcome.with_code(0).stdout())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
