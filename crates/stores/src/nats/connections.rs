//! Connections to a server: one for each runtime, made when a call needs it and made anew when it is lost.
//!
//! The client would wait for a lost server and then send what nobody waits for any more. So it is told to try once,
//! and is then replaced.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, ServerAddr};
use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};

use super::Cause;

/// How a call ended without an answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It took too long.
    Timeout,
    /// The server refused, or is away.
    Server(Cause),
}

/// What is used over one connection: a part of what a server keeps.
pub(crate) trait Opened: Sized + Send + Sync {
    /// What there is to know for it.
    type Options: Send + Sync;

    /// Finds it on the server, or makes it.
    fn open(client: Client, options: &Self::Options) -> impl Future<Output = Result<Self, Cause>> + Send;

    /// The connection that it is used over.
    fn client(&self) -> &Client;
}

/// The place of one connection.
type Slot<T> = Arc<tokio::sync::Mutex<Option<Arc<T>>>>;

/// All connections of a store, or of a queue.
pub(crate) struct Connections<T: Opened> {
    servers: Vec<ServerAddr>,
    tls: rustls::ClientConfig,
    timeout: Duration,
    options: T::Options,
    slots: Mutex<HashMap<Id, Slot<T>>>,
}

impl<T: Opened> Connections<T> {
    /// None yet.
    pub(crate) fn new(
        servers: Vec<ServerAddr>,
        tls: rustls::ClientConfig,
        timeout: Duration,
        options: T::Options,
    ) -> Self {
        Self {
            servers,
            tls,
            timeout,
            options,
            slots: Mutex::default(),
        }
    }

    /// Does something over a connection, within the timeout. After a failure of any kind the next call has a new
    /// connection: what is known of the other end, which may be another one by now, may be why.
    pub(crate) async fn call<U, F>(&self, work: impl FnOnce(Arc<T>) -> F) -> Result<U, Failed>
    where
        F: Future<Output = Result<U, Cause>>,
    {
        let slot = self.here();
        let mut used = None;
        let attempt = async {
            let opened = self.opened(&slot).await?;
            used = Some(Arc::clone(&opened));
            work(opened).await
        };
        let ended = tokio::time::timeout(self.timeout, attempt).await;
        if let (Some(used), Err(_) | Ok(Err(_))) = (used, &ended) {
            forget(&slot, &used);
        }
        match ended {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(cause)) => Err(Failed::Server(cause)),
            Err(_) => Err(Failed::Timeout),
        }
    }

    /// Has the next call make a new connection, where this one is used for longer than a call and was found not to work.
    pub(crate) fn forget(&self, used: &Arc<T>) {
        forget(&self.here(), used);
    }

    /// The place of the runtime that this runs on. Those of runtimes that have ended go when a new one comes.
    fn here(&self) -> Slot<T> {
        let id = Handle::current().id();
        let mut slots = self.slots.lock();
        if !slots.contains_key(&id) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || is_open(slot));
        }
        Arc::clone(slots.entry(id).or_default())
    }

    /// The connection of a place, made if there is none that works.
    async fn opened(&self, slot: &Slot<T>) -> Result<Arc<T>, Cause> {
        let mut kept = slot.lock().await;
        if let Some(opened) = kept.as_ref().filter(|opened| is_connected(&***opened)) {
            return Ok(Arc::clone(opened));
        }
        *kept = None;
        let made = Arc::new(self.connect().await?);
        Ok(Arc::clone(kept.insert(made)))
    }

    async fn connect(&self) -> Result<T, Cause> {
        let mut options = ConnectOptions::new()
            .name("weft")
            .connection_timeout(self.timeout)
            .request_timeout(None)
            .ping_interval(Duration::from_secs(10))
            // Each server once.
            .max_reconnects(self.servers.len())
            .tls_client_config(self.tls.clone());
        if let Some(server) = self.servers.first() {
            options = match (server.username(), server.password()) {
                (Some(name), Some(password)) => {
                    options.user_and_password(name.to_owned(), password.to_owned())
                }
                (Some(token), None) => options.token(token.to_owned()),
                (None, _) => options,
            };
        }
        let client = options.connect(&self.servers[..]).await?;
        T::open(client, &self.options).await
    }
}

/// Whether a connection is one.
pub(crate) fn is_connected(opened: &impl Opened) -> bool {
    opened.client().connection_state() == State::Connected
}

fn is_open<T: Opened>(slot: &Slot<T>) -> bool {
    // Whoever holds the lock is about to open one.
    slot.try_lock().map_or(true, |kept| {
        kept.as_ref().is_some_and(|opened| is_connected(&**opened))
    })
}

/// Leaves a connection to the calls that still use it. Where another has taken its place, or is about to, it is gone
/// already.
fn forget<T>(slot: &Slot<T>, used: &Arc<T>) {
    if let Ok(mut kept) = slot.try_lock()
        && kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, used))
    {
        *kept = None;
    }
}
