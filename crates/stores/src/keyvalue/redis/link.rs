//! How a server is connected to: plainly or with TLS, for calls or for what it tells by itself.

use std::io;
use std::sync::Arc;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisError};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Options, Unusable};
use crate::tls;

/// Where a server is, and all that it takes to connect to it.
#[derive(Clone)]
pub(super) struct Link {
    client: Client,
    tls: Option<Tls>,
}

/// How a server with TLS is spoken to.
#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    host: String,
    port: u16,
    /// What its certificate has to be for.
    name: ServerName<'static>,
}

impl Link {
    pub(super) fn new(address: &str, options: &Options) -> Result<Self, Unusable> {
        // What stands behind would make light of certificates, and is nothing here.
        let with_tls = address
            .strip_prefix("rediss://")
            .filter(|rest| !rest.contains('#'));
        let plain = with_tls.map_or_else(|| address.to_owned(), |rest| format!("redis://{rest}"));
        let client = Client::open(plain).map_err(|error| Unusable::Address(Some(error)))?;
        let tls = match (with_tls, client.get_connection_info().addr()) {
            (Some(_), ConnectionAddr::Tcp(host, port)) => Some(Tls::new(host, *port, options)?),
            _ => None,
        };
        Ok(Self { client, tls })
    }

    /// The server for messages, without name and password.
    pub(super) fn describe(&self) -> String {
        format!("Redis at {}", self.client.get_connection_info().addr())
    }

    /// Which of the server's databases is used.
    pub(super) fn database(&self) -> i64 {
        self.client.get_connection_info().redis_settings().db()
    }

    /// A connection for calls.
    pub(super) async fn connect(
        &self,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        let Some(tls) = &self.tls else {
            return self
                .client
                .get_multiplexed_async_connection_with_config(&config)
                .await;
        };
        let info = self.client.get_connection_info().redis_settings();
        let stream = tls.connect().await?;
        let (made, driver) = MultiplexedConnection::new_with_config(info, stream, config).await?;
        // It ends with the last user of the connection, and what goes wrong with it is what their calls report.
        tokio::spawn(driver);
        Ok(made)
    }

    /// A connection for what the server tells by itself.
    pub(super) async fn listen(&self) -> Result<PubSub, RedisError> {
        match &self.tls {
            Some(tls) => {
                let info = self.client.get_connection_info().redis_settings();
                PubSub::new(info, tls.connect().await?).await
            }
            None => self.client.get_async_pubsub().await,
        }
    }
}

impl Tls {
    fn new(host: &str, port: u16, options: &Options) -> Result<Self, Unusable> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Unusable::Address(None))?;
        let config = tls::client(options.authorities.as_deref())?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            host: host.to_owned(),
            port,
            name,
        })
    }

    async fn connect(&self) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        self.connector.connect(self.name.clone(), stream).await
    }
}
