//! Watching a table: a trigger of the database, made when somebody watches for the first time, has the server tell of every
//! row that is written, by whatever program.
//!
//! The server tells those who listen at that moment; so after a connection was lost, everything counts as changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error as ServerError};

use super::connections::{Connections, Failed};
use super::{statements, tell};
use crate::keyvalue::Error;
use crate::keyvalue::watching::{Pending, Teller, hear_on};

/// How often it is looked whether the server is still there, and the table still the same with its trigger.
const LOOK: Duration = Duration::from_secs(5);

/// What hears of a table.
pub(super) struct Source {
    pub(super) connections: Arc<Connections>,
    pub(super) backend: Arc<str>,
    pub(super) timeout: Duration,
    pub(super) pending: Arc<Pending>,
}

/// A connection over which the server tells of a table.
pub(super) struct Line {
    client: Client,
    driver: JoinHandle<()>,
    /// The server's number for the table: one of the same name may take its place.
    table: u32,
}

/// Why a connection is of no use any more.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the connection was lost")]
    Connection,
    #[error("the table, or what tells of it, was removed or replaced")]
    Table,
}

impl Source {
    /// Begins to listen, and makes what tells where it is missing.
    pub(super) async fn begin(&self) -> Result<Line, Error> {
        match tokio::time::timeout(self.timeout, self.listen()).await {
            Ok(opened) => opened.map_err(|error| self.failed(Failed::Server(error))),
            Err(_) => Err(self.failed(Failed::Timeout)),
        }
    }

    fn failed(&self, failed: Failed) -> Error {
        tell(&self.backend, self.timeout, failed)
    }

    async fn listen(&self) -> Result<Line, ServerError> {
        let pending = Arc::clone(&self.pending);
        let heard = move |told: &str| match key(told) {
            Some(key) => pending.key(&key),
            None => pending.unknown(),
        };
        let (mut client, driver) = self.connections.listen(heard).await?;
        let table = self.connections.table();
        let (number, is_told) = statements::find_teller(&client, table).await?;
        if !is_told {
            let making = client.transaction().await?;
            making.batch_execute(statements::LOCK).await?;
            // Another may have made it while it was waited for the lock.
            if !statements::find_teller(&making, table).await?.1 {
                making.batch_execute(&statements::create_teller(table)).await?;
            }
            making.commit().await?;
        }
        client.batch_execute(&statements::listen(number)).await?;
        Ok(Line {
            client,
            driver,
            table: number,
        })
    }

    pub(super) async fn run(self, first: Line) {
        hear_on(&self, &self.pending, first).await;
    }

    /// Waits until the connection is of no use any more; why it is not.
    async fn watch(&self, mut line: Line) -> Error {
        loop {
            tokio::select! {
                _ = &mut line.driver => return self.lost(Lost::Connection),
                () = tokio::time::sleep(LOOK) => {}
            }
            let look = statements::find_teller(&line.client, self.connections.table());
            match tokio::time::timeout(self.timeout, look).await {
                Ok(Ok((table, true))) if table == line.table => {}
                Ok(Ok(_)) => return self.lost(Lost::Table),
                Ok(Err(error)) => return self.failed(Failed::Server(error)),
                Err(_) => return self.failed(Failed::Timeout),
            }
        }
    }

    fn lost(&self, lost: Lost) -> Error {
        Error::Backend {
            backend: Arc::clone(&self.backend),
            source: Arc::new(lost),
        }
    }
}

impl Teller for Source {
    type Line = Line;

    async fn open(&self) -> Result<Line, Error> {
        self.begin().await
    }

    async fn hear(&self, line: Line) -> Error {
        self.watch(line).await
    }
}

/// The key that the server has told of, as hexadecimal digits. None where it has told of no key.
fn key(told: &str) -> Option<String> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(16 * digit(high)? + digit(low)?).ok(),
        _ => None,
    };
    let bytes = told.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok().filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_key_is_read_from_its_digits() {
        assert_eq!(key("61c3bc00").as_deref(), Some("aü\0"));
        for told in ["", "6", "6g", "ff", "616"] {
            assert_eq!(key(told), None, "`{told}`");
        }
    }
}
