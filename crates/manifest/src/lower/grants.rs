//! What a component may use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use weft_app::Grants;
use weft_app::grant::{
    ConfigGrant, ConfigValue, DirectoryGrant, EnvironmentGrant, GrantKind, HttpGrant, NetworkGrant,
};

use super::values::{self, Text};
use super::{Lowering, refused};
use crate::bounds::{ENTRIES_MAX, SECRET_BYTES_MAX};
use crate::diagnostic::quote;
use crate::document::{Table, Value};
use crate::problems::Problem;
use crate::schema;

impl Lowering<'_> {
    /// What is granted, and which kinds of grants the manifest speaks of.
    pub(super) fn grants(&mut self, component: &Table) -> (Grants, BTreeSet<GrantKind>) {
        let nothing = Grants::nothing();
        let Some(table) = values::table(component, "grants") else {
            return (nothing, BTreeSet::new());
        };
        let granted = table
            .entries()
            .iter()
            .filter_map(|entry| schema::grant_kind(&entry.key))
            .collect();
        let grants = Grants {
            directories: self.directories(table),
            environment: self.environment(table),
            network: NetworkGrant {
                tcp_connect: self.all(table, "tcp"),
                tcp_listen: self.all(table, "tcp-listen"),
                udp_connect: self.all(table, "udp"),
                udp_listen: self.all(table, "udp-listen"),
                names: self.all(table, "dns"),
            },
            http: self.http(table),
            clock: self.one(table, "clock").unwrap_or(nothing.clock),
            random: self.one(table, "random").unwrap_or(nothing.random),
            stdio: self.stdio(table).unwrap_or(nothing.stdio),
            config: self.config(table),
            keyvalue: self.keyvalue(table),
            blobstore: self.blobstore(table),
            messaging: self.messaging(table),
            sql: self.sql(table),
            logging: self.one(table, "logging").unwrap_or(nothing.logging),
        };
        (grants, granted)
    }

    /// Every text under a key, read.
    fn all<T: FromStr<Err: Display>>(&mut self, table: &Table, key: &str) -> Vec<T> {
        let texts = values::texts(table, key);
        texts
            .into_iter()
            .filter_map(|text| self.read_grant(text, key))
            .collect()
    }

    fn one<T: FromStr<Err: Display>>(&mut self, table: &Table, key: &str) -> Option<T> {
        let text = values::text(table, key)?;
        self.read_grant(text, key)
    }

    fn read_grant<T: FromStr<Err: Display>>(&mut self, (text, span): Text<'_>, key: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let problem = refused(error, span).hint_maybe(grant_hint(key, text));
                self.problems.push_unless_told(problem);
                None
            }
        }
    }

    fn directories(&mut self, table: &Table) -> Vec<DirectoryGrant> {
        let mut directories: Vec<DirectoryGrant> = Vec::new();
        let mut first_at: BTreeMap<String, Range<usize>> = BTreeMap::new();
        for (text, span) in values::texts(table, "dir") {
            let Some(mut grant) = self.read_grant::<DirectoryGrant>((text, span), "dir") else {
                continue;
            };
            if text.contains('\0') {
                self.problems
                    .push(Problem::error("a path that holds a zero byte").at(span));
            }
            self.warn_of_single_colon(text, &grant, span);
            if let Some(first) = first_at.insert(grant.guest.clone(), span.clone()) {
                let message = format!("two directories are {} to the component", quote(&grant.guest));
                self.problems
                    .push(Problem::error(message).at(span).note("the first of them", &first));
            }
            grant.host = self.context.folder.join(&grant.host);
            directories.push(grant);
        }
        directories
    }

    /// Other tools divide host and guest by one colon; here that is part of a path.
    fn warn_of_single_colon(&mut self, text: &str, grant: &DirectoryGrant, span: &Range<usize>) {
        if let Some((host, guest)) = grant.guest.split_once(':')
            && !text.contains("::")
            && guest.starts_with('/')
        {
            let access = if text.ends_with(":rw") { ":rw" } else { "" };
            let message = format!("{} is one path: host and guest are divided by `::`", quote(text));
            self.problems.push(
                Problem::warning(message)
                    .at(span)
                    .hint(format!("write {}", quote(&format!("{host}::{guest}{access}")))),
            );
        }
    }

    fn environment(&mut self, table: &Table) -> EnvironmentGrant {
        let mut environment = EnvironmentGrant::default();
        let mut first_at: BTreeMap<String, Range<usize>> = BTreeMap::new();
        if let Some(variables) = values::table(table, "env") {
            for ((name, name_span), (value, span)) in values::pairs(variables) {
                self.check_variable((name, name_span), (value, span));
                environment.set(name, value);
            }
            return environment;
        }
        for (text, span) in values::texts(table, "env") {
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text, self.variable_of_process(text, span)),
            };
            self.check_variable((name, span), (value.as_deref().unwrap_or_default(), span));
            if let Some(first) = first_at.insert(name.to_owned(), span.clone()) {
                let message = format!("variable {} is given twice", quote(name));
                self.problems
                    .push(Problem::error(message).at(span).note("first given here", &first));
            }
            if let Some(value) = value {
                environment.set(name, &value);
            }
        }
        environment
    }

    fn variable_of_process(&mut self, name: &str, span: &Range<usize>) -> Option<String> {
        if name.is_empty() || name.contains('\0') {
            // `check_variable` tells of it.
            return None;
        }
        let value = (self.context.variable)(name);
        if value.is_none() {
            let message = format!("there is no variable {} here to copy", quote(name));
            self.problems.push(
                Problem::error(message)
                    .at(span)
                    .hint(format!("give it a value: {}", quote(&format!("{name}=VALUE")))),
            );
        }
        value
    }

    fn check_variable(&mut self, (name, name_span): Text<'_>, (value, span): Text<'_>) {
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("{} is not the name of a variable", quote(name));
            self.problems.push(Problem::error(message).at(name_span));
        } else if value.contains('\0') {
            self.problems
                .push(Problem::error("a value that holds a zero byte").at(span));
        }
    }

    fn http(&mut self, table: &Table) -> HttpGrant {
        if let Some(private) = table.get("http-private")
            && table.get("http").is_none()
        {
            self.problems.push(
                Problem::warning("`http-private` has no effect without `http`")
                    .at(&private.key_span)
                    .hint("it says where the names of granted origins may lead; `http` grants origins"),
            );
        }
        HttpGrant {
            origins: self.all(table, "http"),
            private: self.all(table, "http-private"),
        }
    }

    /// `"out,err"`, or `["out", "err"]`.
    fn stdio(&mut self, table: &Table) -> Option<weft_app::grant::StdioGrant> {
        let node = table.node("stdio")?;
        if !matches!(node.value, Value::List(_)) {
            return self.one(table, "stdio");
        }
        let words: Vec<&str> = values::texts(table, "stdio")
            .into_iter()
            .map(|(word, _)| word)
            .collect();
        let known = ["in", "out", "err"];
        match words.as_slice() {
            [] => Some(weft_app::grant::StdioGrant::NONE),
            // Other words were told of by `crate::check`.
            words if words.iter().all(|word| known.contains(word)) => {
                self.read_grant((&words.join(","), &node.span), "stdio")
            }
            _ => None,
        }
    }

    fn config(&mut self, table: &Table) -> ConfigGrant {
        let Some(table) = values::table(table, "config") else {
            return ConfigGrant::default();
        };
        let mut config = ConfigGrant::default();
        for entry in table.entries().iter().take(ENTRIES_MAX) {
            let value = match &entry.node.value {
                Value::Text(text) => Some(ConfigValue::Plain(text.clone())),
                Value::Table(secret) => self.secret(&entry.key, secret, &entry.key_span),
                // `crate::check` tells of it.
                _ => None,
            };
            config
                .values
                .extend(value.map(|value| (entry.key.clone(), value)));
        }
        config
    }

    /// Reads a secret. What is wrong is told without it.
    fn secret(&mut self, key: &str, table: &Table, span: &Range<usize>) -> Option<ConfigValue> {
        let problem = match (values::text(table, "variable"), values::text(table, "file")) {
            (Some((name, span)), None) => match (self.context.variable)(name) {
                Some(value) => return Some(ConfigValue::Secret(value)),
                None => {
                    let message = format!("there is no variable {} here that holds a secret", quote(name));
                    Problem::error(message)
                        .at(span)
                        .hint("set it where weft is started, or say `file = \"PATH\"`")
                }
            },
            (None, Some((path, span))) => {
                let file = self.context.folder.join(path);
                match (self.context.secret)(&file, SECRET_BYTES_MAX) {
                    Ok(text) => return Some(ConfigValue::Secret(secret_in(&text).to_owned())),
                    Err(why) => {
                        let message = format!("the secret in {} cannot be read: {why}", quote(path));
                        Problem::error(message).at(span)
                    }
                }
            }
            (Some(_), Some((_, span))) => {
                Problem::error("a secret has `variable` or `file`, not both").at(span)
            }
            (None, None) => Problem::error(format!("nothing says where the secret {} is", quote(key)))
                .at(span)
                .hint("add `variable = \"NAME\"` or `file = \"PATH\"`"),
        };
        self.problems.push(problem);
        None
    }
}

/// The secret that a file of this text holds: all of it but one line end.
#[must_use]
pub fn secret_in(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

/// The likely cure of a grant that cannot be read.
fn grant_hint(key: &str, text: &str) -> Option<String> {
    let short = text.len() < 100;
    match key {
        "tcp" | "udp" | "dns" | "tcp-listen" | "udp-listen" if text.contains("://") => {
            Some("origins with a scheme belong under `http`; this is a host".to_owned())
        }
        "dns" if text.contains(':') => Some("looking a name up needs no port".to_owned()),
        "http" if short && text.contains("://") => {
            let (scheme, rest) = text.split_once("://")?;
            let host = rest.split(['/', '?', '#']).next()?;
            (host.len() < rest.len()).then(|| format!("a grant is about a whole origin: `{scheme}://{host}`"))
        }
        "dir" => Some("write `HOST`, `HOST::GUEST` or `HOST::GUEST:rw`".to_owned()),
        _ => None,
    }
}
