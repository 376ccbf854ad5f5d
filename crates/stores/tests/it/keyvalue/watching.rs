//! What those are told who watch a store, for every backend, and what only some of them can meet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::jetstream;
use bytes::Bytes;
use weft_stores::keyvalue::nats::{self, Nats};
use weft_stores::keyvalue::postgres::{self, Postgres};
use weft_stores::keyvalue::redis::{self as redis_store, Redis};
use weft_stores::keyvalue::sqlite::{self, Sqlite};
use weft_stores::keyvalue::{Change, Error, Heard, Store, Version, Watching};
use weft_testing::Scratch;
use weft_testing::nats::Nats as NatsServer;
use weft_testing::postgres::Postgres as PostgresServer;
use weft_testing::redis::Redis as RedisServer;

use super::{backends, servers};

/// No test waits longer for something that has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

fn set(key: &str, value: &str) -> Change {
    Change::Set(key.to_owned(), Bytes::copy_from_slice(value.as_bytes()))
}

fn delete(key: &str) -> Change {
    Change::Delete(key.to_owned())
}

async fn next(watching: &Watching) -> Result<Heard, Error> {
    let next = tokio::time::timeout(PATIENCE, watching.next()).await;
    next.expect("nothing is heard")
}

/// Waits until one key is told, and returns all that were until then.
async fn until(watching: &Watching, last: &str) -> BTreeSet<String> {
    let mut heard = BTreeSet::new();
    loop {
        match next(watching).await.unwrap() {
            Heard::Key(key) if key == last => return heard,
            Heard::Key(key) => heard.insert(key),
            Heard::Unknown => panic!("something was missed"),
        };
    }
}

fn keys<const N: usize>(keys: [&str; N]) -> BTreeSet<String> {
    keys.map(str::to_owned).into()
}

#[tokio::test]
async fn keys_that_are_set_and_removed_are_told_and_those_of_others_are_not() {
    for backend in backends::every() {
        eprintln!("with {}", backend.name);
        let store = backend.store;
        store.write(vec![set("a/old", "1")]).await.unwrap();
        let watching = store.watch("a/").await.unwrap();
        let end = async || {
            store.write(vec![set("a/end", "x")]).await.unwrap();
            until(&watching, "a/end").await
        };
        for (changes, told) in [
            (
                vec![set("a/1", "1"), set("b/1", "1"), set("a", "1")],
                keys(["a/1"]),
            ),
            (vec![set("a/ü\n*", "1")], keys(["a/ü\n*"])),
            (vec![delete("b/1")], keys([])),
            (
                vec![delete("a/1"), set("a/2", "1"), delete("a/old")],
                keys(["a/1", "a/2", "a/old"]),
            ),
            (vec![delete("a/2")], keys(["a/2"])),
            (vec![set("a/2", "2"), set("a/2", "3")], keys(["a/2"])),
        ] {
            let what = format!("{changes:?}");
            store.write(changes).await.unwrap();
            assert_eq!(end().await, told, "{what}");
        }
        store.increment("a/n", 1).await.unwrap();
        store.swap("a/s", Version::Absent, "1".into()).await.unwrap();
        store.swap("a/s", Version::Absent, "2".into()).await.unwrap();
        assert_eq!(end().await, keys(["a/n", "a/s"]));
        // Reading is no change.
        store.get("a/n").await.unwrap();
        store.list("a/", None, 10).await.unwrap();
        assert_eq!(end().await, keys([]));
    }
}

#[tokio::test]
async fn everybody_who_watches_is_told_for_as_long_as_he_does() {
    for backend in backends::every() {
        eprintln!("with {}", backend.name);
        let store = backend.store;
        let (all, some, gone) = (
            store.watch("").await.unwrap(),
            store.watch("b").await.unwrap(),
            store.watch("").await.unwrap(),
        );
        drop(gone);
        for key in ["a1", "b1", "end", "b2"] {
            store.write(vec![set(key, "x")]).await.unwrap();
        }
        assert_eq!(until(&all, "end").await, keys(["a1", "b1"]));
        assert_eq!(until(&all, "b2").await, keys([]));
        assert_eq!(until(&some, "b2").await, keys(["b1"]));
    }
}

/// Changes a few keys again and again, on two sides, and reads each that is told: in the end all is known as it is.
async fn follow(name: &str, one: &dyn Store, other: &dyn Store, watched: &dyn Store) {
    let watching = watched.watch("k").await.unwrap();
    let seed = fastrand::u64(..);
    eprintln!("with {name}, seed {seed}");
    let write = async |store: &dyn Store, seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        for number in 0..150 {
            let key = format!("k{}", random.u8(0..8));
            let change = match random.bool() {
                true => set(&key, &format!("{seed} {number}")),
                false => delete(&key),
            };
            store.write(vec![change]).await.unwrap();
        }
    };
    let writing = async {
        tokio::join!(write(one, seed), write(other, seed + 1));
        one.write(vec![set("k-end-1", "x")]).await.unwrap();
        other.write(vec![set("k-end-2", "x")]).await.unwrap();
    };
    let mut known: BTreeMap<String, Bytes> = BTreeMap::new();
    let reading = async {
        while !(known.contains_key("k-end-1") && known.contains_key("k-end-2")) {
            let Heard::Key(key) = next(&watching).await.unwrap() else {
                panic!("something was missed");
            };
            match watched.get(&key).await.unwrap() {
                Some(entry) => known.insert(key, entry.value),
                None => known.remove(&key),
            };
        }
    };
    tokio::join!(writing, reading);
    // What was told last may have been told of an earlier state of another key.
    watched.write(vec![set("k-last", "x")]).await.unwrap();
    for key in until(&watching, "k-last").await {
        match watched.get(&key).await.unwrap() {
            Some(entry) => known.insert(key, entry.value),
            None => known.remove(&key),
        };
    }
    for number in 0..8 {
        let key = format!("k{number}");
        let there = watched.get(&key).await.unwrap().map(|entry| entry.value);
        assert_eq!(known.get(&key).cloned(), there, "{name}, {key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_reads_what_he_is_told_of_knows_in_the_end_what_is_there() {
    for backend in backends::every() {
        let store = backend.store.as_ref();
        follow(backend.name, store, store, store).await;
    }
}

fn in_folder(scratch: &Scratch) -> Sqlite {
    let options = sqlite::Options {
        durability: weft_stores::keyvalue::Durability::Fast,
        ..sqlite::Options::default()
    };
    Sqlite::open(&scratch.path().join("store"), &options).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_others_write_into_a_folder_is_told_too() {
    let scratch = Scratch::new();
    let (ours, others) = (in_folder(&scratch), in_folder(&scratch));
    let many = |value: &str| {
        (0..2500)
            .map(|number| set(&format!("m/{number:05}"), value))
            .collect::<Vec<_>>()
    };
    others.write(many("1")).await.unwrap();
    let watching = ours.watch("m/").await.unwrap();
    // More than fit on a page go, come and change; most stay as they are.
    let gone = (0..2500).step_by(7).map(|number| format!("m/{number:05}"));
    let gone: BTreeSet<String> = gone.collect();
    let mut changes: Vec<Change> = gone.iter().map(|key| delete(key)).collect();
    changes.extend([set("m/00001", "2"), set("m/new", "1"), set("n", "1")]);
    others.write(changes).await.unwrap();
    let mut expected = gone;
    expected.extend(keys(["m/00001", "m/new"]));
    let mut heard = BTreeSet::new();
    while heard.len() < expected.len() {
        let Heard::Key(key) = next(&watching).await.unwrap() else {
            panic!("something was missed");
        };
        heard.insert(key);
    }
    assert_eq!(heard, expected);
    // One's own changes are told at once, and not once more when others write.
    ours.write(vec![set("m/ours", "1")]).await.unwrap();
    assert_eq!(until(&watching, "m/ours").await, keys([]));
    others.write(vec![set("m/theirs", "1")]).await.unwrap();
    assert_eq!(until(&watching, "m/theirs").await, keys([]));
    drop(ours);
    // The store is closed, whoever watched it.
    drop(watching);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_reads_what_another_process_writes_knows_in_the_end_what_is_there() {
    let scratch = Scratch::new();
    let (ours, others) = (in_folder(&scratch), in_folder(&scratch));
    follow("two in one folder", &ours, &others, &ours).await;
}

#[tokio::test]
async fn a_store_that_is_closed_is_closed_however_many_watch_it() {
    let scratch = Scratch::new();
    let store = in_folder(&scratch);
    let watching = store.watch("").await.unwrap();
    store.write(vec![set("a", "1")]).await.unwrap();
    drop(store);
    assert_eq!(until(&watching, "a").await, keys([]));
    in_folder(&scratch).verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_lost_is_listened_to_again_and_what_was_missed_is_not_kept_quiet() {
    for mut served in servers::every(Duration::from_secs(10)) {
        eprintln!("with {}", served.name);
        let store = served.store.as_ref();
        let watching = store.watch("").await.unwrap();
        store.write(vec![set("before", "x")]).await.unwrap();
        assert_eq!(until(&watching, "before").await, keys([]));
        served.server.stop();
        while next(&watching).await.is_ok() {}
        served.server.start_again();
        while store.write(vec![set("after", "x")]).await.is_err() {}
        let mut is_missed = false;
        loop {
            match next(&watching).await {
                Ok(Heard::Key(key)) if key == "after" => break,
                // It was written before it was listened to again.
                Ok(Heard::Unknown) => {
                    is_missed = true;
                    break;
                }
                Ok(Heard::Key(_)) | Err(_) => {}
            }
        }
        // What is kept by the server is not missed.
        assert!(!is_missed || served.name != "nats");
        store.write(vec![set("end", "x")]).await.unwrap();
        loop {
            match next(&watching).await {
                Ok(Heard::Key(key)) if key == "end" => break,
                Ok(Heard::Unknown) => is_missed = true,
                Ok(Heard::Key(_)) | Err(_) => {}
            }
        }
        while served.name != "nats" && !is_missed {
            is_missed = matches!(next(&watching).await, Ok(Heard::Unknown));
        }
    }
}

#[tokio::test]
async fn nobody_watches_a_server_that_is_away() {
    for store in servers::nowhere(Duration::from_millis(500)) {
        let refused = store.watch("").await.unwrap_err();
        assert!(
            matches!(refused, Error::Backend { .. } | Error::Timeout { .. }),
            "{refused:?}"
        );
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    }
}

fn on_redis(server: &RedisServer) -> Redis {
    let options = redis_store::Options {
        prefix: "weft*:".to_owned(),
        timeout: Duration::from_secs(10),
        ..redis_store::Options::default()
    };
    Redis::new(&server.address(), options).unwrap()
}

#[tokio::test]
async fn a_redis_that_tells_of_nothing_is_refused_with_what_to_set() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let client = redis::Client::open(server.address()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for setting in ["", "K$g", "EA"] {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("notify-keyspace-events").arg(setting);
        command.exec_async(&mut connection).await.unwrap();
        let refused = on_redis(&server).watch("").await.unwrap_err();
        assert!(matches!(refused, Error::Unwatchable { .. }), "{refused:?}");
        let told = refused.to_string();
        assert!(
            told.contains("notify-keyspace-events") && told.contains("set it to `KA`"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn what_other_programs_do_to_keys_of_redis_is_told() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let client = redis::Client::open(server.address()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let watching = on_redis(&server).watch("a").await.unwrap();
    for (command, told) in [
        ("SET weft*:a1 x PX 200", keys(["a1"])),
        // The prefix is no pattern.
        ("SET weftiness:a9 x", keys([])),
        ("APPEND weft*:a2 x", keys(["a2"])),
        ("RENAME weft*:a2 weft*:a3", keys(["a2", "a3"])),
        ("UNLINK weft*:a3", keys(["a3"])),
    ] {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.exec_async(&mut connection).await.unwrap();
        redis::cmd("SET")
            .arg("weft*:a-end")
            .arg("x")
            .exec_async(&mut connection)
            .await
            .unwrap();
        let mut heard = until(&watching, "a-end").await;
        heard.retain(|key| told.contains(key) || key != "a1");
        assert_eq!(heard, told);
    }
    // Its time is over.
    loop {
        redis::cmd("SET")
            .arg("weft*:a-end")
            .arg("x")
            .exec_async(&mut connection)
            .await
            .unwrap();
        if on_redis(&server).get("a1").await.unwrap().is_none() {
            break;
        }
    }
}

fn on_postgres(address: &str, table: &str) -> Postgres {
    let options = postgres::Options {
        table: table.to_owned(),
        timeout: Duration::from_secs(10),
        ..postgres::Options::default()
    };
    Postgres::new(address, options).unwrap()
}

async fn client(address: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn what_other_programs_do_to_a_table_is_told() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let client = client(&server.address()).await;
    client.batch_execute("CREATE SCHEMA \"o.k\"").await.unwrap();
    for table in ["weft", "we'ft $weft$"] {
        let store = on_postgres(&server.address(), table);
        let watching = store.watch("a").await.unwrap();
        for (statement, told) in [
            (
                "INSERT INTO t (key, value) VALUES ('a1', 'x'), ('a2', 'x'), ('b', 'x')",
                keys(["a1", "a2"]),
            ),
            ("UPDATE t SET value = 'y' WHERE key = 'a1'", keys(["a1"])),
            ("UPDATE t SET key = 'a3' WHERE key = 'a1'", keys(["a1", "a3"])),
            ("UPDATE t SET key = 'c' WHERE key = 'a3'", keys(["a3"])),
            ("DELETE FROM t WHERE key = 'a2'", keys(["a2"])),
            (
                "BEGIN; INSERT INTO t (key, value) VALUES ('a4', 'x'); ROLLBACK",
                keys([]),
            ),
            // Keys that nobody here could read do not make other programs fail.
            (
                "INSERT INTO t (key, value) VALUES (convert_to('a' || repeat('x', 5000), 'UTF8'), 'x')",
                keys([]),
            ),
        ] {
            let statement = statement.replace(" t ", &format!(" \"{table}\" "));
            client.batch_execute(&statement).await.unwrap();
            store.write(vec![set("a-end", "x")]).await.unwrap();
            assert_eq!(until(&watching, "a-end").await, told, "{statement}");
        }
        client
            .batch_execute(&format!("TRUNCATE \"{table}\""))
            .await
            .unwrap();
        assert_eq!(next(&watching).await.unwrap(), Heard::Unknown);
    }
}

#[tokio::test]
async fn a_table_that_took_the_place_of_another_is_watched_in_its_place() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let client = client(&server.address()).await;
    let store = on_postgres(&server.address(), "weft");
    let watching = store.watch("").await.unwrap();
    client.batch_execute("DROP TABLE weft").await.unwrap();
    while next(&watching).await.is_ok() {}
    loop {
        match next(&watching).await {
            Ok(Heard::Unknown) => break,
            Ok(Heard::Key(key)) => panic!("`{key}` is told"),
            Err(_) => {}
        }
    }
    while store.write(vec![set("a", "x")]).await.is_err() {}
    assert_eq!(until(&watching, "a").await, keys([]));
}

#[tokio::test]
async fn who_may_use_a_table_watches_it_where_another_has_made_what_tells_of_it() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let client = client(&server.address()).await;
    let owners = on_postgres(&server.address(), "weft");
    owners.write(vec![set("a", "x")]).await.unwrap();
    let grant = "CREATE ROLE guest LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON weft TO guest";
    client.batch_execute(grant).await.unwrap();
    let guests = on_postgres(&server.address().replace("weft@", "guest@"), "weft");
    let Error::Backend { source, .. } = guests.watch("").await.unwrap_err() else {
        panic!("it is watched");
    };
    assert!(source.to_string().contains("permission denied"), "{source}");
    let watched = owners.watch("").await.unwrap();
    let watching = guests.watch("").await.unwrap();
    guests.write(vec![set("b", "x")]).await.unwrap();
    for watching in [watched, watching] {
        assert_eq!(until(&watching, "b").await, keys([]));
    }
}

#[tokio::test]
async fn what_other_programs_do_to_a_bucket_of_nats_is_told_and_another_bucket_in_its_place_is_noticed() {
    let Some(server) = NatsServer::start() else { return };
    let options = nats::Options {
        prefix: "p.".to_owned(),
        timeout: Duration::from_secs(10),
        ..nats::Options::default()
    };
    let store = Nats::new(&server.address(), options).unwrap();
    let watching = store.watch("a").await.unwrap();
    let other = jetstream::new(async_nats::connect(server.address()).await.unwrap());
    let publish = async |key: &str, operation: Option<&str>| {
        let mut headers = async_nats::HeaderMap::new();
        if let Some(operation) = operation {
            headers.insert("KV-Operation", operation);
        }
        let subject = format!("$KV.weft.{key}");
        let kept = other.publish_with_headers(subject, headers, "x".into()).await;
        kept.unwrap().await.unwrap();
    };
    for key in ["p.a1", "p.b", "a2", "p.a3", "p.a=zz"] {
        publish(key, None).await;
    }
    publish("p.a1", Some("DEL")).await;
    publish("p.a3", Some("PURGE")).await;
    store.write(vec![set("a-end", "x")]).await.unwrap();
    assert_eq!(until(&watching, "a-end").await, keys(["a1", "a3"]));
    other.delete_stream("KV_weft").await.unwrap();
    while store.write(vec![set("a-other", "x")]).await.is_err() {}
    loop {
        match next(&watching).await {
            Ok(Heard::Unknown) => break,
            Ok(Heard::Key(key)) => panic!("`{key}` is told"),
            Err(_) => {}
        }
    }
    store.write(vec![set("a-end", "x")]).await.unwrap();
    until(&watching, "a-end").await;
}
