//! Blob stores, and the containers that components are granted of them.

use std::ops::Range;

use weft_app::blob_store::{BlobBackend, BlobStore, S3, S3Key};
use weft_app::grant::{BlobStoreGrant, ContainerGrant};
use weft_app::quantity::parse_bytes;
use weft_app::store::Durability;

use super::granted::{Granting, known};
use super::stores::access;
use super::values::{self, Text};
use super::{Lowering, limits};
use crate::diagnostic::quote;
use crate::document::Table;
use crate::problems::Problem;

/// Keys of a blob store that say something to some backends only.
const ONLY_FOR: &[(&str, &[&str])] = &[
    ("path", &["files"]),
    ("durability", &["files"]),
    ("size", &["files", "memory"]),
    ("url", &["s3"]),
    ("bucket", &["s3"]),
    ("region", &["s3"]),
    ("key-id-variable", &["s3"]),
    ("key-variable", &["s3"]),
    ("prefix", &["s3"]),
    ("timeout", &["s3"]),
];

/// The region that a server of one's own does not care about.
const REGION: &str = "us-east-1";

impl Lowering<'_> {
    /// Reads the blob stores of the app, for the grants that name them.
    pub(super) fn declare_blob_stores(&mut self, root: &Table) {
        for (name, table, place) in self.named(root, "blobstore") {
            if let Some(backend) = self.blob_backend(table, place) {
                let store = BlobStore {
                    name: name.clone(),
                    backend,
                };
                self.blob_stores.insert(name, store);
            }
        }
    }

    fn blob_backend(&mut self, table: &Table, place: &Range<usize>) -> Option<BlobBackend> {
        let is_server = table.get("url").is_some() || table.get("bucket").is_some();
        let default = if is_server { "s3" } else { "files" };
        let word = values::text(table, "backend").map_or(default, |(word, _)| word);
        self.refuse_keys_of_others(table, word, ONLY_FOR);
        let mut bytes_max = match word {
            "memory" => BlobBackend::MEMORY_BYTES_MAX,
            _ => BlobBackend::BYTES_MAX,
        };
        self.read(table, "size", &mut bytes_max, parse_bytes);
        match word {
            "files" => Some(BlobBackend::Files {
                folder: values::text(table, "path").and_then(|path| self.path(path)),
                durability: match values::text(table, "durability") {
                    Some(("fast", _)) => Durability::Fast,
                    _ => Durability::Sync,
                },
                bytes_max,
            }),
            "memory" => Some(BlobBackend::Memory { bytes_max }),
            "s3" => self.s3(table, place).map(BlobBackend::S3),
            // Told where the table is checked.
            _ => None,
        }
    }

    fn s3(&mut self, table: &Table, place: &Range<usize>) -> Option<S3> {
        let mut timeout = BlobBackend::TIMEOUT;
        self.read(table, "timeout", &mut timeout, limits::parse_time);
        let missing = |key: &str, example: &str| {
            Problem::error(format!("a blob store on S3 has no `{key}`"))
                .at(place)
                .hint(format!("add `{key} = \"{example}\"`"))
        };
        let Some((endpoint, endpoint_span)) = values::text(table, "url") else {
            let problem = missing("url", "https://s3.eu-central-1.amazonaws.com");
            self.problems.push(problem);
            return None;
        };
        let Some((bucket, _)) = values::text(table, "bucket") else {
            self.problems.push(missing("bucket", "photos"));
            return None;
        };
        let is_address = |scheme| endpoint.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty());
        if !is_address("https://") && !is_address("http://") {
            let problem = Problem::error("this is not the address of a server").at(endpoint_span);
            self.problems.push(problem.hint("expected `https://HOST[:PORT]`"));
            return None;
        }
        // With a name before an `@`, there may be a password after it.
        if endpoint.contains('@') {
            let problem = Problem::error("the address of a server on S3 has no name in it").at(endpoint_span);
            self.problems
                .push(problem.hint(
                    "say where the key is: `key-id-variable = \"NAME\"` and `key-variable = \"NAME\"`",
                ));
            return None;
        }
        let id = self.variable_of(table, "key-id-variable")?;
        let secret = self.variable_of(table, "key-variable")?;
        let key = match (id, secret) {
            (Some(id), Some(secret)) => Some(S3Key { id, secret }),
            (None, None) => None,
            (Some(_), None) => {
                self.problems.push(missing("key-variable", "PHOTOS_KEY"));
                return None;
            }
            (None, Some(_)) => {
                self.problems.push(missing("key-id-variable", "PHOTOS_KEY_ID"));
                return None;
            }
        };
        Some(S3 {
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            region: values::text(table, "region")
                .map_or(REGION, |(region, _)| region)
                .to_owned(),
            key,
            prefix: values::text(table, "prefix").map(|(prefix, _)| prefix.to_owned()),
            timeout,
        })
    }

    /// The value of the variable that a key names: none without the key, and nothing where it is wrong.
    #[expect(
        clippy::option_option,
        reason = "a key that is not there is not one that is wrong"
    )]
    fn variable_of(&mut self, table: &Table, key: &str) -> Option<Option<String>> {
        let Some((name, span)) = values::text(table, key) else {
            return Some(None);
        };
        let value = (self.context.variable)(name);
        if value.is_none() {
            let message = format!("there is no variable {} here that holds a key", quote(name));
            let problem = Problem::error(message).at(span);
            self.problems.push(problem.hint("set it where weft is started"));
            return None;
        }
        Some(value)
    }

    pub(super) fn blobstore(&mut self, grants: &Table) -> BlobStoreGrant {
        let containers = Granting {
            key: "blobstore",
            kind: "blob store",
            find: Self::known_blob_store,
            whole: ContainerGrant::whole,
            narrowed: Self::container,
        };
        BlobStoreGrant {
            containers: self.granted(grants, &containers),
        }
    }

    fn container(&mut self, name: &str, table: &Table) -> Option<ContainerGrant> {
        let store = self.known_blob_store(values::text(table, "store")?)?;
        let mut container = ContainerGrant::whole(name, store);
        container.access = access(table);
        if let Some((prefix, _)) = values::text(table, "prefix") {
            container.prefix = prefix.to_owned();
        }
        self.read(table, "object-size", &mut container.object_bytes_max, parse_bytes);
        container.bytes_max = self.room(table, "size");
        container.calls_per_second_max = self.rate(table);
        Some(container)
    }

    /// A blob store of this app, as a grant names it.
    fn known_blob_store(&mut self, written: Text<'_>) -> Option<BlobStore> {
        let undeclared = "[blobstore.NAME]`, with nothing under it for files of this machine";
        known(
            &self.blob_stores,
            self.problems,
            written,
            "blob store",
            undeclared,
        )
    }
}
