//! `wasmcloud:keyvalue@0.2.0`: asynchronous functions, errors with names, and swaps that carry their conditions.

use wasmtime::AsContextMut as _;
use wasmtime::component::{Accessor, ComponentType, Lift, LinkerInstance, Lower, Resource};
use weft_runtime::Cell;
use weft_stores::keyvalue::{self, Version};

use super::draft2::KeyResponse;
use super::{Bucket, beside, bucket_resource, pairs, service};
use crate::refusal::{Cause, Refusal};

/// The variant `error`.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    #[expect(
        dead_code,
        reason = "what is not granted is denied, whether it is there or not"
    )]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "invalid-argument")]
    InvalidArgument,
    #[component(name = "precondition-failed")]
    PreconditionFailed,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "store-unavailable")]
    StoreUnavailable,
    #[component(name = "quota-exceeded")]
    QuotaExceeded,
    #[component(name = "other")]
    Other(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (cause, why) = match refusal {
            Refusal::Denied => return Self::AccessDenied,
            Refusal::Failed(cause, why) => (cause, why),
        };
        match cause {
            Cause::Invalid => Self::InvalidArgument,
            Cause::Quota => Self::QuotaExceeded,
            Cause::Unmet => Self::PreconditionFailed,
            Cause::Timeout => Self::Timeout,
            Cause::Unavailable => Self::StoreUnavailable,
            Cause::NoContainer | Cause::ContainerExists | Cause::NoObject | Cause::Other => Self::Other(why),
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(record)]
struct SetOptions {
    #[component(name = "ttl-ms")]
    ttl_ms: Option<u64>,
    #[component(name = "if-not-exists")]
    if_not_exists: bool,
}

/// A value with its version, as a text that means nothing to the guest.
#[derive(Debug, ComponentType, Lower)]
#[component(record)]
struct Entry {
    value: Vec<u8>,
    version: String,
}

impl From<keyvalue::Entry> for Entry {
    fn from(entry: keyvalue::Entry) -> Self {
        Self {
            version: text_of(&entry.version),
            value: entry.value.into(),
        }
    }
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
struct CasOptions {
    #[component(name = "require-version")]
    require_version: Option<String>,
    #[component(name = "require-value")]
    require_value: Option<Vec<u8>>,
}

#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum CasResult {
    #[component(name = "swapped")]
    Swapped,
    #[component(name = "stale")]
    Stale(Option<Entry>),
}

/// A version as a guest has it. Where a store has no other than the value itself, it is the value's digest: a guest may
/// keep many versions, and values are large.
fn text_of(version: &Version) -> String {
    match version {
        Version::Absent => String::new(),
        Version::Revision(number) => number.to_string(),
        Version::Value(value) => blake3::hash(value).to_hex().to_string(),
    }
}

impl CasOptions {
    fn bytes(&self) -> usize {
        let version = self.require_version.as_ref().map_or(0, String::len);
        version + self.require_value.as_ref().map_or(0, Vec::len)
    }

    /// The version that is the only condition, where the text says all of it.
    fn version(&self) -> Option<Version> {
        let text = self
            .require_version
            .as_ref()
            .filter(|_| self.require_value.is_none())?;
        let version = text.parse().ok().map(Version::Revision)?;
        (text_of(&version) == *text).then_some(version)
    }

    fn hold_for(&self, found: Option<&keyvalue::Entry>) -> bool {
        let Some(found) = found else {
            return false;
        };
        let is_version = |wanted: &String| text_of(&found.version) == *wanted;
        let is_value = |wanted: &Vec<u8>| found.value == *wanted;
        self.require_version.as_ref().is_none_or(is_version)
            && self.require_value.as_ref().is_none_or(is_value)
    }
}

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, Error>,)>;

fn answer<T>(answered: Result<T, Refusal>) -> Answered<T> {
    Ok((answered.map_err(Error::from),))
}

pub(super) fn types(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    bucket_resource(instance, "bucket", principal)
}

pub(super) fn store(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent("open", move |accessor: &Accessor<Cell>, (name,): (String,)| {
        let opened = accessor.with(|mut access| {
            let mut store = access.as_context_mut();
            let (keyvalue, table) = service(&mut store, principal)?;
            match keyvalue.open(&name) {
                Some(view) => answer(Ok(table.push(Bucket::new(view))?)),
                None => answer(Err(Refusal::Denied)),
            }
        });
        Box::pin(std::future::ready(opened))
    })
}

pub(super) fn bucket_functions(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    reading(instance, principal)?;
    instance.func_wrap_concurrent(
        "[method]bucket.set",
        move |accessor: &Accessor<Cell>,
              (handle, key, value, options): (Resource<Bucket>, String, Vec<u8>, Option<SetOptions>)| {
            Box::pin(async move {
                let bytes = key.len() + value.len();
                let set = beside(accessor, principal, &handle, bytes, |view| async move {
                    if options.is_some_and(|options| options.ttl_ms.is_some()) {
                        return Err(Refusal::failed("entries here have no time to live"));
                    }
                    if !options.is_some_and(|options| options.if_not_exists) {
                        return view.write(vec![(key, Some(value))]).await;
                    }
                    match view.swap(&key, Version::Absent, value).await? {
                        keyvalue::Swap::Done => Ok(()),
                        keyvalue::Swap::Changed => Err(Refusal::of(Cause::Unmet, "the key is there")),
                    }
                });
                answer(set.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]bucket.delete",
        move |accessor: &Accessor<Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::pin(async move {
                let deleted = beside(accessor, principal, &handle, key.len(), |view| async move {
                    view.write(vec![(key, None)]).await
                });
                answer(deleted.await?)
            })
        },
    )
}

fn reading(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "[method]bucket.get",
        move |accessor: &Accessor<Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::pin(async move {
                let found = beside(accessor, principal, &handle, key.len(), |view| async move {
                    view.get(&key).await
                });
                answer(
                    found
                        .await?
                        .map(|entry| entry.map(|entry| Vec::from(entry.value))),
                )
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]bucket.exists",
        move |accessor: &Accessor<Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::pin(async move {
                let found = beside(accessor, principal, &handle, key.len(), |view| async move {
                    view.exists(&key).await
                });
                answer(found.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "[method]bucket.list-keys",
        move |accessor: &Accessor<Cell>,
              (handle, below, cursor): (Resource<Bucket>, Option<String>, Option<String>)| {
            Box::pin(async move {
                let below = below.unwrap_or_default();
                let bytes = below.len() + cursor.as_ref().map_or(0, String::len);
                let page = beside(accessor, principal, &handle, bytes, |view| async move {
                    view.list(&below, cursor.as_deref()).await
                });
                answer(page.await?.map(KeyResponse::from))
            })
        },
    )
}

pub(super) fn atomics(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "increment",
        move |accessor: &Accessor<Cell>, (handle, key, delta): (Resource<Bucket>, String, i64)| {
            Box::pin(async move {
                let sum = beside(accessor, principal, &handle, key.len(), |view| async move {
                    view.increment(&key, delta).await
                });
                answer(sum.await?)
            })
        },
    )
}

pub(super) fn cas(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "current",
        move |accessor: &Accessor<Cell>, (handle, key): (Resource<Bucket>, String)| {
            Box::pin(async move {
                let found = beside(accessor, principal, &handle, key.len(), |view| async move {
                    view.get(&key).await
                });
                answer(found.await?.map(|found| found.map(Entry::from)))
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "swap",
        move |accessor: &Accessor<Cell>,
              (handle, key, value, options): (Resource<Bucket>, String, Vec<u8>, CasOptions)| {
            Box::pin(async move {
                let bytes = key.len() + value.len() + options.bytes();
                let swapped = beside(accessor, principal, &handle, bytes, |view| async move {
                    if options.require_version.is_none() && options.require_value.is_none() {
                        return Err(Refusal::of(Cause::Invalid, "a swap without a condition"));
                    }
                    let fits = |found: Option<&keyvalue::Entry>| options.hold_for(found);
                    let swapped = view.swap_where(&key, options.version(), fits, value).await?;
                    Ok(match swapped {
                        Ok(()) => CasResult::Swapped,
                        Err(found) => CasResult::Stale(found.map(Entry::from)),
                    })
                });
                answer(swapped.await?)
            })
        },
    )
}

pub(super) fn batch(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "get-many",
        move |accessor: &Accessor<Cell>, (handle, keys): (Resource<Bucket>, Vec<String>)| {
            Box::pin(async move {
                let bytes = bytes_of(&keys);
                let found = beside(accessor, principal, &handle, bytes, |view| async move {
                    let found = view.get_many(&keys).await?;
                    Ok(pairs(keys, found))
                });
                answer(found.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "set-many",
        move |accessor: &Accessor<Cell>, (handle, entries): (Resource<Bucket>, Vec<(String, Vec<u8>)>)| {
            Box::pin(async move {
                let bytes = |(key, value): &(String, Vec<u8>)| key.len() + value.len() + ENTRY_BYTES;
                let bytes = entries.iter().map(bytes).sum();
                let set = beside(accessor, principal, &handle, bytes, |view| async move {
                    let changes = entries.into_iter().map(|(key, value)| (key, Some(value)));
                    view.write(changes.collect()).await
                });
                answer(set.await?)
            })
        },
    )?;
    instance.func_wrap_concurrent(
        "delete-many",
        move |accessor: &Accessor<Cell>, (handle, keys): (Resource<Bucket>, Vec<String>)| {
            Box::pin(async move {
                let bytes = bytes_of(&keys);
                let deleted = beside(accessor, principal, &handle, bytes, |view| async move {
                    view.write(keys.into_iter().map(|key| (key, None)).collect())
                        .await
                });
                answer(deleted.await?)
            })
        },
    )
}

/// Bytes of an entry of a list beside its texts.
const ENTRY_BYTES: usize = 48;

fn bytes_of(keys: &[String]) -> usize {
    keys.iter().map(|key| key.len() + ENTRY_BYTES).sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn found(value: &'static str, version: Version) -> keyvalue::Entry {
        keyvalue::Entry {
            value: Bytes::from(value),
            version,
        }
    }

    #[test]
    fn every_condition_must_hold_and_none_holds_for_what_is_not_there() {
        let options = |version: Option<&str>, value: Option<&str>| CasOptions {
            require_version: version.map(str::to_owned),
            require_value: value.map(|value| value.as_bytes().to_vec()),
        };
        let entry = found("tea", Version::Revision(7));
        for (options, expected) in [
            (options(Some("7"), None), true),
            (options(Some("07"), None), false),
            (options(Some("8"), None), false),
            (options(None, Some("tea")), true),
            (options(None, Some("")), false),
            (options(Some("7"), Some("tea")), true),
            (options(Some("8"), Some("tea")), false),
            (options(Some("7"), Some("ale")), false),
        ] {
            assert_eq!(options.hold_for(Some(&entry)), expected, "{options:?}");
            assert!(!options.hold_for(None), "{options:?}");
        }
        assert_eq!(options(Some("7"), None).version(), Some(Version::Revision(7)));
        for options in [
            options(Some("7"), Some("tea")),
            options(Some("+7"), None),
            options(None, Some("tea")),
        ] {
            assert_eq!(options.version(), None, "{options:?}");
        }
    }

    #[test]
    fn a_version_that_is_a_value_is_short_and_is_never_taken_for_a_number() {
        let value = Version::Value(Bytes::from(vec![7; 1 << 20]));
        let text = text_of(&value);
        assert_eq!(text.len(), 64);
        let options = CasOptions {
            require_version: Some(text),
            require_value: None,
        };
        assert!(options.version().is_none());
        assert!(options.hold_for(Some(&keyvalue::Entry {
            value: Bytes::from(vec![7; 1 << 20]),
            version: value,
        })));
        assert!(!options.hold_for(Some(&found("7", Version::Value(Bytes::from("7"))))));
    }
}
