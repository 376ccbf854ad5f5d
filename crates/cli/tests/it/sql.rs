//! Databases, through Spin's interfaces and our own: absent, denied and narrowed; and what stays when the program is
//! gone.

use weft_testing::postgres::Postgres;

use weft_testing::weft::Run;
use weft_testing::{Scratch, guest};

use crate::keyvalue::lines;
use crate::run;

fn in_folder(scratch: &Scratch) -> String {
    format!("default={}", scratch.path().join("database").display())
}

#[test]
fn without_a_grant_no_database_can_be_opened_and_the_flag_is_named() {
    for (guest, call, told) in [
        ("sql_spin", "sqlite2 open default", "error: access denied\n"),
        ("sql_spin", "sqlite3 open default", "error: access denied\n"),
        ("sql_p3", "sqlite open default", "error: Error::AccessDenied\n"),
        (
            "sql_p3",
            "weft open default",
            "error: Error::AccessDenied(\"the database is not granted\")\n",
        ),
    ] {
        let outcome = run(["--verbose"], guest, [call]).run().with_code(0);
        assert_eq!(outcome.stdout(), told, "{guest}: {call}");
        assert!(
            outcome.stderr().contains("--sql default=FOLDER"),
            "{guest}: {}",
            outcome.stderr()
        );
    }
    let address = "pg4 open postgres://me:s3cret@127.0.0.1/db";
    let outcome = run(["--verbose"], "sql_spin", [address]).run().with_code(0);
    assert!(outcome.stdout().contains("not granted"), "{}", outcome.stdout());
    assert!(!outcome.stderr().contains("s3cret"), "{}", outcome.stderr());
}

#[test]
fn a_database_of_another_name_is_denied_whether_it_is_there_or_not() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    for name in ["other", "database", "../default", "", "default/", "DEFAULT"] {
        let open = format!("sqlite3 open {name}");
        assert_eq!(
            lines(["--sql", &grant], "sql_spin", [&open]),
            ["error: access denied"],
            "`{name}`"
        );
    }
}

#[test]
fn what_was_committed_in_one_run_is_there_in_the_next_and_in_every_interface() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    let told = lines(
        ["--sql", &grant],
        "sql_spin",
        [
            "sqlite2 open default",
            "sqlite2 create table notes (id integer primary key, what text, more blob, much real)",
            "sqlite2 insert into notes (what, more, much) values (?, ?, ?) | t:höflich | b:00ff | r:0.5",
            "sqlite3 open default",
            "sqlite3 insert into notes (what) values (?), (?) | t:two | n",
            "sqlite3 counts",
            "sqlite3 select * from notes where id <= ?1 order by id | i:2",
        ],
    );
    assert_eq!(
        told,
        [
            "opened",
            ": ",
            ": ",
            "opened",
            ": ",
            "3 2",
            "id,what,more,much: 1,\"höflich\",x00ff,0.5 2,\"two\",null,null",
        ]
    );
    let told = lines(
        ["--sql", &grant],
        "sql_p3",
        [
            "sqlite open default",
            "sqlite query select what from notes where id = 1",
            "weft open default",
            "weft query select id, what from notes where id = 2",
            "weft batch delete from notes where id = 1; insert into notes (what) values ('new')",
            "weft batch delete from notes; insert into notes (id) values (7), (7)",
            "weft query select count(*) from notes",
        ],
    );
    assert_eq!(
        told,
        [
            "opened",
            "what: [Value::Text(\"höflich\")] Ok(())",
            "opened",
            "id,what: [Value::Integer(2), Value::Text(\"two\")] Ok(())",
            "Ok([1, 1])",
            "Err(Error::Constraint(RefusedStatement { message: \"UNIQUE constraint failed: notes.id\", code: Some(\"1555\"), detail: None }))",
            "count(*): [Value::Integer(3)] Ok(())",
        ]
        .map(|line| line.replace("RefusedStatement", "Refused"))
    );
}

#[test]
fn rows_come_as_a_stream_and_may_be_left() {
    let numbers =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000) select i from n";
    let told = lines(
        ["--sql", "default=memory"],
        "sql_p3",
        [
            "sqlite open default",
            &format!("sqlite query {numbers}"),
            &format!("sqlite some {numbers}"),
            "sqlite query select 1 as one",
            "weft open default",
            &format!("weft some {numbers}"),
            &format!("weft query {numbers}"),
        ],
    );
    assert_eq!(
        told,
        [
            "opened",
            "i: 200000 rows Ok(())",
            "i: [Value::Integer(1)] …",
            "one: [Value::Integer(1)] Ok(())",
            "opened",
            "i: [Value::Integer(1)] …",
            "i: 200000 rows Ok(())",
        ]
    );
}

#[test]
fn what_is_for_reading_only_is_not_changed() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    lines(
        ["--sql", &grant],
        "sql_spin",
        ["sqlite3 open default", "sqlite3 create table t (a)"],
    );
    let read_only = grant.replace("default=", "default:ro=");
    let outcome = run(
        ["--verbose", "--sql", &read_only],
        "sql_spin",
        [
            "sqlite3 open default",
            "sqlite3 select count(*) as n from t",
            "sqlite3 insert into t values (1)",
            "sqlite3 drop table t",
            "sqlite3 pragma query_only = 0",
            "sqlite3 insert into t values (1)",
            "sqlite3 attach '/tmp/x' as y",
        ],
    )
    .run()
    .with_code(0);
    let told = outcome.stdout();
    let told: Vec<&str> = told.lines().collect();
    let denied = "error: access denied";
    assert_eq!(told, ["opened", "n: 0", denied, denied, ": ", denied, denied]);
    assert!(
        outcome.stderr().contains("--sql default=FOLDER"),
        "{}",
        outcome.stderr()
    );
}

/// An app of one component with this in its manifest.
fn app<'a>(scratch: &Scratch, grants: &str, rest: &str, calls: impl IntoIterator<Item = &'a str>) -> Run {
    let manifest = format!(
        "[app]\nname = \"shop\"\n[component.main]\nsource = '{}'\n[component.main.grants]\nstdio = \"all\"\nenv = []\n\
         clock = \"real\"\n{grants}\n{rest}\n",
        guest("sql_spin").display()
    );
    scratch.file("weft.toml", manifest);
    crate::weft()
        .arg("run")
        .arg(scratch.path())
        .env("WEFT_DATA_DIR", scratch.path().join("own"))
        .args(calls)
}

#[test]
fn a_narrowed_component_reaches_its_tables_and_nothing_else() {
    let scratch = Scratch::new();
    let data = "[database.shop]\npath = \"data\"";
    let calls = [
        "sqlite3 open shop",
        "sqlite3 create table orders (id integer primary key, what text)",
        "sqlite3 create table prices (what text, price integer)",
        "sqlite3 create table customers (name text)",
        "sqlite3 insert into prices values ('tea', 3)",
    ];
    app(&scratch, "sql = [\"shop\"]", data, calls).run().with_code(0);
    let narrowed = "[component.main.grants.sql.mine]\ndatabase = \"shop\"\ntables = [\"orders\", \"prices:ro\"]\nrate = 6";
    let calls = [
        "sqlite3 open shop",
        "sqlite3 open mine",
        "sqlite3 insert into orders (what) values ('tea')",
        "sqlite3 select o.what, p.price from orders o join prices p using (what)",
        "sqlite3 update prices set price = 0",
        "sqlite3 select * from customers",
        "sqlite3 select * from sqlite_schema",
        "sqlite3 select 1",
    ];
    let outcome = app(&scratch, narrowed, data, calls).run().with_code(0);
    let told = outcome.stdout();
    let told: Vec<&str> = told.lines().collect();
    let denied = "error: access denied";
    assert_eq!(
        told,
        [
            denied,
            "opened",
            ": ",
            "what,price: \"tea\",3",
            denied,
            denied,
            denied,
            "error: io: more calls in a second than this component may make",
        ],
        "{}",
        outcome.stderr()
    );
}

#[test]
fn tables_are_listed_checked_and_backed_up() {
    let scratch = Scratch::new();
    let data = "[database.shop]\npath = \"data\"";
    let none = app(&scratch, "sql = [\"shop\"]", data, []).run();
    none.with_code(0);
    let weft = |arguments: &[&str]| {
        crate::weft()
            .arg("data")
            .args(arguments)
            .arg("--app")
            .arg(scratch.path())
            .run()
    };
    let calls = [
        "sqlite3 open shop",
        "sqlite3 create table orders (id integer primary key autoincrement)",
        "sqlite3 create table prices (what text)",
        "sqlite3 insert into orders default values",
    ];
    app(&scratch, "sql = [\"shop\"]", data, calls).run().with_code(0);
    assert_eq!(weft(&["list", "shop"]).with_code(0).stdout(), "orders\nprices\n");
    assert!(
        weft(&["check", "shop"])
            .with_code(0)
            .stderr()
            .contains("2 tables")
    );
    let copy = scratch.path().join("copy").display().to_string();
    weft(&["backup", "shop", &copy]).with_code(0);
    let moved = "[database.shop]\npath = \"copy\"";
    let calls = ["sqlite3 open shop", "sqlite3 select count(*) as n from orders"];
    let outcome = app(&scratch, "sql = [\"shop\"]", moved, calls).run().with_code(0);
    assert_eq!(outcome.stdout(), "opened\nn: 1\n");
    let refused = weft(&["get", "shop", "orders"]).with_code(2);
    assert!(refused.stderr().contains("sqlite3"), "{}", refused.stderr());
    let unknown = weft(&["list", "shops"]).with_code(2);
    assert!(
        unknown.stderr().contains("there are: shop"),
        "{}",
        unknown.stderr()
    );
}

#[test]
fn a_flipped_bit_in_a_database_is_told_and_never_served() {
    let scratch = Scratch::new();
    let grant = in_folder(&scratch);
    // A database of somebody else's: it gets its checksums now.
    let file = scratch.path().join("database/data.db");
    scratch.folder("database");
    fs_err::write(&file, "").unwrap();
    let calls = [
        "sqlite3 open default",
        "sqlite3 create table notes (note text)",
        "sqlite3 insert into notes values ('remember')",
    ];
    lines(["--sql", &grant], "sql_spin", calls);
    let mut bytes = fs_err::read(&file).unwrap();
    let place = bytes.windows(8).rposition(|window| window == b"remember");
    bytes[place.unwrap()] ^= 4;
    fs_err::write(&file, &bytes).unwrap();
    let calls = ["sqlite3 open default", "sqlite3 select note from notes"];
    let outcome = run(["--sql", &grant], "sql_spin", calls).run().with_code(1);
    assert_eq!(outcome.stdout(), "");
    assert!(
        outcome.stderr().contains("page 2 does not fit its checksum"),
        "{}",
        outcome.stderr()
    );
    assert_eq!(fs_err::read(&file).unwrap(), bytes);
}

#[test]
fn without_the_grant_of_its_kind_an_app_is_refused_before_it_runs() {
    let scratch = Scratch::new();
    let outcome = app(&scratch, "", "", []).run().with_code(2);
    assert!(
        outcome.stderr().contains("sql = [\"DATABASE\"]"),
        "{}",
        outcome.stderr()
    );
}

#[test]
fn postgres_is_reached_through_every_interface_by_its_name() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let grant = format!("shop={}", server.address());
    let told = lines(
        ["--sql", &grant],
        "sql_spin",
        [
            "pg2 open shop",
            "pg2 execute create table things (id int4 primary key, what text, at date, price numeric, raw bytea)",
            "pg2 execute insert into things values ($1, $2, '2024-02-29', 1.50, $3) | i:1 | t:tea | b:00ff",
            "pg2 query select * from things",
            "pg3 open shop",
            "pg3 query select at, price from things where id = $1 | i:1",
            "pg4 open shop",
            "pg4 query select at, price, array[1, null] as list, point(1, 2) as place from things where what = $1 | t:tea",
            "pg4 execute insert into things (id) values (1)",
            "sqlite3 open shop",
        ],
    );
    assert_eq!(told[1], "0");
    assert_eq!(told[2], "1");
    assert_eq!(
        told[3],
        "id DbDataType::Int32,what DbDataType::Str,at DbDataType::Other,price DbDataType::Other,raw DbDataType::Binary: \
         [[DbValue::Int32(1), DbValue::Str(\"tea\"), DbValue::Unsupported, DbValue::Unsupported, DbValue::Binary([0, 255])]]"
    );
    assert_eq!(
        told[5],
        "at DbDataType::Date,price DbDataType::Other: [[DbValue::Date((2024, 2, 29)), DbValue::Unsupported]]"
    );
    for part in [
        "DbValue::Date((2024, 2, 29))",
        "DbValue::Decimal(\"1.50\")",
        "DbValue::ArrayInt32([Some(1), None])",
        "place DbDataType::Other(\"point\")",
        "DbValue::Unsupported(",
    ] {
        assert!(told[7].contains(part), "{part}: {}", told[7]);
    }
    assert!(
        told[8].contains("code: \"23505\"") && told[8].contains("things_pkey"),
        "{}",
        told[8]
    );
    assert!(told[9].contains("is of PostgreSQL"), "{}", told[9]);
    let told = lines(
        ["--sql", &grant],
        "sql_p3",
        [
            "pg open shop",
            "pg query select i from generate_series(1, 50000) as i",
            "pg execute update things set what = 'coffee'",
            "weft open shop",
            "weft query select what, price from things",
            "weft query select 1 / 0",
        ],
    );
    assert_eq!(told[1], "i: 50000 rows Ok(())");
    assert_eq!(told[2], "Ok(1)");
    assert_eq!(
        told[4],
        "what,price: [Value::Text(\"coffee\"), Value::Text(\"1.50\")] Ok(())"
    );
    assert!(told[5].contains("22012"), "{}", told[5]);
}

#[test]
fn an_address_that_a_guest_knows_is_taken_only_where_it_is_the_granted_one() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let address = server.address();
    let grant = format!("shop={address}");
    let other = address.replace("/postgres", "/template1");
    let told = lines(
        ["--sql", &grant],
        "sql_spin",
        [
            &format!("pg4 open {address}"),
            "pg4 query select 1 as one",
            &format!("pg4 open {other}"),
        ],
    );
    assert_eq!(told[0], "opened");
    assert!(told[1].contains("Int32(1)"), "{}", told[1]);
    assert!(told[2].contains("not granted"), "{}", told[2]);
}

#[test]
fn a_reader_of_postgres_changes_nothing() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let all = format!("shop={}", server.address());
    lines(
        ["--sql", &all],
        "sql_spin",
        ["pg4 open shop", "pg4 execute create table t (a int4)"],
    );
    let told = lines(
        ["--sql", &all.replace("shop=", "shop:ro=")],
        "sql_spin",
        [
            "pg4 open shop",
            "pg4 query select count(*) as n from t",
            "pg4 execute commit",
            "pg4 execute insert into t values (1)",
        ],
    );
    assert!(told[1].contains("Int64(0)"), "{}", told[1]);
    assert!(told[3].contains("read-only"), "{}", told[3]);
}

#[test]
fn a_server_that_is_not_there_is_told_of_without_its_address() {
    let told = lines(
        ["--sql", "shop=postgres://me:s3cret@127.0.0.1:1/db"],
        "sql_spin",
        ["pg4 open shop", "pg2 open shop"],
    );
    for line in told {
        assert!(
            line.contains("cannot be reached") && !line.contains("127.0.0.1"),
            "{line}"
        );
    }
}
