//! The keys of stores and blob stores, of what components are granted of them, and of what their changes set off.

use super::keys::{NAME, PATH, SIZE, TEXT, TIME};
use super::{Choice, Form, Key, Kind, Presence, Table};
use Presence::{Default, Required};

pub(crate) const BUCKET: Table = Table {
    header: "[component.NAME.grants.keyvalue.BUCKET]",
    doc: "One bucket, as one component sees it.\n`BUCKET = \"STORE\"` is the whole of a store.",
    keys: &[
        Key {
            name: "store",
            kind: NAME,
            presence: Required,
            doc: "The store that it is in, a `[store.NAME]` of the manifest.",
            example: "store = \"orders\"",
        },
        Key {
            name: "access",
            kind: Kind::List(&Kind::Choice(&[
                Choice {
                    word: "read",
                    doc: "see values, and whether keys are there",
                },
                Choice {
                    word: "write",
                    doc: "set and remove entries",
                },
                Choice {
                    word: "list",
                    doc: "see which keys there are",
                },
            ])),
            presence: Default("all three"),
            doc: "What it may do.\nCounting up and comparing before a swap need `read` and `write`.",
            example: "access = [\"read\", \"list\"]",
        },
        Key {
            name: "prefix",
            kind: TEXT,
            presence: Default("none: the whole store"),
            doc: "Stands before every key of the component in the store, without its knowing: it sees, lists and reaches nothing else.",
            example: "prefix = \"prices/\"",
        },
        Key {
            name: "value-size",
            kind: SIZE,
            presence: Default("what every store takes, `\"16MiB\"`"),
            doc: "The largest value that it may write.",
            example: "value-size = \"64KiB\"",
        },
        Key {
            name: "size",
            kind: SIZE,
            presence: Default("no bound but that of the store"),
            doc: "Bytes that the keys below its `prefix` and their values may have together, whoever wrote them.\nWhat would be more is refused; what makes them less never is.",
            example: "size = \"10MiB\"",
        },
        Key {
            name: "rate",
            kind: Kind::Whole,
            presence: Default("no bound"),
            doc: "Calls that it may make in a second, on average; as many at once.",
            example: "rate = 1000",
        },
    ],
};

pub(crate) const KEYVALUE: Table = Table {
    header: "[trigger.keyvalue.NAME]",
    doc: "A component that exports `wasi:keyvalue/watcher` or `wasmcloud:keyvalue/watcher` is told of the keys of a store that are set and removed, by whomever ([services](services.md#watching-buckets)).\nIt is handed the bucket that it was granted in that store, and is told of no key outside of it; of several buckets it is the first of its grants with `read` and `list`.",
    keys: &[
        Key {
            name: "component",
            kind: NAME,
            presence: Required,
            doc: "The component that is told.",
            example: "component = \"main\"",
        },
        Key {
            name: "store",
            kind: NAME,
            presence: Required,
            doc: "The store, a `[store.NAME]` of the manifest in which the component is granted a bucket with `read` and `list`.",
            example: "store = \"carts\"",
        },
        Key {
            name: "prefix",
            kind: TEXT,
            presence: Default("all keys of its bucket"),
            doc: "How the keys begin that it is told of, as the component knows them.",
            example: "prefix = \"open/\"",
        },
        Key {
            name: "concurrent",
            kind: Kind::Whole,
            presence: Default("`4`"),
            doc: "Keys that it is told of at a time, each by an instance of its own; of one key always one change after the other.",
            example: "concurrent = 1",
        },
        Key {
            name: "attempts",
            kind: Kind::Whole,
            presence: Default("`5`"),
            doc: "How often a change is tried.\nA trap and an end of its time are failures.",
            example: "attempts = 10",
        },
        Key {
            name: "backoff",
            kind: TIME,
            presence: Default("`\"1s\"`"),
            doc: "How long a change waits after its first failure; twice as long after each further one, up to an hour.",
            example: "backoff = \"200ms\"",
        },
        Key {
            name: "timeout",
            kind: TIME,
            presence: Default("`\"30s\"`"),
            doc: "How long the component may take for one change.",
            example: "timeout = \"5s\"",
        },
    ],
};

pub(crate) const STORE: Table = Table {
    header: "[store.NAME]",
    doc: "A place for keys with values, for components that are granted a bucket in it ([services](services.md)).",
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
                    word: "redis",
                    doc: "on a Redis server",
                },
                Choice {
                    word: "postgres",
                    doc: "in a table of a PostgreSQL server",
                },
                Choice {
                    word: "nats",
                    doc: "in a bucket of a NATS server with JetStream",
                },
            ]),
            presence: Default("`\"embedded\"`, or what a `url` is the address of"),
            doc: "Where its entries are.",
            example: "backend = \"redis\"",
        },
        Key {
            name: "path",
            kind: PATH,
            presence: Default("a folder below Weft's own, by the names of the app and of the store"),
            doc: "The folder of an embedded store, which Weft makes and alone writes to.",
            example: "path = \"data/carts\"",
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
            doc: "What an acknowledged write to an embedded store survives.",
            example: "durability = \"fast\"",
        },
        Key {
            name: "size",
            kind: SIZE,
            presence: Default("`\"1GiB\"`"),
            doc: "Bytes that keys and values of an embedded store, or one in memory, may have together.",
            example: "size = \"100MiB\"",
        },
        Key {
            name: "url",
            kind: Kind::Text(Form {
                name: "redis://HOST, postgres://HOST or nats://HOST",
                pattern: Some("^(rediss?|postgres|postgresql|nats|tls)://."),
            }),
            presence: Default("`url-variable`, one of the two for a server"),
            doc: "Where the server is: `redis://HOST[:PORT][/DATABASE]` (`rediss://` with TLS), `postgres://HOST[:PORT][/DATABASE]` or `nats://HOST[:PORT]`, several of the last with commas between.",
            example: "url = \"redis://127.0.0.1:6379\"",
        },
        Key {
            name: "url-variable",
            kind: TEXT,
            presence: Default("`url`"),
            doc: "The environment variable of Weft that says where the server is, for addresses with a password.",
            example: "url-variable = \"CARTS_REDIS_URL\"",
        },
        Key {
            name: "authorities",
            kind: PATH,
            presence: Default("the public authorities"),
            doc: "A file with the certificates, in PEM, of those who vouch for a server with TLS: nobody else is believed.",
            example: "authorities = \"ca.pem\"",
        },
        Key {
            name: "prefix",
            kind: TEXT,
            presence: Default("`\"APP:NAME:\"`"),
            doc: "Stands before every key on a Redis server, so that stores and other programs do not meet.",
            example: "prefix = \"\"",
        },
        Key {
            name: "table",
            kind: TEXT,
            presence: Default("one that is called by the names of the app and of the store"),
            doc: "The table on a PostgreSQL server, as `TABLE` or `SCHEMA.TABLE`. It is made if it is not there.",
            example: "table = \"carts\"",
        },
        Key {
            name: "bucket",
            kind: TEXT,
            presence: Default("one that is called by the names of the app and of the store"),
            doc: "The bucket on a NATS server. It is made if it is not there.",
            example: "bucket = \"carts\"",
        },
        Key {
            name: "replicas",
            kind: Kind::Whole,
            presence: Default("`1`"),
            doc: "Servers of a NATS cluster that have a copy of a bucket that is made.",
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

pub(crate) const CONTAINER: Table = Table {
    header: "[component.NAME.grants.blobstore.CONTAINER]",
    doc: "One container, as one component sees it.\n`CONTAINER = \"STORE\"` is the whole of a blob store.",
    keys: &[
        Key {
            name: "store",
            kind: NAME,
            presence: Required,
            doc: "The blob store that it is, a `[blobstore.NAME]` of the manifest.",
            example: "store = \"photos\"",
        },
        Key {
            name: "access",
            kind: Kind::List(&Kind::Choice(&[
                Choice {
                    word: "read",
                    doc: "see objects, and whether names are there",
                },
                Choice {
                    word: "write",
                    doc: "write and remove objects, make, clear and delete the container",
                },
                Choice {
                    word: "list",
                    doc: "see which names there are",
                },
            ])),
            presence: Default("all three"),
            doc: "What it may do.\nCopying needs `read` of the container it copies from, moving `read` and `write`; both need `write` of the other.",
            example: "access = [\"read\", \"list\"]",
        },
        Key {
            name: "prefix",
            kind: TEXT,
            presence: Default("none: the whole blob store"),
            doc: "Stands before every name of the component in the blob store, without its knowing: it sees, lists and reaches nothing else.\nThe container itself is not its own then: it can be cleared, below the prefix, and neither made nor deleted.",
            example: "prefix = \"thumbnails/\"",
        },
        Key {
            name: "object-size",
            kind: SIZE,
            presence: Default("`\"1GiB\"`"),
            doc: "The largest object that it may write.",
            example: "object-size = \"20MiB\"",
        },
        Key {
            name: "size",
            kind: SIZE,
            presence: Default("no bound but that of the blob store"),
            doc: "Bytes that the names below its `prefix` and their objects may have together, whoever wrote them.\nWhat would be more is refused; what makes them less never is.",
            example: "size = \"500MiB\"",
        },
        Key {
            name: "rate",
            kind: Kind::Whole,
            presence: Default("no bound"),
            doc: "Calls that it may make in a second, on average; as many at once.",
            example: "rate = 1000",
        },
    ],
};

pub(crate) const BLOB_STORE: Table = Table {
    header: "[blobstore.NAME]",
    doc: "A place for objects, for components that are granted it as a container ([services](services.md#blob-stores-and-containers)).",
    keys: &[
        Key {
            name: "backend",
            kind: Kind::Choice(&[
                Choice {
                    word: "files",
                    doc: "in files of a folder of this machine",
                },
                Choice {
                    word: "memory",
                    doc: "in the memory of the process, and gone with it",
                },
                Choice {
                    word: "s3",
                    doc: "in a bucket of S3, or of a server that speaks as it does",
                },
            ]),
            presence: Default("`\"files\"`, or `\"s3\"` where there is a `url` or a `bucket`"),
            doc: "Where its objects are.",
            example: "backend = \"memory\"",
        },
        Key {
            name: "path",
            kind: PATH,
            presence: Default("a folder below Weft's own, by the names of the app and of the blob store"),
            doc: "The folder of the files, which Weft makes and alone writes to.",
            example: "path = \"data/photos\"",
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
            doc: "What an acknowledged write to files survives.",
            example: "durability = \"fast\"",
        },
        Key {
            name: "size",
            kind: SIZE,
            presence: Default("`\"10GiB\"` in files, `\"256MiB\"` in memory"),
            doc: "Bytes that objects may have together.",
            example: "size = \"100MiB\"",
        },
        Key {
            name: "url",
            kind: Kind::Text(Form {
                name: "https://HOST[:PORT]",
                pattern: Some("^https?://."),
            }),
            presence: Default("none; required for `s3`"),
            doc: "Where the server is.",
            example: "url = \"https://s3.eu-central-1.amazonaws.com\"",
        },
        Key {
            name: "bucket",
            kind: TEXT,
            presence: Default("none; required for `s3`"),
            doc: "The bucket on the server, which is there already.",
            example: "bucket = \"photos\"",
        },
        Key {
            name: "region",
            kind: TEXT,
            presence: Default("`\"us-east-1\"`"),
            doc: "The region that requests are signed for.",
            example: "region = \"eu-central-1\"",
        },
        Key {
            name: "key-id-variable",
            kind: TEXT,
            presence: Default("requests are not signed"),
            doc: "The environment variable of Weft that holds the name of the key that requests are signed with.",
            example: "key-id-variable = \"PHOTOS_KEY_ID\"",
        },
        Key {
            name: "key-variable",
            kind: TEXT,
            presence: Default("requests are not signed"),
            doc: "The environment variable of Weft that holds the key.",
            example: "key-variable = \"PHOTOS_KEY\"",
        },
        Key {
            name: "prefix",
            kind: TEXT,
            presence: Default("`\"APP/NAME/\"`"),
            doc: "Stands before every name in the bucket, so that blob stores and other programs do not meet.",
            example: "prefix = \"\"",
        },
        Key {
            name: "timeout",
            kind: TIME,
            presence: Default("`\"10s\"`"),
            doc: "How long one call to a server may take.",
            example: "timeout = \"2s\"",
        },
    ],
};
