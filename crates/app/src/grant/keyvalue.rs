//! Buckets: which stores a component reaches through `wasi:keyvalue`, under which names, and how much of them.

use std::num::NonZeroU32;
use std::str::FromStr;

use super::{DataAccess, ParseError};
use crate::Name;
use crate::store::{Store, StoreBackend};

/// The buckets that a component may open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyValueGrant {
    /// No two have the same name.
    pub buckets: Vec<BucketGrant>,
}

/// One bucket, as one component sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketGrant {
    /// The name under which the component opens it.
    pub name: String,
    /// Where its entries are.
    pub store: Store,
    /// What may be done with them.
    pub access: DataAccess,
    /// What stands before every key of the component in the store, without its knowing.
    pub prefix: String,
    /// Bytes of the largest value that it may write, where that is less than any store takes.
    pub value_bytes_max: Option<u64>,
    /// Bytes that all keys below the prefix, and their values, may have together, whoever wrote them.
    pub bytes_max: Option<u64>,
    /// Calls that it may make in a second, on average.
    pub calls_per_second_max: Option<NonZeroU32>,
}

impl BucketGrant {
    /// Everything in a store, under a name.
    #[must_use]
    pub fn whole(name: &str, store: Store) -> Self {
        Self {
            name: name.to_owned(),
            store,
            access: DataAccess::ALL,
            prefix: String::new(),
            value_bytes_max: None,
            bytes_max: None,
            calls_per_second_max: None,
        }
    }
}

/// `NAME=WHERE` or `NAME:ro=WHERE`, as for `--keyvalue`.
impl FromStr for BucketGrant {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let expected = || {
            ParseError::new(
                text,
                "`NAME[:ro]=WHERE`, where it is a folder, `memory`, or the address of a server such as `redis://HOST`",
            )
        };
        let (name, place) = text.split_once('=').ok_or_else(expected)?;
        let (name, access) = match name.strip_suffix(":ro") {
            Some(name) => (name, DataAccess::READ_ONLY),
            None => (name, DataAccess::ALL),
        };
        let store: Name = name.parse().map_err(|_| expected())?;
        if place.is_empty() {
            return Err(expected());
        }
        let Ok(backend) = place.parse::<StoreBackend>();
        let store = Store { name: store, backend };
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
    fn a_flag_names_a_bucket_and_where_it_is() {
        let grant: BucketGrant = "default=./data".parse().unwrap();
        assert_eq!(grant.name, "default");
        assert_eq!(grant.access, DataAccess::ALL);
        let grant: BucketGrant = "default:ro=memory".parse().unwrap();
        assert_eq!(grant.access.words().collect::<Vec<_>>(), ["read", "list"]);
        for wrong in ["", "default", "=memory", "default=", "A b=memory"] {
            assert!(wrong.parse::<BucketGrant>().is_err(), "`{wrong}`");
        }
    }
}
