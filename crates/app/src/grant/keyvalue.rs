//! Buckets: which stores a component reaches through `wasi:keyvalue`, under which names, and how much of them.

use std::num::NonZeroU32;
use std::str::FromStr;

use super::ParseError;
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
    pub access: BucketAccess,
    /// What stands before every key of the component in the store, without its knowing.
    pub prefix: String,
    /// Bytes of the largest value that it may write, where that is less than any store takes.
    pub value_bytes_max: Option<u64>,
    /// Calls that it may make in a second, on average.
    pub calls_per_second_max: Option<NonZeroU32>,
}

/// What a component may do with the entries of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketAccess {
    /// See values, and whether keys are there.
    pub read: bool,
    /// Set and remove entries.
    pub write: bool,
    /// See which keys there are.
    pub list: bool,
}

impl BucketAccess {
    /// Everything.
    pub const ALL: Self = Self {
        read: true,
        write: true,
        list: true,
    };
    /// See everything and change nothing.
    pub const READ_ONLY: Self = Self {
        read: true,
        write: false,
        list: true,
    };

    /// The words for it.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        [(self.read, "read"), (self.write, "write"), (self.list, "list")]
            .into_iter()
            .filter_map(|(is_granted, word)| is_granted.then_some(word))
    }
}

impl BucketGrant {
    /// Everything in a store, under a name.
    #[must_use]
    pub fn whole(name: &str, store: Store) -> Self {
        Self {
            name: name.to_owned(),
            store,
            access: BucketAccess::ALL,
            prefix: String::new(),
            value_bytes_max: None,
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
                "`NAME[:ro]=WHERE`, where it is a folder, `memory` or `redis://HOST`",
            )
        };
        let (name, place) = text.split_once('=').ok_or_else(expected)?;
        let (name, access) = match name.strip_suffix(":ro") {
            Some(name) => (name, BucketAccess::READ_ONLY),
            None => (name, BucketAccess::ALL),
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
        assert_eq!(grant.access, BucketAccess::ALL);
        let grant: BucketGrant = "default:ro=memory".parse().unwrap();
        assert_eq!(grant.access.words().collect::<Vec<_>>(), ["read", "list"]);
        for wrong in ["", "default", "=memory", "default=", "A b=memory"] {
            assert!(wrong.parse::<BucketGrant>().is_err(), "`{wrong}`");
        }
    }
}
