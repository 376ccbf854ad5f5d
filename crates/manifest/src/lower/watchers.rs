//! Triggers that tell components of changed keys.

use std::ops::Range;

use weft_app::grant::BucketGrant;
use weft_app::store::Store;
use weft_app::{Component, KeyValueTrigger, Name, Trigger};

use super::{Lowering, limits, values};
use crate::document::Table;
use crate::problems::Problem;

impl Lowering<'_> {
    /// The triggers below `[trigger.keyvalue]`.
    pub(super) fn keyvalue_triggers(&mut self, table: &Table, components: &[Component]) -> Vec<Trigger> {
        let mut triggers = Vec::new();
        for (name, table, _) in self.named(table, "keyvalue") {
            let trigger = self.keyvalue_trigger(name, table, components);
            triggers.extend(trigger.map(|trigger| Trigger::KeyValue(Box::new(trigger))));
        }
        triggers
    }

    fn keyvalue_trigger(
        &mut self,
        name: Name,
        table: &Table,
        components: &[Component],
    ) -> Option<KeyValueTrigger> {
        let mut backoff = KeyValueTrigger::BACKOFF;
        let mut timeout = KeyValueTrigger::TIMEOUT;
        self.read(table, "backoff", &mut backoff, limits::parse_time);
        self.read(table, "timeout", &mut timeout, limits::parse_time);
        let concurrent_max = self.natural(table, "concurrent");
        let attempts_max = self.natural(table, "attempts");
        let prefix = values::text(table, "prefix").map(|(prefix, _)| prefix.to_owned());
        let component = values::text(table, "component");
        let component = component.and_then(|(component, span)| self.known_component(component, span));
        let store = values::text(table, "store");
        let known = store.and_then(|store| self.known_store(store));
        let (component, (_, place)) = (component?, store?);
        let bucket = self.watched(components, &component, &known?, place);
        Some(KeyValueTrigger {
            name,
            component,
            bucket: bucket?,
            prefix: prefix.unwrap_or_default(),
            concurrent_max: concurrent_max.unwrap_or(KeyValueTrigger::CONCURRENT_MAX),
            attempts_max: attempts_max.unwrap_or(KeyValueTrigger::ATTEMPTS_MAX),
            backoff,
            timeout,
        })
    }

    /// The first bucket in a store of which the component may know what is in it. Being told of changes is to see keys
    /// and values.
    fn watched(
        &mut self,
        components: &[Component],
        name: &Name,
        store: &Store,
        place: &Range<usize>,
    ) -> Option<BucketGrant> {
        let component = components.iter().find(|component| component.name == *name)?;
        let buckets = component.grants.keyvalue.buckets.iter();
        let mut buckets = buckets.filter(|bucket| bucket.store == *store).peekable();
        let is_granted = buckets.peek().is_some();
        let found = buckets.find(|bucket| bucket.access.read && bucket.access.list);
        if found.is_none() {
            let store = &store.name;
            let (message, hint) = if is_granted {
                let message = format!("component `{name}` may not read and list a bucket of store `{store}`");
                let hint =
                    "whoever is told of changes sees keys and values: add `read` and `list` to `access`";
                (message, hint.to_owned())
            } else {
                let message = format!("component `{name}` is granted no bucket of store `{store}`");
                let hint = format!("add `keyvalue = [\"{store}\"]` under `[component.{name}.grants]`");
                (message, hint)
            };
            self.problems.push(Problem::error(message).at(place).hint(hint));
        }
        found.cloned()
    }
}
