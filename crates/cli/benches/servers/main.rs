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
use tokio::runtime::Runtime;
use weft_testing::s3::{self, BUCKET, KEY, KEY_ID};
use weft_testing::weft::Run;
use weft_testing::{Scratch, nats, postgres, redis};

use native::{Does, Native};

const ROUNDS: usize = 7;
/// Questions in each round.
const TIMES: usize = 2000;
/// The same where each takes long.
const TIMES_LARGE: usize = 100;
/// Bytes of an object that is large.
const LARGE: usize = 1 << 20;
/// What a guest may wait longer, as a share of what the library takes.
const BAR: f64 = 0.15;
/// A value of 256 bytes.
const VALUE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// One question, asked by a guest and by the library.
struct Question {
    what: &'static str,
    asked: Asked,
    /// What the guest does before, and how it asks.
    calls: Vec<String>,
    native: Native,
    times: usize,
}

/// Which guest asks, and what it may.
enum Asked {
    Program {
        guest: &'static str,
        flag: &'static str,
        grant: String,
    },
    /// The folder of its app.
    App(Scratch),
}

fn main() -> Result<()> {
    let mut one = rustix::thread::CpuSet::new();
    one.set(0);
    // What is started from here on inherits it.
    rustix::thread::sched_setaffinity(None, &one)?;
    println!(
        "Microseconds for a question, as the one who asks sees it (medians; the median of {ROUNDS} rounds of {TIMES}, or \
         of {TIMES_LARGE} where they are of 1 MiB).\n"
    );
    println!("| question | library by itself | guest | more | bar | |");
    println!("|---|---|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for questions in [on_redis, on_postgres, on_nats, on_s3] {
        questions(&runtime)?;
    }
    Ok(())
}

fn on_redis(runtime: &Runtime) -> Result<()> {
    let Some(server) = redis::Redis::start() else {
        return Ok(());
    };
    let address = server.address();
    for (what, call, is_reading) in [
        ("Redis: get, 256 bytes", format!("time-get key {TIMES}"), true),
        (
            "Redis: set, 256 bytes",
            format!("time-set key {VALUE} {TIMES}"),
            false,
        ),
    ] {
        let native = runtime.block_on(Native::redis(&address, is_reading))?;
        measure(runtime, Question::keyvalue(what, &address, call, native))?;
    }
    Ok(())
}

fn on_postgres(runtime: &Runtime) -> Result<()> {
    let Some(server) = postgres::Postgres::start() else {
        return Ok(());
    };
    let address = server.address();
    make_entry(&address)?;
    let call = format!("time-get key {TIMES}");
    let question = "PostgreSQL: get, 256 bytes";
    let native = runtime.block_on(Native::postgres_get(&address))?;
    measure(runtime, Question::keyvalue(question, &address, call, native))?;
    let native = runtime.block_on(Native::postgres_query(&address))?;
    let question = Question {
        what: "PostgreSQL: a row by its key, in SQL",
        asked: Asked::Program {
            guest: "sql_spin",
            flag: "--sql",
            grant: format!("default={address}"),
        },
        calls: vec![
            "pg4 open default".to_owned(),
            format!("pg4 time-{TIMES} {} | i:7", native::QUERY),
        ],
        native,
        times: TIMES,
    };
    measure(runtime, question)
}

fn on_nats(runtime: &Runtime) -> Result<()> {
    let Some(server) = nats::Nats::start() else {
        return Ok(());
    };
    let address = server.address();
    make_entry(&address)?;
    let native = runtime.block_on(Native::nats(&address))?;
    let call = format!("time-get key {TIMES}");
    measure(
        runtime,
        Question::keyvalue("NATS: get, 256 bytes", &address, call, native),
    )?;
    let stream = "bench";
    let app = app(
        "messages_sender",
        &format!("messaging = [\"orders\"]\n[queue.orders]\nurl = \"{address}\"\nstream = \"{stream}\"\n"),
    );
    let asked = Asked::App(app);
    let connect = "connect orders".to_owned();
    // The first one makes the stream.
    asked.answer(&[connect.clone(), format!("send order.new {VALUE}")])?;
    let question = Question {
        what: "NATS: publish to a queue, 256 bytes",
        asked,
        calls: vec![connect, format!("time-send order.new {TIMES} {VALUE}")],
        native: runtime.block_on(Native::queue(&address, stream))?,
        times: TIMES,
    };
    measure(runtime, question)
}

fn on_s3(runtime: &Runtime) -> Result<()> {
    let server = s3::Server::start();
    for (what, does, bytes, times) in [
        ("S3: write, 1 KiB", Does::Write, 1024, TIMES),
        ("S3: read, 1 KiB", Does::Read, 1024, TIMES),
        ("S3: write, 1 MiB", Does::Write, LARGE, TIMES_LARGE),
        ("S3: read, 1 MiB", Does::Read, LARGE, TIMES_LARGE),
    ] {
        let call = match does {
            Does::Write => format!("time-write guest {bytes} {times}"),
            Does::Read => format!("time-read guest {bytes} {times}"),
        };
        let app = app(
            "blobstore",
            &format!(
                "blobstore = [\"photos\"]\n[blobstore.photos]\nurl = \"{}\"\nbucket = \"{BUCKET}\"\n\
                 key-id-variable = \"KEY_ID\"\nkey-variable = \"KEY\"\n",
                server.endpoint()
            ),
        );
        let question = Question {
            what,
            asked: Asked::App(app),
            calls: vec!["get photos".to_owned(), format!("write-size guest {bytes}"), call],
            native: runtime.block_on(Native::objects(&server, does, bytes))?,
            times,
        };
        measure(runtime, question)?;
    }
    Ok(())
}

/// An app of one guest, which may do this.
fn app(guest: &str, grants: &str) -> Scratch {
    let scratch = Scratch::new();
    let manifest = format!(
        "[app]\nname = \"bench\"\n[component.main]\nsource = '{}'\ngrant-on-use = \"trap\"\n\
         [trigger.command]\ncomponent = \"main\"\n\
         [component.main.grants]\nstdio = \"all\"\nenv = []\nclock = \"real\"\n{grants}",
        weft_testing::guest(guest).display()
    );
    scratch.file("weft.toml", manifest);
    scratch
}

/// An entry that can be asked for; what it is in is made with it.
fn make_entry(address: &str) -> Result<()> {
    let asked = Asked::keyvalue(address);
    asked.answer(&["open default".to_owned(), format!("set key {VALUE}")])?;
    Ok(())
}

impl Question {
    fn keyvalue(what: &'static str, address: &str, call: String, native: Native) -> Self {
        Self {
            what,
            asked: Asked::keyvalue(address),
            calls: vec!["open default".to_owned(), format!("set key {VALUE}"), call],
            native,
            times: TIMES,
        }
    }
}

impl Asked {
    fn keyvalue(address: &str) -> Self {
        Self::Program {
            guest: "keyvalue",
            flag: "--keyvalue",
            grant: format!("default={address}"),
        }
    }

    /// What the guest prints.
    fn answer(&self, calls: &[String]) -> Result<String> {
        let run = Run::new(env!("CARGO_BIN_EXE_weft")).arg("run");
        let run = match self {
            Self::Program { guest, flag, grant } => {
                run.args([flag, grant.as_str()]).arg(weft_testing::guest(guest))
            }
            Self::App(folder) => run
                .arg(folder.path())
                .env("WEFT_DATA_DIR", folder.path().join("own"))
                .env("KEY_ID", KEY_ID)
                .env("KEY", KEY),
        };
        let outcome = run.args(calls).run();
        ensure!(outcome.stderr().is_empty(), "{}", outcome.stderr());
        Ok(outcome.with_code(0).stdout())
    }
}

/// Asks, unless other questions are named on the command line: `cargo bench --workspace --bench servers -- S3 Redis`.
fn measure(runtime: &Runtime, mut question: Question) -> Result<()> {
    let mut named = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .peekable();
    if named.peek().is_some() && !named.any(|word| question.what.contains(&word)) {
        return Ok(());
    }
    let (mut by_itself, mut by_guest) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_itself.push(runtime.block_on(question.native.median(question.times))?);
        let told = question.asked.answer(&question.calls)?;
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

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
