//! The keys of databases, and of what components are granted of them.

use super::keys::{NAME, PATH, SIZE, TEXT, TIME};
use super::{Choice, Form, Key, Kind, Presence, Table};
use Presence::{Default, Required};

pub(crate) const SQL: Table = Table {
    header: "[component.NAME.grants.sql.DATABASE]",
    doc: "One database, as one component sees it.\n`DATABASE = \"NAME\"` is the whole of a database.",
    keys: &[
        Key {
            name: "database",
            kind: NAME,
            presence: Required,
            doc: "The database that it is, a `[database.NAME]` of the manifest.",
            example: "database = \"orders\"",
        },
        Key {
            name: "access",
            kind: Kind::List(&Kind::Choice(&[
                Choice {
                    word: "read",
                    doc: "see rows",
                },
                Choice {
                    word: "write",
                    doc: "add, change and remove rows; without `read` only add them, and remove all",
                },
                Choice {
                    word: "schema",
                    doc: "make, change and drop tables, indices, views and triggers",
                },
            ])),
            presence: Default("all three; without `schema` where `tables` are named"),
            doc: "What it may do.\nOn a server it is all three, or `[\"read\"]`: what else a role may do is for the server to say.",
            example: "access = [\"read\"]",
        },
        Key {
            name: "tables",
            kind: Kind::List(&TEXT),
            presence: Default("all of them"),
            doc: "The tables that it reaches, each as `NAME`, or as `NAME:ro` where it may only be read.\nIt does not see which others there are.\nFor SQLite; on a server a role of its own does this.",
            example: "tables = [\"orders\", \"prices:ro\"]",
        },
        Key {
            name: "rate",
            kind: Kind::Whole,
            presence: Default("no bound"),
            doc: "Statements that it may have run in a second, on average; as many at once.",
            example: "rate = 1000",
        },
    ],
};

pub(crate) const DATABASE: Table = Table {
    header: "[database.NAME]",
    doc: "A place for tables, for components that are granted it ([services](services.md#databases)).",
    keys: &[
        Key {
            name: "backend",
            kind: Kind::Choice(&[
                Choice {
                    word: "embedded",
                    doc: "SQLite, in a folder of this machine",
                },
                Choice {
                    word: "memory",
                    doc: "SQLite, in the memory of the process, and gone with it",
                },
                Choice {
                    word: "postgres",
                    doc: "a PostgreSQL server",
                },
            ]),
            presence: Default("`\"embedded\"`, or `\"postgres\"` where there is a `url`"),
            doc: "Where its tables are.",
            example: "backend = \"memory\"",
        },
        Key {
            name: "path",
            kind: PATH,
            presence: Default("a folder below Weft's own, by the names of the app and of the database"),
            doc: "The folder of an embedded one. The database is the file `data.db` in it, which other tools of SQLite read.",
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
            doc: "What a committed transaction of an embedded one survives.",
            example: "durability = \"fast\"",
        },
        Key {
            name: "size",
            kind: SIZE,
            presence: Default("`\"1GiB\"` in a folder, `\"64MiB\"` in memory"),
            doc: "Bytes that a database of SQLite may have.",
            example: "size = \"100MiB\"",
        },
        Key {
            name: "url",
            kind: Kind::Text(Form {
                name: "postgres://HOST/DATABASE",
                pattern: Some("^(postgres|postgresql)://."),
            }),
            presence: Default("`url-variable`, one of the two for a server"),
            doc: "Where the server is: `postgres://[NAME@]HOST[:PORT][/DATABASE]`.",
            example: "url = \"postgres://127.0.0.1/orders\"",
        },
        Key {
            name: "url-variable",
            kind: TEXT,
            presence: Default("`url`"),
            doc: "The environment variable of Weft that says where the server is, for addresses with a password.",
            example: "url-variable = \"ORDERS_DATABASE_URL\"",
        },
        Key {
            name: "authorities",
            kind: PATH,
            presence: Default("the public authorities"),
            doc: "A file with the certificates, in PEM, of those who vouch for a server with TLS: nobody else is believed.",
            example: "authorities = \"ca.pem\"",
        },
        Key {
            name: "connections",
            kind: Kind::Whole,
            presence: Default("`16`"),
            doc: "Connections to a server at most, of all components together.",
            example: "connections = 50",
        },
        Key {
            name: "timeout",
            kind: TIME,
            presence: Default("`\"5s\"`"),
            doc: "How long one statement may take, the reading of its rows included.\nA transaction in which nothing is done for so long, and one that takes six times as long, is rolled back once others wait for it.",
            example: "timeout = \"500ms\"",
        },
    ],
};
