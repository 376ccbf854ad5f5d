//! What is PostgreSQL's own: its values, roles, and a server that goes and comes back.

use std::time::{Duration, Instant};

use weft_app::grant::SqlAccess;
use weft_stores::sql::Error;
use weft_stores::sql::postgres::{
    Bound, Date, DateTime, Interval, Options, Postgres, Range, Session, Time, Value,
};

use super::*;

fn database(server: &weft_testing::postgres::Postgres) -> Postgres {
    let options = Options {
        timeout: Duration::from_secs(2),
        ..Options::default()
    };
    Postgres::new(&server.address(), options).unwrap()
}

async fn connect(database: &Postgres) -> Session {
    database.side(SqlAccess::ALL).connect().await.unwrap()
}

#[test]
fn every_kind_of_value_comes_back_as_it_was_given() {
    let Some(server) = weft_testing::postgres::Postgres::start() else {
        return;
    };
    block_on(async {
        let session = connect(&database(&server)).await;
        let date = Date {
            year: 2024,
            month: 2,
            day: 29,
        };
        let time = Time {
            hour: 23,
            minute: 59,
            second: 1,
            nanosecond: 250_000,
        };
        let range = Range {
            lower: Some(Bound {
                at: -3,
                is_inclusive: true,
            }),
            upper: Some(Bound {
                at: 4,
                is_inclusive: false,
            }),
            is_empty: false,
        };
        let decimals = Range {
            lower: Some(Bound {
                at: "-0.50".to_owned(),
                is_inclusive: false,
            }),
            upper: None,
            is_empty: false,
        };
        let texts = vec![Some("a\"b\\{},".to_owned()), None, Some("NULL".to_owned())];
        for (kind, value) in [
            ("bool", Value::Boolean(true)),
            ("int2", Value::Int16(-7)),
            ("int4", Value::Int32(i32::MIN)),
            ("int8", Value::Int64(i64::MAX)),
            ("float4", Value::Float32(0.1)),
            ("float8", Value::Float64(f64::MIN_POSITIVE)),
            ("float8", Value::Float64(f64::NEG_INFINITY)),
            ("text", Value::Text("grün\n".to_owned())),
            ("varchar(5)", Value::Text("abc".to_owned())),
            ("json", Value::Text("{\"a\": 1}".to_owned())),
            ("bytea", Value::Bytes(vec![0, 1, 255])),
            ("date", Value::Date(date)),
            ("date", Value::Date(Date { year: -44, ..date })),
            ("time", Value::Time(time)),
            ("timestamp", Value::DateTime(DateTime { date, time })),
            ("timestamptz", Value::DateTime(DateTime { date, time })),
            (
                "uuid",
                Value::Uuid("0123abcd-4567-89ef-0123-456789abcdef".to_owned()),
            ),
            ("jsonb", Value::Jsonb(b"{\"a\": [1, 2]}".to_vec())),
            (
                "numeric",
                Value::Decimal("-12345678901234567890.0001000".to_owned()),
            ),
            ("numeric", Value::Decimal("0.00000042".to_owned())),
            ("numeric", Value::Decimal("100000000".to_owned())),
            ("numeric", Value::Decimal("NaN".to_owned())),
            ("int4range", Value::RangeInt32(range)),
            ("numrange", Value::RangeDecimal(decimals)),
            ("int4[]", Value::ArrayInt32(vec![Some(1), None, Some(-2)])),
            ("int8[]", Value::ArrayInt64(vec![])),
            (
                "numeric[]",
                Value::ArrayDecimal(vec![Some("1.50".to_owned()), None]),
            ),
            ("text[]", Value::ArrayText(texts)),
            (
                "interval",
                Value::Interval(Interval {
                    months: 14,
                    days: -3,
                    micros: 4_500_000,
                }),
            ),
            ("text", Value::Null),
        ] {
            let statement = format!("select $1::{kind}");
            let gathered = session.gather(statement, vec![value.clone()]).await;
            let gathered = gathered.unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!(gathered.rows, [[value]], "{kind}");
        }
        // Numbers fit columns of other widths, and texts whatever can be written so.
        let wide = session
            .gather("select $1::int2".to_owned(), vec![Value::Int64(7)])
            .await
            .unwrap();
        assert_eq!(wide.rows, [[Value::Int16(7)]]);
        let text = Value::Text("2024-02-29".to_owned());
        let dated = session
            .gather("select $1::date".to_owned(), vec![text])
            .await
            .unwrap();
        assert_eq!(dated.rows, [[Value::Date(date)]]);
        let wrong = session
            .gather("select $1::int2".to_owned(), vec![Value::Int64(70_000)])
            .await;
        assert!(matches!(wrong, Err(Error::Statement(_))), "{wrong:?}");
    });
}

#[test]
fn what_has_no_kind_in_common_comes_as_text_or_is_refused() {
    let Some(server) = weft_testing::postgres::Postgres::start() else {
        return;
    };
    block_on(async {
        let session = connect(&database(&server)).await;
        let (_, rows) = query(
            &session,
            "select date '2024-02-29', 1.50::numeric, array[1, null]::int4[], 'infinity'::float8",
            vec![],
        )
        .await
        .unwrap();
        assert_eq!(
            rows,
            [[
                text("2024-02-29"),
                text("1.50"),
                text("{\"1\",NULL}"),
                weft_stores::sql::Value::Real(f64::INFINITY)
            ]]
        );
        let refused = query(&session, "select point(1, 2) as place", vec![]).await;
        let Err(Error::Value { column, what }) = refused else {
            panic!("{refused:?}");
        };
        assert!(column == "place" && what.contains("cast"), "{what}");
    });
}

#[test]
fn a_server_that_was_away_is_used_again() {
    let Some(mut server) = weft_testing::postgres::Postgres::start() else {
        return;
    };
    block_on(async {
        let database = database(&server);
        let session = connect(&database).await;
        session
            .execute("create table t (a int8)".to_owned(), vec![])
            .await
            .unwrap();
        session.execute("begin".to_owned(), vec![]).await.unwrap();
        session
            .execute("insert into t values (1)".to_owned(), vec![])
            .await
            .unwrap();
        server.stop();
        let begun = Instant::now();
        let lost = session.execute("commit".to_owned(), vec![]).await;
        assert!(matches!(lost, Err(Error::Backend { .. })), "{lost:?}");
        let away = database.side(SqlAccess::ALL).connect().await;
        assert!(matches!(away, Err(Error::Backend { .. })), "{away:?}");
        assert!(database.check().await.is_err());
        assert!(begun.elapsed() < Duration::from_secs(10));
        server.start_again();
        // What was begun is gone, and a connection that was lost stays so: its user believes in a transaction.
        let still = session
            .execute("insert into t values (2)".to_owned(), vec![])
            .await;
        assert!(matches!(still, Err(Error::Backend { .. })), "{still:?}");
        let again = connect(&database).await;
        let found = again
            .gather("select count(*) from t".to_owned(), vec![])
            .await
            .unwrap();
        assert_eq!(found.rows, [[Value::Int64(0)]]);
        database.check().await.unwrap();
        server.freeze();
        let begun = Instant::now();
        let stuck = again.execute("select 1".to_owned(), vec![]).await;
        assert!(matches!(stuck, Err(Error::Timeout { .. })), "{stuck:?}");
        assert!(begun.elapsed() < Duration::from_secs(4));
        server.thaw();
        connect(&database)
            .await
            .execute("select 1".to_owned(), vec![])
            .await
            .unwrap();
    });
}

#[test]
fn connections_are_bounded_and_given_back() {
    let Some(server) = weft_testing::postgres::Postgres::start() else {
        return;
    };
    block_on(async {
        let few = Options {
            timeout: Duration::from_millis(500),
            connections_max: 3,
            ..Options::default()
        };
        let database = Postgres::new(&server.address(), few).unwrap();
        let (one, other) = (database.side(SqlAccess::ALL), database.side(SqlAccess::ALL));
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(one.connect().await.unwrap());
        }
        let fourth = other.connect().await;
        assert!(matches!(fourth, Err(Error::Connections { max: 3 })), "{fourth:?}");
        drop(open);
        // Those of one component make room for those of the other.
        let watch = Postgres::new(&server.address(), Options::default()).unwrap();
        let watch = connect(&watch).await;
        for _ in 0..10 {
            let held = [other.connect().await.unwrap(), other.connect().await.unwrap()];
            held[0].execute("select 1".to_owned(), vec![]).await.unwrap();
            // Those that are let go of are there for a moment longer.
            let begun = Instant::now();
            while connections(&watch).await > 3 {
                assert!(
                    begun.elapsed() < Duration::from_secs(5),
                    "{}",
                    connections(&watch).await
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            drop(held);
        }
    });
}

/// Connections to the server, without the one that asks.
async fn connections(watch: &Session) -> i64 {
    let count = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
    let found = watch.gather(count.to_owned(), vec![]).await.unwrap();
    match found.rows[0][0] {
        Value::Int64(count) => count,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_password_is_in_no_message() {
    for address in [
        "postgres://me:s3cret@127.0.0.1:1/db",
        "postgres://127.0.0.1:1/?password=s3cret",
    ] {
        let database = Postgres::new(address, Options::default()).unwrap();
        assert!(!format!("{database:?}").contains("s3cret"));
        block_on(async {
            let refused = database.side(SqlAccess::ALL).connect().await.unwrap_err();
            let cause = std::error::Error::source(&refused).map(ToString::to_string);
            assert!(!format!("{refused} {refused:?} {cause:?}").contains("s3cret"));
        });
    }
    assert!(Postgres::new("http://127.0.0.1", Options::default()).is_err());
}
