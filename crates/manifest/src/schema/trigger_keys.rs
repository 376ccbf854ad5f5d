//! The keys of what makes an app run.

use super::keys::{NAME, NAME_PATTERN, PATH, SIZE, SIZE_OR_NONE, TEXT, TIME};
use super::queue_keys::{MESSAGE, SCHEDULE};
use super::store_keys::KEYVALUE;
use super::{Choice, Form, Key, Kind, Map, Presence, Table};
use crate::bounds::{COMPONENTS_MAX, ROUTES_MAX};
use Presence::{Default, Required};

pub(crate) const TRIGGER: Table = Table {
    header: "[trigger]",
    doc: "What makes the app run.\nAn app may have several triggers; each runs a copy of its component, and of what that is linked to, by itself.",
    keys: &[
        Key {
            name: "command",
            kind: Kind::Table(&COMMAND),
            presence: Default(
                "where there is no trigger at all, the one component that exports `wasi:cli/run` is run",
            ),
            doc: "The app is started by `weft run`, and one component's `wasi:cli/run` is called once.",
            example: "[trigger.command]\ncomponent = \"main\"",
        },
        Key {
            name: "http",
            kind: Kind::Table(&HTTP),
            presence: Default(
                "where there is no trigger and no command, the one component that exports a handler of HTTP answers, as under an empty `[trigger.http]`",
            ),
            doc: "HTTP requests come in, and components or files answer them.",
            example: "[trigger.http]\nlisten = \"127.0.0.1:8080\"",
        },
        Key {
            name: "message",
            kind: Kind::Map(&Map {
                key: "NAME",
                key_pattern: Some(NAME_PATTERN),
                value: Kind::Table(&MESSAGE),
                entries_max: COMPONENTS_MAX,
            }),
            presence: Default("no message is worked on"),
            doc: "Messages of a queue are handed to a component, under a name by which the queue knows who has worked on what.",
            example: "[trigger.message.ship]\nqueue = \"orders\"\ncomponent = \"main\"",
        },
        Key {
            name: "keyvalue",
            kind: Kind::Map(&Map {
                key: "NAME",
                key_pattern: Some(NAME_PATTERN),
                value: Kind::Table(&KEYVALUE),
                entries_max: COMPONENTS_MAX,
            }),
            presence: Default("no component is told of changed keys"),
            doc: "A component is told of the keys of a store that are set and removed.",
            example: "[trigger.keyvalue.recount]\nstore = \"carts\"\ncomponent = \"main\"",
        },
        Key {
            name: "schedule",
            kind: Kind::Map(&Map {
                key: "NAME",
                key_pattern: Some(NAME_PATTERN),
                value: Kind::Table(&SCHEDULE),
                entries_max: COMPONENTS_MAX,
            }),
            presence: Default("nothing is run by the clock"),
            doc: "A component's `wasi:cli/run` is called again and again.",
            example: "[trigger.schedule.tidy]\nevery = \"10m\"\ncomponent = \"main\"",
        },
    ],
};

pub(crate) const COMMAND: Table = Table {
    header: "[trigger.command]",
    doc: "The app is started by `weft run`, and the component's `wasi:cli/run` is called once.",
    keys: &[
        Key {
            name: "component",
            kind: NAME,
            presence: Required,
            doc: "The component that is run.",
            example: "component = \"main\"",
        },
        Key {
            name: "arguments",
            kind: Kind::List(&TEXT),
            presence: Default("`[]`"),
            doc: "Arguments that stand before those of the command line.",
            example: "arguments = [\"--fast\"]",
        },
    ],
};

const LISTEN: Kind = Kind::Text(Form {
    name: "ADDRESS:PORT or unix:PATH",
    pattern: Some("^(unix:.|.+:[0-9]+$)"),
});

const HOST: Kind = Kind::Text(Form {
    name: "HOST or *.HOST",
    pattern: Some("^([*][.])?[^*:/ ]|^\\["),
});

const METHOD: Kind = Kind::Text(Form {
    name: "method",
    pattern: Some("^[A-Z]+$"),
});

pub(crate) const HTTP: Table = Table {
    header: "[trigger.http]",
    doc: "HTTP requests come in, and components or files answer them.\nA component answers if it exports `wasi:http/incoming-handler` of WASI 0.2 or `wasi:http/handler` of 0.3.",
    keys: &[
        Key {
            name: "listen",
            kind: Kind::Either(&[
                LISTEN,
                Kind::Table(&LISTENER),
                Kind::List(&Kind::Either(&[LISTEN, Kind::Table(&LISTENER)])),
            ]),
            presence: Default("`\"127.0.0.1:8080\"`, which only this machine reaches"),
            doc: "Where connections are accepted: one place or a list of them.\nA place is `ADDRESS:PORT`, where port 0 lets the system choose, or `unix:PATH` for a socket in the file system, or a table that says more.",
            example: "listen = [\"127.0.0.1:8080\", \"unix:app.sock\"]",
        },
        Key {
            name: "component",
            kind: NAME,
            presence: Default("where there is no `route` either, the one component that exports a handler"),
            doc: "The component that answers everything; the short form of one route with the path `/*`.",
            example: "component = \"main\"",
        },
        Key {
            name: "route",
            kind: Kind::Map(&Map {
                key: "ROUTE",
                key_pattern: Some(NAME_PATTERN),
                value: Kind::Table(&ROUTE),
                entries_max: ROUTES_MAX,
            }),
            presence: Default("one component answers everything"),
            doc: "Who answers which requests, each under a name for messages, metrics and the log.\nWhere several match, the more specific host decides, then the more specific path, then whether the route names methods; two that match the same requests equally well are refused.",
            example: "[trigger.http.route.api]\npath = \"/api/*\"\ncomponent = \"main\"",
        },
        Key {
            name: "admin",
            kind: LISTEN,
            presence: Default("they are shown nowhere"),
            doc: "Where health, readiness and numbers are shown; a place of its own, never for the clients of the app.",
            example: "admin = \"127.0.0.1:9090\"",
        },
        Key {
            name: "access-log",
            kind: Kind::Choice(&[
                Choice {
                    word: "off",
                    doc: "nothing",
                },
                Choice {
                    word: "common",
                    doc: "one line in the common log format",
                },
                Choice {
                    word: "json",
                    doc: "one JSON object a line",
                },
            ]),
            presence: Default("`\"off\"`"),
            doc: "What is written about every request.",
            example: "access-log = \"common\"",
        },
        Key {
            name: "limits",
            kind: Kind::Table(&HTTP_LIMITS),
            presence: Default("the defaults of each"),
            doc: "What clients and requests may cost.",
            example: "[trigger.http.limits]\nrequests = 256",
        },
    ],
};

pub(crate) const LISTENER: Table = Table {
    header: "[trigger.http.listen]",
    doc: "A place to listen that is more than an address.",
    keys: &[
        Key {
            name: "address",
            kind: LISTEN,
            presence: Required,
            doc: "The place: `ADDRESS:PORT` or `unix:PATH`.",
            example: "address = \"0.0.0.0:8443\"",
        },
        Key {
            name: "certificate",
            kind: PATH,
            presence: Default("connections are not encrypted"),
            doc: "The certificate with which connections are encrypted (TLS), and those that vouch for it, in PEM form; goes with `key`.\nThe file is read again when it changes.",
            example: "certificate = \"cert.pem\"",
        },
        Key {
            name: "key",
            kind: PATH,
            presence: Default("none; needed with `certificate`"),
            doc: "The certificate's private key, in PEM form.",
            example: "key = \"key.pem\"",
        },
        Key {
            name: "proxy-protocol",
            kind: Kind::Boolean,
            presence: Default("`false`"),
            doc: "Whether each connection begins with a header that says who the client is, as load balancers write it (PROXY protocol, versions 1 and 2).\nA connection without it is closed, so that nobody passes for somebody else.",
            example: "proxy-protocol = true",
        },
    ],
};

pub(crate) const ROUTE: Table = Table {
    header: "[trigger.http.route.ROUTE]",
    doc: "Some requests, and who answers them: a component, or the files of a folder.",
    keys: &[
        Key {
            name: "path",
            kind: Kind::Text(Form {
                name: "path pattern",
                pattern: Some("^/"),
            }),
            presence: Default("`\"/*\"`"),
            doc: "Which paths: segments are literal, `{name}` stands for any one segment, `*` as the last one for any number of segments.\n`/files/*` matches `/files`, `/files/` and `/files/a/b`.",
            example: "path = \"/api/*\"",
        },
        Key {
            name: "hosts",
            kind: Kind::Either(&[HOST, Kind::List(&HOST)]),
            presence: Default("all hosts"),
            doc: "Which hosts, without their ports; `*.example.com` is all below `example.com`, and not `example.com`.",
            example: "hosts = [\"example.com\", \"*.example.com\"]",
        },
        Key {
            name: "methods",
            kind: Kind::Either(&[METHOD, Kind::List(&METHOD)]),
            presence: Default("all methods"),
            doc: "Which methods, as they stand in a request.",
            example: "methods = [\"GET\", \"POST\"]",
        },
        Key {
            name: "component",
            kind: NAME,
            presence: Default("needed, unless `files` is there"),
            doc: "The component that answers.",
            example: "component = \"main\"",
        },
        Key {
            name: "files",
            kind: PATH,
            presence: Default("none"),
            doc: "The folder whose files answer, to be read and nothing else; no component is involved.\nWhat stands where the path has its `*` is the path below the folder.",
            example: "files = \"public\"",
        },
        Key {
            name: "requests",
            kind: Kind::Whole,
            presence: Default("as many as all routes together"),
            doc: "Requests of this route that are worked on at a time.",
            example: "requests = 64",
        },
        Key {
            name: "response-timeout",
            kind: TIME,
            presence: Default("that of `[trigger.http.limits]`"),
            doc: "From the end of a request's headers until its response begins, in place of the bound for all routes.",
            example: "response-timeout = \"5s\"",
        },
    ],
};

pub(crate) const HTTP_LIMITS: Table = Table {
    header: "[trigger.http.limits]",
    doc: "What clients and requests may cost.\nWhat the guest of a request may spend stands under `[limits]` and `[component.NAME.limits]`.",
    keys: &[
        Key {
            name: "connections",
            kind: Kind::Whole,
            presence: Default("`16384`"),
            doc: "Connections open at a time; more wait to be accepted.",
            example: "connections = 1000",
        },
        Key {
            name: "requests",
            kind: Kind::Whole,
            presence: Default("`1024`"),
            doc: "Requests that are worked on at a time.",
            example: "requests = 256",
        },
        Key {
            name: "queue",
            kind: Kind::Whole,
            presence: Default("`1024`"),
            doc: "Requests that wait for their turn; whoever comes then is refused with 503.",
            example: "queue = 0",
        },
        Key {
            name: "queue-timeout",
            kind: TIME,
            presence: Default("`\"1s\"`"),
            doc: "How long a request waits for its turn before it is refused with 503.",
            example: "queue-timeout = \"250ms\"",
        },
        Key {
            name: "head-size",
            kind: SIZE,
            presence: Default("`\"64KiB\"`"),
            doc: "Bytes of a request's first line and headers together, from 8 KiB to 16 MiB.",
            example: "head-size = \"16KiB\"",
        },
        Key {
            name: "headers",
            kind: Kind::Whole,
            presence: Default("`100`"),
            doc: "Headers of a request, up to 10000.",
            example: "headers = 64",
        },
        Key {
            name: "body-size",
            kind: SIZE_OR_NONE,
            presence: Default("`\"none\"`, since bodies are streamed"),
            doc: "Bytes of a request's body; 413 beyond that.",
            example: "body-size = \"10MiB\"",
        },
        Key {
            name: "head-timeout",
            kind: TIME,
            presence: Default("`\"10s\"`"),
            doc: "From the first byte of a request until its headers are complete.",
            example: "head-timeout = \"5s\"",
        },
        Key {
            name: "body-timeout",
            kind: TIME,
            presence: Default("`\"30s\"`"),
            doc: "How long a body may stand still, in either direction.",
            example: "body-timeout = \"10s\"",
        },
        Key {
            name: "idle-timeout",
            kind: TIME,
            presence: Default("`\"75s\"`"),
            doc: "How long a connection is kept without a request.",
            example: "idle-timeout = \"15s\"",
        },
        Key {
            name: "response-timeout",
            kind: TIME,
            presence: Default("`\"30s\"`"),
            doc: "From the end of a request's headers until its response begins; 504 then.",
            example: "response-timeout = \"5s\"",
        },
        Key {
            name: "total-timeout",
            kind: TIME,
            presence: Default("`\"10m\"`"),
            doc: "From the end of a request's headers until the last byte of its response, whatever happens between.",
            example: "total-timeout = \"1m\"",
        },
        Key {
            name: "grace",
            kind: TIME,
            presence: Default("`\"30s\"`"),
            doc: "How long requests may go on after the server was asked to end.",
            example: "grace = \"10s\"",
        },
        Key {
            name: "streams",
            kind: Kind::Whole,
            presence: Default("`128`"),
            doc: "Streams of one HTTP/2 connection that are open at a time.",
            example: "streams = 64",
        },
    ],
};
