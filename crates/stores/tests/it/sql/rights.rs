//! What a narrowed component reaches of a database of SQLite, whatever it says.

use weft_app::grant::{SqlAccess, TableGrant};
use weft_stores::sql::sqlite::{Rights, Session, Sqlite};
use weft_stores::sql::{Error, Value};
use weft_testing::Scratch;

use super::*;

struct World {
    database: Sqlite,
    scratch: Scratch,
}

impl World {
    /// Orders, prices and secrets, a view of the secrets, and a trigger that writes to them.
    async fn new() -> Self {
        let scratch = Scratch::new();
        let database = Sqlite::open(&scratch.path().join("database"), options()).unwrap();
        let world = Self { database, scratch };
        let owner = world.connect(Rights::all()).await;
        for statement in [
            "create table orders (id integer primary key, what text)",
            "create table prices (what text, price integer)",
            "create table secrets (word text)",
            "insert into secrets values ('sesame')",
            "insert into prices values ('tea', 3)",
            "create view shown as select word from secrets",
            "create table counted (id integer)",
            "create trigger counts after insert on counted begin insert into secrets values ('counted'); end",
        ] {
            run(&owner, statement).await.unwrap();
        }
        world
    }

    async fn connect(&self, rights: Rights) -> Session {
        self.database.side(rights).connect().await.unwrap()
    }

    /// Orders to read and write, prices to read.
    async fn narrowed(&self) -> Session {
        let tables: Vec<TableGrant> = ["orders", "prices:ro", "shown", "counted"]
            .iter()
            .map(|table| table.parse().unwrap())
            .collect();
        let access = SqlAccess {
            schema: false,
            ..SqlAccess::ALL
        };
        self.connect(Rights::new(access, Some(&tables))).await
    }
}

async fn run(session: &Session, statement: &str) -> Result<Vec<Vec<Value>>, Error> {
    Ok(session.gather(statement.to_owned(), vec![]).await?.rows)
}

#[test]
fn tables_that_are_granted_are_reached_and_others_are_not() {
    block_on(async {
        let world = World::new().await;
        let session = world.narrowed().await;
        run(&session, "insert into orders (what) values ('tea')")
            .await
            .unwrap();
        let joined = run(
            &session,
            "select o.id, p.price from orders o join prices p using (what)",
        );
        assert_eq!(joined.await.unwrap(), [[Value::Integer(1), Value::Integer(3)]]);
        for statement in [
            "select word from secrets",
            "SELECT * FROM \"main\".[Secrets]",
            "select (select word from secrets)",
            "select count(*) from secrets",
            "insert into orders (what) select word from secrets",
            "update orders set what = (select word from secrets)",
            "with s as (select * from secrets) select * from s",
            "select * from shown",
            "insert into counted values (1)",
            "insert into prices values ('coffee', 1)",
            "update prices set price = 0",
            "delete from prices",
            "delete from secrets",
            "drop table orders",
            "create table more (a)",
            "create view mine as select * from secrets",
            "create trigger t after insert on orders begin delete from secrets; end",
            "alter table orders rename to mine",
            "select name from sqlite_master",
            "select sql from sqlite_schema",
            "select * from dbstat",
            "select * from pragma_table_list",
            "select * from pragma_table_info('secrets')",
            "pragma table_info(secrets)",
            "pragma table_list",
            "pragma integrity_check",
            "analyze",
            "vacuum",
            "select * from sqlite_dbpage",
        ] {
            let ended = run(&session, statement).await;
            let is_refused = match &ended {
                Err(Error::Denied { .. }) => true,
                // Some are not there at all.
                Err(Error::Statement(said)) => said.message.contains("no such table"),
                _ => false,
            };
            assert!(is_refused, "{statement}: {ended:?}");
        }
        let owner = world.connect(Rights::all()).await;
        let secrets = run(&owner, "select word from secrets").await.unwrap();
        assert_eq!(secrets, [[text("sesame")]]);
    });
}

#[test]
fn a_temporary_trigger_reaches_no_further_than_its_maker() {
    block_on(async {
        let world = World::new().await;
        let session = world.narrowed().await;
        let trigger =
            "create temp trigger t after insert on orders begin insert into secrets values ('mine'); end";
        // Whether it can be made or not, it does not do it.
        drop(run(&session, trigger).await);
        drop(run(&session, "insert into orders (what) values ('tea')").await);
        drop(session);
        let owner = world.connect(Rights::all()).await;
        run(&owner, "insert into orders (what) values ('tea')")
            .await
            .unwrap();
        let secrets = run(&owner, "select word from secrets").await.unwrap();
        assert_eq!(secrets, [[text("sesame")]]);
    });
}

#[test]
fn nobody_reaches_files_or_code() {
    block_on(async {
        let world = World::new().await;
        let owner = world.connect(Rights::all()).await;
        let other = world.scratch.path().join("other.db");
        for statement in [
            format!("attach '{}' as other", other.display()),
            "attach ':memory:' as other".to_owned(),
            format!("vacuum into '{}'", other.display()),
            "select load_extension('/tmp/x.so')".to_owned(),
            "pragma writable_schema = 1".to_owned(),
            "pragma temp_store_directory = '/tmp'".to_owned(),
            "pragma data_store_directory = '/tmp'".to_owned(),
            "pragma max_page_count = 1000000000".to_owned(),
            "pragma trusted_schema = 1".to_owned(),
            "pragma hard_heap_limit = 1".to_owned(),
            "pragma key = 'x'".to_owned(),
            "delete from sqlite_master".to_owned(),
            "update sqlite_schema set sql = 'x'".to_owned(),
            "create virtual table v using csv(filename='/etc/passwd')".to_owned(),
            "select fts3_tokenizer('mine', x'0011223344556677')".to_owned(),
            "select readfile('/etc/passwd')".to_owned(),
        ] {
            let ended = run(&owner, &statement).await;
            assert!(ended.is_err(), "{statement}: {ended:?}");
        }
        assert!(!other.exists());
    });
}

#[test]
fn how_the_file_is_kept_is_not_for_a_component_to_say() {
    block_on(async {
        let world = World::new().await;
        let owner = world.connect(Rights::all()).await;
        for statement in [
            "pragma journal_mode = delete",
            "pragma synchronous = off",
            "pragma locking_mode = exclusive",
        ] {
            assert_eq!(
                run(&owner, statement).await.unwrap(),
                Vec::<Vec<Value>>::new(),
                "{statement}"
            );
        }
        // Another one still writes.
        let other = world.connect(Rights::all()).await;
        run(&other, "insert into orders (what) values ('tea')")
            .await
            .unwrap();
    });
}

#[test]
fn adding_alone_does_not_let_one_look() {
    block_on(async {
        let world = World::new().await;
        let access = SqlAccess {
            read: false,
            write: true,
            schema: false,
        };
        let session = world.connect(Rights::new(access, None)).await;
        run(&session, "insert into orders (what) values ('tea')")
            .await
            .unwrap();
        for statement in [
            "select * from orders",
            "insert into orders (what) values ('x') returning id",
            "update orders set what = what || 'x'",
            "delete from orders where what = 'tea'",
        ] {
            let ended = run(&session, statement).await;
            assert!(
                matches!(ended, Err(Error::Denied { .. })),
                "{statement}: {ended:?}"
            );
        }
    });
}
