//! What stores and queues on NATS servers have in common: addresses, connections, and streams.

pub(crate) mod connections;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::{ContextBuilder, CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, ServerAddr};

use self::connections::Failed;
use crate::keyvalue::Error;

/// Why something went wrong.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The servers at `nats://[NAME:PASSWORD@|TOKEN@]HOST[:PORT]` or `tls://`, with commas between; none where one is no
/// address.
pub(crate) fn servers(address: &str) -> Option<Vec<ServerAddr>> {
    address.split(',').map(server).collect()
}

fn server(address: &str) -> Option<ServerAddr> {
    let is_known = ["nats://", "tls://"]
        .iter()
        .any(|scheme| address.starts_with(scheme));
    let server: ServerAddr = address.parse().ok().filter(|_| is_known)?;
    (!server.host().is_empty()).then_some(server)
}

/// The servers for messages, without names and passwords.
pub(crate) fn describe(servers: &[ServerAddr]) -> Arc<str> {
    let place = |server: &ServerAddr| format!("{}:{}", server.host(), server.port());
    let places: Vec<String> = servers.iter().map(place).collect();
    format!("NATS at {}", places.join(", ")).into()
}

/// Whether a bucket or a stream can have this name.
pub(crate) fn is_name(name: &str, bytes_max: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=bytes_max).contains(&name.len()) && name.bytes().all(is_plain)
}

/// JetStream over a connection, for calls that are given so long.
pub(crate) fn jetstream(client: &Client, timeout: Duration) -> Context {
    ContextBuilder::new()
        // Whoever calls gives up before.
        .timeout(timeout * 2)
        .build(client.clone())
}

/// A stream, made if it is missing. One that is there stays as it is.
pub(crate) async fn stream(jetstream: &Context, wanted: Config) -> Result<Stream, Cause> {
    let name = wanted.name.clone();
    match jetstream.get_stream(&name).await {
        Ok(stream) => return Ok(stream),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(told) if told.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
            _ => return Err(error.into()),
        },
    }
    match jetstream.create_stream(wanted).await {
        Ok(stream) => Ok(stream),
        Err(error) => match error.kind() {
            // Another was faster, and wants it in another way.
            CreateStreamErrorKind::JetStream(told) if told.error_code() == ErrorCode::STREAM_NAME_EXIST => {
                Ok(jetstream.get_stream(&name).await?)
            }
            _ => Err(error.into()),
        },
    }
}

impl Failed {
    /// The same, for whoever called.
    pub(crate) fn tell(self, backend: &Arc<str>, timeout: Duration) -> Error {
        let backend = Arc::clone(backend);
        match self {
            Self::Timeout => Error::Timeout {
                backend,
                waited: timeout,
            },
            Self::Server(cause) => Error::Backend {
                backend,
                source: Arc::from(cause),
            },
        }
    }
}
