//! What a store does, one sentence at a time, for every backend.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use weft_stores::blob::{Error, LIST_MAX, NAME_BYTES_MAX, Object, READ_BYTES_MAX, Store};

use super::backends::{self, Backend};
use super::content::{content, names, read, read_all, spool, write};

async fn each(test: impl AsyncFn(&dyn Store, &Backend)) {
    for backend in backends::every() {
        eprintln!("with {}", backend.name);
        test(backend.store.as_ref(), &backend).await;
    }
}

/// Around everything where a store may change how it keeps an object.
const SIZES: [usize; 10] = [
    0,
    1,
    16 << 10,
    (16 << 10) + 1,
    65_535,
    65_536,
    65_537,
    131_072,
    300_001,
    5 << 20,
];

#[tokio::test]
async fn what_was_written_is_read_and_what_was_removed_is_gone() {
    each(async |store, _| {
        assert_eq!(read(store, "a").await, None);
        assert_eq!(store.info("a").await.unwrap(), None);
        for (number, bytes) in SIZES.into_iter().enumerate() {
            let content = content(number, bytes);
            let before = SystemTime::now();
            write(store, "a", &content).await;
            assert!(read(store, "a").await.unwrap() == content, "{bytes} bytes");
            let info = store.info("a").await.unwrap().unwrap();
            assert_eq!(info.bytes, bytes as u64);
            assert_eq!(&info, store.open("a").await.unwrap().unwrap().info());
            // Some backends have seconds only.
            let slack = Duration::from_secs(2);
            assert!(info.created >= before - slack && info.created <= SystemTime::now() + slack);
        }
        store.remove(&["a".to_owned()]).await.unwrap();
        assert_eq!(read(store, "a").await, None);
        store
            .remove(&["a".to_owned(), "never there".to_owned()])
            .await
            .unwrap();
        store.remove(&[]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_object_is_read_in_parts() {
    each(async |store, _| {
        for bytes in [10, 16 << 10, 65_536 * 3, 3_000_000] {
            let content = content(1, bytes);
            write(store, "a", &content).await;
            let mut opened = vec![store.open("a").await.unwrap().unwrap()];
            // Whatever was said that would be read.
            let no_such = u64::MAX - 1..u64::MAX;
            for first in [0..u64::MAX, 5..9, 5..5, 70_000..2_000_000, no_such] {
                opened.push(store.open_to_read("a", first).await.unwrap().unwrap());
            }
            for object in opened {
                read_in_parts(&*object, &content).await;
            }
        }
    })
    .await;
}

async fn read_in_parts(object: &dyn Object, content: &[u8]) {
    let bytes = content.len();
    assert_eq!(object.info().bytes, bytes as u64);
    for offset in [0, 1, 9, 65_535, 65_536, 65_537, bytes - 1] {
        for length in [1, 2, 65_536, 200_000, READ_BYTES_MAX, usize::MAX] {
            let part = object.read(offset as u64, length).await.unwrap();
            let from = offset.min(bytes);
            let until = from.saturating_add(length.min(READ_BYTES_MAX)).min(bytes);
            assert!(part.len() <= until - from);
            assert_eq!(part.is_empty(), from == bytes, "{offset} of {bytes}");
            assert!(part == content[from..from + part.len()], "{offset} of {bytes}");
        }
    }
    for offset in [bytes as u64, bytes as u64 + 1, u64::MAX] {
        assert!(object.read(offset, 10).await.unwrap().is_empty());
    }
    assert!(object.read(0, 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_open_object_stays_what_it_was_or_says_that_it_has_gone() {
    each(async |store, backend| {
        for bytes in [100, 200_000] {
            let old = content(1, bytes);
            write(store, "a", &old).await;
            let opened = store.open("a").await.unwrap().unwrap();
            write(store, "a", &content(2, bytes)).await;
            let reopened = store.open("a").await.unwrap().unwrap();
            store.remove(&["a".to_owned()]).await.unwrap();
            for (object, expected) in [(opened, old), (reopened, content(2, bytes))] {
                match read_all(object.as_ref()).await {
                    Ok(found) => assert!(found == expected, "{bytes} bytes"),
                    Err(Error::Replaced) => assert_eq!(backend.bytes_max, None, "{}", backend.name),
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_names_and_objects_come_to_is_told_by_prefix() {
    each(async |store, _| {
        assert_eq!(store.usage("").await.unwrap(), 0);
        let mut there: BTreeMap<String, usize> = BTreeMap::new();
        // Of 24 bytes is the small object whose entry is as long as that of a file.
        for (number, bytes) in SIZES.into_iter().chain([23, 24, 25]).enumerate() {
            let name = format!("{}/{number}", ["a", "a0", "ü"][number % 3]);
            write(store, &name, &content(number, bytes)).await;
            there.insert(name, bytes);
        }
        // Replaced by something smaller, gone, and copied.
        write(store, "a/9", b"short").await;
        there.insert("a/9".to_owned(), 5);
        store.remove(&["a/3".to_owned()]).await.unwrap();
        there.remove("a/3");
        assert!(store.copy("a0/7", "b").await.unwrap());
        there.insert("b".to_owned(), there["a0/7"]);
        for prefix in ["", "a", "a/", "a0", "a0/7", "ü", "b", "never"] {
            let below = there.iter().filter(|(name, _)| name.starts_with(prefix));
            let expected: usize = below.map(|(name, bytes)| name.len() + bytes).sum();
            assert_eq!(
                store.usage(prefix).await.unwrap(),
                expected as u64,
                "below `{prefix}`"
            );
        }
        store.clear("a").await.unwrap();
        assert_eq!(store.usage("a").await.unwrap(), 0);
        if store.delete().await.is_ok() {
            let refused = store.usage("").await;
            assert!(matches!(refused, Err(Error::NoContainer)), "{refused:?}");
            store.create().await.unwrap();
            assert_eq!(store.usage("").await.unwrap(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn names_may_be_anything() {
    each(async |store, _| {
        let odd = [
            "ü/🦀",
            " ",
            "a\0b",
            "*",
            "\\",
            "a%2Fb",
            "%",
            "a+b?c#d&e",
            "..a",
            "x'\"<>|\n\r\t",
            "~",
        ];
        let paths = ["/", "//", "/a", "a/", "b//c", ".", "..", "b/../c", "b/./c"];
        let mut kept = Vec::new();
        for (number, name) in odd.into_iter().chain(paths).enumerate() {
            match store.write(name, spool(&content(number, 100))).await {
                Ok(()) => kept.push((number, name)),
                // As it is or not at all.
                Err(Error::Name { name: refused, .. }) => assert_eq!(refused, name),
                Err(other) => panic!("{other:?}"),
            }
        }
        for (number, name) in &kept {
            assert_eq!(read(store, name).await, Some(content(*number, 100)), "`{name}`");
        }
        let mut expected: Vec<&str> = kept.iter().map(|(_, name)| *name).collect();
        expected.sort_unstable();
        assert_eq!(names(store, "", 100).await, expected);
    })
    .await;
}

#[tokio::test]
async fn names_have_bounds() {
    each(async |store, _| {
        // In parts of which each is a name of its own, for backends that make folders of them.
        let longest = "long/".repeat(NAME_BYTES_MAX / 5 - 1) + "longe";
        assert_eq!(longest.len(), NAME_BYTES_MAX);
        write(store, &longest, b"x").await;
        assert_eq!(names(store, "", 100).await, [longest.as_str()]);
        assert_eq!(read(store, &longest).await, Some(b"x".to_vec()));
        for name in [String::new(), "n".repeat(NAME_BYTES_MAX + 1)] {
            let name = name.as_str();
            let list = [longest.clone(), name.to_owned()];
            for refused in [
                store.info(name).await.map(drop),
                store.open(name).await.map(drop),
                store.write(name, spool(b"x")).await,
                store.copy(name, "a").await.map(drop),
                store.copy(&longest, name).await.map(drop),
                store.remove(&list).await,
            ] {
                assert!(matches!(refused, Err(Error::NameLength { .. })), "{refused:?}");
            }
        }
        assert_eq!(
            names(store, "", 100).await.len(),
            1,
            "removed by a call that was refused"
        );
    })
    .await;
}

#[tokio::test]
async fn a_container_comes_and_goes_with_its_objects() {
    each(async |store, _| {
        let first = store.container().await.unwrap().unwrap();
        match store.delete().await {
            Ok(()) => {}
            Err(Error::Fixed) => return fixed(store).await,
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(store.container().await.unwrap(), None);
        store.delete().await.unwrap();
        assert!(store.create().await.unwrap().created >= first.created);
        for bytes in [10, 100_000] {
            write(store, &format!("object/{bytes}"), &content(1, bytes)).await;
        }
        assert!(matches!(store.create().await, Err(Error::NotEmpty)));
        let opened = store.open("object/100000").await.unwrap().unwrap();
        store.delete().await.unwrap();
        nothing_is_there(store).await;
        assert!(read_all(opened.as_ref()).await.unwrap() == content(1, 100_000));
        let made = store.create().await.unwrap();
        assert_eq!(store.container().await.unwrap(), Some(made));
        assert_eq!(store.create().await.unwrap(), made, "it is there and empty");
        assert_eq!(names(store, "", 10).await, Vec::<String>::new());
        assert_eq!(read(store, "object/10").await, None);
    })
    .await;
}

async fn nothing_is_there(store: &dyn Store) {
    for refused in [
        store.info("a").await.map(drop),
        store.open("a").await.map(drop),
        store.write("a", spool(b"x")).await,
        store.write("a", spool(&content(1, 100_000))).await,
        store.copy("a", "b").await.map(drop),
        store.remove(&["a".to_owned()]).await,
        store.clear("").await,
        store.list("", None, 10).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::NoContainer)), "{refused:?}");
    }
    assert!(matches!(store.info("").await, Err(Error::NameLength { .. })));
    store.check().await.unwrap();
}

/// A container that is only its owner's.
async fn fixed(store: &dyn Store) {
    store.create().await.unwrap();
    write(store, "a", b"x").await;
    assert!(matches!(store.create().await, Err(Error::NotEmpty)));
    assert!(matches!(store.delete().await, Err(Error::Fixed)));
    assert!(store.container().await.unwrap().is_some());
    assert_eq!(read(store, "a").await, Some(b"x".to_vec()));
}

#[tokio::test]
async fn names_are_listed_page_by_page_and_by_prefix() {
    each(async |store, _| {
        let mut expected: Vec<String> = (0..60).map(|number| format!("a/{number:03}")).collect();
        let others = ["a-", "b/1", "a*", "A/1", "aa/2"];
        let all = expected.iter().map(String::as_str).chain(others);
        futures::future::join_all(all.map(|name| write(store, name, b"x"))).await;
        for limit in [0, 1, 7, 60, 61, LIST_MAX, usize::MAX] {
            assert_eq!(names(store, "a/", limit).await, expected, "limit {limit}");
        }
        assert_eq!(names(store, "a/05", 3).await, expected[50..]);
        assert_eq!(names(store, "", 50).await.len(), 65);
        assert_eq!(names(store, "a*", 50).await, ["a*"]);
        assert_eq!(names(store, "c", 50).await, Vec::<String>::new());
        let page = store.list("a/", None, 10).await.unwrap();
        assert_eq!(page.names, expected[..10], "the first in order");
        // The name that the cursor stands at may go meanwhile.
        store.remove(&expected[9..=10]).await.unwrap();
        let next = store.list("a/", page.cursor.as_deref(), 10).await.unwrap();
        assert_eq!(next.names, expected[11..21]);
        for cursor in ["", "b/1"] {
            let refused = store.list("a/", Some(cursor), 10).await;
            assert!(matches!(refused, Err(Error::Cursor { .. })), "{refused:?}");
        }
        store.clear("a/").await.unwrap();
        expected.clear();
        assert_eq!(names(store, "a/", 9).await, expected);
        assert_eq!(names(store, "", 50).await.len(), others.len());
        store.clear("").await.unwrap();
        assert_eq!(names(store, "", 50).await, expected);
        store.clear("").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_copy_is_an_object_of_its_own() {
    each(async |store, _| {
        assert!(!store.copy("a", "b").await.unwrap());
        for bytes in [0, 100, 100_000, 3_000_000] {
            let whole = content(1, bytes);
            write(store, "a", &whole).await;
            assert!(store.copy("a", "b").await.unwrap());
            write(store, "a", b"other").await;
            assert!(read(store, "b").await.unwrap() == whole);
            assert!(store.copy("b", "b").await.unwrap());
            store.remove(&["a".to_owned()]).await.unwrap();
            assert!(read(store, "b").await.unwrap() == whole);
        }
        assert!(!store.copy("a", "b").await.unwrap());
        assert_eq!(read(store, "b").await.unwrap().len(), 3_000_000);
    })
    .await;
}

#[tokio::test]
async fn a_full_store_refuses_to_grow_and_can_shrink() {
    each(async |store, backend| {
        let Some(bytes_max) = backend.bytes_max else {
            return;
        };
        let large = content(1, 4 << 20);
        let mut number = 0;
        loop {
            match store.write(&format!("k{number}"), spool(&large)).await {
                Ok(()) => number += 1,
                Err(Error::Full { bytes_max: told }) => break assert_eq!(told, bytes_max),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(number, 7);
        assert!(matches!(store.copy("k0", "k8").await, Err(Error::Full { .. })));
        // What is replaced makes room.
        write(store, "k0", &content(2, 4 << 20)).await;
        let room = usize::try_from(bytes_max).unwrap() - 7 * ((4 << 20) + 2) - 2;
        write(store, "k7", &content(3, room)).await;
        for name in ["k8", "a longer name"] {
            assert!(matches!(
                store.write(name, spool(b"x")).await,
                Err(Error::Full { .. })
            ));
        }
        store.remove(&["k1".to_owned()]).await.unwrap();
        assert!(store.copy("k0", "k8").await.unwrap());
        assert_eq!(names(store, "k", 100).await.len(), 8);
        store.clear("").await.unwrap();
        write(store, "k9", &large).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_write_one_object_one_has_written_it() {
    each(async |store, _| {
        let writers = (0..24).map(|number| async move {
            let bytes = if number % 2 == 0 { 1000 } else { 150_000 };
            write(store, "a", &content(number, bytes)).await;
            let found = read(store, "a").await.unwrap();
            assert!((0..24).any(|number| found == content(number, found.len())));
        });
        futures::future::join_all(writers).await;
        assert_eq!(names(store, "", 10).await, ["a"]);
        store.check().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_made_or_not() {
    each(async |store, _| {
        write(store, "a", &content(0, 100_000)).await;
        for number in 1..20 {
            let mut writing = store.write("a", spool(&content(number, 100_000)));
            for _ in 0..number % 4 {
                if futures::poll!(&mut writing).is_ready() {
                    break;
                }
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
            drop(writing);
            let found = read(store, "a").await.unwrap();
            assert!((0..20).any(|number| found == content(number, 100_000)));
        }
        store.check().await.unwrap();
    })
    .await;
}
