//! One component of an app.

use weft_app::{Component, GrantOnUse, Name};

use super::{Lowering, values};
use crate::document::Table;

impl Lowering<'_> {
    pub(super) fn component(&mut self, name: Name, table: &Table) -> Component {
        let (grants, granted) = self.grants(table);
        Component {
            source: self.source(table),
            grants,
            granted,
            grant_on_use: grant_on_use(table),
            limits: self.component_limits(table),
            links: self.links(&name, table),
            name,
        }
    }
}

fn grant_on_use(table: &Table) -> GrantOnUse {
    match values::text(table, "grant-on-use") {
        Some(("trap", _)) => GrantOnUse::Trap,
        _ => GrantOnUse::Refuse,
    }
}
