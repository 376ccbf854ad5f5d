//! What `weft data` does with blob stores.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use weft_app::App;
use weft_app::blob_store::{BlobBackend, BlobStore};
use weft_stores::blob::{self, LIST_MAX, READ_BYTES_MAX, Spool};

use super::Action;
use crate::blob_stores::BlobStores;
use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;
use crate::settings::Settings;

/// Bytes of standard input that are taken at once.
const PIECE_BYTES: usize = 64 << 10;

/// A blob store of an app.
pub(super) struct Found {
    store: BlobStore,
    stores: BlobStores,
}

/// The blob stores of an app that some component is granted.
pub(super) fn declared(app: &App) -> impl Iterator<Item = &BlobStore> {
    let components = app.components.iter();
    components
        .flat_map(|component| &component.grants.blobstore.containers)
        .map(|container| &container.store)
}

impl Found {
    /// The one of a name, if there is one that keeps something.
    pub(super) fn of(app: &App, name: &str, settings: &Settings) -> Result<Option<Self>, Report> {
        let found = declared(app).find(|store| store.name.as_str() == name).cloned();
        let Some(store) = found else {
            return Ok(None);
        };
        let stores = BlobStores::of(app.name.as_str(), settings);
        match &store.backend {
            BlobBackend::Memory { .. } => Err(Report::usage(format!(
                "blob store `{name}` is in the memory of whoever runs the app"
            ))),
            // Looking at a store does not make one.
            BlobBackend::Files { folder, .. } => {
                let folder = stores.folder(&store, folder.as_deref())?;
                if folder.exists() {
                    return Ok(Some(Self { store, stores }));
                }
                let message = format!(
                    "blob store `{name}` keeps nothing yet: there is no `{}`",
                    folder.display()
                );
                Err(Report::failed(message).hint("it is made when the app runs for the first time"))
            }
            BlobBackend::S3(_) => Ok(Some(Self { store, stores })),
        }
    }

    fn failed(&self, what: &str, error: blob::Error) -> Report {
        Report::failed(format!("cannot {what} blob store `{}`", self.store.name)).caused_by(error)
    }

    fn refuse(&self, what: &str, hint: &str) -> Report {
        Report::usage(format!("blob store `{}` cannot be {what}", self.store.name)).hint(hint)
    }
}

pub(super) async fn act(action: Action, found: &Found, output: &Output) -> Result<Code, Report> {
    match action {
        Action::List { prefix, .. } => list(found, &prefix, output).await?,
        Action::Get { key, .. } => get(found, &key, output).await?,
        Action::Put { key, value, .. } => put(found, &key, value).await?,
        Action::Delete { key, .. } => {
            let removed = found.stores.open(&found.store)?.remove(&[key]).await;
            removed.map_err(|error| found.failed("write to", error))?;
        }
        Action::Check { .. } => check(found, output).await?,
        Action::Export { .. } => return Err(found.refuse("exported", "`weft data get` prints one object")),
        Action::Import { .. } => {
            return Err(found.refuse("imported", "`weft data put` takes one object from standard input"));
        }
        Action::Retry { .. } => {
            return Err(found.refuse(
                "asked to hand out anything again",
                "it has objects and no messages",
            ));
        }
        Action::Backup { folder, .. } => back_up(found, &folder, output).await?,
    }
    Ok(Code::DONE)
}

async fn list(found: &Found, prefix: &str, output: &Output) -> Result<(), Report> {
    let open = found.stores.open(&found.store)?;
    let mut cursor = None;
    loop {
        let page = open.list(prefix, cursor.as_deref(), LIST_MAX).await;
        let page = page.map_err(|error| found.failed("list", error))?;
        let lines: String = page.names.into_iter().map(|name| name + "\n").collect();
        output.data(&lines)?;
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

async fn get(found: &Found, name: &str, output: &Output) -> Result<(), Report> {
    let store = found.stores.open(&found.store)?;
    let object = store.open_to_read(name, 0..u64::MAX).await;
    let object = object.map_err(|error| found.failed("read", error))?;
    let object = object.ok_or_else(|| {
        Report::failed(format!(
            "there is no `{name}` in blob store `{}`",
            found.store.name
        ))
    })?;
    let mut at = 0;
    loop {
        let piece = object.read(at, READ_BYTES_MAX).await;
        let piece = piece.map_err(|error| found.failed("read", error))?;
        if piece.is_empty() {
            return Ok(());
        }
        at += piece.len() as u64;
        output.data_bytes(&piece)?;
    }
}

async fn put(found: &Found, name: &str, value: Option<String>) -> Result<(), Report> {
    let mut content = Spool::new();
    let kept = |error: io::Error| Report::failed("cannot keep what is put meanwhile").caused_by(error);
    match value {
        Some(value) => content.push(value.as_bytes()).map_err(kept)?,
        None => {
            let mut input = io::stdin().lock();
            let mut piece = vec![0; PIECE_BYTES];
            loop {
                let read = input.read(&mut piece);
                let read =
                    read.map_err(|error| Report::failed("cannot read standard input").caused_by(error))?;
                let Some(filled) = piece.get(..read).filter(|filled| !filled.is_empty()) else {
                    break;
                };
                content.push(filled).map_err(kept)?;
            }
        }
    }
    let written = found.stores.open(&found.store)?.write(name, content).await;
    written.map_err(|error| found.failed("write to", error))
}

async fn back_up(found: &Found, folder: &Path, output: &Output) -> Result<(), Report> {
    if !matches!(found.store.backend, BlobBackend::Files { .. }) {
        return Err(found.refuse("backed up", "it is on a server, which has tools of its own"));
    }
    let totals = found.stores.files(&found.store)?.back_up(folder).await;
    let totals = totals.map_err(|error| found.failed("back up", error))?;
    output.note(&format!(
        "{} objects, {} bytes in `{}`",
        totals.objects,
        totals.bytes,
        folder.display()
    ));
    Ok(())
}

async fn check(found: &Found, output: &Output) -> Result<(), Report> {
    if !matches!(found.store.backend, BlobBackend::Files { .. }) {
        let open: Arc<dyn blob::Store> = found.stores.open(&found.store)?;
        open.check().await.map_err(|error| found.failed("reach", error))?;
        return output.data("the server answers\n");
    }
    let totals = found.stores.files(&found.store)?.verify().await;
    let totals = totals.map_err(|error| found.failed("trust", error))?;
    output.data(&format!(
        "{} objects, {} bytes, all as they were written\n",
        totals.objects, totals.bytes
    ))
}
