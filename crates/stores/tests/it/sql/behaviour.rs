//! What every database must do.

use weft_app::grant::SqlAccess;
use weft_stores::sql::{Error, RESULT_BYTES_MAX, Value};

use super::*;

#[test]
fn values_come_back_as_they_were_given() {
    block_on(async {
        for backend in every() {
            let connection = backend.connect().await;
            let bytes = backend.bytes();
            let create =
                format!("create table things (id bigint primary key, t text, b {bytes}, r double precision)");
            execute(&*connection, &create).await.unwrap();
            let insert = format!(
                "insert into things values ({}, {}, {}, {})",
                backend.mark(1),
                backend.mark(2),
                backend.mark(3),
                backend.mark(4)
            );
            let rows = [
                vec![
                    Value::Integer(1),
                    text("höflich"),
                    Value::Bytes(vec![0, 255, 1]),
                    Value::Real(0.25),
                ],
                vec![
                    Value::Integer(i64::MIN),
                    text(""),
                    Value::Bytes(vec![]),
                    Value::Real(-1e300),
                ],
                vec![Value::Integer(i64::MAX), Value::Null, Value::Null, Value::Null],
            ];
            for row in &rows {
                assert_eq!(connection.execute(insert.clone(), row.clone()).await.unwrap(), 1);
            }
            let (columns, found) = query(&*connection, "select * from things order by id", vec![])
                .await
                .unwrap();
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(names, ["id", "t", "b", "r"], "{}", backend.name);
            assert_eq!(
                found,
                [rows[1].clone(), rows[0].clone(), rows[2].clone()],
                "{}",
                backend.name
            );
            let changed = execute(&*connection, "update things set t = 'x' where id > 0").await;
            assert_eq!(changed.unwrap(), 2, "{}", backend.name);
        }
    });
}

#[test]
fn what_is_not_one_statement_with_its_values_is_refused() {
    block_on(async {
        for backend in every() {
            let connection = backend.connect().await;
            execute(&*connection, "create table t (a bigint primary key)")
                .await
                .unwrap();
            let name = backend.name;
            let several = execute(&*connection, "insert into t values (1); drop table t").await;
            assert!(
                matches!(several, Err(Error::NotOne { .. } | Error::Statement(_))),
                "{name}: {several:?}"
            );
            let insert = format!("insert into t values ({})", backend.mark(1));
            let missing = connection.execute(insert.clone(), vec![]).await;
            assert!(
                matches!(
                    missing,
                    Err(Error::Parameters {
                        expected: 1,
                        found: 0
                    })
                ),
                "{name}: {missing:?}"
            );
            let wrong = execute(&*connection, "selekt 1").await;
            assert!(matches!(wrong, Err(Error::Statement(_))), "{name}: {wrong:?}");
            let zero = execute(&*connection, "select 1\0; drop table t").await;
            assert!(matches!(zero, Err(Error::NotOne { .. })), "{name}: {zero:?}");
            let long = format!("select '{}'", "x".repeat(weft_stores::sql::STATEMENT_BYTES_MAX));
            let long = execute(&*connection, &long).await;
            assert!(matches!(long, Err(Error::TooLarge { .. })), "{name}: {long:?}");
            // What the tables demand is told apart from a statement that makes no sense.
            connection
                .execute(insert.clone(), vec![Value::Integer(1)])
                .await
                .unwrap();
            let twice = connection.execute(insert, vec![Value::Integer(1)]).await;
            let Err(Error::Statement(said)) = twice else {
                panic!("{name}: {twice:?}");
            };
            assert!(said.is_constraint && said.code.is_some(), "{name}: {said:?}");
            // And the connection goes on.
            let (_, rows) = query(&*connection, "select count(*) from t", vec![])
                .await
                .unwrap();
            assert_eq!(rows, [[Value::Integer(1)]], "{name}");
        }
    });
}

#[test]
fn a_transaction_is_of_its_connection_and_goes_with_it() {
    block_on(async {
        for backend in every() {
            let (one, other) = (backend.connect().await, backend.connect().await);
            execute(&*one, "create table t (a bigint)").await.unwrap();
            execute(&*one, "begin").await.unwrap();
            execute(&*one, "insert into t values (1)").await.unwrap();
            if backend.name != "memory" {
                // In memory a writer has those who read wait.
                let (_, rows) = query(&*other, "select count(*) from t", vec![]).await.unwrap();
                assert_eq!(rows, [[Value::Integer(0)]], "{}", backend.name);
            }
            drop(one);
            // It is rolled back a moment later, which whoever writes waits for.
            execute(&*other, "insert into t values (2)").await.unwrap();
            let (_, rows) = query(&*other, "select a from t", vec![]).await.unwrap();
            assert_eq!(rows, [[Value::Integer(2)]], "{}", backend.name);
        }
    });
}

#[test]
fn a_batch_is_done_as_a_whole_or_not_at_all() {
    block_on(async {
        for backend in every() {
            let connection = backend.connect().await;
            execute(&*connection, "create table t (a bigint primary key)")
                .await
                .unwrap();
            let insert = format!("insert into t values ({})", backend.mark(1));
            let of = |numbers: &[i64]| {
                let ask = |number: &i64| (insert.clone(), vec![Value::Integer(*number)]);
                numbers.iter().map(ask).collect::<Vec<_>>()
            };
            assert_eq!(connection.batch(of(&[1, 2])).await.unwrap(), [1, 1]);
            let failed = connection.batch(of(&[3, 1, 4])).await;
            assert!(
                matches!(failed, Err(Error::Statement(_))),
                "{}: {failed:?}",
                backend.name
            );
            let mut ends = of(&[5]);
            ends.push(("commit".to_owned(), vec![]));
            ends.extend(of(&[6]));
            let ended = connection.batch(ends).await;
            assert!(
                matches!(ended, Err(Error::Denied { .. })),
                "{}: {ended:?}",
                backend.name
            );
            let (_, rows) = query(&*connection, "select a from t order by a", vec![])
                .await
                .unwrap();
            assert_eq!(
                rows,
                [[Value::Integer(1)], [Value::Integer(2)]],
                "{}",
                backend.name
            );
            // Nothing is left under way.
            connection.batch(of(&[7])).await.unwrap();
        }
    });
}

#[test]
fn rows_come_as_they_are_read_and_a_reader_may_stop() {
    block_on(async {
        for backend in every() {
            let connection = backend.connect().await;
            let numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) \
                           select i from n";
            let (_, rows) = query(&*connection, numbers, vec![]).await.unwrap();
            assert_eq!(rows.len(), 100_000, "{}", backend.name);
            assert_eq!(rows[99_999], [Value::Integer(100_000)], "{}", backend.name);
            let (_, mut some) = connection.query(numbers.to_owned(), vec![]).await.unwrap();
            assert!(some.next().await.unwrap().is_some());
            drop(some);
            // Whether the same connection goes on is its own affair; another one does.
            let other = backend.connect().await;
            let (_, rows) = query(&*other, "select 1 + 1", vec![]).await.unwrap();
            assert_eq!(rows, [[Value::Integer(2)]], "{}", backend.name);
        }
    });
}

#[test]
fn a_statement_ends_when_its_time_is_over() {
    block_on(async {
        for backend in every() {
            let connection = backend.connect().await;
            let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) \
                           select count(*) from n";
            let begun = std::time::Instant::now();
            let ended = query(&*connection, endless, vec![]).await;
            assert!(
                matches!(ended, Err(Error::Timeout { .. })),
                "{}: {ended:?}",
                backend.name
            );
            assert!(begun.elapsed() < TIMEOUT * 3, "{}", backend.name);
            // So do rows that nobody reads.
            let slow = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n";
            let other = backend.connect().await;
            let (_, mut rows) = other.query(slow.to_owned(), vec![]).await.unwrap();
            tokio::time::sleep(TIMEOUT + std::time::Duration::from_millis(500)).await;
            let ended = async {
                loop {
                    match rows.next().await {
                        Ok(Some(_)) => {}
                        ended => break ended,
                    }
                }
            };
            let ended = ended.await;
            assert!(matches!(ended, Err(Error::Timeout { .. })), "{}", backend.name);
        }
    });
}

#[test]
fn whoever_may_only_read_changes_nothing() {
    block_on(async {
        for backend in every() {
            let all = backend.connect().await;
            execute(&*all, "create table t (a bigint)").await.unwrap();
            execute(&*all, "insert into t values (1)").await.unwrap();
            let reader = backend.connect_with(SqlAccess::READ_ONLY).await;
            let (_, rows) = query(&*reader, "select a from t", vec![]).await.unwrap();
            assert_eq!(rows, [[Value::Integer(1)]], "{}", backend.name);
            let mut attempts = vec![
                "insert into t values (2)",
                "update t set a = 3",
                "delete from t",
                "drop table t",
                "create table u (a bigint)",
                "create index i on t (a)",
                "alter table t rename to u",
            ];
            if !backend.is_sqlite() {
                attempts.extend([
                    "do $$ begin set transaction read write; insert into t values (2); end $$",
                    "select set_config('transaction_read_only', 'off', false)",
                ]);
            }
            for attempt in attempts {
                // Each way round a transaction of one's own, too.
                for before in [
                    "",
                    "commit",
                    "begin",
                    "set transaction read write",
                    "set session characteristics as transaction read write",
                ] {
                    if !before.is_empty() {
                        drop(execute(&*reader, before).await);
                    }
                    drop(execute(&*reader, attempt).await);
                }
            }
            let refused = execute(&*reader, "insert into t values (2)").await;
            assert!(
                matches!(refused, Err(Error::Denied { .. })),
                "{}: {refused:?}",
                backend.name
            );
            drop(reader);
            let other = backend.connect().await;
            let (_, rows) = query(&*other, "select a from t", vec![]).await.unwrap();
            assert_eq!(rows, [[Value::Integer(1)]], "{}", backend.name);
        }
    });
}

#[test]
fn what_one_component_leaves_behind_another_does_not_meet() {
    block_on(async {
        for backend in every() {
            let one = backend.connect().await;
            execute(&*one, "create temporary table secret (a bigint)")
                .await
                .unwrap();
            if !backend.is_sqlite() {
                execute(&*one, "prepare mine as select 42").await.unwrap();
                execute(&*one, "set search_path to nowhere").await.unwrap();
            }
            drop(one);
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            for _ in 0..5 {
                let other = backend.connect().await;
                let found = query(&*other, "select * from secret", vec![]).await;
                assert!(
                    matches!(found, Err(Error::Statement(_))),
                    "{}: {found:?}",
                    backend.name
                );
                if !backend.is_sqlite() {
                    let found = execute(&*other, "execute mine").await;
                    assert!(matches!(found, Err(Error::Statement(_))), "{found:?}");
                }
            }
        }
    });
}

#[test]
fn a_result_that_is_gathered_is_bounded() {
    block_on(async {
        let large = RESULT_BYTES_MAX / 1000;
        let rows = |text: &str| {
            format!(
                "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) select {text} from n"
            )
        };
        let scratch = weft_testing::Scratch::new();
        let database = weft_stores::sql::sqlite::Sqlite::open(&scratch.path().join("d"), options()).unwrap();
        let session = database
            .side(weft_stores::sql::sqlite::Rights::all())
            .connect()
            .await
            .unwrap();
        let gathered = session.gather(rows(&format!("zeroblob({large})")), vec![]).await;
        assert!(matches!(gathered, Err(Error::TooLarge { .. })), "{gathered:?}");
        assert_eq!(session.gather(rows("i"), vec![]).await.unwrap().rows.len(), 2000);
    });
}
