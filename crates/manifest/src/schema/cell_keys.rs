//! The keys of isolated links and of the cells that they lead to.

use super::keys::TIME;
use super::{Choice, Form, Key, Kind, Map, Presence, Table};
use crate::bounds::ENTRIES_MAX;
use Presence::Default;

const WAVE: Kind = Kind::Text(Form {
    name: "value as WAVE",
    pattern: None,
});

const ON_FAILURE_KIND: Kind = Kind::Either(&[
    Kind::Choice(&[Choice {
        word: "trap",
        doc: "the caller fails too",
    }]),
    Kind::Table(&ON_FAILURE),
]);

pub(super) const ON_FAILURE_KEY: Key = Key {
    name: "on-failure",
    kind: ON_FAILURE_KIND,
    presence: Default("`\"trap\"`"),
    doc: "What the caller gets for a call that fails: a trap of its own, the error of the function, or a value.\nOnly with `mode = \"isolated\"`; it must fit every function of the link that `functions` does not speak of.",
    example: "\"docs:markup/render\" = { component = \"parser\", mode = \"isolated\", on-failure = { error = \"failed\" } }",
};

pub(super) const FUNCTIONS_KEY: Key = Key {
    name: "functions",
    kind: Kind::Map(&Map {
        key: "FUNCTION",
        key_pattern: None,
        value: Kind::Table(&FUNCTION),
        entries_max: ENTRIES_MAX,
    }),
    presence: Default("all functions are treated alike"),
    doc: "What is said of single functions, by their names.\nOnly with `mode = \"isolated\"`.",
    example: "\"docs:markup/render\" = { component = \"parser\", mode = \"isolated\", functions = { title = { on-failure = { value = '\"?\"' } } } }",
};

pub(super) const RETRY_KEY: Key = Key {
    name: "retry",
    kind: Kind::Whole,
    presence: Default("`0`"),
    doc: "How often a call that failed is made again, where its function is idempotent; at most 100 times.\nOnly with `mode = \"isolated\"`.",
    example: "\"docs:markup/render\" = { component = \"parser\", mode = \"isolated\", idempotent = true, retry = 2 }",
};

pub(super) const IDEMPOTENT_KEY: Key = Key {
    name: "idempotent",
    kind: Kind::Either(&[
        Kind::Boolean,
        Kind::List(&Kind::Text(Form {
            name: "function",
            pattern: Some("."),
        })),
    ]),
    presence: Default("`false`"),
    doc: "Functions that do the same when they are called twice: all of them, or these.\nOnly with `mode = \"isolated\"`.",
    example: "\"docs:markup/render\" = { component = \"parser\", mode = \"isolated\", idempotent = [\"render\"], retry = 2 }",
};

pub(crate) const ON_FAILURE: Table = Table {
    header: "[component.NAME.links.\"IMPORT\".on-failure]",
    doc: "What stands for the results of a call that failed: one of the two, written as [WAVE](https://github.com/bytecodealliance/wasm-tools/tree/main/crates/wasm-wave).",
    keys: &[
        Key {
            name: "error",
            kind: WAVE,
            presence: Default("none"),
            doc: "The error of a function that returns a `result`; empty where the error carries nothing.",
            example: "on-failure = { error = \"failed(\\\"the renderer\\\")\" }",
        },
        Key {
            name: "value",
            kind: WAVE,
            presence: Default("none"),
            doc: "The whole result of the function.",
            example: "on-failure = { value = \"[]\" }",
        },
    ],
};

pub(crate) const FUNCTION: Table = Table {
    header: "[component.NAME.links.\"IMPORT\".functions.FUNCTION]",
    doc: "One function of an isolated link.",
    keys: &[
        Key {
            name: "on-failure",
            kind: ON_FAILURE_KIND,
            presence: Default("that of the link"),
            doc: "What the caller gets for a call of it that fails.",
            example: "functions = { title = { on-failure = \"trap\" } }",
        },
        Key {
            name: "idempotent",
            kind: Kind::Boolean,
            presence: Default("what the link says"),
            doc: "Whether it does the same when it is called twice.",
            example: "functions = { title = { idempotent = true } }",
        },
    ],
};

pub(crate) const CELL: Table = Table {
    header: "[component.NAME.cell]",
    doc: "How the component behaves that others call over isolated links: how long its instances live, and what one call may spend.\nIt counts for everything that is fused with the component; what an instance may have of memory stands under `limits`.",
    keys: &[
        Key {
            name: "lifetime",
            kind: Kind::Choice(&[
                Choice {
                    word: "request",
                    doc: "each request, or run, that calls it has an instance of its own",
                },
                Choice {
                    word: "pooled",
                    doc: "an instance waits for the next caller when one is done, with everything that it remembers",
                },
                Choice {
                    word: "shared",
                    doc: "one instance is there for all, called by one after the other and started anew when it fails",
                },
            ]),
            presence: Default("`\"request\"`"),
            doc: "How long its instances live.\nOnly with `request` can nothing of one caller reach another.",
            example: "lifetime = \"pooled\"",
        },
        Key {
            name: "uses",
            kind: Kind::Whole,
            presence: Default("`1000`"),
            doc: "Callers that a pooled instance has, one after the other, before a new one takes its place.",
            example: "uses = 100",
        },
        Key {
            name: "idle",
            kind: Kind::Whole,
            presence: Default("`32`"),
            doc: "Pooled instances that wait at the same time.",
            example: "idle = 8",
        },
        Key {
            name: "cpu-time",
            kind: TIME,
            presence: Default("no bound but the caller's"),
            doc: "Processor time of one call, in steps of a millisecond.",
            example: "cpu-time = \"100ms\"",
        },
        Key {
            name: "timeout",
            kind: TIME,
            presence: Default("no bound but the caller's; 30 seconds for a shared instance"),
            doc: "Time on the wall clock of one call.",
            example: "timeout = \"1s\"",
        },
        Key {
            name: "handles",
            kind: Kind::Whole,
            presence: Default("`1024`"),
            doc: "Files, sockets, streams and other things that one instance has open at a time, from 16 to 1000000.",
            example: "handles = 64",
        },
        Key {
            name: "depth",
            kind: Kind::Whole,
            presence: Default("`16`"),
            doc: "Calls over isolated links that may be nested, a call of this component included; from 1 to 64.",
            example: "depth = 4",
        },
        Key {
            name: "restarts",
            kind: Kind::Whole,
            presence: Default("`5`"),
            doc: "Failures of a shared instance within `period` after which it is left alone for as long: calls fail at once.",
            example: "restarts = 3",
        },
        Key {
            name: "period",
            kind: TIME,
            presence: Default("`\"10s\"`"),
            doc: "The time in which `restarts` are counted.",
            example: "period = \"1m\"",
        },
        Key {
            name: "backoff",
            kind: TIME,
            presence: Default("`\"50ms\"`"),
            doc: "How long a shared instance is left alone after it failed twice in a row, and twice as long each time after that; up to half of it less, by chance.",
            example: "backoff = \"100ms\"",
        },
        Key {
            name: "backoff-max",
            kind: TIME,
            presence: Default("`\"10s\"`"),
            doc: "The longest that `backoff` becomes.",
            example: "backoff-max = \"1m\"",
        },
    ],
};
