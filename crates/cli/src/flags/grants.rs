//! What a program may use.

use std::path::{Path, PathBuf};

use weft_app::Grants;
use weft_app::grant::{
    Access, AddressBlock, BlobStoreGrant, BucketGrant, ClockGrant, ConfigGrant, ConfigValue, ContainerGrant,
    DatabaseGrant, DirectoryGrant, EnvironmentGrant, HostPattern, HttpGrant, KeyValueGrant, LoggingGrant,
    MessagingGrant, NetworkGrant, Origin, Peer, RandomGrant, SqlGrant, StdioGrant,
};

use crate::report::Report;
use crate::settings;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Grants")]
pub(crate) struct GrantArguments {
    /// Let the program see a directory: `HOST[::GUEST][:rw]`. Read-only unless it ends in `:rw`.
    #[arg(long = "dir", value_name = "HOST[::GUEST][:rw]")]
    directories: Vec<DirectoryGrant>,

    /// Set an environment variable of the program; `NAME` alone copies the value it has here.
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    environment: Vec<String>,

    /// Let the program open TCP connections to a host, and look its name up.
    #[arg(long, value_name = "HOST[:PORT]")]
    tcp: Vec<Peer>,

    /// Let the program accept TCP connections on a local address.
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    tcp_listen: Vec<Peer>,

    /// Let the program exchange datagrams with a host, and look its name up.
    #[arg(long, value_name = "HOST[:PORT]")]
    udp: Vec<Peer>,

    /// Let the program receive datagrams on a local address.
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    udp_listen: Vec<Peer>,

    /// Let the program look up a name.
    #[arg(long, value_name = "NAME")]
    dns: Vec<HostPattern>,

    /// Let the program send HTTP requests to an origin, such as `https://example.com` or `http://127.0.0.1:8080`.
    #[arg(long, value_name = "ORIGIN")]
    http: Vec<Origin>,

    /// Private addresses that the names of granted origins may lead to.
    #[arg(long, value_name = "CIDR")]
    http_private: Vec<AddressBlock>,

    /// What the clocks show: `real`, `fixed[:SECONDS]` (repeatable, waiting takes no time) or `none`.
    #[arg(long, value_name = "CLOCK", default_value = "real")]
    clock: ClockGrant,

    /// Where random numbers come from: `real`, `fixed[:SEED]` (repeatable) or `none`.
    #[arg(long, value_name = "RANDOM", default_value = "real")]
    random: RandomGrant,

    /// Standard streams the program reaches: `all`, `none`, or a list of `in`, `out` and `err`.
    #[arg(long, value_name = "STREAMS", default_value = "all")]
    stdio: StdioGrant,

    /// Set a configuration value that the program reads through `wasi:config`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_config)]
    config: Vec<(String, String)>,

    /// Set a configuration value that is shown nowhere: what a variable of this process or a file holds.
    #[arg(long = "secret", value_name = "KEY=variable:NAME|file:PATH")]
    secrets: Vec<String>,

    /// Let the program open a bucket of `wasi:keyvalue`, kept in a folder, in `memory`, or on a server:
    /// `redis://HOST`, `postgres://HOST/DATABASE` or `nats://HOST`. `:ro` behind the name keeps it from changing anything.
    #[arg(long, value_name = "NAME[:ro]=WHERE")]
    keyvalue: Vec<BucketGrant>,

    /// Let the program open a container of `wasi:blobstore`, kept in a folder or in `memory`. `:ro` behind the name
    /// keeps it from changing anything.
    #[arg(long, value_name = "NAME[:ro]=WHERE")]
    blobstore: Vec<ContainerGrant>,

    /// Let the program open a database of SQLite, kept in a folder or in `memory`, or one of PostgreSQL at
    /// `postgres://HOST/DATABASE`. `:ro` behind the name keeps it from changing anything.
    #[arg(long, value_name = "NAME[:ro]=WHERE")]
    sql: Vec<DatabaseGrant>,

    /// The least level of `wasi:logging` that is written to standard error: `trace`, `debug`, `info`, `warn`, `error`
    /// or `critical`; `none` writes nothing.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    logging: LoggingGrant,

    /// Give the program every environment variable of this process, secrets included.
    #[arg(long)]
    dangerously_inherit_env: bool,

    /// Give the program the whole network, this machine's own services included.
    #[arg(long)]
    dangerously_inherit_network: bool,

    /// Give the program everything you may do yourself: all files, all variables, the whole network.
    #[arg(long)]
    dangerously_inherit_all: bool,

    /// Run an artifact that was compiled elsewhere: trust it as you trust a native program.
    #[arg(long)]
    pub(crate) dangerously_trust_artifact: bool,
}

impl GrantArguments {
    pub(crate) fn grants(&self) -> Result<Grants, Report> {
        let mut grants = Grants {
            directories: self.directories.clone(),
            environment: self.environment()?,
            network: self.network(),
            http: HttpGrant {
                origins: self.http.clone(),
                private: self.http_private.clone(),
            },
            clock: self.clock,
            random: self.random,
            stdio: self.stdio,
            config: self.config()?,
            keyvalue: self.keyvalue()?,
            blobstore: self.blobstore()?,
            // A queue is for those who take what another has published, and so for apps.
            messaging: MessagingGrant::default(),
            sql: self.sql()?,
            logging: self.logging,
        };
        if self.dangerously_inherit_network || self.dangerously_inherit_all {
            let everywhere = ["0.0.0.0/0", "::/0"];
            grants.http.origins.push(Origin::any());
            grants.http.private.extend(
                everywhere
                    .iter()
                    .filter_map(|block| block.parse::<AddressBlock>().ok()),
            );
        }
        if self.dangerously_inherit_all {
            grants.directories.push(DirectoryGrant {
                host: PathBuf::from("/"),
                guest: "/".to_owned(),
                access: Access::ReadWrite,
            });
        }
        Ok(grants)
    }

    fn environment(&self) -> Result<EnvironmentGrant, Report> {
        let mut environment = EnvironmentGrant::default();
        if self.dangerously_inherit_env || self.dangerously_inherit_all {
            environment.variables.extend(settings::variables());
        }
        for text in &self.environment {
            match text.split_once('=') {
                Some(("", _)) => {
                    return Err(Report::usage(format!(
                        "`--env {text}` has no name before the `=`"
                    )));
                }
                Some((name, value)) => environment.set(name, value),
                None => {
                    let value = settings::variable(text).ok_or_else(|| {
                        Report::usage(format!("`--env {text}`: there is no such variable here"))
                            .hint(format!("give it a value: `--env {text}=VALUE`"))
                    })?;
                    let value = value.into_string().map_err(|_| {
                        Report::usage(format!("`--env {text}`: its value here is not valid UTF-8"))
                    })?;
                    environment.set(text, &value);
                }
            }
        }
        Ok(environment)
    }

    fn config(&self) -> Result<ConfigGrant, Report> {
        let mut config = ConfigGrant::default();
        for (key, value) in &self.config {
            if config.values.iter().any(|(known, _)| known == key) {
                return Err(Report::usage(format!("`--config {key}=…` is given twice")));
            }
            config
                .values
                .push((key.clone(), ConfigValue::Plain(value.clone())));
        }
        for text in &self.secrets {
            let (key, value) = secret(text)?;
            if config.values.iter().any(|(known, _)| known == key) {
                return Err(Report::usage(format!(
                    "`{key}` is given twice, by `--secret` or `--config`"
                )));
            }
            config.values.push((key.to_owned(), ConfigValue::Secret(value)));
        }
        Ok(config)
    }

    fn keyvalue(&self) -> Result<KeyValueGrant, Report> {
        let mut grant = KeyValueGrant::default();
        for bucket in &self.keyvalue {
            if grant.buckets.iter().any(|known| known.name == bucket.name) {
                return Err(Report::usage(format!(
                    "`--keyvalue {}=…` is given twice",
                    bucket.name
                )));
            }
            grant.buckets.push(bucket.clone());
        }
        Ok(grant)
    }

    fn blobstore(&self) -> Result<BlobStoreGrant, Report> {
        let mut grant = BlobStoreGrant::default();
        for container in &self.blobstore {
            if grant.containers.iter().any(|known| known.name == container.name) {
                return Err(Report::usage(format!(
                    "`--blobstore {}=…` is given twice",
                    container.name
                )));
            }
            grant.containers.push(container.clone());
        }
        Ok(grant)
    }

    fn sql(&self) -> Result<SqlGrant, Report> {
        let mut grant = SqlGrant::default();
        for database in &self.sql {
            if grant.databases.iter().any(|known| known.name == database.name) {
                return Err(Report::usage(format!(
                    "`--sql {}=…` is given twice",
                    database.name
                )));
            }
            grant.databases.push(database.clone());
        }
        Ok(grant)
    }

    fn network(&self) -> NetworkGrant {
        if self.dangerously_inherit_network || self.dangerously_inherit_all {
            return NetworkGrant::unrestricted();
        }
        NetworkGrant {
            tcp_connect: self.tcp.clone(),
            tcp_listen: self.tcp_listen.clone(),
            udp_connect: self.udp.clone(),
            udp_listen: self.udp_listen.clone(),
            names: self.dns.clone(),
        }
    }
}

/// A key and its secret. What cannot be understood may be the secret itself, so it is not shown.
fn secret(text: &str) -> Result<(&str, String), Report> {
    let (key, place) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| {
            Report::usage("`--secret` has no key, expected `KEY=variable:NAME` or `KEY=file:PATH`")
        })?;
    let value = match place.split_once(':') {
        Some(("variable", name)) => {
            let value = settings::variable(name).ok_or_else(|| {
                Report::usage(format!("there is no variable `{name}` here that holds a secret"))
            })?;
            value.into_string().map_err(|_| {
                Report::usage(format!("the secret in the variable `{name}` is not UTF-8 text"))
            })?
        }
        Some(("file", path)) => weft_node::read_secret(Path::new(path))
            .map_err(|why| Report::usage(format!("the secret in `{path}` cannot be read: {why}")))?,
        _ => {
            let message = format!("`--secret {key}=…` does not say where the secret is");
            return Err(Report::usage(message).hint(
                "write `KEY=variable:NAME` or `KEY=file:PATH`: whoever lists processes sees arguments",
            ));
        }
    };
    Ok((key, value))
}

fn parse_config(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not `KEY=VALUE`")),
    }
}
