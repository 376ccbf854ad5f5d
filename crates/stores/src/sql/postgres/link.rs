//! A connection to a server, and what is known there of one component.

use std::num::NonZeroUsize;

use lru::LruCache;
use tokio::runtime::{Handle, Id};
use tokio_postgres::{Client, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Shared;

/// Statements that a connection keeps read.
const STATEMENTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// Undoes whatever a component has set, begun, locked or listened to. Statements stay prepared: they are its own.
const RESET: &str = "ROLLBACK; CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
                     SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

pub(super) struct Link {
    pub(super) client: Client,
    statements: LruCache<String, Statement>,
    /// A connection belongs to the runtime that made it: its task stands still with that runtime.
    pub(super) runtime: Id,
}

impl Link {
    pub(super) async fn open(shared: &Shared) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = shared.config.connect(shared.tls.clone()).await?;
        // It ends with the client, and what goes wrong with it is what calls report.
        tokio::spawn(connection);
        Ok(Self {
            client,
            statements: LruCache::new(STATEMENTS),
            runtime: Handle::current().id(),
        })
    }

    /// Has the server read a statement, unless it did so before.
    pub(super) async fn prepare(&mut self, text: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(known) = self.statements.get(text) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(text).await?;
        self.statements.put(text.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Forgets a statement, which the server may see otherwise by now.
    pub(super) fn forget(&mut self, text: &str) {
        self.statements.pop(text);
    }

    /// Makes it as it was when it was opened. Says whether that went well.
    pub(super) async fn reset(&self) -> bool {
        self.client.batch_execute(RESET).await.is_ok()
    }

    /// Has the server stop what nobody waits for.
    pub(super) fn cancel(self, tls: &MakeRustlsConnect) {
        let token = self.client.cancel_token();
        let tls = tls.clone();
        // Without a runtime there is nobody to tell the server, which ends the statement when its time is over.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let cancelled = token.cancel_query(tls).await;
                if let Err(error) = cancelled {
                    tracing::debug!(%error, "a statement could not be cancelled");
                }
            });
        }
    }
}
