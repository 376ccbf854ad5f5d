//! Random histories of several connections beside one another, compared with what transactions promise: each commit is
//! seen as a whole or not at all, and what was acknowledged is there in the end.

use std::sync::Arc;

use parking_lot::Mutex;
use weft_stores::sql::{Connection, Error, Value};

use super::*;

/// Accounts between which money goes to and fro.
const ACCOUNTS: i64 = 8;
const MONEY: i64 = 100;

#[test]
fn money_is_neither_made_nor_lost() {
    block_on(async {
        for backend in every() {
            let first = backend.connect().await;
            execute(
                &*first,
                "create table accounts (id bigint primary key, money bigint not null)",
            )
            .await
            .unwrap();
            execute(&*first, "create table moves (id bigint primary key)")
                .await
                .unwrap();
            for id in 0..ACCOUNTS {
                let insert = format!("insert into accounts values ({id}, {MONEY})");
                execute(&*first, &insert).await.unwrap();
            }
            let acknowledged: Arc<Mutex<Vec<i64>>> = Arc::default();
            let mut users = tokio::task::JoinSet::new();
            for user in 0..6 {
                let connection = backend.connect().await;
                let acknowledged = Arc::clone(&acknowledged);
                let name = backend.name;
                users.spawn(async move { work(name, &*connection, user, &acknowledged).await });
            }
            while let Some(ended) = users.join_next().await {
                ended.unwrap();
            }
            let (_, rows) = query(&*first, "select id from moves order by id", vec![])
                .await
                .unwrap();
            let mut acknowledged = acknowledged.lock().clone();
            acknowledged.sort_unstable();
            let expected: Vec<Vec<Value>> = acknowledged.iter().map(|id| vec![Value::Integer(*id)]).collect();
            assert!(expected.len() > 50, "{}: {}", backend.name, expected.len());
            assert_eq!(rows, expected, "{}", backend.name);
            assert_eq!(
                total(&*first).await.unwrap(),
                ACCOUNTS * MONEY,
                "{}",
                backend.name
            );
        }
    });
}

/// Moves money in transactions, batches and reads; counts what was acknowledged.
async fn work(name: &str, connection: &dyn Connection, user: u64, acknowledged: &Mutex<Vec<i64>>) {
    let mut random = fastrand::Rng::with_seed(user);
    for number in 0..40 {
        let id = i64::try_from(user).unwrap() * 1000 + number;
        let (from, to) = (random.i64(0..ACCOUNTS), random.i64(0..ACCOUNTS));
        // In one order for all, so that nobody waits for whoever waits for it.
        let (low, high, amount) = if from < to { (from, to, 1) } else { (to, from, -1) };
        let moves = [
            format!("update accounts set money = money - {amount} where id = {low}"),
            format!("update accounts set money = money + {amount} where id = {high}"),
            format!("insert into moves values ({id})"),
        ];
        let ended = match random.u8(0..10) {
            0..4 => {
                let moves = moves.iter().map(|text| (text.clone(), vec![]));
                connection.batch(moves.collect()).await.map(|_| true)
            }
            4..8 => transaction(connection, &moves, random.u8(0..5) > 0).await,
            _ => match total(connection).await {
                Ok(total) => {
                    assert_eq!(total, ACCOUNTS * MONEY, "{name}");
                    Ok(false)
                }
                Err(error) => Err(error),
            },
        };
        match ended {
            Ok(true) => acknowledged.lock().push(id),
            Ok(false) => {}
            // Whoever is told so knows that nothing was done.
            Err(Error::Locked { .. }) => drop(execute(connection, "rollback").await),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// Whether it was committed.
async fn transaction(connection: &dyn Connection, moves: &[String], commits: bool) -> Result<bool, Error> {
    execute(connection, "begin").await?;
    for text in moves {
        execute(connection, text).await?;
    }
    execute(connection, if commits { "commit" } else { "rollback" }).await?;
    Ok(commits)
}

async fn total(connection: &dyn Connection) -> Result<i64, Error> {
    let sum = "select cast(sum(money) as bigint) from accounts";
    let (_, rows) = query(connection, sum, vec![]).await?;
    match rows.as_slice() {
        [row] => match row.as_slice() {
            [Value::Integer(total)] => Ok(*total),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}
