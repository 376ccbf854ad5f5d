//! Connections that are kept: found again by later requests, bounded in number, closed when idle too long.
//!
//! A [`Lease`] is the right to use a connection for one exchange. HTTP/1.1 connections belong to one lease at a
//! time; an HTTP/2 connection is shared by many. A lease that is not [finished](Lease::finish) closes its
//! HTTP/1.1 connection at once, since nobody knows what is still in flight on it.
//!
//! The pool knows nothing about grants: it belongs to one client, which has one grant, and only ever holds
//! connections whose addresses passed that grant's check.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::Error;
use weft_app::grant::Scheme;

use super::Limits;
use super::body::RequestBody;
use super::connector::{Opened, Protocol};
use super::egress::Destination;
use super::error::{Phase, from_hyper};

/// How long a connection may take from the end of an exchange until it takes the next request. It is a matter
/// of microseconds, unless the server does not read; then another connection is the better choice.
const SETTLING_TIME: Duration = Duration::from_millis(100);

/// How much of a stream, and of a whole HTTP/2 connection, a server may send ahead of a guest that does not read.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// How much of a request HTTP/2 takes from the guest ahead of a server that does not read.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// A silent HTTP/2 connection with open streams is asked for a sign of life this often, and given this long.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_PATIENCE: Duration = Duration::from_secs(20);

/// From how many destinations on the pool looks for those of which nothing is left: a guest that may reach any
/// host can name as many as it likes.
const HOSTS_BEFORE_SWEEP: usize = 1024;

/// Whether a lease may be on a connection that rested: after one of them failed the others are suspect too.
/// An HTTP/2 connection that others use just now is always welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rested {
    Allowed,
    Refused,
}

/// The task that moves the bytes of one connection; dropping it closes the connection.
type Driver = AbortOnDropJoinHandle<()>;

/// The right to have one more connection, held while it is in use.
type Slot = [OwnedSemaphorePermit; 2];

pub(crate) struct Pool {
    limits: Limits,
    slots: Arc<Semaphore>,
    hosts: Mutex<HashMap<Destination, Kept>>,
    sweeper: Mutex<Option<Driver>>,
}

/// What is kept for one destination.
struct Kept {
    slots: Arc<Semaphore>,
    /// Held while a connection is opened whose protocol nobody knows yet, or is HTTP/2: the requests that come
    /// meanwhile will share it instead of opening one each.
    opening: Arc<tokio::sync::Mutex<()>>,
    protocol: Option<Protocol>,
    idle: Vec<Idle>,
    shared: Option<Arc<Http2>>,
}

struct Idle {
    connection: Http1,
    since: Instant,
}

struct Http1 {
    sender: http1::SendRequest<RequestBody>,
    _driver: Driver,
}

struct Http2 {
    sender: http2::SendRequest<RequestBody>,
    last_used: Mutex<Instant>,
    /// A request failed as on a connection that is going away; no new one shall try.
    retired: AtomicBool,
    _driver: Driver,
    _slot: Slot,
}

impl Http2 {
    fn takes_requests(&self) -> bool {
        !self.sender.is_closed() && !self.retired.load(Ordering::Relaxed)
    }
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            slots: semaphore(limits.connections_max),
            hosts: Mutex::default(),
            sweeper: Mutex::default(),
            limits,
        })
    }

    /// A connection to the destination: a kept one if there is one and `rested` allows it, else what `open` opens.
    ///
    /// # Errors
    ///
    /// What `open` reports; too many connections in use until the deadline.
    pub(crate) async fn lease<Open>(
        self: &Arc<Self>,
        destination: &Destination,
        rested: Rested,
        deadline: Instant,
        open: Open,
    ) -> Result<Lease, Error>
    where
        Open: AsyncFnOnce() -> Result<Opened, Error>,
    {
        if let Some(lease) = self.shared(destination) {
            return Ok(lease);
        }
        let _opening = match self.opening(destination) {
            None => None,
            Some(lock) => {
                let guard = timeout_at(deadline, lock.lock_owned())
                    .await
                    .map_err(|_| Error::ConnectionTimeout)?;
                Some(guard)
            }
        };
        if let Some(lease) = self.shared(destination) {
            return Ok(lease);
        }
        let slot = self.slot(destination, deadline).await?;
        if rested == Rested::Allowed
            && let Some(connection) = self.idle(destination).await
        {
            return Ok(self.lease_http1(destination, connection, slot, true));
        }
        let opened = open().await?;
        self.handshake(destination, opened, slot).await
    }

    /// The HTTP/2 connection to this destination that is open already.
    fn shared(&self, destination: &Destination) -> Option<Lease> {
        let mut hosts = self.hosts.lock();
        let kept = hosts.get_mut(destination)?;
        kept.shared.take_if(|shared| !shared.takes_requests());
        kept.shared.clone().map(|connection| Lease {
            connection: Leased::Http2(connection),
            reused: true,
        })
    }

    /// The lock to hold while opening, where it is not sure that every request needs its own connection.
    fn opening(&self, destination: &Destination) -> Option<Arc<tokio::sync::Mutex<()>>> {
        if self.hosts.lock().len() >= HOSTS_BEFORE_SWEEP {
            self.close_idle();
        }
        let mut hosts = self.hosts.lock();
        let kept = self.kept(&mut hosts, destination);
        let own_connection = destination.scheme == Scheme::Http || kept.protocol == Some(Protocol::Http1);
        (!own_connection).then(|| Arc::clone(&kept.opening))
    }

    fn kept<'a>(&self, hosts: &'a mut HashMap<Destination, Kept>, destination: &Destination) -> &'a mut Kept {
        hosts.entry(destination.clone()).or_insert_with(|| Kept {
            slots: semaphore(self.limits.connections_per_origin_max),
            opening: Arc::default(),
            protocol: None,
            idle: Vec::new(),
            shared: None,
        })
    }

    async fn slot(&self, destination: &Destination, deadline: Instant) -> Result<Slot, Error> {
        let of_host = Arc::clone(&self.kept(&mut self.hosts.lock(), destination).slots);
        if self.slots.available_permits() == 0 {
            self.drop_unused_shared();
        }
        let both = async {
            let of_host = of_host.acquire_owned().await?;
            Ok::<_, tokio::sync::AcquireError>([of_host, Arc::clone(&self.slots).acquire_owned().await?])
        };
        match timeout_at(deadline, both).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(Error::ConnectionLimitReached),
        }
    }

    /// Makes room: HTTP/2 connections hold their slot even while no request uses them.
    fn drop_unused_shared(&self) {
        for kept in self.hosts.lock().values_mut() {
            kept.shared.take_if(|shared| Arc::strong_count(shared) == 1);
        }
    }

    /// The most recently used idle connection that still works: the others may rest and be closed.
    async fn idle(&self, destination: &Destination) -> Option<Http1> {
        loop {
            let candidate = self.hosts.lock().get_mut(destination)?.idle.pop()?;
            let mut connection = candidate.connection;
            if candidate.since.elapsed() >= self.limits.idle_timeout || connection.sender.is_closed() {
                continue;
            }
            if let Ok(Ok(())) = timeout(SETTLING_TIME, connection.sender.ready()).await {
                return Some(connection);
            }
        }
    }

    async fn handshake(
        self: &Arc<Self>,
        destination: &Destination,
        opened: Opened,
        slot: Slot,
    ) -> Result<Lease, Error> {
        let stream = TokioIo::new(opened.transport);
        let protocol = opened.protocol;
        self.kept(&mut self.hosts.lock(), destination).protocol = Some(protocol);
        match protocol {
            Protocol::Http1 => {
                let mut builder = http1::Builder::new();
                builder.max_header_size(self.limits.response_head_bytes_max);
                let (sender, connection) = builder
                    .handshake(stream)
                    .await
                    .map_err(|cause| from_hyper(&cause, Phase::Head))?;
                let connection = Http1 {
                    sender,
                    _driver: drive(connection),
                };
                Ok(self.lease_http1(destination, connection, slot, false))
            }
            Protocol::Http2 => {
                let builder = http2_builder(&self.limits);
                let (sender, connection) = builder
                    .handshake(stream)
                    .await
                    .map_err(|cause| from_hyper(&cause, Phase::Head))?;
                let connection = Arc::new(Http2 {
                    sender,
                    last_used: Mutex::new(Instant::now()),
                    retired: AtomicBool::new(false),
                    _driver: drive(connection),
                    _slot: slot,
                });
                self.kept(&mut self.hosts.lock(), destination).shared = Some(Arc::clone(&connection));
                self.start_sweeper();
                Ok(Lease {
                    connection: Leased::Http2(connection),
                    reused: false,
                })
            }
        }
    }

    fn lease_http1(
        self: &Arc<Self>,
        destination: &Destination,
        connection: Http1,
        slot: Slot,
        reused: bool,
    ) -> Lease {
        let home = Home {
            pool: Arc::downgrade(self),
            destination: destination.clone(),
            _slot: slot,
        };
        Lease {
            connection: Leased::Http1(connection, home),
            reused,
        }
    }

    fn keep(self: &Arc<Self>, destination: &Destination, connection: Http1) {
        if connection.sender.is_closed() {
            return;
        }
        {
            let mut hosts = self.hosts.lock();
            let idle_in_all: usize = hosts.values().map(|kept| kept.idle.len()).sum();
            let idle = &mut self.kept(&mut hosts, destination).idle;
            idle.retain(|idle| !idle.connection.sender.is_closed());
            if idle_in_all >= self.limits.idle_connections_max
                || idle.len() >= self.limits.idle_connections_per_origin_max
            {
                return;
            }
            idle.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
        self.start_sweeper();
    }

    /// Starts the task that closes what is idle too long; it ends by itself when nothing is left to close.
    fn start_sweeper(self: &Arc<Self>) {
        let mut sweeper = self.sweeper.lock();
        if sweeper.is_none() {
            *sweeper = Some(wasmtime_wasi::runtime::spawn(sweep(Arc::downgrade(self))));
        }
    }

    /// Closes what is idle too long and forgets hosts of which nothing is left. Says when to come back.
    fn close_idle(&self) -> Option<Instant> {
        let now = Instant::now();
        let idle_timeout = self.limits.idle_timeout;
        let expiry = |since: Instant| since.checked_add(idle_timeout);
        let mut next: Option<Instant> = None;
        let mut stays = |since: Instant| match expiry(since) {
            Some(end) if end <= now => false,
            Some(end) => {
                next = Some(next.map_or(end, |next| next.min(end)));
                true
            }
            None => true,
        };
        self.hosts.lock().retain(|_, kept| {
            kept.idle
                .retain(|idle| !idle.connection.sender.is_closed() && stays(idle.since));
            kept.shared.take_if(|shared| {
                let in_use = Arc::strong_count(shared) > 1;
                !shared.takes_requests() || !stays(if in_use { now } else { *shared.last_used.lock() })
            });
            !kept.idle.is_empty()
                || kept.shared.is_some()
                || Arc::strong_count(&kept.opening) > 1
                || Arc::strong_count(&kept.slots) > 1
        });
        next
    }
}

async fn sweep(pool: Weak<Pool>) {
    loop {
        let next = match pool.upgrade() {
            None => return,
            Some(pool) => {
                // Taken before looking: what is put back meanwhile waits for this lock and starts a new task.
                let mut sweeper = pool.sweeper.lock();
                match pool.close_idle() {
                    Some(next) => next,
                    None => {
                        // Dropping its own handle aborts a task that has nothing left to do.
                        *sweeper = None;
                        return;
                    }
                }
            }
        };
        sleep_until(next).await;
    }
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)))
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(u32::try_from(limits.response_head_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_PATIENCE);
    builder
}

fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Driver {
    wasmtime_wasi::runtime::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    })
}

/// The right to use a connection for one exchange.
pub(crate) struct Lease {
    connection: Leased,
    reused: bool,
}

enum Leased {
    Http1(Http1, Home),
    Http2(Arc<Http2>),
}

/// Where an HTTP/1.1 connection goes back to.
struct Home {
    pool: Weak<Pool>,
    destination: Destination,
    _slot: Slot,
}

impl Lease {
    /// Whether other exchanges went over the connection before, so that the server may be about to close it.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match &self.connection {
            Leased::Http1(..) => Protocol::Http1,
            Leased::Http2(_) => Protocol::Http2,
        }
    }

    pub(crate) async fn try_send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match &mut self.connection {
            Leased::Http1(connection, _) => connection.sender.try_send_request(request).await,
            Leased::Http2(connection) => connection.sender.clone().try_send_request(request).await,
        }
    }

    /// Gives the connection up: it took no more requests.
    pub(crate) fn retire(self) {
        if let Leased::Http2(connection) = self.connection {
            connection.retired.store(true, Ordering::Relaxed);
        }
    }

    /// Hands the connection back: both bodies of the exchange are complete.
    pub(crate) fn finish(self) {
        match self.connection {
            Leased::Http1(connection, home) => {
                if let Some(pool) = home.pool.upgrade() {
                    pool.keep(&home.destination, connection);
                }
            }
            Leased::Http2(connection) => *connection.last_used.lock() = Instant::now(),
        }
    }
}
