//! Load at a constant rate: requests are due at times that were fixed before, whatever the server does.
//!
//! The time of a request counts from when it was due. A server that stands still for a second is thus seen by all
//! requests of that second, and not only by the one for each connection that a generator sends which waits for answers.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::super::numbers::Sample;
use super::super::server::Server;
use super::client::{Connection, get};
use super::clock::Clock;

/// How long a request may take. One that takes longer has failed.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long a connection may take to be made. The system would try for a second before it says anything to a server
/// that was just restarted; clients that care do not wait for that.
const CONNECT_MAX: Duration = Duration::from_millis(100);

/// How long is waited before a server that was not there is tried again.
const AWAY: Duration = Duration::from_millis(2);

/// What is sent, and where to.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    pub(super) address: SocketAddr,
    pub(super) path: String,
    pub(super) connections: usize,
    /// Requests per second, all connections together.
    pub(super) rate: f64,
    pub(super) time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Paced {
    /// Of each answered request, microseconds from when it was due.
    pub(super) latency: Sample,
    /// Of each request whose connection was free when it was due, by how many microseconds it was sent late: the
    /// generator's own part.
    pub(super) late: Sample,
    /// Answers with another status than 200.
    pub(super) refused: u64,
    /// Requests that were sent on a connection that was to stay open, and got no whole answer.
    pub(super) lost: u64,
    /// Connections that could not be made, since nobody listened or nobody answered.
    pub(super) away: u64,
    /// Connections that the server ended as it should: after a response that said so, or while nothing was asked.
    pub(super) closed: u64,
    /// The first failure, in words.
    pub(super) failure: Option<String>,
    /// From the first request to the last answer.
    pub(super) seconds: f64,
}

impl Pace {
    /// Load on one server.
    pub(super) fn on(server: &Server, connections: usize, rate: f64, time: Duration) -> Self {
        Self {
            address: server.address(),
            path: server.path().to_owned(),
            connections,
            rate,
            time,
        }
    }

    /// Sends what is due until the time is over.
    pub(super) fn run(&self) -> Result<Paced> {
        self.run_until(&Arc::default())
    }

    /// The same, or until somebody wants an end.
    pub(super) fn run_until(&self, is_over: &Arc<AtomicBool>) -> Result<Paced> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        tokio::task::LocalSet::new().block_on(&runtime, self.send(is_over))
    }

    async fn send(&self, is_over: &Arc<AtomicBool>) -> Result<Paced> {
        let clock = Rc::new(Clock::new().context("the system gives no timer")?);
        let runs = Rc::clone(&clock);
        let waker = tokio::task::spawn_local(async move { runs.run().await });
        let start = Instant::now();
        let lines: Vec<_> = (0..self.connections)
            .map(|number| {
                let line = Line {
                    pace: self.clone(),
                    clock: Rc::clone(&clock),
                    is_over: Arc::clone(is_over),
                    number,
                    request: get(&self.path),
                    paced: Paced::default(),
                    connection: None,
                };
                tokio::task::spawn_local(line.send(start))
            })
            .collect();
        let mut all = Paced::default();
        for line in lines {
            all.add(line.await??);
        }
        all.seconds = start.elapsed().as_secs_f64();
        waker.abort();
        Ok(all)
    }
}

impl Paced {
    fn add(&mut self, other: Self) {
        self.latency.extend(other.latency);
        self.late.extend(other.late);
        self.refused += other.refused;
        self.lost += other.lost;
        self.away += other.away;
        self.closed += other.closed;
        self.failure = self.failure.take().or(other.failure);
    }

    /// Answers per second.
    pub(super) fn rate(&self) -> f64 {
        self.latency.count() as f64 / self.seconds
    }

    /// Requests without the answer that they should have had.
    pub(super) fn failed(&self) -> u64 {
        self.refused + self.lost
    }

    /// What failed, in words; empty where nothing did.
    pub(super) fn failure(&self) -> &str {
        self.failure.as_deref().unwrap_or_default()
    }
}

/// One connection after the other, and the requests that are due on it.
struct Line {
    pace: Pace,
    clock: Rc<Clock>,
    is_over: Arc<AtomicBool>,
    number: usize,
    request: Vec<u8>,
    paced: Paced,
    connection: Option<Connection>,
}

impl Line {
    async fn send(mut self, start: Instant) -> io::Result<Paced> {
        let period = self.pace.connections as f64 / self.pace.rate;
        // The connections take turns, so that requests are due one by one and not in bursts.
        let offset = period * self.number as f64 / self.pace.connections as f64;
        for turn in 0_u32.. {
            let due = start + Duration::from_secs_f64(offset + period * f64::from(turn));
            if due >= start + self.pace.time {
                break;
            }
            let was_free = Instant::now() < due;
            self.clock.until(due, self.number).await?;
            let Some(connection) = self.connect().await else {
                break;
            };
            let sent = Instant::now();
            if was_free {
                self.paced.late.push(micros(due, sent));
            }
            self.ask(connection, due).await;
        }
        Ok(self.paced)
    }

    /// A connection to send on; none where no more are wanted.
    async fn connect(&mut self) -> Option<Connection> {
        loop {
            if self.is_over.load(Ordering::Relaxed) {
                return None;
            }
            match self.connection.take() {
                Some(kept) if !kept.is_closed() => return Some(kept),
                Some(_) => self.paced.closed += 1,
                None => {}
            }
            match tokio::time::timeout(CONNECT_MAX, Connection::open(self.pace.address)).await {
                Ok(Ok(connection)) => return Some(connection),
                Ok(Err(_)) | Err(_) => {
                    self.paced.away += 1;
                    tokio::time::sleep(AWAY).await;
                }
            }
        }
    }

    async fn ask(&mut self, mut connection: Connection, due: Instant) {
        let answered = tokio::time::timeout(ANSWER_MAX, connection.ask(&self.request)).await;
        let answered = answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match answered {
            Ok(response) if response.status == 200 => {
                self.paced.latency.push(micros(due, Instant::now()));
                if response.is_kept {
                    self.connection = Some(connection);
                } else {
                    self.paced.closed += 1;
                }
            }
            Ok(response) => {
                self.paced.refused += 1;
                self.note(|| format!("status {}", response.status));
            }
            Err(error) => {
                self.paced.lost += 1;
                self.note(|| error.to_string());
            }
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        self.paced.failure.get_or_insert_with(what);
    }
}

fn micros(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::{Pace, Paced};

    /// Load on a server that answers each request of a connection in its own way, and then hangs up.
    fn paced(answers: &'static [(&'static [u8], u64)]) -> Paced {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                for (answer, wait) in answers {
                    let mut request = [0; 1024];
                    if stream.read(&mut request).unwrap() == 0 {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(*wait));
                    stream.write_all(answer).unwrap();
                }
            }
        });
        let pace = Pace {
            address,
            path: "/".to_owned(),
            connections: 1,
            rate: 100.0,
            time: Duration::from_millis(195),
        };
        pace.run().unwrap()
    }

    const FINE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const LAST: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    #[test]
    fn requests_that_came_due_while_the_server_stood_still_have_waited_too() {
        let paced = paced(&[(FINE, 100), (LAST, 0)]);
        assert_eq!((paced.latency.count(), paced.failed()), (20, 0));
        // The first waits for 100 ms, the one after it for 90, and so on.
        assert!(paced.latency.median() > 20_000.0, "{paced:?}");
        assert!(paced.latency.max() >= 100_000.0, "{paced:?}");
    }

    #[test]
    fn a_request_is_lost_only_on_a_connection_that_was_to_stay_open() {
        let announced = paced(&[(FINE, 0), (LAST, 0)]);
        assert_eq!((announced.latency.count(), announced.lost), (20, 0));
        assert_eq!(announced.closed, 10);
        let cut = paced(&[(FINE, 0), (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", 0)]);
        assert_eq!((cut.latency.count(), cut.lost), (10, 10), "{cut:?}");
        let refused = paced(&[(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", 0)]);
        assert_eq!((refused.refused, refused.failure()), (20, "status 503"));
    }
}
