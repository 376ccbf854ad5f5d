//! `weft data` of databases: their tables are listed, looked through and backed up. Rows are for tools of SQL.

use weft_app::App;
use weft_app::database::{Database, DatabaseBackend};
use weft_stores::sql::sqlite::{Rights, Sqlite};
use weft_stores::sql::{Error, Value};

use super::Action;
use crate::databases::Databases;
use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;
use crate::settings::Settings;

/// A database of an app.
pub(super) struct Found {
    database: Database,
    databases: Databases,
}

/// The databases of an app that some component is granted.
pub(super) fn declared(app: &App) -> impl Iterator<Item = &Database> {
    let components = app.components.iter();
    components.flat_map(|component| component.grants.sql.databases.iter().map(|grant| &grant.database))
}

impl Found {
    /// The database of a name, if there is one.
    pub(super) fn of(app: &App, name: &str, settings: &Settings) -> Option<Self> {
        let database = declared(app).find(|database| database.name.as_str() == name)?;
        Some(Self {
            database: database.clone(),
            databases: Databases::of(app.name.as_str(), settings),
        })
    }

    fn open(&self) -> Result<Sqlite, Report> {
        let name = &self.database.name;
        match &self.database.backend {
            DatabaseBackend::Embedded { folder, .. } => {
                let folder = self.databases.folder(&self.database, folder.as_deref())?;
                // Looking at a database does not make one.
                if folder.exists() {
                    return self.databases.embedded(&self.database);
                }
                let message = format!(
                    "database `{name}` keeps nothing yet: there is no `{}`",
                    folder.display()
                );
                Err(Report::failed(message).hint("it is made when the app runs for the first time"))
            }
            DatabaseBackend::Memory { .. } => {
                let message = format!("database `{name}` is in the memory of whoever runs the app");
                Err(Report::usage(message))
            }
            DatabaseBackend::Postgres { .. } => {
                let message = format!("database `{name}` is on a server");
                Err(Report::usage(message).hint("use its own tools, `psql` and `pg_dump`"))
            }
        }
    }

    fn failed(&self, what: &str, error: Error) -> Report {
        Report::failed(format!("cannot {what} database `{}`", self.database.name)).caused_by(error)
    }
}

pub(super) async fn act(action: Action, found: &Found, output: &Output) -> Result<Code, Report> {
    match action {
        Action::List { prefix, .. } => {
            for table in tables(found).await? {
                if table.starts_with(&prefix) {
                    output.data(&format!("{table}\n"))?;
                }
            }
        }
        Action::Backup { folder, .. } => {
            let bytes = found.open()?.copy_to(&folder);
            let bytes = bytes.map_err(|error| found.failed("back up", error))?;
            output.note(&format!("{bytes} bytes in `{}`", folder.display()));
        }
        Action::Check { .. } => {
            let told = ask(found, "look through", "PRAGMA integrity_check").await?;
            if told != ["ok"] {
                let message = format!(
                    "database `{}` is damaged: {}",
                    found.database.name,
                    told.join("; ")
                );
                return Err(Report::failed(message).hint("restore its folder from a backup"));
            }
            let tables = tables(found).await?.len();
            output.note(&format!("{tables} tables, all of it whole"));
        }
        Action::Get { .. }
        | Action::Put { .. }
        | Action::Delete { .. }
        | Action::Export { .. }
        | Action::Import { .. }
        | Action::Retry { .. } => {
            let message = format!(
                "`{}` is a database, and its rows are for SQL",
                found.database.name
            );
            let hint = "use `sqlite3` on `data.db` in its folder; `list`, `check` and `backup` work here";
            return Err(Report::usage(message).hint(hint));
        }
    }
    Ok(Code::DONE)
}

async fn tables(found: &Found) -> Result<Vec<String>, Report> {
    let statement = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                     ORDER BY name";
    ask(found, "read", statement).await
}

/// The texts that a statement gives.
async fn ask(found: &Found, what: &str, statement: &str) -> Result<Vec<String>, Report> {
    let failed = |error| found.failed(what, error);
    let session = found
        .open()?
        .side(Rights::all())
        .connect()
        .await
        .map_err(failed)?;
    let gathered = session
        .gather(statement.to_owned(), Vec::new())
        .await
        .map_err(failed)?;
    let text = |value| match value {
        Value::Text(text) => Some(text),
        _ => None,
    };
    Ok(gathered.rows.into_iter().flatten().filter_map(text).collect())
}
