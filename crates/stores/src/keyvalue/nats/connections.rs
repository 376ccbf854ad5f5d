//! Connections to a server: one for each runtime, made when a call needs it and made anew when it is lost.
//!
//! The client would wait for a lost server and then send what nobody waits for any more. So it is told to try once,
//! and is then replaced.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{ConnectOptions, ServerAddr};
use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};

use super::Options;
use super::bucket::{Bucket, Cause};

/// How a call ended without an answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// It took too long.
    Timeout,
    /// The server refused, or is away.
    Server(Cause),
}

/// The place of one connection.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Bucket>>>>;

/// All connections of a store.
pub(super) struct Connections {
    servers: Vec<ServerAddr>,
    tls: rustls::ClientConfig,
    options: Options,
    slots: Mutex<HashMap<Id, Slot>>,
}

impl Connections {
    /// None yet.
    pub(super) fn new(servers: Vec<ServerAddr>, tls: rustls::ClientConfig, options: Options) -> Self {
        Self {
            servers,
            tls,
            options,
            slots: Mutex::default(),
        }
    }

    /// Does something over a connection, within the timeout. After a failure of any kind the next call has a new
    /// connection: what is known of the bucket, which may be another one by now, may be why.
    pub(super) async fn call<T, F>(&self, work: impl FnOnce(Arc<Bucket>) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Cause>>,
    {
        let slot = self.here();
        let mut used = None;
        let attempt = async {
            let bucket = self.bucket(&slot).await?;
            used = Some(Arc::clone(&bucket));
            work(bucket).await
        };
        let ended = tokio::time::timeout(self.options.timeout, attempt).await;
        if let (Some(used), Err(_) | Ok(Err(_))) = (used, &ended)
            && let Ok(mut kept) = slot.try_lock()
            && kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &used))
        {
            *kept = None;
        }
        match ended {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(cause)) => Err(Failed::Server(cause)),
            Err(_) => Err(Failed::Timeout),
        }
    }

    /// The place of the runtime that this runs on. Those of runtimes that have ended go when a new one comes.
    fn here(&self) -> Slot {
        let id = Handle::current().id();
        let mut slots = self.slots.lock();
        if !slots.contains_key(&id) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || is_open(slot));
        }
        Arc::clone(slots.entry(id).or_default())
    }

    /// The connection of a place, made if there is none that works.
    async fn bucket(&self, slot: &Slot) -> Result<Arc<Bucket>, Cause> {
        let mut kept = slot.lock().await;
        if let Some(bucket) = kept.as_ref().filter(|bucket| is_connected(bucket)) {
            return Ok(Arc::clone(bucket));
        }
        *kept = None;
        let made = Arc::new(self.connect().await?);
        Ok(Arc::clone(kept.insert(made)))
    }

    async fn connect(&self) -> Result<Bucket, Cause> {
        let timeout = self.options.timeout;
        let mut options = ConnectOptions::new()
            .name("weft")
            .connection_timeout(timeout)
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
        Bucket::open(client, &self.options).await
    }
}

fn is_connected(bucket: &Bucket) -> bool {
    bucket.client.connection_state() == State::Connected
}

fn is_open(slot: &Slot) -> bool {
    // Whoever holds the lock is about to open one.
    slot.try_lock().map_or(true, |kept| {
        kept.as_ref().is_some_and(|bucket| is_connected(bucket))
    })
}
