//! How a program is served.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use weft_app::Limits;
use weft_app::quantity::{parse_bytes, parse_duration};
use weft_app::trigger::http::{
    AccessLog, HttpLimits, ListenAddress, Listener, ProxyProtocol, Reuse, TlsFiles,
};

use crate::report::Report;

/// Flags about connections and requests.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Serving")]
pub(crate) struct ServingArguments {
    /// Where to listen: `ADDRESS:PORT` (port 0: any that is free) or `unix:PATH`. Can be given several times.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    addr: Vec<ListenAddress>,

    /// Encrypt connections with this certificate (PEM, with those that vouch for it). It is read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// Every connection begins with the header by which a load balancer names the client (PROXY protocol).
    #[arg(long)]
    proxy_protocol: bool,

    /// Where to show health (`/livez`), readiness (`/readyz`) and numbers (`/metrics`).
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<ListenAddress>,

    /// What is written to standard output about every request.
    #[arg(long, value_name = "FORM", default_value = "off")]
    access_log: LogForm,

    /// Threads that serve; one for each processor unless given.
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,

    /// Requests that one instance answers, one after the other. With more than one, a request can see what others
    /// left behind.
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    reuse: u32,

    /// How long an instance that may be used again is kept without a request.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    reuse_idle: Duration,

    /// Tell clients in full what went wrong. For whoever develops the program, never for strangers.
    #[arg(long)]
    dev: bool,

    /// Requests worked on at a time.
    #[arg(long, value_name = "COUNT", default_value = "1024", value_parser = parse_count)]
    requests: usize,

    /// Requests that wait for their turn; whoever comes then is refused (503).
    #[arg(long, value_name = "COUNT", default_value = "1024")]
    queue: usize,

    /// How long a request waits for its turn before it is refused (503).
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    queue_timeout: Duration,

    /// Connections open at a time; more wait to be accepted.
    #[arg(long, value_name = "COUNT", default_value = "16384", value_parser = parse_count)]
    connections: usize,

    /// Size of a request's first line and headers (431).
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = parse_bytes)]
    head_size: u64,

    /// Size of a request's body (413); bodies are streamed, and unbounded unless given.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    body_size: Option<u64>,

    /// How long a client may take for a request's headers (408).
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    head_timeout: Duration,

    /// How long a body may stand still, in either direction.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    body_timeout: Duration,

    /// How long a connection is kept without a request.
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = parse_duration)]
    idle_timeout: Duration,

    /// How long the program may take until its response begins (504).
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    response_timeout: Duration,

    /// How long a request may take from its headers to the last byte of its response.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    total_timeout: Duration,

    /// How long requests may go on after the server was asked to end.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    grace: Duration,
}

/// What one instance may spend.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits of an instance")]
pub(crate) struct InstanceLimitArguments {
    /// Memory of one instance, all its memories together.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_bytes)]
    memory: u64,

    /// Elements of one instance's tables, all together.
    #[arg(long, value_name = "COUNT", default_value = "100000")]
    tables: u64,

    /// Files, sockets, streams and other things that one instance has open at a time.
    #[arg(long, value_name = "COUNT", default_value = "4096")]
    handles: usize,

    /// Bytes that one instance writes to standard output and standard error together.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_bytes)]
    output_bytes: u64,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogForm {
    Off,
    Common,
    Json,
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("`{text}` is not a whole number above zero")),
    }
}

impl ServingArguments {
    /// Where to listen, and how connections begin.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        let tls = self.tls_certificate.as_ref().zip(self.tls_key.as_ref());
        let tls = tls.map(|(certificate, key)| TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        });
        let listener = |address: &ListenAddress| Listener {
            address: address.clone(),
            tls: tls.clone(),
            proxy_protocol: if self.proxy_protocol {
                ProxyProtocol::Required
            } else {
                ProxyProtocol::Off
            },
        };
        self.addr.iter().map(listener).collect()
    }

    pub(crate) fn admin(&self) -> Option<ListenAddress> {
        self.admin.clone()
    }

    pub(crate) fn access_log(&self) -> AccessLog {
        match self.access_log {
            LogForm::Off => AccessLog::Off,
            LogForm::Common => AccessLog::Common,
            LogForm::Json => AccessLog::Json,
        }
    }

    pub(crate) fn threads(&self) -> Option<NonZeroUsize> {
        self.threads
    }

    pub(crate) fn is_dev(&self) -> bool {
        self.dev
    }

    pub(crate) fn reuse(&self) -> Reuse {
        Reuse {
            requests_max: self.reuse,
            concurrent_max: 1,
            idle_timeout: self.reuse_idle,
        }
    }

    /// # Errors
    /// When a size is larger than this machine can address.
    pub(crate) fn limits(&self) -> Result<HttpLimits, Report> {
        let head_bytes_max = usize::try_from(self.head_size)
            .map_err(|error| Report::usage("`--head-size` is too large").caused_by(error))?;
        Ok(HttpLimits {
            connections_max: self.connections,
            requests_max: self.requests,
            queue_max: self.queue,
            queue_timeout: self.queue_timeout,
            head_bytes_max,
            body_bytes_max: self.body_size,
            head_timeout: self.head_timeout,
            body_timeout: self.body_timeout,
            idle_timeout: self.idle_timeout,
            response_timeout: self.response_timeout,
            total_timeout: self.total_timeout,
            grace: self.grace,
            ..HttpLimits::default()
        })
    }
}

impl InstanceLimitArguments {
    /// What one instance may spend. Its time is bounded by that of requests.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            memory_bytes_max: Some(self.memory),
            table_elements_max: Some(self.tables),
            wall_time_max: None,
            cpu_time_max: None,
            fuel_max: None,
            handles_max: self.handles,
            output_bytes_max: Some(self.output_bytes),
            ..Limits::default()
        }
    }
}
