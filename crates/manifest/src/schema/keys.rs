//! The keys themselves. What stands here is what the reference page says.

use weft_app::grant::GrantKind;

pub(crate) use super::cell_keys::CELL;
use super::cell_keys::{FUNCTION, FUNCTIONS_KEY, IDEMPOTENT_KEY, ON_FAILURE, ON_FAILURE_KEY, RETRY_KEY};
use super::database_keys::{DATABASE, SQL};
use super::queue_keys::{CLIENT, MESSAGE, QUEUE, SCHEDULE};
use super::store_keys::{BLOB_STORE, BUCKET, CONTAINER, KEYVALUE, STORE};
pub(crate) use super::trigger_keys::TRIGGER;
use super::trigger_keys::{COMMAND, HTTP, HTTP_LIMITS, LISTENER, ROUTE};
use super::{Choice, Form, Key, Kind, Map, Presence, Table};
use crate::bounds::{COMPONENTS_MAX, ENTRIES_MAX};
use Presence::{Default, Required};

/// Every table, in the order of the reference page.
pub(crate) const TABLES: &[&Table] = &[
    &MANIFEST,
    &APP,
    &COMPONENT,
    &SOURCE,
    &GRANTS,
    &SECRET,
    &BUCKET,
    &CONTAINER,
    &CLIENT,
    &SQL,
    &LIMITS,
    &LINK,
    &ON_FAILURE,
    &FUNCTION,
    &CELL,
    &REUSE,
    &STORE,
    &BLOB_STORE,
    &QUEUE,
    &DATABASE,
    &APP_LIMITS,
    &TRIGGER,
    &COMMAND,
    &MESSAGE,
    &KEYVALUE,
    &SCHEDULE,
    &HTTP,
    &LISTENER,
    &ROUTE,
    &HTTP_LIMITS,
];

pub(super) const NAME_PATTERN: &str = "^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$";

pub(super) const TEXT: Kind = Kind::Text(Form {
    name: "text",
    pattern: None,
});
pub(super) const PATH: Kind = Kind::Text(Form {
    name: "path",
    pattern: Some("."),
});
pub(super) const NAME: Kind = Kind::Text(Form {
    name: "name",
    pattern: Some(NAME_PATTERN),
});

pub(super) const SIZE: Kind = Kind::Either(&[
    Kind::Text(Form {
        name: "size",
        pattern: Some("^[0-9]+([.][0-9]+)? ?([KMGTkmgt]?[Bb]|[KMGTkmgt]([Ii][Bb])?)?$"),
    }),
    Kind::Whole,
]);
pub(super) const SIZE_OR_NONE: Kind = Kind::Either(&[
    Kind::Text(Form {
        name: "size or `none`",
        pattern: Some("^(none|[0-9]+([.][0-9]+)? ?([KMGTkmgt]?[Bb]|[KMGTkmgt]([Ii][Bb])?)?)$"),
    }),
    Kind::Whole,
]);
const TIME_OR_NONE: Kind = Kind::Either(&[
    Kind::Text(Form {
        name: "time or `none`",
        pattern: Some("^(none|[0-9]+([.][0-9]+)? ?(ns|us|µs|ms|s|m|min|h|d)?)$"),
    }),
    Kind::Number,
]);
pub(super) const TIME: Kind = Kind::Either(&[
    Kind::Text(Form {
        name: "time",
        pattern: Some("^[0-9]+([.][0-9]+)? ?(ns|us|µs|ms|s|m|min|h|d)?$"),
    }),
    Kind::Number,
]);
const COUNT_OR_NONE: Kind = Kind::Either(&[
    Kind::Text(Form {
        name: "count or `none`",
        pattern: Some("^(none|[0-9][0-9_]*)$"),
    }),
    Kind::Whole,
]);

/// One text, or a list of them.
macro_rules! texts {
    ($name:literal) => {
        Kind::Either(&[
            Kind::Text(Form {
                name: $name,
                pattern: Some("."),
            }),
            Kind::List(&Kind::Text(Form {
                name: $name,
                pattern: Some("."),
            })),
        ])
    };
}

const VALUES: Kind = Kind::Map(&Map {
    key: "KEY",
    key_pattern: None,
    value: TEXT,
    entries_max: ENTRIES_MAX,
});

pub(crate) const MANIFEST: Table = Table {
    header: "weft.toml",
    doc: "A manifest describes one app: its components, what each of them may use and spend, what joins them, and what makes them run.",
    keys: &[
        Key {
            name: "app",
            kind: Kind::Table(&APP),
            presence: Default("the name of the folder"),
            doc: "The app itself.",
            example: "[app]\nname = \"report\"",
        },
        Key {
            name: "component",
            kind: Kind::Map(&Map {
                key: "NAME",
                key_pattern: Some(NAME_PATTERN),
                value: Kind::Table(&COMPONENT),
                entries_max: COMPONENTS_MAX,
            }),
            presence: Required,
            doc: "The components, each under a name of its own; at least one.\nA name is lower-case letters, digits and single hyphens, each word beginning with a letter.",
            example: "[component.main]\nsource = \"main.wasm\"",
        },
        Key {
            name: "store",
            kind: Kind::Map(&Map {
                key: "NAME",
                key_pattern: Some(NAME_PATTERN),
                value: Kind::Table(&STORE),
                entries_max: COMPONENTS_MAX,
            }),
            presence: Default("no store"),
            doc: "Where components keep keys with values, each store under a name of its own.",
            example: "[store.carts]\ndurability = \"fast\"",
        },
        Key {
            name: "blobstore",
            kind: Kind::Map(&Map {
                key: "NAME",
                key_pattern: Some(NAME_PATTERN),
                value: Kind::Table(&BLOB_STORE),
                entries_max: COMPONENTS_MAX,
            }),
            presence: Default("no blob store"),
            doc: "Where components keep objects, each blob store under a name of its own.",
            example: "[blobstore.photos]\nsize = \"50GiB\"",
        },
        Key {
            name: "queue",
            kind: Kind::Map(&Map {
                key: "NAME",
                key_pattern: Some(NAME_PATTERN),
                value: Kind::Table(&QUEUE),
                entries_max: COMPONENTS_MAX,
            }),
            presence: Default("no queue"),
            doc: "Where messages wait until somebody has worked on them, each queue under a name of its own.",
            example: "[queue.orders]",
        },
        Key {
            name: "database",
            kind: Kind::Map(&Map {
                key: "NAME",
                key_pattern: Some(NAME_PATTERN),
                value: Kind::Table(&DATABASE),
                entries_max: COMPONENTS_MAX,
            }),
            presence: Default("no database"),
            doc: "Where components keep tables for SQL, each database under a name of its own.",
            example: "[database.orders]",
        },
        Key {
            name: "limits",
            kind: Kind::Table(&APP_LIMITS),
            presence: Default("the limits of `weft run`"),
            doc: "What one run of the whole app may spend.",
            example: "[limits]\ntimeout = \"30s\"",
        },
        Key {
            name: "trigger",
            kind: Kind::Table(&TRIGGER),
            presence: Default(
                "the one component that exports `wasi:cli/run` is run, or else the one that exports a handler of HTTP answers",
            ),
            doc: "What makes the app run.",
            example: "[trigger.command]\ncomponent = \"main\"",
        },
    ],
};

pub(crate) const APP: Table = Table {
    header: "[app]",
    doc: "The app itself.",
    keys: &[Key {
        name: "name",
        kind: NAME,
        presence: Default("the name of the folder"),
        doc: "What the app is called in messages and file names.",
        example: "name = \"report\"",
    }],
};

pub(crate) const COMPONENT: Table = Table {
    header: "[component.NAME]",
    doc: "One component: where it comes from, what it may use and spend, and what satisfies its imports.",
    keys: &[
        Key {
            name: "source",
            kind: Kind::Either(&[PATH, Kind::Table(&SOURCE)]),
            presence: Required,
            doc: "Where its bytes come from: a path, relative to the folder of the manifest, or a table.\nThe file is a component, or a core module of WASI preview 1.",
            example: "source = \"main.wasm\"",
        },
        Key {
            name: "grant-on-use",
            kind: Kind::Choice(&[
                Choice {
                    word: "refuse",
                    doc: "the app is refused before it runs",
                },
                Choice {
                    word: "trap",
                    doc: "the app runs, and a call of such an import is a trap: for components that import what they never call",
                },
            ]),
            presence: Default("`\"refuse\"`"),
            doc: "What happens with an import that carries authority, that nothing grants and that no link satisfies.",
            example: "grant-on-use = \"trap\"",
        },
        Key {
            name: "grants",
            kind: Kind::Table(&GRANTS),
            presence: Default("nothing is granted"),
            doc: "What it may use.",
            example: "[component.main.grants]\nstdio = \"all\"",
        },
        Key {
            name: "interruption",
            kind: Kind::Choice(&[
                Choice {
                    word: "none",
                    doc: "nothing: it holds its thread for as long as it computes, also past its time limits; for code that is trusted, or alone in its process",
                },
                Choice {
                    word: "counted",
                    doc: "its own code counts: a few per cent slower, and traces have no lines",
                },
                Choice {
                    word: "epochs",
                    doc: "it looks at a clock: some 20 % slower, with lines",
                },
            ]),
            presence: Default("`\"counted\"` where it answers requests, else `\"none\"`"),
            doc: "What makes it look up while it computes, so that others get the thread, where a trigger leads to it.\nIt holds for the components that it is linked with, too; the flag `--interruption` comes before it.",
            example: "interruption = \"epochs\"",
        },
        Key {
            name: "limits",
            kind: Kind::Table(&LIMITS),
            presence: Default("the defaults of each"),
            doc: "What it may spend by itself.",
            example: "[component.main.limits]\nmemory = \"64MiB\"",
        },
        Key {
            name: "links",
            kind: Kind::Map(&Map {
                key: "IMPORT",
                key_pattern: None,
                value: Kind::Either(&[NAME, Kind::Table(&LINK)]),
                entries_max: ENTRIES_MAX,
            }),
            presence: Default("no import is satisfied by another component"),
            doc: "Which of its imports other components satisfy: an import on the left, the component that satisfies it on the right.\nThe left side is an interface with or without its version (`docs:markup/render@1.0.0`, `docs:markup/render`), a whole package (`docs:markup`), a plain name (`render`), or `*` for everything that the other component exports.\nA key with `:`, `/`, `@` or `*` stands in quotes.",
            example: "[component.main.links]\n\"docs:markup/render\" = \"parser\"",
        },
        Key {
            name: "cell",
            kind: Kind::Table(&CELL),
            presence: Default("a fresh instance for each caller"),
            doc: "How its instances live, and what one call may spend, where others call it over isolated links.",
            example: "cell = { lifetime = \"pooled\", timeout = \"1s\" }",
        },
        Key {
            name: "reuse",
            kind: Kind::Table(&REUSE),
            presence: Default("a fresh instance for every request"),
            doc: "How long its instances live where a route of `[trigger.http]` leads to it.\nWith a fresh instance for every request, no request can see or spoil another's data; `reuse` gives that up for speed.",
            example: "reuse = { requests = 128, idle = \"1s\" }",
        },
    ],
};

pub(crate) const SOURCE: Table = Table {
    header: "[component.NAME.source]",
    doc: "A source that is more than a path: `{ file }`, `{ folder, build, file }` or `{ package }`.",
    keys: &[
        Key {
            name: "file",
            kind: PATH,
            presence: Default("needed, unless `package` is there"),
            doc: "The file, relative to `folder` where that is given, else to the folder of the manifest.",
            example: "source = { file = \"main.wasm\" }",
        },
        Key {
            name: "folder",
            kind: PATH,
            presence: Default("none; needed with `build`"),
            doc: "The folder in which the build command runs, relative to the folder of the manifest.",
            example: "source = { folder = \"main\", build = \"make\", file = \"main.wasm\" }",
        },
        Key {
            name: "build",
            kind: Kind::Text(Form {
                name: "command",
                pattern: Some("."),
            }),
            presence: Default("none; needed with `folder`"),
            doc: "The command that makes the file, as for `sh -c`.\nIt runs with everything that you may do yourself: grants bind components, not their builds.\n`weft up`, `compose` and `update` run it and say so; `weft check` and `weft graph` run it only with `--build`, and only where the file is missing.",
            example: "source = { folder = \"main\", build = \"cargo build --release --target wasm32-wasip2\", file = \"target/wasm32-wasip2/release/main.wasm\" }",
        },
        Key {
            name: "package",
            kind: Kind::Text(Form {
                name: "package",
                pattern: Some("^[^:/@ ]+:[^/@ ]+(@[^/@ ]+)?$"),
            }),
            presence: Default("none"),
            doc: "A package of a registry, `NAMESPACE:NAME[@VERSION]`.\nIt is read and checked today, and refused when the app is loaded: fetching packages is yet to come.",
            example: "source = { package = \"docs:markup@1.2.0\" }",
        },
    ],
};

pub(crate) const GRANTS: Table = Table {
    header: "[component.NAME.grants]",
    doc: "What the component may use.\nNothing is granted unless a key says so, and an interface is linked only where its key is there: `env = []` links the interface and gives no variable.\nThe words are those of the flags of `weft run` ([grants](grants.md)).",
    keys: &[
        Key {
            name: "dir",
            kind: texts!("HOST[::GUEST][:rw]"),
            presence: Default("no directory"),
            doc: "Directories of the host that appear in the guest, read-only unless they end in `:rw`.\n`HOST` is relative to the folder of the manifest; without `GUEST` the component sees the path as it is written.",
            example: "dir = [\"./data::/data\", \"out::/out:rw\"]",
        },
        Key {
            name: "env",
            kind: Kind::Either(&[
                Kind::List(&Kind::Text(Form {
                    name: "NAME[=VALUE]",
                    pattern: Some("^[^=]"),
                })),
                Kind::Text(Form {
                    name: "NAME[=VALUE]",
                    pattern: Some("^[^=]"),
                }),
                VALUES,
            ]),
            presence: Default("no variable"),
            doc: "Environment variables; `NAME` alone copies the value it has here, and is refused where it has none.\nA table gives names and values: `env = { LANG = \"en\" }`.",
            example: "env = [\"LANG=en\", \"HOME\"]",
        },
        Key {
            name: "tcp",
            kind: texts!("HOST[:PORT]"),
            presence: Default("no connection"),
            doc: "Hosts to which it may open TCP connections, and whose names it may look up.",
            example: "tcp = [\"db.example.com:5432\"]",
        },
        Key {
            name: "tcp-listen",
            kind: texts!("ADDRESS[:PORT]"),
            presence: Default("no address"),
            doc: "Local addresses on which it may accept TCP connections.",
            example: "tcp-listen = [\"127.0.0.1:8080\"]",
        },
        Key {
            name: "udp",
            kind: texts!("HOST[:PORT]"),
            presence: Default("no host"),
            doc: "Hosts with which it may exchange datagrams, and whose names it may look up.",
            example: "udp = [\"192.0.2.1:53\"]",
        },
        Key {
            name: "udp-listen",
            kind: texts!("ADDRESS[:PORT]"),
            presence: Default("no address"),
            doc: "Local addresses on which it may receive datagrams.",
            example: "udp-listen = [\"127.0.0.1:9999\"]",
        },
        Key {
            name: "dns",
            kind: texts!("HOST"),
            presence: Default("no name"),
            doc: "Names that it may look up, besides those of `tcp` and `udp`.",
            example: "dns = [\"*.example.com\"]",
        },
        Key {
            name: "http",
            kind: texts!("ORIGIN"),
            presence: Default("no origin"),
            doc: "Origins to which it may send HTTP requests ([outgoing HTTP](outgoing-http.md)).",
            example: "http = [\"https://api.example.com\"]",
        },
        Key {
            name: "http-private",
            kind: texts!("CIDR"),
            presence: Default("no private address"),
            doc: "Private addresses to which the names of granted origins may lead.",
            example: "http-private = [\"10.0.0.0/8\"]",
        },
        Key {
            name: "clock",
            kind: Kind::Text(Form {
                name: "real, fixed[:SECONDS] or none",
                pattern: Some("^(real|none|fixed(:[0-9.]+)?)$"),
            }),
            presence: Default("`\"none\"`, and not linked"),
            doc: "What the clocks show: `real`, `fixed[:SECONDS]` since 1970 (repeatable, waiting takes no time) or `none`.",
            example: "clock = \"real\"",
        },
        Key {
            name: "random",
            kind: Kind::Text(Form {
                name: "real, fixed[:SEED] or none",
                pattern: Some("^(real|none|fixed(:[0-9]+)?)$"),
            }),
            presence: Default("`\"none\"`, and not linked"),
            doc: "Where random numbers come from: `real`, `fixed[:SEED]` (repeatable) or `none`.",
            example: "random = \"real\"",
        },
        Key {
            name: "stdio",
            kind: Kind::Either(&[
                Kind::Text(Form {
                    name: "all, none or in,out,err",
                    pattern: Some("^(all|none|(in|out|err)(,(in|out|err))*)$"),
                }),
                Kind::List(&Kind::Choice(&[
                    Choice {
                        word: "in",
                        doc: "standard input",
                    },
                    Choice {
                        word: "out",
                        doc: "standard output",
                    },
                    Choice {
                        word: "err",
                        doc: "standard error",
                    },
                ])),
            ]),
            presence: Default("`\"none\"`, and not linked"),
            doc: "Standard streams that it reaches: `all`, `none`, or some of `in`, `out` and `err`.",
            example: "stdio = \"out,err\"",
        },
        Key {
            name: "config",
            kind: Kind::Map(&Map {
                key: "KEY",
                key_pattern: None,
                value: Kind::Either(&[TEXT, Kind::Table(&SECRET)]),
                entries_max: ENTRIES_MAX,
            }),
            presence: Default("no value"),
            doc: "Values that it reads through `wasi:config`.\nA table in place of a text is a secret: it says where the value is, and no message, log or drawing shows it.",
            example: "config = { greeting = \"hello\", api-key = { variable = \"API_KEY\" } }",
        },
        Key {
            name: "keyvalue",
            kind: Kind::Either(&[
                Kind::List(&NAME),
                Kind::Map(&Map {
                    key: "BUCKET",
                    key_pattern: None,
                    value: Kind::Either(&[NAME, Kind::Table(&BUCKET)]),
                    entries_max: ENTRIES_MAX,
                }),
            ]),
            presence: Default("no bucket"),
            doc: "Buckets that it may open through `wasi:keyvalue` or a like interface, and the stores that they are in ([services](services.md)).\nA list gives whole stores under their own names; a table gives each bucket the name that the component opens it by.",
            example: "keyvalue = [\"carts\"]",
        },
        Key {
            name: "blobstore",
            kind: Kind::Either(&[
                Kind::List(&NAME),
                Kind::Map(&Map {
                    key: "CONTAINER",
                    key_pattern: None,
                    value: Kind::Either(&[NAME, Kind::Table(&CONTAINER)]),
                    entries_max: ENTRIES_MAX,
                }),
            ]),
            presence: Default("no container"),
            doc: "Containers that it may open through `wasi:blobstore` or `wasmcloud:blobstore`, and the blob stores that they are ([services](services.md#blob-stores-and-containers)).\nA list gives whole blob stores under their own names; a table gives each container the name that the component opens it by.",
            example: "blobstore = [\"photos\"]",
        },
        Key {
            name: "messaging",
            kind: Kind::Either(&[
                Kind::List(&NAME),
                Kind::Map(&Map {
                    key: "CLIENT",
                    key_pattern: None,
                    value: Kind::Either(&[NAME, Kind::Table(&CLIENT)]),
                    entries_max: ENTRIES_MAX,
                }),
            ]),
            presence: Default("no queue"),
            doc: "Queues that it may send messages to through `wasi:messaging` or `wasmcloud:messaging` ([services](services.md#messages)).\nA list gives whole queues under their own names; a table gives each the name that the component connects to it by.\nReplying to a message that it was handed needs no more than `messaging = []`.",
            example: "messaging = [\"orders\"]",
        },
        Key {
            name: "sql",
            kind: Kind::Either(&[
                Kind::List(&NAME),
                Kind::Map(&Map {
                    key: "DATABASE",
                    key_pattern: None,
                    value: Kind::Either(&[NAME, Kind::Table(&SQL)]),
                    entries_max: ENTRIES_MAX,
                }),
            ]),
            presence: Default("no database"),
            doc: "Databases that it may open through `weft:sql`, or through the interfaces of Spin for SQLite and PostgreSQL ([services](services.md#databases)).\nA list gives whole databases under their own names; a table gives each the name that the component opens it by.",
            example: "sql = [\"orders\"]",
        },
        Key {
            name: "logging",
            kind: Kind::Choice(&[
                Choice {
                    word: "trace",
                    doc: "every step",
                },
                Choice {
                    word: "debug",
                    doc: "what helps whoever looks for a fault",
                },
                Choice {
                    word: "info",
                    doc: "what goes on",
                },
                Choice {
                    word: "warn",
                    doc: "what may become a fault",
                },
                Choice {
                    word: "error",
                    doc: "what went wrong",
                },
                Choice {
                    word: "critical",
                    doc: "what ends the work",
                },
                Choice {
                    word: "none",
                    doc: "nothing is written",
                },
            ]),
            presence: Default("`\"none\"`, and not linked"),
            doc: "The least level of what it says through `wasi:logging` that is written to the log of the app ([services](services.md#logging)).",
            example: "logging = \"info\"",
        },
    ],
};

/// Which kind of grant each key speaks of.
pub(crate) const GRANT_KINDS: &[(&str, GrantKind)] = &[
    ("dir", GrantKind::Directories),
    ("env", GrantKind::Environment),
    ("tcp", GrantKind::Network),
    ("tcp-listen", GrantKind::Network),
    ("udp", GrantKind::Network),
    ("udp-listen", GrantKind::Network),
    ("dns", GrantKind::Network),
    ("http", GrantKind::Http),
    ("http-private", GrantKind::Http),
    ("clock", GrantKind::Clock),
    ("random", GrantKind::Random),
    ("stdio", GrantKind::Stdio),
    ("config", GrantKind::Config),
    ("keyvalue", GrantKind::KeyValue),
    ("blobstore", GrantKind::BlobStore),
    ("messaging", GrantKind::Messaging),
    ("sql", GrantKind::Sql),
    ("logging", GrantKind::Logging),
];

pub(crate) const SECRET: Table = Table {
    header: "[component.NAME.grants.config.KEY]",
    doc: "Where a secret is: one of the two.\nIt is read when the app is started or reloaded, and is in no artifact and no lock file.",
    keys: &[
        Key {
            name: "variable",
            kind: TEXT,
            presence: Default("`file`"),
            doc: "The environment variable of Weft that holds it.",
            example: "variable = \"API_KEY\"",
        },
        Key {
            name: "file",
            kind: PATH,
            presence: Default("`variable`"),
            doc: "The file that holds it, at most 64 KiB of text.\nOne line end at its end is not part of it.",
            example: "file = \"/run/secrets/api-key\"",
        },
    ],
};

pub(crate) const LIMITS: Table = Table {
    header: "[component.NAME.limits]",
    doc: "What the component may spend by itself, whatever the others do.\nThese bounds cannot be lifted.",
    keys: &[
        Key {
            name: "memory",
            kind: SIZE,
            presence: Default("`\"256MiB\"`"),
            doc: "Size of its linear memories, at most, all together: they share it evenly, and what one declares not to need goes to the others.",
            example: "memory = \"64MiB\"",
        },
        Key {
            name: "tables",
            kind: Kind::Whole,
            presence: Default("`100000`"),
            doc: "Elements of its tables, at most, all together: they share them as memories do.",
            example: "tables = 10000",
        },
    ],
};

pub(crate) const LINK: Table = Table {
    header: "[component.NAME.links.\"IMPORT\"]",
    doc: "A link that is more than the name of a component.",
    keys: &[
        Key {
            name: "component",
            kind: NAME,
            presence: Required,
            doc: "The component that satisfies the import.",
            example: "\"docs:markup/render\" = { component = \"parser\" }",
        },
        Key {
            name: "export",
            kind: Kind::Text(Form {
                name: "interface or name",
                pattern: Some("."),
            }),
            presence: Default("the export of the import's name"),
            doc: "The export that satisfies the import, where it has another name or version.\nOnly where the left side is one interface or one plain name.",
            example: "\"docs:markup/render@1.0.0\" = { component = \"parser\", export = \"docs:markup/render@1.2.0\" }",
        },
        Key {
            name: "mode",
            kind: Kind::Choice(&[
                Choice {
                    word: "fused",
                    doc: "one artifact: a call costs nanoseconds, and a trap ends both components",
                },
                Choice {
                    word: "isolated",
                    doc: "a cell of its own: a call costs a third of a microsecond and up, and a component that fails fails alone",
                },
                Choice {
                    word: "remote",
                    doc: "another machine; refused today, since it is yet to come",
                },
            ]),
            presence: Default("`\"fused\"`"),
            doc: "How the two components are joined.",
            example: "\"docs:markup/render\" = { component = \"parser\", mode = \"isolated\" }",
        },
        ON_FAILURE_KEY,
        FUNCTIONS_KEY,
        RETRY_KEY,
        IDEMPOTENT_KEY,
    ],
};

pub(crate) const REUSE: Table = Table {
    header: "[component.NAME.reuse]",
    doc: "Instances of the component answer more than one HTTP request.\nWhat one request leaves behind in memory, the next one finds: for components that you trust with the data of all clients together, and only those.\nA trap or a limit ends an instance with all requests that it is answering; the next request gets a fresh one.",
    keys: &[
        Key {
            name: "requests",
            kind: Kind::Whole,
            presence: Required,
            doc: "Requests that one instance answers before it is replaced; 1 is a fresh instance for every request.",
            example: "reuse = { requests = 128 }",
        },
        Key {
            name: "concurrent",
            kind: Kind::Whole,
            presence: Default("`1`"),
            doc: "Requests that one instance answers at the same time.\nMore than one is for components of WASI 0.3 only: those of 0.2 answer one after the other.",
            example: "reuse = { requests = 128, concurrent = 16 }",
        },
        Key {
            name: "idle",
            kind: TIME,
            presence: Default("`\"1s\"`"),
            doc: "How long an instance is kept without a request.",
            example: "reuse = { requests = 128, idle = \"10s\" }",
        },
    ],
};

pub(crate) const APP_LIMITS: Table = Table {
    header: "[limits]",
    doc: "What one run of the whole app may spend, all components together.\nThe words and defaults are those of the flags of `weft run` ([limits](limits.md)); `none` lifts a limit that allows it.",
    keys: &[
        Key {
            name: "memory",
            kind: SIZE_OR_NONE,
            presence: Default("`\"1GiB\"`"),
            doc: "Linear memory, all memories of all components together.",
            example: "memory = \"512MiB\"",
        },
        Key {
            name: "tables",
            kind: COUNT_OR_NONE,
            presence: Default("`1000000`"),
            doc: "Elements of tables, all tables of all components together.",
            example: "tables = 100000",
        },
        Key {
            name: "timeout",
            kind: TIME_OR_NONE,
            presence: Default("`\"1h\"`"),
            doc: "Time on the clock, waiting included; a bare number is seconds.",
            example: "timeout = \"30s\"",
        },
        Key {
            name: "cpu-time",
            kind: TIME_OR_NONE,
            presence: Default("`\"30m\"`"),
            doc: "Processor time; a bare number is seconds.",
            example: "cpu-time = \"10s\"",
        },
        Key {
            name: "fuel",
            kind: COUNT_OR_NONE,
            presence: Default("`\"none\"`"),
            doc: "Units of fuel, roughly one an instruction: the same run ends at the same place.\nCounting slows every loop down.",
            example: "fuel = 1_000_000_000",
        },
        Key {
            name: "stack",
            kind: SIZE,
            presence: Default("`\"1MiB\"`"),
            doc: "Native stack of guest code, from 16 KiB to 256 MiB.",
            example: "stack = \"4MiB\"",
        },
        Key {
            name: "handles",
            kind: Kind::Whole,
            presence: Default("`4096`"),
            doc: "Files, sockets, streams and other things open at a time, from 16 to 1000000.",
            example: "handles = 256",
        },
        Key {
            name: "output-bytes",
            kind: SIZE_OR_NONE,
            presence: Default("`\"16GiB\"`"),
            doc: "Bytes written to standard output and standard error together.",
            example: "output-bytes = \"1MiB\"",
        },
    ],
};
