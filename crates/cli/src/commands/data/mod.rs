//! `weft data`: look at and change what the stores of an app keep, while it runs or not. Blob stores are in `blobs`, databases in
//! `databases`.

mod blobs;
mod databases;

use std::io::{self, BufRead as _, Read as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use weft_app::queue::MessageQueue;
use weft_app::store::{Store, StoreBackend};
use weft_app::{App, Trigger};
use weft_stores::keyvalue::sqlite::Totals;
use weft_stores::keyvalue::{self, Change};

use crate::app;
use crate::exit_code::Code;
use crate::output::Output;
use crate::queues::Queues;
use crate::report::Report;
use crate::settings::Settings;
use crate::stores::Stores;

const EXAMPLES: &str = "Examples:
  weft data list entries
  weft data get entries entry/1
  weft data put entries welcome 'Hello' --app examples/guestbook
  weft data export entries > entries.jsonl
  weft data import entries < entries.jsonl
  weft data backup entries /var/backups/entries
  weft data check entries
  weft data list photos --prefix 2026/
  weft data put photos 2026/cat.jpg < cat.jpg
  weft data list orders --prefix d/
  weft data backup shop /var/backups/shop

The app may run meanwhile; it sees what is put here within a tenth of a second. A backup is a folder that can take the
place of the store's own. docs/services.md says where stores are and what they promise.";

/// Look at and change what the stores, blob stores, queues and databases of an app keep: list, get, put, delete, export, import, back up and check.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print the keys or names in a store, each on a line.
    List {
        #[command(flatten)]
        of: Of,
        /// Only those that begin so.
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
    },
    /// Print a value or an object as it is; failing where there is none.
    Get {
        #[command(flatten)]
        of: Of,
        key: String,
    },
    /// Set a key or an object to a value, or to what standard input holds.
    Put {
        #[command(flatten)]
        of: Of,
        key: String,
        value: Option<String>,
    },
    /// Remove a key or an object, if it is there.
    Delete {
        #[command(flatten)]
        of: Of,
        key: String,
    },
    /// Print all entries of a store as lines of JSON.
    Export {
        #[command(flatten)]
        of: Of,
    },
    /// Set the entries that an export printed, from standard input. Others stay as they are.
    Import {
        #[command(flatten)]
        of: Of,
    },
    /// Copy a store of this machine, as it is at one moment, into a new folder.
    Backup {
        #[command(flatten)]
        of: Of,
        /// The folder, which must not be there yet.
        folder: PathBuf,
    },
    /// Hand out a message again that was put aside: `d/TRIGGER/NUMBER` of a queue, as `list` has it.
    Retry {
        #[command(flatten)]
        of: Of,
        key: String,
    },
    /// Look through everything that a store keeps, and say whether all of it is as it was written.
    Check {
        #[command(flatten)]
        of: Of,
    },
}

/// Which store.
#[derive(Debug, clap::Args)]
struct Of {
    /// The store, blob store, queue or database, by its name in the manifest.
    store: String,
    /// The blob store of that name, where a store has it too.
    #[arg(long)]
    blobs: bool,
    /// The app: its folder, or its manifest.
    #[arg(long, value_name = "APP", default_value = ".")]
    app: PathBuf,
}

/// One line of an export.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    value: Value,
}

/// A value as text where it is text, and else in hexadecimal digits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Value {
    Text(String),
    Hex(String),
}

/// Entries that an import writes at once.
const IMPORT_AT_ONCE: usize = 500;
/// Bytes of values that an import writes at once.
const IMPORT_BYTES_AT_ONCE: usize = 8 << 20;

pub(crate) fn run(arguments: Arguments, settings: &Settings, output: &Output) -> Result<Code, Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Report::failed("cannot start").caused_by(error))?;
    runtime.block_on(act(arguments.action, settings, output))
}

async fn act(action: Action, settings: &Settings, output: &Output) -> Result<Code, Report> {
    if let Some(found) = action.of().find_blobs(settings, output)? {
        return blobs::act(action, &found, output).await;
    }
    if let Some(found) = action.of().find_database(settings, output)? {
        return databases::act(action, &found, output).await;
    }
    match action {
        Action::List { of, prefix } => list(&of.find(settings, output)?, &prefix, output).await?,
        Action::Get { of, key } => return get(&of.find(settings, output)?, &key, output).await,
        Action::Put { of, key, value } => {
            let found = of.find(settings, output)?;
            let value = match value {
                Some(value) => value.into_bytes(),
                None => standard_input()?,
            };
            found.write(vec![Change::Set(key, value.into())]).await?;
        }
        Action::Delete { of, key } => {
            of.find(settings, output)?
                .write(vec![Change::Delete(key)])
                .await?
        }
        Action::Export { of } => export(&of.find(settings, output)?, output).await?,
        Action::Import { of } => {
            let count = import(&of.find(settings, output)?).await?;
            output.note(&format!("{count} entries imported"));
        }
        Action::Backup { of, folder } => {
            let found = of.find(settings, output)?;
            let totals = found.embedded()?.back_up(&folder).await;
            let totals = totals.map_err(|error| found.failed("back up", error))?;
            output.note(&format!("{} in `{}`", describe(&totals), folder.display()));
        }
        Action::Retry { of, key } => retry(&of, &key, settings, output).await?,
        Action::Check { of } => check(&of.find(settings, output)?, output).await?,
    }
    Ok(Code::DONE)
}

impl Action {
    fn of(&self) -> &Of {
        match self {
            Self::List { of, .. }
            | Self::Get { of, .. }
            | Self::Put { of, .. }
            | Self::Delete { of, .. }
            | Self::Export { of }
            | Self::Import { of }
            | Self::Backup { of, .. }
            | Self::Retry { of, .. }
            | Self::Check { of } => of,
        }
    }
}

/// A store of an app.
struct Found {
    store: Store,
    stores: Stores,
}

impl Of {
    /// The blob store, where it is one.
    fn find_blobs(&self, settings: &Settings, output: &Output) -> Result<Option<blobs::Found>, Report> {
        let opened = app::open(&self.app, output)?;
        let is_store = declared(opened.app()).any(|store| store.name.as_str() == self.store);
        if is_store && !self.blobs {
            return Ok(None);
        }
        let found = blobs::Found::of(opened.app(), &self.store, settings)?;
        match found {
            None if self.blobs => Err(unknown(opened.app(), &self.store)),
            found => Ok(found),
        }
    }

    /// The database, where it is one and nothing else has its name.
    fn find_database(
        &self,
        settings: &Settings,
        output: &Output,
    ) -> Result<Option<databases::Found>, Report> {
        let opened = app::open(&self.app, output)?;
        let app = opened.app();
        let is_other = declared(app).any(|store| store.name.as_str() == self.store)
            || queues(app).any(|queue| queue.name.as_str() == self.store);
        Ok((!is_other)
            .then(|| databases::Found::of(app, &self.store, settings))
            .flatten())
    }

    fn find(&self, settings: &Settings, output: &Output) -> Result<Found, Report> {
        let opened = app::open(&self.app, output)?;
        let app = opened.app();
        let store = declared(app).find(|store| store.name.as_str() == self.store);
        let store = match store {
            Some(store) => store.clone(),
            None => self.queue(app, settings)?,
        };
        if let StoreBackend::Memory { .. } = store.backend {
            let message = format!("store `{}` is in the memory of whoever runs the app", store.name);
            return Err(Report::usage(message));
        }
        let stores = Stores::of(app.name.as_str(), settings);
        refuse_to_make(&store, &stores)?;
        Ok(Found { store, stores })
    }
}

impl Of {
    /// The store behind a queue.
    fn queue(&self, app: &App, settings: &Settings) -> Result<Store, Report> {
        let queue = queues(app).find(|queue| queue.name.as_str() == self.store);
        let queue = queue.ok_or_else(|| unknown(app, &self.store))?;
        let messages = Queues::of(app.name.as_str(), settings).messages(queue)?;
        messages.ok_or_else(|| {
            let message = format!("queue `{}` is in the memory of whoever runs the app", queue.name);
            Report::usage(message)
        })
    }
}

/// The queues of an app that messages go to or come from.
fn queues(app: &App) -> impl Iterator<Item = &MessageQueue> {
    let clients = app
        .components
        .iter()
        .flat_map(|component| &component.grants.messaging.clients);
    let triggers = app.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Messages(messages) => Some(&messages.queue),
        _ => None,
    });
    clients.map(|client| &client.queue).chain(triggers)
}

/// The stores of an app that some component is granted.
fn declared(app: &App) -> impl Iterator<Item = &Store> {
    let components = app.components.iter();
    components.flat_map(|component| {
        component
            .grants
            .keyvalue
            .buckets
            .iter()
            .map(|bucket| &bucket.store)
    })
}

fn unknown(app: &App, name: &str) -> Report {
    let stores = declared(app).map(|store| store.name.as_str());
    let mut known: Vec<&str> = stores
        .chain(blobs::declared(app).map(|store| store.name.as_str()))
        .chain(queues(app).map(|queue| queue.name.as_str()))
        .chain(databases::declared(app).map(|database| database.name.as_str()))
        .collect();
    known.sort_unstable();
    known.dedup();
    let report = Report::usage(format!(
        "no component of app `{}` is granted a store `{name}`",
        app.name
    ));
    if known.is_empty() {
        report
    } else {
        report.hint(format!("there are: {}", known.join(", ")))
    }
}

/// Looking at a store does not make one.
fn refuse_to_make(store: &Store, stores: &Stores) -> Result<(), Report> {
    let StoreBackend::Embedded { folder, .. } = &store.backend else {
        return Ok(());
    };
    let folder = stores.folder(store, folder.as_deref())?;
    if folder.exists() {
        return Ok(());
    }
    let message = format!(
        "store `{}` keeps nothing yet: there is no `{}`",
        store.name,
        folder.display()
    );
    Err(Report::failed(message).hint("it is made when the app runs for the first time"))
}

impl Found {
    fn open(&self) -> Result<std::sync::Arc<dyn keyvalue::Store>, Report> {
        self.stores.open(&self.store)
    }

    fn embedded(&self) -> Result<keyvalue::sqlite::Sqlite, Report> {
        self.stores.embedded(&self.store)
    }

    fn is_embedded(&self) -> bool {
        matches!(self.store.backend, StoreBackend::Embedded { .. })
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), Report> {
        let written = self.open()?.write(changes).await;
        written.map_err(|error| self.failed("write to", error))
    }

    fn failed(&self, what: &str, error: keyvalue::Error) -> Report {
        Report::failed(format!("cannot {what} store `{}`", self.store.name)).caused_by(error)
    }
}

async fn list(found: &Found, prefix: &str, output: &Output) -> Result<(), Report> {
    let open = found.open()?;
    let mut cursor = None;
    loop {
        let page = open.list(prefix, cursor.as_deref(), keyvalue::LIST_MAX).await;
        let page = page.map_err(|error| found.failed("list", error))?;
        let mut lines = String::new();
        for key in page.keys {
            lines.push_str(&key);
            lines.push('\n');
        }
        output.data(&lines)?;
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

async fn get(found: &Found, key: &str, output: &Output) -> Result<Code, Report> {
    let entry = found.open()?.get(key).await;
    let entry = entry.map_err(|error| found.failed("read", error))?;
    let entry = entry
        .ok_or_else(|| Report::failed(format!("there is no `{key}` in store `{}`", found.store.name)))?;
    output.data_bytes(&entry.value)?;
    Ok(Code::DONE)
}

async fn export(found: &Found, output: &Output) -> Result<(), Report> {
    if found.is_embedded() {
        let output = *output;
        let failure = std::sync::Arc::new(parking_lot::Mutex::new(None));
        let told = std::sync::Arc::clone(&failure);
        let visit = move |key: &str, value: &[u8]| match line(key, value).and_then(|line| output.data(&line))
        {
            Ok(()) => true,
            Err(report) => {
                *told.lock() = Some(report);
                false
            }
        };
        let visited = found.embedded()?.visit(visit).await;
        visited.map_err(|error| found.failed("export", error))?;
        let failure = failure.lock().take();
        return failure.map_or(Ok(()), Err);
    }
    let open = found.open()?;
    let mut cursor = None;
    loop {
        let page = open.list("", cursor.as_deref(), IMPORT_AT_ONCE).await;
        let page = page.map_err(|error| found.failed("list", error))?;
        let entries = open.get_many(&page.keys).await;
        let entries = entries.map_err(|error| found.failed("read", error))?;
        for (key, entry) in page.keys.iter().zip(entries) {
            // One that went away between the two calls is not there any more.
            if let Some(entry) = entry {
                output.data(&line(key, &entry.value)?)?;
            }
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

fn line(key: &str, value: &[u8]) -> Result<String, Report> {
    let value = match std::str::from_utf8(value) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Hex(value.iter().map(|byte| format!("{byte:02x}")).collect()),
    };
    let key = key.to_owned();
    let line = serde_json::to_string(&Line { key, value });
    let line = line.map_err(|error| Report::failed("an entry cannot be written as JSON").caused_by(error))?;
    Ok(line + "\n")
}

/// Sets the entries of an export, several at once, and says how many they were.
async fn import(found: &Found) -> Result<usize, Report> {
    let open = found.open()?;
    let (mut changes, mut bytes, mut count) = (Vec::new(), 0, 0);
    for (number, text) in (1..).zip(io::stdin().lock().lines()) {
        let text = text.map_err(|error| Report::failed("cannot read standard input").caused_by(error))?;
        if text.trim().is_empty() {
            continue;
        }
        let change = read_line(&text).map_err(|why| {
            Report::failed(format!("line {number} is no line of an export"))
                .caused_by(why)
                .hint(format!("{count} entries before it were imported"))
        })?;
        bytes += text.len();
        changes.push(change);
        if changes.len() >= IMPORT_AT_ONCE || bytes >= IMPORT_BYTES_AT_ONCE {
            count += changes.len();
            let written = open.write(std::mem::take(&mut changes)).await;
            written.map_err(|error| found.failed("import into", error))?;
            bytes = 0;
        }
    }
    count += changes.len();
    let written = open.write(changes).await;
    written.map_err(|error| found.failed("import into", error))?;
    Ok(count)
}

fn read_line(text: &str) -> Result<Change, String> {
    let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let value = match line.value {
        Value::Text(text) => text.into_bytes(),
        Value::Hex(digits) => from_hex(&digits).ok_or("`hex` is not pairs of hexadecimal digits")?,
    };
    Ok(Change::Set(line.key, value.into()))
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

async fn check(found: &Found, output: &Output) -> Result<(), Report> {
    if !found.is_embedded() {
        let checked = found.open()?.check().await;
        checked.map_err(|error| found.failed("reach", error))?;
        return output.data("the server answers\n");
    }
    let totals = found.embedded()?.verify().await;
    let totals = totals.map_err(|error| found.failed("trust", error))?;
    output.data(&format!("{}, all as they were written\n", describe(&totals)))
}

/// Has a message that was put aside wait for its trigger again.
async fn retry(of: &Of, key: &str, settings: &Settings, output: &Output) -> Result<(), Report> {
    // Looking for what is not there makes no queue.
    let found = of.find(settings, output)?;
    let opened = app::open(&of.app, output)?;
    let app = opened.app();
    let queue = queues(app).find(|queue| *queue.name.as_str() == of.store);
    let retried = match queue {
        Some(queue) => {
            Queues::of(app.name.as_str(), settings)
                .open(queue)?
                .retry(key)
                .await
        }
        None => Ok(false),
    };
    let name = &found.store.name;
    let retried = retried.map_err(|error| {
        Report::failed(format!("cannot retry a message of queue `{name}`")).caused_by(error)
    })?;
    if retried {
        return Ok(());
    }
    let report = Report::failed(format!(
        "`{key}` is no message that was put aside in queue `{name}`"
    ));
    Err(report.hint("`weft data list QUEUE --prefix d/` shows those that there are"))
}

fn describe(totals: &Totals) -> String {
    format!("{} entries, {} bytes", totals.entries, totals.bytes)
}

fn standard_input() -> Result<Vec<u8>, Report> {
    let mut bytes = Vec::new();
    let limit = keyvalue::VALUE_BYTES_MAX as u64 + 1;
    let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Report::failed("cannot read standard input").caused_by(error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_export_reads_as_what_was_written() {
        for value in [&b"text \"and\" more\n"[..], b"", &[0, 255, 16]] {
            let written = line("a key", value).unwrap();
            assert_eq!(
                read_line(&written),
                Ok(Change::Set("a key".to_owned(), value.to_vec().into()))
            );
        }
        for wrong in [
            "",
            "{}",
            "{\"key\":\"a\",\"hex\":\"0\"}",
            "{\"key\":\"a\",\"hex\":\"zz\"}",
        ] {
            assert!(read_line(wrong).is_err(), "{wrong}");
        }
    }
}
