//! What makes an app run.

use weft_app::{Component, Trigger};

use super::{Lowering, values};
use crate::document::Table;
use crate::problems::Problem;

impl Lowering<'_> {
    pub(super) fn triggers(&mut self, root: &Table, components: &[Component]) -> Vec<Trigger> {
        let Some(table) = values::table(root, "trigger") else {
            return Vec::new();
        };
        let command = values::table(table, "command").and_then(|command| self.command(command));
        let http = values::table(table, "http").map(|http| self.http_trigger(http));
        let http = http.map(|http| Trigger::Http(Box::new(http)));
        let mut triggers: Vec<Trigger> = command.into_iter().chain(http).collect();
        triggers.extend(self.message_and_schedule_triggers(table));
        triggers.extend(self.keyvalue_triggers(table, components));
        triggers
    }

    fn command(&mut self, table: &Table) -> Option<Trigger> {
        let arguments = values::texts(table, "arguments");
        for (argument, span) in &arguments {
            if argument.contains('\0') {
                self.problems
                    .push(Problem::error("an argument that holds a zero byte").at(span));
            }
        }
        let (name, span) = values::text(table, "component")?;
        Some(Trigger::Command {
            component: self.known_component(name, span)?,
            arguments: arguments.into_iter().map(|(text, _)| text.to_owned()).collect(),
        })
    }
}
