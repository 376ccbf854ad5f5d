//! Databases for guests: the interfaces of Spin for SQLite and PostgreSQL, and `weft:sql` for both.
//!
//! [`Sql`] is what one component has of them: databases by the names that it may open, each a `view` that enforces the
//! grant. `host` is the border to the guest, one file for each interface. Databases are in [`weft_stores::sql`].
//!
//! What always holds: a component reaches the databases of its grant and nothing else; which tables a statement touches
//! is decided by the database, never by reading the text; no address and no password of a server reaches a guest; and
//! what a backend says about itself stays here.

mod host;
mod view;

use std::fmt;
use std::sync::Arc;

use weft_app::grant::DatabaseGrant;
use weft_runtime::denial::{Denial, DenialLog};
use weft_runtime::service::{Service, ServiceInterface};
use weft_stores::sql::postgres::Postgres;
use weft_stores::sql::sqlite::Sqlite;

use crate::calls::Calls;
use view::View;

/// A database that is open.
#[derive(Debug, Clone)]
pub enum Database {
    /// Of this process.
    Sqlite(Sqlite),
    /// On a server.
    Postgres(Postgres),
}

/// What one component has of databases.
///
/// # Authority
///
/// Reaches the databases that it was made with, as far as each [`DatabaseGrant`] says.
///
/// # Limits
///
/// Sizes of statements, values and results are those of [`weft_stores::sql`]; a call waits no longer than the timeout of
/// its database.
pub struct Sql {
    databases: Vec<Arc<View>>,
    denials: DenialLog,
}

impl Sql {
    /// A component that may open these databases.
    #[must_use]
    pub fn new(databases: Vec<(DatabaseGrant, Database)>, denials: DenialLog) -> Self {
        let calls = Calls::new();
        let view = |(grant, database)| {
            let view = View::new(grant, &database, Arc::clone(&calls), denials.clone());
            Arc::new(view)
        };
        Self {
            databases: databases.into_iter().map(view).collect(),
            denials,
        }
    }

    /// The database of a name. Guests that know a server by its address name it so, too.
    fn find(&self, name: &str) -> Option<Arc<View>> {
        let found = self.databases.iter().find(|view| view.is_called(name));
        if found.is_none() {
            // A name is at most as long as a message wants to be, and an address may hold a password.
            let name: String = match name.split_once("://") {
                Some((scheme, _)) => format!("{scheme}://…"),
                None => name.chars().take(64).collect(),
            };
            self.denials.record(Denial {
                interface: INTERFACE.into(),
                attempted: format!("open the database `{name}`"),
                flag: format!("--sql {name}=FOLDER"),
            });
        }
        found.cloned()
    }
}

/// What denials are about.
const INTERFACE: &str = "weft:sql";

impl Service for Sql {
    fn interfaces(&self) -> &'static [ServiceInterface] {
        host::INTERFACES
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sql")
            .field("databases", &self.databases)
            .finish_non_exhaustive()
    }
}
