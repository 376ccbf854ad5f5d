//! What only a table can meet: other users of the server, and what they do to it.

use std::time::Duration;

use weft_stores::keyvalue::postgres::{Options, Postgres};
use weft_stores::keyvalue::{Change, Error, Store};
use weft_testing::postgres::Postgres as Server;

fn store(address: &str, table: &str) -> Postgres {
    let options = Options {
        table: table.to_owned(),
        // A statement that makes a table may take a while on a busy machine.
        timeout: Duration::from_secs(5),
        ..Options::default()
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

fn set(key: &str) -> Change {
    Change::Set(key.to_owned(), "x".into())
}

#[tokio::test]
async fn stores_in_different_tables_do_not_meet() {
    let Some(server) = Server::start() else { return };
    let client = client(&server.address()).await;
    client.batch_execute("CREATE SCHEMA other").await.unwrap();
    let stores = ["one", "One", "other.one", "o\"ne"].map(|table| store(&server.address(), table));
    for (number, store) in stores.iter().enumerate() {
        assert_eq!(store.increment("n", 1).await.unwrap(), 1, "{number}");
    }
}

#[tokio::test]
async fn a_table_that_many_make_at_once_is_made_once() {
    let Some(server) = Server::start() else { return };
    let stores: Vec<_> = (0..8).map(|_| store(&server.address(), "shared")).collect();
    let made = stores.iter().map(|store| store.increment("n", 1));
    let mut sums = futures::future::try_join_all(made).await.unwrap();
    sums.sort_unstable();
    assert_eq!(sums, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn a_table_that_was_dropped_is_made_anew() {
    let Some(server) = Server::start() else { return };
    let store = store(&server.address(), "weft");
    store.write(vec![set("a")]).await.unwrap();
    client(&server.address())
        .await
        .batch_execute("DROP TABLE weft")
        .await
        .unwrap();
    let error = store.get("a").await.unwrap_err();
    assert!(matches!(error, Error::Backend { .. }), "{error:?}");
    assert!(store.get("a").await.unwrap().is_none());
    store.write(vec![set("a")]).await.unwrap();
}

#[tokio::test]
async fn what_several_changes_remove_leaves_no_rows() {
    let Some(server) = Server::start() else { return };
    let store = store(&server.address(), "weft");
    store.write(vec![set("a"), set("b"), set("c")]).await.unwrap();
    let changes = ["a", "b", "never there"].map(|key| Change::Delete(key.to_owned()));
    store.write(changes.to_vec()).await.unwrap();
    let client = client(&server.address()).await;
    let rows: i64 = client
        .query_one_scalar("SELECT count(*) FROM weft", &[])
        .await
        .unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn more_entries_are_counted_than_one_statement_counts() {
    let Some(server) = Server::start() else { return };
    let store = store(&server.address(), "many");
    for batch in 0..5 {
        let numbers = 0..10_000;
        let changes = numbers.map(|number| set(&format!("{batch}{number:04}")));
        store.write(changes.collect()).await.unwrap();
    }
    assert_eq!(store.usage("").await.unwrap(), 50_000 * 6);
    assert_eq!(store.usage("3").await.unwrap(), 10_000 * 6);
}

#[tokio::test]
async fn who_may_use_a_table_need_not_have_the_right_to_make_one() {
    let Some(server) = Server::start() else { return };
    store(&server.address(), "weft")
        .write(vec![set("a")])
        .await
        .unwrap();
    let prepare = "CREATE ROLE guest LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON weft TO guest";
    client(&server.address())
        .await
        .batch_execute(prepare)
        .await
        .unwrap();
    let address = server.address().replace("weft@", "guest@");
    let allowed = store(&address, "weft");
    assert!(allowed.get("a").await.unwrap().is_some());
    assert_eq!(allowed.increment("n", 1).await.unwrap(), 1);
    allowed
        .write(vec![set("b"), Change::Delete("a".into())])
        .await
        .unwrap();
    let refused = store(&address, "another").get("a").await.unwrap_err();
    let Error::Backend { source, .. } = &refused else {
        panic!("{refused:?}")
    };
    assert!(source.to_string().contains("permission denied"), "{source}");
}

#[tokio::test]
async fn a_row_that_another_holds_costs_no_more_than_the_timeout() {
    let Some(server) = Server::start() else { return };
    let options = Options {
        timeout: Duration::from_millis(500),
        ..Options::default()
    };
    let store = Postgres::new(&server.address(), options).unwrap();
    store.write(vec![set("a")]).await.unwrap();
    let mut client = client(&server.address()).await;
    let transaction = client.transaction().await.unwrap();
    transaction
        .batch_execute("UPDATE weft SET value = 'held'")
        .await
        .unwrap();
    let error = store.write(vec![set("a")]).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    // Whoever reads waits for nobody.
    assert_eq!(store.get("a").await.unwrap().unwrap().value, "x");
    transaction.commit().await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap().value, "held");
    store.write(vec![set("a")]).await.unwrap();
}

#[tokio::test]
async fn whoever_insists_on_tls_does_not_do_without() {
    let Some(server) = Server::start() else { return };
    let error = store(&format!("{}?sslmode=require", server.address()), "weft")
        .check()
        .await
        .unwrap_err();
    let Error::Backend { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("TLS"), "{source}");
    store(&format!("{}?sslmode=disable", server.address()), "weft")
        .check()
        .await
        .unwrap();
}
