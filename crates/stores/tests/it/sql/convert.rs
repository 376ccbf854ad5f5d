//! Databases without checksums: rewritten once, all of it or nothing.

use std::path::{Path, PathBuf};

use rusqlite::Connection as Foreign;
use weft_stores::sql::sqlite::{Options, Sqlite};
use weft_stores::sql::{Error, Value};
use weft_testing::Scratch;

use super::damage::{connect, copy, run};
use super::*;

/// A folder with a database that another program, or Weft before there were checksums, has made.
pub(super) fn made(folder: &Path, settings: &str) -> PathBuf {
    fs_err::create_dir_all(folder).unwrap();
    let file = folder.join("data.db");
    let foreign = Foreign::open(&file).unwrap();
    foreign.execute_batch(settings).unwrap();
    foreign
        .execute_batch(
            "create table t (a integer primary key, b text);
             create table plain (b);
             create index i on plain (b);
             insert into plain (rowid, b) values (7, 'seven'), (70, 'seventy');
             create virtual table words using fts5(word);
             insert into words values ('some words');
             pragma user_version = 12;
             pragma application_id = 34;",
        )
        .unwrap();
    for number in 0..40_u32 {
        let b = format!("row {number};").repeat(1 + number as usize * 61);
        foreign
            .execute("insert into t values (?1, ?2)", (number, b))
            .unwrap();
    }
    foreign.close().unwrap();
    file
}

/// Whether everything of [`made`] is there.
pub(super) async fn is_all_there(folder: &Path) {
    let database = Sqlite::open(folder, options()).unwrap();
    let session = connect(&database).await;
    for (statement, expected) in [
        ("pragma integrity_check", "ok"),
        ("select count(*) || ':' || sum(length(b)) from t", "40:330585"),
        (
            "select group_concat(rowid || b) from plain order by rowid",
            "7seven,70seventy",
        ),
        ("select word from words where words match 'some'", "some words"),
        ("pragma user_version", "12"),
        ("pragma application_id", "34"),
    ] {
        let rows = run(&session, statement).await.unwrap();
        let found: Vec<String> = rows
            .into_iter()
            .flatten()
            .map(|value| match value {
                Value::Text(text) => text,
                Value::Integer(number) => number.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, [expected], "{statement}");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_kind_of_database_gets_checksums_and_keeps_what_it_has() {
    block_on(async {
        let scratch = Scratch::new();
        for (number, settings) in [
            "",
            "pragma journal_mode = wal",
            "pragma page_size = 1024; pragma journal_mode = wal",
            "pragma page_size = 65536",
            "pragma auto_vacuum = incremental",
            "pragma encoding = 'UTF-16le'; pragma auto_vacuum = full",
        ]
        .into_iter()
        .enumerate()
        {
            eprintln!("{settings}");
            let folder = scratch.path().join(number.to_string());
            let file = made(&folder, settings);
            assert_eq!(fs_err::read(&file).unwrap()[20], 0);
            is_all_there(&folder).await;
            assert_eq!(names(&folder), ["data.db", "data.db-tail"]);
            let once = fs_err::read(&file).unwrap();
            assert_eq!(once[20], 8);
            is_all_there(&folder).await;
            assert_eq!(fs_err::read(&file).unwrap(), once);
            let mut damaged = once;
            let place = damaged
                .windows(6)
                .position(|window| window == b"row 9;" || window == b"r\0o\0w\0");
            damaged[place.unwrap()] ^= 4;
            fs_err::write(&file, damaged).unwrap();
            let opened = Sqlite::open(&folder, options());
            assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
        }
    });
}

#[test]
fn an_empty_file_is_an_empty_database() {
    block_on(async {
        let scratch = Scratch::new();
        let folder = scratch.folder("d");
        fs_err::write(folder.join("data.db"), "").unwrap();
        let database = Sqlite::open(&folder, options()).unwrap();
        run(&connect(&database).await, "create table t (a)")
            .await
            .unwrap();
        drop(database);
        assert_eq!(fs_err::read(folder.join("data.db")).unwrap()[20], 8);
    });
}

#[test]
fn a_log_that_was_left_behind_is_read_first() {
    block_on(async {
        let scratch = Scratch::new();
        let folder = scratch.path().join("d");
        let file = made(&folder, "pragma journal_mode = wal");
        let foreign = Foreign::open(&file).unwrap();
        foreign
            .execute("update t set b = 'changed' where a = 3", [])
            .unwrap();
        let killed = scratch.path().join("killed");
        copy(&folder, &killed);
        assert!(killed.join("data.db-wal").exists());
        let database = Sqlite::open(&killed, options()).unwrap();
        let found = run(&connect(&database).await, "select b from t where a = 3").await;
        assert_eq!(found.unwrap(), [[text("changed")]]);
    });
}

#[test]
fn what_somebody_else_works_with_or_is_damaged_stays_as_it_is() {
    block_on(async {
        let scratch = Scratch::new();
        let folder = scratch.path().join("d");
        let file = made(&folder, "pragma journal_mode = wal");
        let before = fs_err::read(&file).unwrap();
        let foreign = Foreign::open(&file).unwrap();
        foreign.execute_batch("begin; select * from t").unwrap();
        let opened = Sqlite::open(&folder, options());
        assert!(matches!(opened, Err(Error::Locked { .. })), "{opened:?}");
        assert_eq!(fs_err::read(&file).unwrap(), before);
        foreign.execute_batch("commit").unwrap();
        foreign.close().unwrap();
        is_all_there(&folder).await;

        let folder = scratch.path().join("damaged");
        let file = made(&folder, "");
        let mut bytes = fs_err::read(&file).unwrap();
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 8192].fill(0xA5);
        fs_err::write(&file, &bytes).unwrap();
        let opened = Sqlite::open(&folder, options());
        assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
        assert_eq!(fs_err::read(&file).unwrap(), bytes);
        assert_eq!(names(&folder), ["data.db"]);
    });
}

#[test]
fn many_who_open_it_at_once_have_it_rewritten_once() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("d");
    made(&folder, "");
    let opening: Vec<_> = (0..6)
        .map(|_| {
            let folder = folder.clone();
            std::thread::spawn(move || block_on(is_all_there(&folder)))
        })
        .collect();
    for opened in opening {
        opened.join().unwrap();
    }
}

#[test]
fn a_newer_format_is_refused() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("d");
    drop(Sqlite::open(&folder, options()).unwrap());
    let tail = folder.join("data.db-tail");
    let mut bytes = fs_err::read(&tail).unwrap();
    for place in [0, 512] {
        bytes[place + 8] = 2;
    }
    fs_err::write(&tail, bytes).unwrap();
    let error = Sqlite::open(&folder, Options::default()).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(
        source.is_some_and(|source| source.contains("format 2")),
        "{error:?}"
    );
}
