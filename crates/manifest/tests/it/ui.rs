//! Golden files: `tests/ui/valid/*.toml` beside the `.app` that they describe, `tests/ui/invalid/*.toml` beside
//! the `.stderr` that they earn. `BLESS=1` rewrites what is expected.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use weft_app::cell::CellSettings;
use weft_app::trigger::http::{HttpLimits, Reuse, RouteTarget};
use weft_app::{App, Component, ComponentLimits, GrantOnUse, Grants, HttpTrigger, Limits, Trigger};
use weft_manifest::{Context, Diagnostic, Manifest, name_of_folder, parse};

pub(crate) fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui").join(kind)
}

/// The manifests of a folder, with their texts.
pub(crate) fn manifests(kind: &str) -> Vec<(PathBuf, String)> {
    let mut files: Vec<PathBuf> = fs_err::read_dir(folder(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text = fs_err::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

pub(crate) fn read(text: &str) -> Result<Manifest, Vec<Diagnostic>> {
    let context = Context {
        folder: PathBuf::from("/apps/shop"),
        default_name: name_of_folder("shop"),
        variable: &|name| match name {
            "HOME" => Some("/home/user".to_owned()),
            "API_KEY" | "PHOTOS_KEY" | "PHOTOS_KEY_ID" => Some("hush-hush".to_owned()),
            "CARTS_REDIS_URL" => Some("redis://:secret@127.0.0.1".to_owned()),
            "ORDERS_NATS_URL" => Some("nats://weft:secret@127.0.0.1".to_owned()),
            "ORDERS_DATABASE_URL" => Some("postgres://me:secret@127.0.0.1/orders".to_owned()),
            _ => None,
        },
        secret: &|path, _| match path.to_str() {
            Some("/apps/shop/secrets/api-key" | "/run/secrets/api-key") => Ok("hush-hush\n".to_owned()),
            _ => Err("there is no such file".to_owned()),
        },
    };
    parse(text, &context)
}

/// Compares with an expected file, or rewrites it.
pub(crate) fn expect(path: &Path, found: &str) -> Option<String> {
    if std::env::var_os("BLESS").is_some() {
        fs_err::write(path, found).unwrap();
        return None;
    }
    let expected = fs_err::read_to_string(path).unwrap_or_default();
    (expected != found).then(|| {
        format!(
            "--- {}: expected\n{expected}\n--- found\n{found}\n--- accept with: BLESS=1 cargo test -p weft-manifest\n",
            path.display()
        )
    })
}

fn render(diagnostics: &[Diagnostic], text: &str) -> String {
    let shown: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.render("weft.toml", text))
        .collect();
    shown.join("\n")
}

#[test]
fn a_valid_manifest_gives_its_app() {
    let cases = manifests("valid");
    assert!(cases.len() >= 12);
    let mut differences = String::new();
    for (path, text) in cases {
        let manifest = read(&text)
            .unwrap_or_else(|problems| panic!("{}:\n{}", path.display(), render(&problems, &text)));
        let found = show(&manifest.app) + &render(&manifest.warnings, &text);
        differences.extend(expect(&path.with_extension("app"), &found));
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn an_invalid_manifest_says_what_is_wrong_and_where() {
    let cases = manifests("invalid");
    assert!(cases.len() >= 35);
    let mut differences = String::new();
    for (path, text) in cases {
        let problems = read(&text)
            .err()
            .unwrap_or_else(|| panic!("{} is accepted", path.display()));
        differences.extend(expect(&path.with_extension("stderr"), &render(&problems, &text)));
    }
    assert!(differences.is_empty(), "{differences}");
}

/// An app as stable text: only what differs from the defaults.
fn show(app: &App) -> String {
    let App {
        name,
        components,
        triggers,
        limits,
    } = app;
    let mut out = format!("app {name}\n");
    if *limits != Limits::default() {
        let _ = writeln!(out, "limits {limits:#?}");
    }
    for component in components {
        show_component(&mut out, component);
    }
    for trigger in triggers {
        match trigger {
            Trigger::Http(http) => show_http(&mut out, http),
            command => {
                let _ = writeln!(out, "trigger {command:?}");
            }
        }
    }
    out
}

fn show_http(out: &mut String, http: &HttpTrigger) {
    let HttpTrigger {
        listeners,
        admin,
        routes,
        limits,
        access_log,
    } = http;
    let _ = writeln!(out, "trigger http, access log {access_log:?}");
    for listener in listeners {
        let _ = writeln!(out, "  listen {listener} {:?}", listener.tls);
    }
    if let Some(admin) = admin {
        let _ = writeln!(out, "  admin {admin}");
    }
    for route in routes {
        let target = match &route.target {
            RouteTarget::Component(name) => format!("component {name}"),
            RouteTarget::Files(folder) => format!("files {}", folder.display()),
        };
        let _ = writeln!(out, "  route {}: {route} -> {target}", route.name);
        if let Some(requests) = route.requests_max {
            let _ = writeln!(out, "    requests {requests}");
        }
        if let Some(timeout) = route.response_timeout {
            let _ = writeln!(out, "    response timeout {timeout:?}");
        }
    }
    if *limits != HttpLimits::default() {
        let _ = writeln!(out, "  limits {limits:#?}");
    }
}

fn show_component(out: &mut String, component: &Component) {
    let Component {
        name,
        source,
        grants,
        granted,
        grant_on_use,
        limits,
        cell,
        links,
        reuse,
        interruption,
    } = component;
    let _ = writeln!(out, "component {name}\n  source {source:?}");
    if *grant_on_use != GrantOnUse::Refuse {
        let _ = writeln!(out, "  grant on use {grant_on_use:?}");
    }
    if !granted.is_empty() {
        let _ = writeln!(out, "  granted {granted:?}");
    }
    let nothing = Grants::nothing();
    let Grants {
        directories,
        environment,
        network,
        http,
        clock,
        random,
        stdio,
        config,
        keyvalue,
        blobstore,
        messaging,
        sql,
        logging,
    } = grants;
    let mut line = |what: &str, is_given: bool, value: &dyn std::fmt::Debug| {
        if is_given {
            let _ = writeln!(out, "  {what} {value:?}");
        }
    };
    for directory in directories {
        line("directory", true, directory);
    }
    for variable in &environment.variables {
        line("variable", true, variable);
    }
    line("network", *network != nothing.network, network);
    line("http", *http != nothing.http, http);
    line("clock", *clock != nothing.clock, clock);
    line("random", *random != nothing.random, random);
    line("stdio", *stdio != nothing.stdio, stdio);
    line("config", *config != nothing.config, config);
    line("logging", *logging != nothing.logging, logging);
    for bucket in &keyvalue.buckets {
        line("bucket", true, bucket);
    }
    for container in &blobstore.containers {
        line("container", true, container);
    }
    for client in &messaging.clients {
        line("client", true, client);
    }
    for database in &sql.databases {
        line("database", true, database);
    }
    line("limits", *limits != ComponentLimits::default(), limits);
    for link in links {
        line("link", true, link);
    }
    line("cell", *cell != CellSettings::default(), cell);
    line("reuse", *reuse != Reuse::default(), reuse);
    line("interruption", interruption.is_some(), interruption);
}
