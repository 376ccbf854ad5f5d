//! What is SQLite's own: turns to write, room, damage, and what other programs do to the file.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weft_stores::sql::sqlite::{Options, Rights, Session, Sqlite};
use weft_stores::sql::{Error, Value};
use weft_testing::Scratch;

use super::*;

async fn connect(database: &Sqlite) -> Session {
    database.side(Rights::all()).connect().await.unwrap()
}

async fn run(session: &Session, statement: &str) -> Result<Vec<Vec<Value>>, Error> {
    Ok(session.gather(statement.to_owned(), vec![]).await?.rows)
}

#[test]
fn whoever_writes_waits_for_its_turn_and_nobody_starves() {
    block_on(async {
        let scratch = Scratch::new();
        let database = Sqlite::open(&scratch.path().join("d"), options()).unwrap();
        let first = connect(&database).await;
        run(&first, "create table t (a integer primary key, who integer)")
            .await
            .unwrap();
        let mut users = tokio::task::JoinSet::new();
        for who in 0..12 {
            let session = connect(&database).await;
            users.spawn(async move {
                for _ in 0..20 {
                    run(&session, &format!("insert into t (who) values ({who})"))
                        .await
                        .unwrap();
                }
            });
        }
        while let Some(ended) = users.join_next().await {
            ended.unwrap();
        }
        let counted = run(&first, "select count(*), count(distinct who) from t")
            .await
            .unwrap();
        assert_eq!(counted, [[Value::Integer(240), Value::Integer(12)]]);
    });
}

#[test]
fn a_transaction_that_does_nothing_gives_way() {
    block_on(async {
        let scratch = Scratch::new();
        let short = Options {
            timeout: Duration::from_millis(600),
            ..options()
        };
        let database = Sqlite::open(&scratch.path().join("d"), short).unwrap();
        let (idle, other) = (connect(&database).await, connect(&database).await);
        run(&idle, "create table t (a integer)").await.unwrap();
        run(&idle, "begin immediate").await.unwrap();
        run(&idle, "insert into t values (1)").await.unwrap();
        let begun = Instant::now();
        // The first one may come too early for it.
        let ended = loop {
            match run(&other, "insert into t values (2)").await {
                Err(Error::Locked { .. }) if begun.elapsed() < Duration::from_secs(5) => {}
                ended => break ended,
            }
        };
        ended.unwrap();
        let lost = run(&idle, "insert into t values (3)").await;
        assert!(matches!(lost, Err(Error::RolledBack)), "{lost:?}");
        // It was told, and begins anew.
        run(&idle, "insert into t values (4)").await.unwrap();
        let rows = run(&other, "select a from t order by a").await.unwrap();
        assert_eq!(rows, [[Value::Integer(2)], [Value::Integer(4)]]);
    });
}

#[test]
fn what_was_added_and_changed_is_told_of_this_connection_only() {
    block_on(async {
        let database = Sqlite::in_memory(options()).unwrap();
        let side = database.side(Rights::all());
        let session = side.connect().await.unwrap();
        run(&session, "create table t (a integer primary key, b text)")
            .await
            .unwrap();
        assert_eq!((session.last_insert_rowid(), session.changes()), (0, 0));
        run(&session, "insert into t (b) values ('x'), ('y')")
            .await
            .unwrap();
        assert_eq!((session.last_insert_rowid(), session.changes()), (2, 2));
        run(&session, "update t set b = 'z' where a = 1").await.unwrap();
        assert_eq!((session.last_insert_rowid(), session.changes()), (2, 1));
        run(&session, "select * from t").await.unwrap();
        assert_eq!(session.changes(), 1);
        run(&session, "update t set b = 'z' where a = 9").await.unwrap();
        assert_eq!(session.changes(), 0);
        drop(session);
        // The same connection below, for somebody else.
        let session = side.connect().await.unwrap();
        assert_eq!((session.last_insert_rowid(), session.changes()), (0, 0));
        run(&session, "update t set b = 'w'").await.unwrap();
        assert_eq!((session.last_insert_rowid(), session.changes()), (0, 2));
    });
}

#[test]
fn a_database_takes_no_more_than_its_room() {
    block_on(async {
        let scratch = Scratch::new();
        let small = Options {
            bytes_max: 1 << 20,
            ..options()
        };
        for database in [
            Sqlite::open(&scratch.path().join("d"), small.clone()).unwrap(),
            Sqlite::in_memory(small).unwrap(),
        ] {
            let session = connect(&database).await;
            run(&session, "create table t (a blob)").await.unwrap();
            let mut full = None;
            for _ in 0..100 {
                if let Err(error) = run(&session, "insert into t values (zeroblob(65536))").await {
                    full = Some(error);
                    break;
                }
            }
            assert!(
                matches!(full, Some(Error::Full { bytes_max: 1_048_576 })),
                "{full:?}"
            );
            // What is there stays readable, and room that is made is used.
            run(&session, "delete from t").await.unwrap();
            run(&session, "insert into t values (zeroblob(65536))")
                .await
                .unwrap();
        }
    });
}

#[test]
fn connections_are_bounded() {
    block_on(async {
        let few = Options {
            connections_max: 2,
            timeout: Duration::from_millis(300),
            ..options()
        };
        let database = Sqlite::in_memory(few).unwrap();
        let side = database.side(Rights::all());
        let (one, _other) = (side.connect().await.unwrap(), side.connect().await.unwrap());
        let third = side.connect().await;
        assert!(matches!(third, Err(Error::Connections { max: 2 })), "{third:?}");
        // Those of another component are its own.
        database.side(Rights::all()).connect().await.unwrap();
        drop(one);
        side.connect().await.unwrap();
    });
}

#[test]
fn what_is_damaged_is_told_and_left_as_it_is() {
    block_on(async {
        let scratch = Scratch::new();
        let folder = scratch.path().join("d");
        {
            let database = Sqlite::open(&folder, options()).unwrap();
            let session = connect(&database).await;
            run(&session, "create table t (a text)").await.unwrap();
            for _ in 0..50 {
                run(&session, "insert into t values (hex(randomblob(2000)))")
                    .await
                    .unwrap();
            }
        }
        let file = folder.join("data.db");
        let before = fs_err::read(&file).unwrap();
        let open = fs_err::OpenOptions::new().write(true).open(&file).unwrap();
        for page in 1..before.len() as u64 / 4096 {
            open.file().write_all_at(&[0xA5; 64], page * 4096).unwrap();
        }
        let damaged = fs_err::read(&file).unwrap();
        let opened = Sqlite::open(&folder, options());
        assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
        assert_eq!(fs_err::read(&file).unwrap(), damaged);
        fs_err::remove_file(&file).unwrap();
        let opened = Sqlite::open(&folder, options());
        assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
        assert!(!file.exists());
        fs_err::write(
            &file,
            b"no database at all, but long enough to be looked at as if it were one",
        )
        .unwrap();
        let opened = Sqlite::open(&folder, options());
        assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
    });
}

#[test]
fn a_copy_has_what_was_committed() {
    block_on(async {
        let scratch = Scratch::new();
        let database = Sqlite::open(&scratch.path().join("d"), options()).unwrap();
        let session = connect(&database).await;
        run(&session, "create table t (a integer)").await.unwrap();
        run(&session, "insert into t values (1)").await.unwrap();
        run(&session, "begin").await.unwrap();
        run(&session, "insert into t values (2)").await.unwrap();
        let to = scratch.path().join("copy");
        assert!(database.copy_to(&to).unwrap() > 0);
        let again = database.copy_to(&to);
        assert!(matches!(again, Err(Error::Backend { .. })), "{again:?}");
        let copy = Sqlite::open(&to, options()).unwrap();
        let rows = run(&connect(&copy).await, "select a from t").await.unwrap();
        assert_eq!(rows, [[Value::Integer(1)]]);
    });
}

#[test]
fn a_statement_that_nobody_waits_for_ends() {
    block_on(async {
        let database = Arc::new(Sqlite::in_memory(options()).unwrap());
        let session = connect(&database).await;
        let endless =
            "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
        let given_up = tokio::time::timeout(
            Duration::from_millis(100),
            session.gather(endless.to_owned(), vec![]),
        );
        assert!(given_up.await.is_err());
        let begun = Instant::now();
        run(&session, "select 1").await.unwrap();
        assert!(begun.elapsed() < TIMEOUT / 2, "{:?}", begun.elapsed());
    });
}
