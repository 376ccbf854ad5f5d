//! What was granted, in a few words for people.

use weft_app::Grants;
use weft_app::grant::{
    Access, ClockGrant, ConfigValue, DataAccess, GrantKind, LoggingGrant, Origin, RandomGrant, StdioGrant,
};
use weft_app::quantity::show_bytes;

/// Everything that is granted of one kind, each as a short text. Values of variables and of configuration are
/// left out: they may be secrets, and what is made of these texts is shown around.
pub(crate) fn granted(kind: GrantKind, grants: &Grants) -> Vec<String> {
    match kind {
        GrantKind::Directories => grants.directories.iter().map(directory).collect(),
        GrantKind::Environment => names(&grants.environment.variables),
        GrantKind::Config => grants.config.values.iter().map(config).collect(),
        GrantKind::KeyValue => grants.keyvalue.buckets.iter().map(bucket).collect(),
        GrantKind::BlobStore => grants.blobstore.containers.iter().map(container).collect(),
        GrantKind::Messaging => grants.messaging.clients.iter().map(client).collect(),
        GrantKind::Sql => grants.sql.databases.iter().map(database).collect(),
        GrantKind::Logging => logging(grants.logging),
        GrantKind::Network => network(grants),
        GrantKind::Http => grants.http.origins.iter().map(origin).collect(),
        GrantKind::Clock => clock(grants.clock),
        GrantKind::Random => random(grants.random),
        GrantKind::Stdio => stdio(grants.stdio),
    }
}

/// The same in one line.
pub(crate) fn line(kind: GrantKind, grants: &Grants) -> String {
    let all = granted(kind, grants);
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

fn names(values: &[(String, String)]) -> Vec<String> {
    values.iter().map(|(name, _)| name.clone()).collect()
}

fn config((key, value): &(String, ConfigValue)) -> String {
    match value {
        ConfigValue::Plain(_) => key.clone(),
        ConfigValue::Secret(_) => format!("{key} (secret)"),
    }
}

fn directory(grant: &weft_app::grant::DirectoryGrant) -> String {
    let access = match grant.access {
        Access::ReadOnly => "read",
        Access::ReadWrite => "read and write",
    };
    format!("{} as {} ({access})", grant.host.display(), grant.guest)
}

fn bucket(grant: &weft_app::grant::BucketGrant) -> String {
    let part = part(grant.access, "keys", &grant.prefix, grant.bytes_max);
    format!("{} in store {} ({part})", grant.name, grant.store.name)
}

fn container(grant: &weft_app::grant::ContainerGrant) -> String {
    let part = part(grant.access, "names", &grant.prefix, grant.bytes_max);
    format!("{} in blob store {} ({part})", grant.name, grant.store.name)
}

fn client(grant: &weft_app::grant::ClientGrant) -> String {
    let of = |what: &str, patterns: &[weft_app::subject::Pattern]| {
        let all: Vec<&str> = patterns.iter().map(weft_app::subject::Pattern::as_str).collect();
        (!all.is_empty()).then(|| format!("{what} {}", all.join(" ")))
    };
    let parts = [of("publish", &grant.publish), of("request", &grant.request)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!(
        "{} in queue {} ({})",
        grant.name,
        grant.queue.name,
        parts.join(", ")
    )
}

fn database(grant: &weft_app::grant::DatabaseGrant) -> String {
    let access: Vec<&str> = grant.access.words().collect();
    let mut part = access.join(", ");
    if let Some(tables) = &grant.tables {
        let table = |table: &weft_app::grant::TableGrant| {
            let mark = if table.is_read_only { ":ro" } else { "" };
            format!("{}{mark}", table.name)
        };
        let tables: Vec<String> = tables.iter().map(table).collect();
        part.push_str(&format!(", tables {}", tables.join(" ")));
    }
    format!("{} in database {} ({part})", grant.name, grant.database.name)
}

/// Which part of a store is granted.
fn part(access: DataAccess, what: &str, prefix: &str, bytes_max: Option<u64>) -> String {
    let mut text = access.words().collect::<Vec<_>>().join(", ");
    if !prefix.is_empty() {
        text.push_str(&format!(", {what} below {prefix}"));
    }
    if let Some(bytes) = bytes_max {
        text.push_str(&format!(", up to {}", show_bytes(bytes)));
    }
    text
}

fn logging(grant: LoggingGrant) -> Vec<String> {
    match grant {
        LoggingGrant::None => Vec::new(),
        LoggingGrant::From(level) => vec![format!("{level} and above")],
    }
}

fn network(grants: &Grants) -> Vec<String> {
    let network = &grants.network;
    let mut all = Vec::new();
    for (what, peers) in [
        ("tcp", &network.tcp_connect),
        ("tcp-listen", &network.tcp_listen),
        ("udp", &network.udp_connect),
        ("udp-listen", &network.udp_listen),
    ] {
        all.extend(peers.iter().map(|peer| format!("{what} {peer}")));
    }
    all.extend(network.names.iter().map(|name| format!("dns {name}")));
    all
}

fn origin(origin: &Origin) -> String {
    use weft_app::grant::PortPattern;
    let scheme = match origin.scheme {
        Some(scheme) => format!("{scheme}://"),
        None => String::new(),
    };
    let port = match origin.port {
        None => String::new(),
        Some(PortPattern::Any) => ":*".to_owned(),
        Some(PortPattern::Range(first, last)) if first == last => format!(":{first}"),
        Some(PortPattern::Range(first, last)) => format!(":{first}-{last}"),
    };
    format!("{scheme}{}{port}", origin.host)
}

fn clock(grant: ClockGrant) -> Vec<String> {
    match grant {
        ClockGrant::Real => vec!["real".to_owned()],
        ClockGrant::Fixed(_) => vec!["fixed".to_owned()],
        ClockGrant::None => Vec::new(),
    }
}

fn random(grant: RandomGrant) -> Vec<String> {
    match grant {
        RandomGrant::Real => vec!["real".to_owned()],
        RandomGrant::Fixed(_) => vec!["fixed".to_owned()],
        RandomGrant::None => Vec::new(),
    }
}

fn stdio(grant: StdioGrant) -> Vec<String> {
    let all = [(grant.input, "in"), (grant.output, "out"), (grant.error, "err")];
    all.iter()
        .filter(|(is_granted, _)| *is_granted)
        .map(|(_, name)| (*name).to_owned())
        .collect()
}
