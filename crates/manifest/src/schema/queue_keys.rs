//! The keys of queues, of what components are granted of them, and of what messages and the clock set off.

use super::keys::{NAME, PATH, SIZE, TEXT, TIME};
use super::{Choice, Form, Key, Kind, Presence, Table};
use Presence::{Default, Required};

const PATTERN: Kind = Kind::Text(Form {
    name: "pattern of subjects",
    pattern: Some("^[^ ]+$"),
});

pub(crate) const QUEUE: Table = Table {
    header: "[queue.NAME]",
    doc: "A place where messages wait until somebody has worked on them ([services](services.md#messages)).",
    keys: &[
        Key {
            name: "backend",
            kind: Kind::Choice(&[
                Choice {
                    word: "embedded",
                    doc: "in a folder of this machine",
                },
                Choice {
                    word: "memory",
                    doc: "in the memory of the process, and gone with it",
                },
                Choice {
                    word: "nats",
                    doc: "in a stream of a NATS server with JetStream",
                },
            ]),
            presence: Default("`\"embedded\"`, or `\"nats\"` where there is a `url`"),
            doc: "Where its messages are.",
            example: "backend = \"memory\"",
        },
        Key {
            name: "path",
            kind: PATH,
            presence: Default("a folder below Weft's own, by the names of the app and of the queue"),
            doc: "The folder of an embedded queue, which Weft makes and alone writes to.",
            example: "path = \"data/orders\"",
        },
        Key {
            name: "durability",
            kind: Kind::Choice(&[
                Choice {
                    word: "sync",
                    doc: "the machine losing power",
                },
                Choice {
                    word: "fast",
                    doc: "the process being killed",
                },
            ]),
            presence: Default("`\"sync\"`"),
            doc: "What an acknowledged message in an embedded queue survives.",
            example: "durability = \"fast\"",
        },
        Key {
            name: "size",
            kind: SIZE,
            presence: Default("`\"1GiB\"`"),
            doc: "Bytes that messages of an embedded queue, or one in memory, may have together.",
            example: "size = \"100MiB\"",
        },
        Key {
            name: "url",
            kind: Kind::Text(Form {
                name: "nats://HOST",
                pattern: Some("^(nats|tls)://."),
            }),
            presence: Default("`url-variable`, one of the two for a server"),
            doc: "Where the server is: `nats://HOST[:PORT]`, or `tls://` to insist on TLS; several with commas between.",
            example: "url = \"nats://127.0.0.1:4222\"",
        },
        Key {
            name: "url-variable",
            kind: TEXT,
            presence: Default("`url`"),
            doc: "The environment variable of Weft that says where the server is, for addresses with a password.",
            example: "url-variable = \"ORDERS_NATS_URL\"",
        },
        Key {
            name: "authorities",
            kind: PATH,
            presence: Default("the public authorities"),
            doc: "A file with the certificates, in PEM, of those who vouch for a server with TLS: nobody else is believed.",
            example: "authorities = \"ca.pem\"",
        },
        Key {
            name: "stream",
            kind: TEXT,
            presence: Default(
                "one that is called by the names of the app and of the queue, `\"APP--QUEUE\"`",
            ),
            doc: "The stream on a NATS server. It is made if it is not there.",
            example: "stream = \"orders\"",
        },
        Key {
            name: "replicas",
            kind: Kind::Whole,
            presence: Default("`1`"),
            doc: "Servers of a NATS cluster that have a copy of a stream that is made.",
            example: "replicas = 3",
        },
        Key {
            name: "timeout",
            kind: TIME,
            presence: Default("`\"1s\"`"),
            doc: "How long one call to a server may take.",
            example: "timeout = \"200ms\"",
        },
    ],
};

pub(crate) const CLIENT: Table = Table {
    header: "[component.NAME.grants.messaging.CLIENT]",
    doc: "One queue, as one component sees it.\n`CLIENT = \"QUEUE\"` is every subject of a queue.",
    keys: &[
        Key {
            name: "queue",
            kind: NAME,
            presence: Required,
            doc: "The queue that its messages go to, a `[queue.NAME]` of the manifest.",
            example: "queue = \"orders\"",
        },
        Key {
            name: "publish",
            kind: Kind::List(&PATTERN),
            presence: Default("`[]`"),
            doc: "Subjects that it may publish to: words with dots between, where `*` is any word and `>` at the end any others.",
            example: "publish = [\"order.*\"]",
        },
        Key {
            name: "request",
            kind: Kind::List(&PATTERN),
            presence: Default("`[]`"),
            doc: "Subjects that it may publish to and wait for replies.",
            example: "request = [\"price.>\"]",
        },
        Key {
            name: "message-size",
            kind: SIZE,
            presence: Default("what every queue takes, `\"1MiB\"`"),
            doc: "The largest message that it may publish: body, subject and what else is said of it.",
            example: "message-size = \"64KiB\"",
        },
        Key {
            name: "rate",
            kind: Kind::Whole,
            presence: Default("no bound"),
            doc: "Messages that it may publish in a second, on average; as many at once.",
            example: "rate = 100",
        },
    ],
};

pub(crate) const MESSAGE: Table = Table {
    header: "[trigger.message.NAME]",
    doc: "Messages of a queue are handed to a component that exports `wasi:messaging/incoming-handler` or `wasmcloud:messaging/handler`.\nEvery trigger is handed each message once it is published, and again until the component has worked on it.",
    keys: &[
        Key {
            name: "component",
            kind: NAME,
            presence: Required,
            doc: "The component that works on them.",
            example: "component = \"main\"",
        },
        Key {
            name: "queue",
            kind: NAME,
            presence: Required,
            doc: "The queue, a `[queue.NAME]` of the manifest.",
            example: "queue = \"orders\"",
        },
        Key {
            name: "subject",
            kind: PATTERN,
            presence: Default("`\">\"`: all of the queue"),
            doc: "Which messages: words with dots between, where `*` is any word and `>` at the end any others.",
            example: "subject = \"order.new\"",
        },
        Key {
            name: "concurrent",
            kind: Kind::Whole,
            presence: Default("`4`"),
            doc: "Messages that are worked on at a time, each by an instance of its own.\nWith `1` they are worked on in the order in which they were published, as long as none fails.",
            example: "concurrent = 1",
        },
        Key {
            name: "attempts",
            kind: Kind::Whole,
            presence: Default("`5`"),
            doc: "How often a message is tried before it is put aside.\nA trap, an error, and an end of its time are failures.",
            example: "attempts = 10",
        },
        Key {
            name: "backoff",
            kind: TIME,
            presence: Default("`\"1s\"`"),
            doc: "How long a message waits after its first failure; twice as long after each further one, up to an hour.",
            example: "backoff = \"200ms\"",
        },
        Key {
            name: "timeout",
            kind: TIME,
            presence: Default("`\"30s\"`"),
            doc: "How long the component may work on one message.",
            example: "timeout = \"5s\"",
        },
    ],
};

pub(crate) const SCHEDULE: Table = Table {
    header: "[trigger.schedule.NAME]",
    doc: "A component's `wasi:cli/run` is called again and again, each time by an instance of its own.\nIt is not called while it runs, and times that passed while the app did not run are left out.",
    keys: &[
        Key {
            name: "component",
            kind: NAME,
            presence: Required,
            doc: "The component that is run.",
            example: "component = \"main\"",
        },
        Key {
            name: "every",
            kind: TIME,
            presence: Default("`cron`"),
            doc: "How long after the start of the app, and again and again.",
            example: "every = \"10m\"",
        },
        Key {
            name: "cron",
            kind: TEXT,
            presence: Default("`every`"),
            doc: "When, in UTC: minute, hour, day of the month, month and day of the week, as in a table of cron.",
            example: "cron = \"0 3 * * 1-5\"",
        },
        Key {
            name: "timeout",
            kind: TIME,
            presence: Default("`\"10m\"`"),
            doc: "How long one run may take.",
            example: "timeout = \"1m\"",
        },
    ],
};
