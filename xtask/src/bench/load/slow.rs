//! Many slow requests at a time: clients that send their bodies byte by byte, and a guest that waits for a clock.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::super::server::Server;
use super::client::{Connection, get};
use super::{Bench, Row, raise_descriptors};

/// What clients send, byte by byte.
const BODY: &[u8] = b"so slowly";

/// How long they wait between two bytes.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a guest waits.
const WAIT: &str = "/slow?ms=4000";

/// How long one of all these requests may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
enum Slow {
    Client,
    Guest,
}

pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    raise_descriptors()?;
    // The program is in the cache then, and compiling it is in nobody's memory.
    drop(Server::start(&bench.weft("web", "/hello")?)?);
    let mut rows = turn(bench, Slow::Client)?;
    rows.extend(turn(bench, Slow::Guest)?);
    Ok(rows)
}

fn turn(bench: &Bench<'_>, slow: Slow) -> Result<Vec<Row>> {
    let count = bench.arguments.slow;
    let server = Server::start(&bench.weft("web", "/hello")?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (answered, before, failure) =
        tokio::task::LocalSet::new().block_on(&runtime, send(&server, slow, count))?;
    let peak = server.peak_mib()?;
    let each = (peak * 1024.0 - before) / count as f64;
    let what = match slow {
        Slow::Client => "slow clients, a byte of a body every half second",
        Slow::Guest => "guests that wait for 4 s",
    };
    Ok(vec![
        Row::new(
            format!("answered of {count} {what}"),
            format!(
                "{answered}{}",
                failure.map_or(String::new(), |failure| format!(" ({failure})"))
            ),
        )
        .bar("all", answered == count),
        Row::new(
            "peak memory, and what each of them took",
            format!("{peak:.0} MiB, {each:.1} KiB"),
        ),
    ])
}

/// Sends all requests at the same time: how many had their answer, the server's memory before, and what failed first.
async fn send(server: &Server, slow: Slow, count: usize) -> Result<(usize, f64, Option<String>)> {
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(Connection::open(server.address()).await?);
    }
    // What the first request needs is there before they come.
    if let Some(first) = open.first_mut() {
        first
            .ask(&get(server.path()))
            .await
            .context("the first request has no answer")?;
    }
    let before = server.resident_kib()?;
    let asked: Vec<_> = open
        .into_iter()
        .map(|connection| {
            tokio::task::spawn_local(async move {
                let asked = tokio::time::timeout(ANSWER_MAX, ask(connection, slow)).await;
                asked.context("no answer in time")?
            })
        })
        .collect();
    let (mut answered, mut failure) = (0, None);
    for asked in asked {
        match asked.await? {
            Ok(()) => answered += 1,
            Err(error) => failure = failure.or(Some(format!("{error:#}"))),
        }
    }
    Ok((answered, before, failure))
}

async fn ask(mut connection: Connection, slow: Slow) -> Result<()> {
    let (response, expected) = match slow {
        Slow::Guest => (connection.ask(&get(WAIT)).await?, &b"slow\n"[..]),
        Slow::Client => {
            let head = format!(
                "POST /echo HTTP/1.1\r\nhost: example.com\r\ncontent-length: {}\r\n\r\n",
                BODY.len()
            );
            connection.send(head.as_bytes()).await?;
            for byte in BODY {
                tokio::time::sleep(PAUSE).await;
                connection.send(&[*byte]).await?;
            }
            (connection.response().await?, BODY)
        }
    };
    anyhow::ensure!(
        response.status == 200 && response.body == expected,
        "status {} and {} bytes",
        response.status,
        response.body.len()
    );
    Ok(())
}
