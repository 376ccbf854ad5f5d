//! Queues, the clients of them that components are granted, and what their messages set off.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::ops::Range;
use std::str::FromStr;

use weft_app::grant::{ClientGrant, MessagingGrant};
use weft_app::quantity::parse_bytes;
use weft_app::queue::{MessageQueue, QueueBackend};
use weft_app::store::{Durability, StoreBackend};
use weft_app::subject::Pattern;
use weft_app::trigger::schedule::Times;
use weft_app::{MessageTrigger, Name, ScheduleTrigger, Trigger};

use super::granted::{Granting, known};
use super::values::{self, Text};
use super::{Lowering, limits};
use crate::diagnostic::quote;
use crate::document::{Table, Value};
use crate::problems::Problem;

/// Keys of a queue that say something to some backends only.
const ONLY_FOR: &[(&str, &[&str])] = &[
    ("path", &["embedded"]),
    ("durability", &["embedded"]),
    ("size", &["embedded", "memory"]),
    ("url", &["nats"]),
    ("url-variable", &["nats"]),
    ("authorities", &["nats"]),
    ("stream", &["nats"]),
    ("replicas", &["nats"]),
    ("timeout", &["nats"]),
];

impl Lowering<'_> {
    /// Reads the queues of the app, for the grants and triggers that name them.
    pub(super) fn declare_queues(&mut self, root: &Table) {
        for (name, table, place) in self.named(root, "queue") {
            if let Some(backend) = self.queue_backend(table, place) {
                let queue = MessageQueue {
                    name: name.clone(),
                    backend,
                };
                self.queues.insert(name, queue);
            }
        }
    }

    fn queue_backend(&mut self, table: &Table, place: &Range<usize>) -> Option<QueueBackend> {
        // What is wrong was told.
        let address = self.server(table, "queue").ok()?;
        let default = address.as_ref().map_or("embedded", |_| "nats");
        let word = values::text(table, "backend").map_or(default, |(word, _)| word);
        self.refuse_keys_of_others(table, word, ONLY_FOR);
        let mut bytes_max = QueueBackend::BYTES_MAX;
        self.read(table, "size", &mut bytes_max, parse_bytes);
        match word {
            "memory" => Some(QueueBackend::Memory { bytes_max }),
            "embedded" => Some(QueueBackend::Embedded {
                folder: values::text(table, "path").and_then(|path| self.path(path)),
                durability: match values::text(table, "durability") {
                    Some(("fast", _)) => Durability::Fast,
                    _ => Durability::Sync,
                },
                bytes_max,
            }),
            "nats" => {
                let mut timeout = StoreBackend::TIMEOUT;
                self.read(table, "timeout", &mut timeout, limits::parse_time);
                let replicas = self.replicas(table);
                let authorities = values::text(table, "authorities").and_then(|path| self.path(path));
                Some(QueueBackend::Nats {
                    address: self.address(word, address, place, "queue")?,
                    authorities,
                    stream: values::text(table, "stream").map(|(stream, _)| stream.to_owned()),
                    replicas,
                    timeout,
                })
            }
            // Told where the table is checked.
            _ => None,
        }
    }

    pub(super) fn messaging(&mut self, grants: &Table) -> MessagingGrant {
        let clients = Granting {
            key: "messaging",
            kind: "queue",
            find: Self::known_queue,
            whole: ClientGrant::whole,
            narrowed: Self::client,
        };
        MessagingGrant {
            clients: self.granted(grants, &clients),
        }
    }

    fn client(&mut self, name: &str, table: &Table) -> Option<ClientGrant> {
        let queue = self.known_queue(values::text(table, "queue")?)?;
        Some(ClientGrant {
            publish: self.patterns(table, "publish"),
            request: self.patterns(table, "request"),
            message_bytes_max: self.room(table, "message-size"),
            calls_per_second_max: self.rate(table),
            ..ClientGrant::whole(name, queue)
        })
    }

    fn patterns(&mut self, table: &Table, key: &str) -> Vec<Pattern> {
        let texts = values::texts(table, key);
        texts.into_iter().filter_map(|text| self.parsed(text)).collect()
    }

    /// A text that means something to somebody else.
    fn parsed<T: FromStr<Err: Display>>(&mut self, (text, span): Text<'_>) -> Option<T> {
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.problems.push(Problem::error(error.to_string()).at(span));
                None
            }
        }
    }

    /// A queue of this app, as a grant or a trigger names it.
    fn known_queue(&mut self, written: Text<'_>) -> Option<MessageQueue> {
        let undeclared = "[queue.NAME]`, with nothing under it for an embedded one";
        known(&self.queues, self.problems, written, "queue", undeclared)
    }

    /// The triggers below `[trigger.message]` and `[trigger.schedule]`.
    pub(super) fn message_and_schedule_triggers(&mut self, table: &Table) -> Vec<Trigger> {
        let mut triggers = Vec::new();
        for (name, table, _) in self.named(table, "message") {
            let trigger = self.message_trigger(name, table);
            triggers.extend(trigger.map(|trigger| Trigger::Messages(Box::new(trigger))));
        }
        for (name, table, span) in self.named(table, "schedule") {
            let trigger = self.schedule_trigger(name, table, span);
            triggers.extend(trigger.map(|trigger| Trigger::Schedule(Box::new(trigger))));
        }
        triggers
    }

    fn message_trigger(&mut self, name: Name, table: &Table) -> Option<MessageTrigger> {
        let mut backoff = MessageTrigger::BACKOFF;
        let mut timeout = MessageTrigger::TIMEOUT;
        self.read(table, "backoff", &mut backoff, limits::parse_time);
        self.read(table, "timeout", &mut timeout, limits::parse_time);
        let concurrent_max = self.natural(table, "concurrent");
        let attempts_max = self.natural(table, "attempts");
        let component = values::text(table, "component");
        let component = component.and_then(|(component, span)| self.known_component(component, span));
        let queue = values::text(table, "queue").and_then(|queue| self.known_queue(queue));
        let subject = values::text(table, "subject").map(|subject| self.parsed(subject));
        Some(MessageTrigger {
            name,
            component: component?,
            queue: queue?,
            subject: subject.unwrap_or_else(|| Some(Pattern::everything()))?,
            concurrent_max: concurrent_max.unwrap_or(MessageTrigger::CONCURRENT_MAX),
            attempts_max: attempts_max.unwrap_or(MessageTrigger::ATTEMPTS_MAX),
            backoff,
            timeout,
        })
    }

    fn schedule_trigger(
        &mut self,
        name: Name,
        table: &Table,
        place: &Range<usize>,
    ) -> Option<ScheduleTrigger> {
        let mut timeout = ScheduleTrigger::TIMEOUT;
        self.read(table, "timeout", &mut timeout, limits::parse_time);
        let component = values::text(table, "component");
        let component = component.and_then(|(component, span)| self.known_component(component, span));
        let every = values::quantity(table, "every");
        let times = match (every, values::text(table, "cron")) {
            (Some((text, span)), None) => match limits::parse_time(&text) {
                Ok(period) => Some(Times::Every(period)),
                Err(error) => {
                    self.problems.push(Problem::error(error.to_string()).at(span));
                    None
                }
            },
            (None, Some(cron)) => self.parsed(cron).map(Times::Cron),
            (Some(_), Some((_, span))) => {
                let problem = Problem::error("a schedule has `every` or `cron`, not both").at(span);
                self.problems.push(problem);
                None
            }
            (None, None) => {
                let problem = Problem::error("nothing says when it is run").at(place);
                self.problems
                    .push(problem.hint("add `every = \"10m\"` or `cron = \"0 3 * * *\"`"));
                None
            }
        };
        Some(ScheduleTrigger {
            name,
            component: component?,
            times: times?,
            timeout,
        })
    }

    /// A number from 1 on, where it is given.
    pub(super) fn natural(&mut self, table: &Table, key: &str) -> Option<NonZeroU32> {
        if matches!(table.get(key)?.node.value, Value::Text(_)) {
            // Told where the table is checked.
            return None;
        }
        let (text, span) = values::quantity(table, key)?;
        let parsed = text
            .parse::<NonZeroU32>()
            .ok()
            .filter(|number| number.get() <= 10_000);
        if parsed.is_none() {
            let message = format!("{} is a number from 1 to 10000, and not `{text}`", quote(key));
            self.problems.push(Problem::error(message).at(span));
        }
        parsed
    }
}
