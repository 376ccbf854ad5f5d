//! What a store does, one sentence at a time, for every backend.

use std::collections::BTreeMap;

use bytes::Bytes;
use weft_stores::keyvalue::{Change, Error, KEY_BYTES_MAX, LIST_MAX, Store, Swap, VALUE_BYTES_MAX, Version};

use super::backends::{self, Backend};

async fn each(test: impl AsyncFn(&dyn Store, &Backend)) {
    for backend in backends::every() {
        eprintln!("with {}", backend.name);
        test(backend.store.as_ref(), &backend).await;
    }
}

fn set(key: &str, value: &str) -> Change {
    Change::Set(key.to_owned(), Bytes::copy_from_slice(value.as_bytes()))
}

fn delete(key: &str) -> Change {
    Change::Delete(key.to_owned())
}

async fn value(store: &dyn Store, key: &str) -> Option<String> {
    let entry = store.get(key).await.unwrap();
    entry.map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}

async fn all_keys(store: &dyn Store, prefix: &str, limit: usize) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.list(prefix, cursor.as_deref(), limit).await.unwrap();
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            keys.sort();
            keys.dedup();
            return keys;
        }
    }
}

#[tokio::test]
async fn what_was_set_is_read_and_what_was_deleted_is_gone() {
    each(async |store, _| {
        assert_eq!(value(store, "a").await, None);
        store.write(vec![set("a", "one")]).await.unwrap();
        assert_eq!(value(store, "a").await.as_deref(), Some("one"));
        store.write(vec![set("a", "two")]).await.unwrap();
        assert_eq!(value(store, "a").await.as_deref(), Some("two"));
        store.write(vec![delete("a")]).await.unwrap();
        assert_eq!(value(store, "a").await, None);
        store.write(vec![delete("never there")]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn keys_and_values_may_be_anything() {
    each(async |store, _| {
        for key in ["ü/🦀", " ", "a\0b", "*", "\\", &"k".repeat(KEY_BYTES_MAX)] {
            let bytes: Vec<u8> = (0..=255).collect();
            store
                .write(vec![Change::Set(key.to_owned(), bytes.clone().into())])
                .await
                .unwrap();
            assert_eq!(store.get(key).await.unwrap().unwrap().value, bytes, "`{key}`");
        }
        assert_eq!(all_keys(store, "", 100).await.len(), 6);
        store.write(vec![set("empty", "")]).await.unwrap();
        assert_eq!(value(store, "empty").await.as_deref(), Some(""));
    })
    .await;
}

#[tokio::test]
async fn keys_and_values_have_bounds() {
    each(async |store, backend| {
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        for key in ["", long.as_str()] {
            assert!(matches!(store.get(key).await, Err(Error::KeyLength { .. })));
            assert!(matches!(
                store.write(vec![set(key, "x")]).await,
                Err(Error::KeyLength { .. })
            ));
            assert!(matches!(
                store.increment(key, 1).await,
                Err(Error::KeyLength { .. })
            ));
            let swap = store.swap(key, Version::Absent, Bytes::new()).await;
            assert!(matches!(swap, Err(Error::KeyLength { .. })));
        }
        let large = Bytes::from(vec![1; backend.value_bytes_max]);
        store
            .write(vec![Change::Set("large".into(), large.clone())])
            .await
            .unwrap();
        assert_eq!(store.get("large").await.unwrap().unwrap().value, large);
        if backend.value_bytes_max < VALUE_BYTES_MAX {
            let larger = Bytes::from(vec![1; backend.value_bytes_max + 1]);
            let changes = vec![set("beside", "x"), Change::Set("larger".into(), larger.clone())];
            for refused in [
                store.write(changes).await,
                store.swap("larger", Version::Absent, larger).await.map(drop),
            ] {
                let Err(Error::TooLarge { found, bytes_max }) = refused else {
                    panic!("{refused:?}")
                };
                assert_eq!((found, bytes_max), (bytes_max + 1, backend.value_bytes_max));
            }
            assert_eq!(value(store, "beside").await, None);
        }
        let larger = Bytes::from(vec![1; VALUE_BYTES_MAX + 1]);
        let refused = store.write(vec![Change::Set("larger".into(), larger)]).await;
        assert!(matches!(refused, Err(Error::ValueLength { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_full_store_refuses_to_grow_and_can_shrink() {
    each(async |store, backend| {
        let Some(bytes_max) = backend.bytes_max else {
            return;
        };
        let large = Bytes::from(vec![1; 8 << 20]);
        let mut number = 0;
        loop {
            let change = Change::Set(format!("k{number}"), large.clone());
            match store.write(vec![change]).await {
                Ok(()) => number += 1,
                Err(Error::Full { bytes_max: told }) => break assert_eq!(told, bytes_max),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(number, 7);
        let both = vec![set("small", "x"), Change::Set("k7".into(), large.clone())];
        assert!(matches!(store.write(both).await, Err(Error::Full { .. })));
        assert_eq!(value(store, "small").await, None);
        store
            .write(vec![delete("k0"), Change::Set("k7".into(), large)])
            .await
            .unwrap();
        assert_eq!(all_keys(store, "k", 100).await.len(), 7);
    })
    .await;
}

#[tokio::test]
async fn several_changes_are_made_together() {
    each(async |store, _| {
        store
            .write(vec![
                set("a", "1"),
                set("b", "2"),
                set("a", "3"),
                delete("c"),
                delete("b"),
            ])
            .await
            .unwrap();
        let keys = ["a", "b", "c"].map(str::to_owned);
        let found = store.get_many(&keys).await.unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|entry| entry.map(|entry| entry.value))
            .collect();
        assert_eq!(found, [Some(Bytes::from("3")), None, None]);
        store.write(Vec::new()).await.unwrap();
        assert_eq!(store.get_many(&[]).await.unwrap(), []);
        let refused = store.write(vec![set("d", "1"), set("", "2")]).await;
        assert!(refused.is_err());
        assert_eq!(value(store, "d").await, None);
    })
    .await;
}

#[tokio::test]
async fn a_swap_is_made_only_if_nothing_came_between() {
    each(async |store, _| {
        let done = store.swap("a", Version::Absent, "1".into()).await.unwrap();
        assert_eq!(done, Swap::Done);
        assert_eq!(
            store.swap("a", Version::Absent, "2".into()).await.unwrap(),
            Swap::Changed
        );
        let read = store.get("a").await.unwrap().unwrap();
        store.write(vec![set("a", "between")]).await.unwrap();
        let late = store.swap("a", read.version, "2".into()).await.unwrap();
        assert_eq!(late, Swap::Changed);
        assert_eq!(value(store, "a").await.as_deref(), Some("between"));
        let read = store.get("a").await.unwrap().unwrap();
        assert_eq!(
            store.swap("a", read.version, "3".into()).await.unwrap(),
            Swap::Done
        );
        let read = store.get("a").await.unwrap().unwrap();
        store.write(vec![delete("a")]).await.unwrap();
        assert_eq!(
            store.swap("a", read.version, "4".into()).await.unwrap(),
            Swap::Changed
        );
        assert_eq!(value(store, "a").await, None);
    })
    .await;
}

#[tokio::test]
async fn numbers_are_counted_and_nothing_else_is() {
    each(async |store, _| {
        assert_eq!(store.increment("n", 5).await.unwrap(), 5);
        assert_eq!(store.increment("n", -7).await.unwrap(), -2);
        assert_eq!(value(store, "n").await.as_deref(), Some("-2"));
        assert_eq!(store.increment("n", 0).await.unwrap(), -2);
        for text in ["x", "", "1.5", "+5", "007", "9223372036854775808", " 1"] {
            store.write(vec![set("n", text)]).await.unwrap();
            let refused = store.increment("n", 1).await;
            assert!(
                matches!(refused, Err(Error::NotANumber { .. })),
                "`{text}`: {refused:?}"
            );
        }
        store.write(vec![set("n", "9223372036854775807")]).await.unwrap();
        assert!(matches!(
            store.increment("n", 1).await,
            Err(Error::Overflow { .. })
        ));
        assert_eq!(store.increment("n", -1).await.unwrap(), i64::MAX - 1);
        store.write(vec![set("n", "-9223372036854775808")]).await.unwrap();
        assert!(matches!(
            store.increment("n", -1).await,
            Err(Error::Overflow { .. })
        ));
    })
    .await;
}

#[tokio::test]
async fn keys_are_listed_page_by_page_and_by_prefix() {
    each(async |store, _| {
        let mut expected: Vec<String> = (0..500).map(|number| format!("a/{number:03}")).collect();
        let mut changes: Vec<Change> = expected.iter().map(|key| set(key, "x")).collect();
        changes.extend([set("a", "x"), set("b/1", "x"), set("a*", "x"), set("A/1", "x")]);
        store.write(changes).await.unwrap();
        for limit in [0, 1, 7, 500, 501, LIST_MAX, usize::MAX] {
            assert_eq!(all_keys(store, "a/", limit).await, expected, "limit {limit}");
        }
        assert_eq!(all_keys(store, "", 50).await.len(), 504);
        assert_eq!(all_keys(store, "a*", 50).await, ["a*"]);
        assert_eq!(all_keys(store, "c", 50).await, Vec::<String>::new());
        store.write(vec![delete("a/250")]).await.unwrap();
        expected.remove(250);
        assert_eq!(all_keys(store, "a/", 9).await, expected);
    })
    .await;
}

#[tokio::test]
async fn what_keys_and_values_come_to_is_told_by_prefix() {
    each(async |store, backend| {
        assert_eq!(store.usage("").await.unwrap(), 0);
        let mut there: BTreeMap<String, usize> = BTreeMap::new();
        // More than one page of any listing, as few as a server makes together at a time.
        for batch in 0..3 {
            let numbers = (0..900).map(|number| (format!("a/{batch}{number:03}"), number % 7));
            there.extend(numbers.clone());
            let changes = numbers.map(|(key, bytes)| set(&key, &"x".repeat(bytes)));
            store.write(changes.collect()).await.unwrap();
        }
        let value = Bytes::from(vec![1; backend.value_bytes_max]);
        let odd = ["a", "a/", "a0", "A/1", "b*/1", "b", "ü/🦀"];
        for (bytes, key) in odd.into_iter().enumerate() {
            store
                .write(vec![Change::Set(key.to_owned(), value.slice(..bytes))])
                .await
                .unwrap();
            there.insert(key.to_owned(), bytes);
        }
        store
            .write(vec![Change::Set("large".into(), value.clone())])
            .await
            .unwrap();
        there.insert("large".to_owned(), value.len());
        // Replaced by something shorter, gone, counted up and swapped.
        store
            .write(vec![set("a/0000", "y"), delete("a/0001")])
            .await
            .unwrap();
        there.insert("a/0000".to_owned(), 1);
        there.remove("a/0001");
        store.increment("n", -123).await.unwrap();
        there.insert("n".to_owned(), 4);
        let swapped = store.swap("s", Version::Absent, "swapped".into()).await.unwrap();
        assert_eq!(swapped, Swap::Done);
        there.insert("s".to_owned(), 7);
        for prefix in [
            "", "a", "a/", "a/0", "a/10", "a0", "b*", "b*/", "B", "ü", "ü/🦀", "large", "l?", "never",
        ] {
            let below = there.iter().filter(|(key, _)| key.starts_with(prefix));
            let expected: usize = below.map(|(key, bytes)| key.len() + bytes).sum();
            assert_eq!(
                store.usage(prefix).await.unwrap(),
                expected as u64,
                "below `{prefix}`"
            );
        }
        let keys = ["large", "absent", "a/0001", "a", "a0", "a/0000", "large"].map(str::to_owned);
        let lengths = store.lengths(&keys).await.unwrap();
        let expected = keys.iter().map(|key| there.get(key).map(|bytes| *bytes as u64));
        assert_eq!(lengths, expected.collect::<Vec<_>>());
        assert_eq!(store.lengths(&[]).await.unwrap(), []);
        let refused = store.lengths(&[String::new()]).await;
        assert!(matches!(refused, Err(Error::KeyLength { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_whole_store_says_so() {
    each(async |store, _| store.check().await.unwrap()).await;
}
