//! One component of an app.

use weft_app::trigger::http::Reuse;
use weft_app::{Component, GrantOnUse, Interruption, Name};

use super::{Lowering, limits, values};
use crate::document::Table;
use crate::problems::Problem;

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
            cell: self.cell(table),
            reuse: self.reuse(table),
            interruption: interruption(table),
            name,
        }
    }

    fn reuse(&mut self, component: &Table) -> Reuse {
        let mut reuse = Reuse::default();
        let Some(table) = values::table(component, "reuse") else {
            return reuse;
        };
        self.read(table, "requests", &mut reuse.requests_max, limits::parse_some);
        self.read(table, "concurrent", &mut reuse.concurrent_max, limits::parse_some);
        self.read(table, "idle", &mut reuse.idle_timeout, limits::parse_time);
        if reuse.concurrent_max > reuse.requests_max
            && let (Some(concurrent), Some(_)) = (table.get("concurrent"), table.get("requests"))
        {
            let message = format!(
                "{} at the same time are more than the {} that an instance answers at all",
                reuse.concurrent_max, reuse.requests_max
            );
            self.problems
                .push(Problem::error(message).at(&concurrent.node.span));
        }
        reuse
    }
}

/// Words that are none are told where the table is checked.
fn interruption(table: &Table) -> Option<Interruption> {
    let (word, _) = values::text(table, "interruption")?;
    word.parse().ok()
}

fn grant_on_use(table: &Table) -> GrantOnUse {
    match values::text(table, "grant-on-use") {
        Some(("trap", _)) => GrantOnUse::Trap,
        _ => GrantOnUse::Refuse,
    }
}
