//! Containers: which blob stores a component reaches through `wasi:blobstore`, under which names, and how much of them.

use std::num::NonZeroU32;
use std::str::FromStr;

use super::{DataAccess, ParseError};
use crate::Name;
use crate::blob_store::{BlobBackend, BlobStore};

/// The containers that a component may open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobStoreGrant {
    /// No two have the same name.
    pub containers: Vec<ContainerGrant>,
}

/// One container, as one component sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerGrant {
    /// The name under which the component opens it.
    pub name: String,
    /// Where its objects are.
    pub store: BlobStore,
    /// What may be done with them.
    pub access: DataAccess,
    /// What stands before every name of the component in the store, without its knowing.
    pub prefix: String,
    /// Bytes of the largest object that it may write.
    pub object_bytes_max: u64,
    /// Bytes that all names below the prefix, and their objects, may have together, whoever wrote them.
    pub bytes_max: Option<u64>,
    /// Calls that it may make in a second, on average.
    pub calls_per_second_max: Option<NonZeroU32>,
}

impl ContainerGrant {
    /// Bytes of the largest object where nothing else is said: 1 GiB.
    pub const OBJECT_BYTES_MAX: u64 = 1 << 30;

    /// Everything in a blob store, under a name.
    #[must_use]
    pub fn whole(name: &str, store: BlobStore) -> Self {
        Self {
            name: name.to_owned(),
            store,
            access: DataAccess::ALL,
            prefix: String::new(),
            object_bytes_max: Self::OBJECT_BYTES_MAX,
            bytes_max: None,
            calls_per_second_max: None,
        }
    }
}

/// `NAME=WHERE` or `NAME:ro=WHERE`, as for `--blobstore`.
impl FromStr for ContainerGrant {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = || ParseError::new(text, "`NAME[:ro]=WHERE`, where it is a folder or `memory`");
        let (name, place) = text.split_once('=').ok_or_else(expected)?;
        let (name, access) = match name.strip_suffix(":ro") {
            Some(name) => (name, DataAccess::READ_ONLY),
            None => (name, DataAccess::ALL),
        };
        let store: Name = name.parse().map_err(|_| expected())?;
        // The address of a server is no folder, and would become one.
        if place.is_empty() || place.contains("://") {
            return Err(expected());
        }
        let Ok(backend) = place.parse::<BlobBackend>();
        let store = BlobStore { name: store, backend };
        Ok(Self {
            access,
            ..Self::whole(name, store)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_names_a_container_and_where_it_is() {
        let grant: ContainerGrant = "photos=./data".parse().unwrap();
        assert_eq!((grant.name.as_str(), grant.access), ("photos", DataAccess::ALL));
        let grant: ContainerGrant = "photos:ro=memory".parse().unwrap();
        assert_eq!(grant.access.words().collect::<Vec<_>>(), ["read", "list"]);
        for wrong in [
            "",
            "photos",
            "=memory",
            "photos=",
            "A b=memory",
            "photos=s3://there",
        ] {
            assert!(wrong.parse::<ContainerGrant>().is_err(), "`{wrong}`");
        }
    }
}
