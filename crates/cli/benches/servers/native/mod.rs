//! The client libraries by themselves.

mod objects;

use std::time::Instant;

use anyhow::Result;
use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use weft_testing::s3::Server;

pub(crate) use objects::Does;
use objects::Objects;

/// What is asked in SQL.
pub(crate) const QUERY: &str = "select id, name from numbers where id = $1";

pub(crate) enum Native {
    Redis {
        connection: redis::aio::MultiplexedConnection,
        is_reading: bool,
    },
    Postgres {
        client: tokio_postgres::Client,
        statement: tokio_postgres::Statement,
        parameter: Parameter,
    },
    Nats {
        stream: Box<jetstream::stream::Stream>,
        subject: String,
    },
    Queue {
        context: Box<jetstream::Context>,
        subject: String,
    },
    Objects(Box<Objects>),
}

pub(crate) enum Parameter {
    Key(Vec<u8>),
    Number(i64),
}

impl Native {
    pub(crate) async fn redis(address: &str, is_reading: bool) -> Result<Self> {
        let client = redis::Client::open(address)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let _: () = redis::Cmd::set("key", super::VALUE)
            .query_async(&mut connection)
            .await?;
        Ok(Self::Redis {
            connection,
            is_reading,
        })
    }

    /// What a store asks for an entry.
    pub(crate) async fn postgres_get(address: &str) -> Result<Self> {
        let client = connect(address).await?;
        let get = "SELECT value, version FROM weft WHERE key = $1 AND value IS NOT NULL";
        let statement = client.prepare(get).await?;
        Ok(Self::Postgres {
            client,
            statement,
            parameter: Parameter::Key(b"key".to_vec()),
        })
    }

    pub(crate) async fn postgres_query(address: &str) -> Result<Self> {
        let client = connect(address).await?;
        client
            .batch_execute(
                "create table if not exists numbers (id int8 primary key, name text);
                 insert into numbers select i, 'number ' || i from generate_series(1, 1000) as i on conflict do nothing",
            )
            .await?;
        let statement = client.prepare(QUERY).await?;
        Ok(Self::Postgres {
            client,
            statement,
            parameter: Parameter::Number(7),
        })
    }

    pub(crate) async fn nats(address: &str) -> Result<Self> {
        let client = async_nats::connect(address).await?;
        let context = jetstream::new(client);
        let stream = Box::new(context.get_stream("KV_weft").await?);
        Ok(Self::Nats {
            stream,
            subject: "$KV.weft.key".to_owned(),
        })
    }

    /// Publishing to the stream of a queue, as the queue does. Somebody is to take the messages, so the server keeps them.
    pub(crate) async fn queue(address: &str, stream: &str) -> Result<Self> {
        let client = async_nats::connect(address).await?;
        let context = jetstream::new(client);
        let taker = pull::Config {
            durable_name: Some("taker".to_owned()),
            ..pull::Config::default()
        };
        context.get_stream(stream).await?.create_consumer(taker).await?;
        Ok(Self::Queue {
            context: Box::new(context),
            subject: format!("weft.{stream}.message.order.new"),
        })
    }

    pub(crate) async fn objects(server: &Server, does: Does, bytes: usize) -> Result<Self> {
        let objects = Objects::of(server, does, bytes).await?;
        Ok(Self::Objects(Box::new(objects)))
    }

    /// Asks so often, one question after the other: microseconds, of which half took less.
    pub(crate) async fn median(&mut self, times: usize) -> Result<f64> {
        let mut taken = Vec::with_capacity(times);
        for _ in 0..times {
            let begun = Instant::now();
            self.ask().await?;
            taken.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        taken.sort_by(f64::total_cmp);
        Ok(taken.get(times / 2).copied().unwrap_or(f64::NAN))
    }

    async fn ask(&mut self) -> Result<()> {
        match self {
            Self::Redis {
                connection,
                is_reading: true,
            } => {
                let found: Option<Vec<u8>> = redis::Cmd::get("key").query_async(connection).await?;
                anyhow::ensure!(found.is_some_and(|value| value.len() == super::VALUE.len()));
            }
            Self::Redis { connection, .. } => {
                let _: () = redis::Cmd::set("key", super::VALUE)
                    .query_async(connection)
                    .await?;
            }
            Self::Postgres {
                client,
                statement,
                parameter,
            } => {
                let rows = match parameter {
                    Parameter::Key(key) => client.query(statement, &[key]).await?,
                    Parameter::Number(number) => client.query(statement, &[number]).await?,
                };
                anyhow::ensure!(rows.len() == 1);
            }
            Self::Nats { stream, subject } => {
                stream.get_last_raw_message_by_subject(subject).await?;
            }
            Self::Queue { context, subject } => {
                let published = context.publish(subject.clone(), super::VALUE.into()).await?;
                published.await?;
            }
            Self::Objects(objects) => objects.ask().await?,
        }
        Ok(())
    }
}

async fn connect(address: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
