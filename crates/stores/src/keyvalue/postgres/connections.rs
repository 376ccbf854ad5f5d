//! Connections to a server: made when a call needs one, few for each runtime, and made anew when they are lost.
//!
//! A connection belongs to the runtime that made it: its task stands still with that runtime. Calls go over one
//! connection beside one another, and the server takes them one after the other; so a call takes the connection that
//! has the fewest, and a second one is made only when the first has something to do.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::runtime::{Handle, Id};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::statements::{self, Statements, Table};

/// Connections that each runtime has at most.
const CONNECTIONS_MAX: usize = 4;

/// One connection, and the statements that it knows.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) statements: Statements,
}

/// How a call ended without an answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// It took too long.
    Timeout,
    /// The server refused, or is away.
    Server(Error),
}

/// The place of one connection.
#[derive(Default)]
struct Slot {
    calls: AtomicUsize,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
}

/// A call under way.
struct Busy<'a>(&'a Slot);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

type Slots = Arc<[Slot; CONNECTIONS_MAX]>;

/// All connections of a store.
pub(super) struct Connections {
    config: Config,
    tls: MakeRustlsConnect,
    table: Table,
    timeout: Duration,
    slots: Mutex<HashMap<Id, Slots>>,
}

impl Connections {
    /// None yet.
    pub(super) fn new(config: Config, table: Table, timeout: Duration, tls: ClientConfig) -> Self {
        Self {
            config,
            tls: MakeRustlsConnect::new(tls),
            table,
            timeout,
            slots: Mutex::default(),
        }
    }

    /// Does something over a connection, within the timeout.
    ///
    /// After a failure of any kind the next call has a new connection: what the server knows of an old one, such as
    /// a table that is gone by now, may be why.
    pub(super) async fn call<T, F>(&self, work: impl FnOnce(Arc<Session>) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let slots = self.here();
        let Some(slot) = slots.iter().min_by_key(|slot| slot.calls.load(Ordering::Relaxed)) else {
            return Err(Failed::Timeout);
        };
        slot.calls.fetch_add(1, Ordering::Relaxed);
        let _busy = Busy(slot);
        let mut used = None;
        let attempt = async {
            let session = self.session(slot).await?;
            used = Some(Arc::clone(&session));
            work(session).await
        };
        let ended = tokio::time::timeout(self.timeout, attempt).await;
        if let (Some(used), Err(_) | Ok(Err(_))) = (used, &ended) {
            slot.forget(&used);
        }
        match ended {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if error.code() == Some(&SqlState::QUERY_CANCELED) => Err(Failed::Timeout),
            Ok(Err(error)) => Err(Failed::Server(error)),
            Err(_) => Err(Failed::Timeout),
        }
    }

    /// The places of the runtime that this runs on. Those of runtimes that have ended go when a new one comes.
    fn here(&self) -> Slots {
        let id = Handle::current().id();
        let mut slots = self.slots.lock();
        if !slots.contains_key(&id) {
            slots.retain(|_, slots| Arc::strong_count(slots) > 1 || slots.iter().any(Slot::is_open));
        }
        Arc::clone(slots.entry(id).or_default())
    }

    /// The connection of a place, made if there is none that works.
    async fn session(&self, slot: &Slot) -> Result<Arc<Session>, Error> {
        let mut kept = slot.session.lock().await;
        if let Some(session) = kept.as_ref().filter(|session| !session.client.is_closed()) {
            return Ok(Arc::clone(session));
        }
        *kept = None;
        let made = Arc::new(self.connect().await?);
        Ok(Arc::clone(kept.insert(made)))
    }

    async fn connect(&self) -> Result<Session, Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        // It ends with the last user of the client, and what goes wrong with it is what their calls report.
        tokio::spawn(connection);
        self.set_up(&client).await?;
        let statements = Statements::prepare(&client, &self.table).await?;
        Ok(Session { client, statements })
    }

    /// A connection of its own, and what drives it: `heard` is called with everything that the server tells by itself.
    pub(super) async fn listen(
        &self,
        heard: impl Fn(&str) + Send + 'static,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, mut connection) = self.config.connect(self.tls.clone()).await?;
        // It ends with the client, or with the server.
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(told) = message {
                    heard(told.payload());
                }
            }
        });
        self.set_up(&client).await?;
        Ok((client, driver))
    }

    /// What every connection begins with.
    async fn set_up(&self, client: &Client) -> Result<(), Error> {
        // Nobody waits for an answer any longer than that, so the server need not either.
        let timeout = format!("SET statement_timeout = {}", self.timeout.as_millis().max(1));
        client.batch_execute(&timeout).await?;
        let find = "SELECT to_regclass($1::text) IS NOT NULL";
        // Only where it is missing: whoever may use a table need not have the right to make one.
        if !client
            .query_one_scalar::<bool, _>(find, &[&self.table.name()])
            .await?
        {
            client.batch_execute(&statements::create(&self.table)).await?;
        }
        Ok(())
    }

    /// The table.
    pub(super) fn table(&self) -> &Table {
        &self.table
    }
}

impl Slot {
    /// Leaves a connection to the calls that still use it. Where another has taken its place, or is about to, it is
    /// gone already.
    fn forget(&self, used: &Arc<Session>) {
        if let Ok(mut kept) = self.session.try_lock()
            && kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, used))
        {
            *kept = None;
        }
    }

    fn is_open(&self) -> bool {
        // Whoever holds the lock is about to open one.
        self.session.try_lock().map_or(true, |kept| {
            kept.as_ref().is_some_and(|session| !session.client.is_closed())
        })
    }
}
