//! What a component may do with a database, as SQLite asks while it reads a statement.
//!
//! SQLite names every table, column, index and setting that a statement would touch, those behind views and in
//! triggers included, and reads none of it when one is refused: <https://sqlite.org/c3ref/set_authorizer.html>.

use std::collections::HashMap;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use weft_app::grant::{SqlAccess, TableGrant};

/// What may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    access: SqlAccess,
    /// The tables that may be reached, in small letters, and whether they may only be read; none for all.
    tables: Option<HashMap<String, bool>>,
}

/// Settings that say how the file is kept. That is for the host to say: they are passed over.
const PASSED_OVER: &[&str] = &[
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "journal_mode",
    "journal_size_limit",
    "locking_mode",
    "mmap_size",
    "page_size",
    "synchronous",
    "temp_store",
    "threads",
    "wal_autocheckpoint",
    "wal_checkpoint",
];
/// Settings of a connection that a component may have as it likes.
const OWN: &[&str] = &[
    "case_sensitive_like",
    "defer_foreign_keys",
    "foreign_keys",
    "query_only",
    "recursive_triggers",
    "reverse_unordered_selects",
];
/// What may be asked of the database as a whole.
const ABOUT_ALL: &[&str] = &[
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "encoding",
    "foreign_key_check",
    "freelist_count",
    "function_list",
    "integrity_check",
    "module_list",
    "page_count",
    "pragma_list",
    "quick_check",
    "schema_version",
    "table_list",
    "user_version",
];
/// What may be asked of a table, whose name is the value.
const ABOUT_TABLE: &[&str] = &["foreign_key_list", "index_list", "table_info", "table_xinfo"];
/// What may be asked of an index.
const ABOUT_INDEX: &[&str] = &["index_info", "index_xinfo"];
/// Numbers that belong to the database, for whoever may change its tables.
const WITH_SCHEMA: &[&str] = &["application_id", "incremental_vacuum", "optimize", "user_version"];
/// Tables that are functions, and show nothing but what they are given.
const FUNCTIONS: &[&str] = &["json_each", "json_tree", "generate_series"];
/// What virtual tables may be made of.
const MODULES: &[&str] = &[
    "fts3",
    "fts4",
    "fts5",
    "fts5vocab",
    "rtree",
    "rtree_i32",
    "geopoly",
];

impl Rights {
    /// These, for all tables or for some.
    #[must_use]
    pub fn new(access: SqlAccess, tables: Option<&[TableGrant]>) -> Self {
        let named = |table: &TableGrant| (table.name.to_ascii_lowercase(), table.is_read_only);
        Self {
            access,
            tables: tables.map(|tables| tables.iter().map(named).collect()),
        }
    }

    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self::new(SqlAccess::ALL, None)
    }

    /// What SQLite is told.
    pub(super) fn decide(&self, asked: &AuthContext<'_>) -> Authorization {
        match asked.action {
            AuthAction::Pragma {
                pragma_name,
                pragma_value,
            } => self.setting(&pragma_name.to_ascii_lowercase(), pragma_value),
            _ if self.allows(asked) => Authorization::Allow,
            _ => Authorization::Deny,
        }
    }

    fn allows(&self, asked: &AuthContext<'_>) -> bool {
        use AuthAction as A;
        // What is made for one connection only, and is gone with it.
        let is_temporary = asked.database_name == Some("temp");
        match asked.action {
            A::Select | A::Recursive | A::Transaction { .. } | A::Savepoint { .. } => true,
            A::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
            A::Read { table_name, .. } => is_temporary || self.reads(table_name),
            A::Insert { table_name } | A::Delete { table_name } | A::Update { table_name, .. } => {
                is_temporary || self.writes(table_name)
            }
            A::CreateTempIndex { .. }
            | A::CreateTempTable { .. }
            | A::CreateTempTrigger { .. }
            | A::CreateTempView { .. }
            | A::DropTempIndex { .. }
            | A::DropTempTable { .. }
            | A::DropTempTrigger { .. }
            | A::DropTempView { .. } => true,
            A::CreateIndex { .. }
            | A::CreateTable { .. }
            | A::CreateTrigger { .. }
            | A::CreateView { .. }
            | A::DropIndex { .. }
            | A::DropTable { .. }
            | A::DropTrigger { .. }
            | A::DropView { .. }
            | A::AlterTable { .. }
            | A::Reindex { .. }
            | A::Analyze { .. } => self.access.schema,
            A::CreateVtable { module_name, .. } | A::DropVtable { module_name, .. } => {
                self.access.schema && is_one_of(MODULES, module_name)
            }
            // Attaching reaches files, and so does what would copy a database there.
            _ => false,
        }
    }

    fn reads(&self, table: &str) -> bool {
        if is_one_of(FUNCTIONS, table) {
            return true;
        }
        match &self.tables {
            None => self.access.read || (self.access.schema && is_internal(table)),
            Some(tables) => self.access.read && tables.contains_key(&table.to_ascii_lowercase()),
        }
    }

    fn writes(&self, table: &str) -> bool {
        if is_internal(table) {
            return self.access.schema;
        }
        let is_reached = match &self.tables {
            None => true,
            Some(tables) => tables.get(&table.to_ascii_lowercase()) == Some(&false),
        };
        self.access.write && is_reached
    }

    fn setting(&self, name: &str, value: Option<&str>) -> Authorization {
        let about_all = self.tables.is_none() && self.access.read;
        let is_allowed = match value {
            _ if is_one_of(PASSED_OVER, name) => return Authorization::Ignore,
            _ if is_one_of(OWN, name) => true,
            Some(table) if is_one_of(ABOUT_TABLE, name) => self.reads(table),
            Some(_) if is_one_of(ABOUT_INDEX, name) => about_all,
            Some(_) if is_one_of(&["integrity_check", "quick_check", "foreign_key_check"], name) => about_all,
            Some(_) => self.access.schema && is_one_of(WITH_SCHEMA, name),
            None => {
                (about_all && is_one_of(ABOUT_ALL, name))
                    || (self.access.schema && is_one_of(WITH_SCHEMA, name))
            }
        };
        if is_allowed {
            Authorization::Allow
        } else {
            Authorization::Deny
        }
    }
}

/// Whether something is asked for that stays with the connection after the statement.
pub(super) fn marks(asked: &AuthContext<'_>) -> bool {
    use AuthAction as A;
    match asked.action {
        A::Pragma {
            pragma_name,
            pragma_value,
        } => pragma_value.is_some() && is_one_of(OWN, pragma_name),
        A::CreateTempIndex { .. }
        | A::CreateTempTable { .. }
        | A::CreateTempTrigger { .. }
        | A::CreateTempView { .. } => true,
        _ => false,
    }
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What SQLite keeps about the tables.
fn is_internal(table: &str) -> bool {
    table
        .get(..7)
        .is_some_and(|begin| begin.eq_ignore_ascii_case("sqlite_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rights: &Rights, table: &str) -> Authorization {
        let action = AuthAction::Read {
            table_name: table,
            column_name: "a",
        };
        ask(rights, action)
    }

    fn ask(rights: &Rights, action: AuthAction<'_>) -> Authorization {
        rights.decide(&AuthContext {
            action,
            database_name: Some("main"),
            accessor: None,
        })
    }

    #[test]
    fn a_table_that_is_not_granted_is_not_read_under_any_spelling() {
        let tables: Vec<TableGrant> = ["orders", "prices:ro"]
            .iter()
            .map(|table| table.parse().unwrap())
            .collect();
        let access = SqlAccess {
            schema: false,
            ..SqlAccess::ALL
        };
        let rights = Rights::new(access, Some(&tables));
        for table in ["orders", "Orders", "PRICES", "json_each"] {
            assert_eq!(read(&rights, table), Authorization::Allow, "{table}");
        }
        for table in [
            "customers",
            "sqlite_master",
            "sqlite_schema",
            "pragma_table_list",
            "dbstat",
        ] {
            assert_eq!(read(&rights, table), Authorization::Deny, "{table}");
        }
        let write = |table| ask(&rights, AuthAction::Insert { table_name: table });
        assert_eq!(write("ORDERS"), Authorization::Allow);
        assert_eq!(write("prices"), Authorization::Deny);
        assert_eq!(write("sqlite_master"), Authorization::Deny);
    }

    #[test]
    fn files_are_reached_by_nobody() {
        let rights = Rights::all();
        let attach = AuthAction::Attach {
            filename: "/etc/passwd",
        };
        assert_eq!(ask(&rights, attach), Authorization::Deny);
        let function = AuthAction::Function {
            function_name: "Load_Extension",
        };
        assert_eq!(ask(&rights, function), Authorization::Deny);
        let setting = AuthAction::Pragma {
            pragma_name: "WRITABLE_SCHEMA",
            pragma_value: Some("1"),
        };
        assert_eq!(ask(&rights, setting), Authorization::Deny);
    }
}
