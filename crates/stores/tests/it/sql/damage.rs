//! Damage: every flipped bit is reported or makes no difference, and no commit that was acknowledged is missed without
//! a word.

use std::path::Path;

use rusqlite::Connection as Foreign;
use weft_stores::keyvalue::Durability;
use weft_stores::sql::sqlite::{Options, Rights, Session, Sqlite};
use weft_stores::sql::{Error, Value};
use weft_testing::Scratch;

use super::*;

const ROWS: i64 = 60;

pub(super) async fn connect(database: &Sqlite) -> Session {
    database.side(Rights::all()).connect().await.unwrap()
}

pub(super) async fn run(session: &Session, statement: &str) -> Result<Vec<Vec<Value>>, Error> {
    Ok(session.gather(statement.to_owned(), vec![]).await?.rows)
}

fn fast() -> Options {
    Options {
        durability: Durability::Fast,
        ..options()
    }
}

/// What a row has: from a few bytes to several pages.
fn content(number: i64) -> String {
    format!("row {number};").repeat(usize::try_from(1 + number * number % 1500).unwrap())
}

/// One commit for each row.
async fn fill(session: &Session) {
    run(session, "create table t (a integer primary key, b text)")
        .await
        .unwrap();
    run(session, "create index i on t (b)").await.unwrap();
    for number in 0..ROWS {
        let row = vec![Value::Integer(number), Value::Text(content(number))];
        session
            .gather("insert into t values (?1, ?2)".to_owned(), row)
            .await
            .unwrap();
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // What readers share of the log is made anew by whoever opens a database that nobody has open.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs_err::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn is_damage<T: std::fmt::Debug>(ended: Result<T, Error>) -> Option<T> {
    match ended {
        Ok(found) => Some(found),
        Err(Error::Damaged { .. }) => None,
        Err(other) => panic!("{other:?}"),
    }
}

/// Opens a database and reads everything: either it is all there, or something is said. Says whether it was.
async fn is_reported(folder: &Path, options: Options) -> bool {
    let Some(database) = is_damage(Sqlite::open(folder, options)) else {
        return true;
    };
    let Some(session) = is_damage(database.side(Rights::all()).connect().await) else {
        return true;
    };
    for statement in [
        "select a, b from t order by a",
        "select a, b from t indexed by i where b >= 'row' order by a",
    ] {
        let Some(rows) = is_damage(run(&session, statement).await) else {
            // Nothing is done with it any more.
            let refused = run(&session, "select 1").await;
            assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
            return true;
        };
        let expected: Vec<_> = (0..ROWS)
            .map(|number| vec![Value::Integer(number), Value::Text(content(number))])
            .collect();
        assert!(
            rows == expected,
            "{} rows, or others than were committed",
            rows.len()
        );
    }
    false
}

/// Flips one bit after the other, or as many of them as asked for, in a file of a database.
async fn flip_bits(original: &Path, file: &str, options: &Options) -> (usize, usize) {
    let scratch = Scratch::new();
    let bits = fs_err::metadata(original.join(file)).unwrap().len() * 8;
    let flips = u64::try_from(crate::faults::number("WEFT_TEST_FLIPS", 120)).unwrap();
    let flips = flips.min(bits);
    let (mut reported, mut tried) = (0, 0);
    for flip in 0..flips {
        // Spread over the file, and elsewhere in each run.
        let bit = (bits * flip / flips + fastrand::u64(..bits / flips)).min(bits - 1);
        let folder = scratch.path().join(format!("copy-{flip}"));
        copy(original, &folder);
        let path = folder.join(file);
        let mut bytes = fs_err::read(&path).unwrap();
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        fs_err::write(&path, bytes).unwrap();
        eprintln!("bit {bit} of `{file}`");
        tried += 1;
        reported += usize::from(is_reported(&folder, options.clone()).await);
        fs_err::remove_dir_all(&folder).unwrap();
    }
    println!("{file}: {reported} of {tried} flipped bits reported, the others made no difference");
    (reported, tried)
}

/// Large ones are not looked through when they are opened.
fn each_size() -> [Options; 2] {
    let large = Options {
        verify_bytes_max: 0,
        ..fast()
    };
    [fast(), large]
}

#[test]
fn a_flipped_bit_in_a_closed_database_is_never_served() {
    block_on(async {
        let scratch = Scratch::new();
        let folder = scratch.path().join("d");
        fill(&connect(&Sqlite::open(&folder, fast()).unwrap()).await).await;
        assert!(!folder.join("data.db-wal").exists());
        for options in each_size() {
            let (reported, tried) = flip_bits(&folder, "data.db", &options).await;
            assert!(reported * 2 > tried, "{reported} of {tried}");
            // It stands there twice.
            let (reported, _) = flip_bits(&folder, "data.db-tail", &options).await;
            assert_eq!(reported, 0);
        }
    });
}

/// A database as a kill leaves it: with its log, not folded into it. Some of it is in the database itself.
async fn killed(scratch: &Scratch) -> std::path::PathBuf {
    let (folder, killed) = (scratch.path().join("d"), scratch.path().join("killed"));
    let database = Sqlite::open(&folder, fast()).unwrap();
    let session = connect(&database).await;
    fill(&session).await;
    copy(&folder, &killed);
    assert!(fs_err::metadata(killed.join("data.db-wal")).unwrap().len() > 100_000);
    killed
}

#[test]
fn a_flipped_bit_in_the_log_of_a_killed_process_is_never_served() {
    block_on(async {
        let scratch = Scratch::new();
        let killed = killed(&scratch).await;
        let whole = scratch.path().join("whole");
        copy(&killed, &whole);
        assert!(!is_reported(&whole, fast()).await);
        for options in each_size() {
            let (reported, tried) = flip_bits(&killed, "data.db-wal", &options).await;
            assert_eq!(reported, tried);
            flip_bits(&killed, "data.db", &options).await;
            flip_bits(&killed, "data.db-tail", &options).await;
        }
    });
}

#[test]
fn a_bit_that_is_flipped_in_the_log_while_it_is_used_is_never_served() {
    block_on(async {
        let scratch = Scratch::new();
        let folder = scratch.path().join("d");
        let database = Sqlite::open(&folder, fast()).unwrap();
        let first = connect(&database).await;
        fill(&first).await;
        let log = folder.join("data.db-wal");
        let mut bytes = fs_err::read(&log).unwrap();
        let place = bytes
            .windows(12)
            .rposition(|window| window == b"row 59;row 5")
            .unwrap();
        bytes[place] ^= 1;
        fs_err::write(&log, bytes).unwrap();
        // Another connection, which has none of its pages in memory.
        let session = connect(&database).await;
        let found = run(&session, "select b from t where a = 59").await;
        assert!(matches!(found, Err(Error::Damaged { .. })), "{found:?}");
        assert!(found.unwrap_err().to_string().contains("frame"));
        let refused = database.side(Rights::all()).connect().await;
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    });
}

#[test]
fn what_is_cut_off_removed_or_replaced_by_an_older_copy_is_reported() {
    block_on(async {
        let scratch = Scratch::new();
        let killed = killed(&scratch).await;
        let damaged = |name: &str, damage: &dyn Fn(&Path)| {
            let folder = scratch.path().join(name);
            copy(&killed, &folder);
            damage(&folder);
            folder
        };
        let cut = |folder: &Path, file: &str, bytes: u64| {
            let file = folder.join(file);
            let length = fs_err::metadata(&file).unwrap().len();
            let open = fs_err::OpenOptions::new().write(true).open(file).unwrap();
            open.set_len(length - bytes).unwrap();
        };
        let remove = |folder: &Path, file: &str| fs_err::remove_file(folder.join(file)).unwrap();
        let cases: &[(&str, Damage<'_>)] = &[
            ("cut-log", &|folder| cut(folder, "data.db-wal", 1)),
            ("short-log", &|folder| cut(folder, "data.db-wal", 100_000)),
            ("empty-log", &|folder| {
                fs_err::write(folder.join("data.db-wal"), "").unwrap()
            }),
            ("no-log", &|folder| remove(folder, "data.db-wal")),
            ("no-tail", &|folder| remove(folder, "data.db-tail")),
            ("no-database", &|folder| remove(folder, "data.db")),
            ("empty-tail", &|folder| {
                fs_err::write(folder.join("data.db-tail"), "").unwrap()
            }),
        ];
        for (name, damage) in cases {
            let folder = damaged(name, damage);
            for _ in 0..2 {
                assert!(is_reported(&folder, fast()).await, "{name}");
            }
        }
        // After it was closed.
        let folder = scratch.path().join("d");
        let old = scratch.path().join("old");
        copy(&folder, &old);
        let database = Sqlite::open(&folder, fast()).unwrap();
        run(&connect(&database).await, "update t set b = b || '.' where a = 3")
            .await
            .unwrap();
        drop(database);
        assert!(!folder.join("data.db-wal").exists());
        fs_err::copy(old.join("data.db"), folder.join("data.db")).unwrap();
        let error = Sqlite::open(&folder, fast()).unwrap_err();
        assert!(error.to_string().contains("older copy"), "{error}");
    });
}

/// Something that is done to the folder of a database.
type Damage<'a> = &'a dyn Fn(&Path);

/// A transaction that takes more memory than there is for it writes pages to the log before it ends, and some of them
/// again.
#[test]
fn a_large_transaction_that_was_committed_is_in_the_log_of_a_killed_process() {
    block_on(async {
        let scratch = Scratch::new();
        let (folder, killed) = (scratch.path().join("d"), scratch.path().join("killed"));
        let database = Sqlite::open(&folder, fast()).unwrap();
        let session = connect(&database).await;
        run(&session, "create table large (a integer primary key, b text)")
            .await
            .unwrap();
        for round in 0..3 {
            run(&session, "begin immediate").await.unwrap();
            run(
                &session,
                "insert into large (b) with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) \
                 select hex(randomblob(1000)) from n",
            )
            .await
            .unwrap();
            run(&session, "update large set b = b || 'x' where a % 3 = 0")
                .await
                .unwrap();
            run(&session, "delete from large where a % 7 = 0").await.unwrap();
            run(&session, "update large set b = substr(b, 1, 900) where a % 5 = 0")
                .await
                .unwrap();
            let end = if round == 1 { "rollback" } else { "commit" };
            run(&session, end).await.unwrap();
        }
        let sum = "select count(*), sum(length(b)), min(b), max(b) from large";
        let expected = run(&session, sum).await.unwrap();
        copy(&folder, &killed);
        let again = Sqlite::open(&killed, fast()).unwrap();
        assert_eq!(run(&connect(&again).await, sum).await.unwrap(), expected);
        drop((session, database));
        let closed = Sqlite::open(&folder, fast()).unwrap();
        let session = connect(&closed).await;
        assert_eq!(run(&session, sum).await.unwrap(), expected);
        let whole = run(&session, "pragma integrity_check").await.unwrap();
        assert_eq!(whole, [[text("ok")]]);
    });
}

/// Pages that were used and given back within one transaction are never written, and the file has a hole there.
#[test]
fn pages_that_were_never_written_are_not_taken_for_damage() {
    block_on(async {
        let scratch = Scratch::new();
        let folder = scratch.path().join("d");
        for round in 0..6 {
            let database = Sqlite::open(&folder, fast()).unwrap();
            let session = connect(&database).await;
            for statement in [
                "begin immediate",
                &format!("create table gone{round} (b)"),
                &format!("insert into gone{round} values (zeroblob(300000))"),
                &format!("create table kept{round} (b)"),
                &format!("insert into kept{round} values (zeroblob(30000))"),
                &format!("drop table gone{round}"),
                "commit",
                "begin immediate",
                "create table more (b)",
                "insert into more values (zeroblob(150000))",
                "drop table more",
                "create table again (b)",
                "insert into again values (zeroblob(200000))",
                "drop table again",
                "commit",
            ] {
                run(&session, statement).await.unwrap();
            }
        }
        let database = Sqlite::open(&folder, fast()).unwrap();
        let copied = scratch.path().join("copy");
        database.copy_to(&copied).unwrap();
        for folder in [&folder, &copied] {
            let database = Sqlite::open(folder, fast()).unwrap();
            let whole = run(&connect(&database).await, "pragma integrity_check")
                .await
                .unwrap();
            assert_eq!(whole, [[text("ok")]]);
        }
    });
}

#[test]
fn a_backup_has_checksums_too() {
    block_on(async {
        let scratch = Scratch::new();
        let (folder, copied) = (scratch.path().join("d"), scratch.path().join("cöpy ?%of=it"));
        let database = Sqlite::open(&folder, fast()).unwrap();
        fill(&connect(&database).await).await;
        database.copy_to(&copied).unwrap();
        assert!(!is_reported(&copied, fast()).await);
        let (reported, tried) = flip_bits(&copied, "data.db", &fast()).await;
        assert!(reported * 2 > tried, "{reported} of {tried}");
        // Of a database in memory, too.
        let memory = Sqlite::in_memory(options()).unwrap();
        fill(&connect(&memory).await).await;
        let copied = scratch.path().join("memory");
        memory.copy_to(&copied).unwrap();
        assert!(!is_reported(&copied, fast()).await);
        let (reported, tried) = flip_bits(&copied, "data.db", &fast()).await;
        assert!(reported * 2 > tried, "{reported} of {tried}");
    });
}

fn rows(foreign: &Foreign) -> i64 {
    foreign
        .query_row("select count(*) from t where length(b) > 0", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn other_programs_read_it_while_it_is_used_and_after_a_kill() {
    block_on(async {
        let scratch = Scratch::new();
        let folder = scratch.path().join("d");
        let database = Sqlite::open(&folder, fast()).unwrap();
        let session = connect(&database).await;
        fill(&session).await;
        let foreign = Foreign::open(folder.join("data.db")).unwrap();
        assert_eq!(rows(&foreign), ROWS);
        run(&session, "insert into t values (1000, 'x')").await.unwrap();
        assert_eq!(rows(&foreign), ROWS + 1);
        run(&session, "delete from t where a = 1000").await.unwrap();
        let killed = scratch.path().join("killed");
        copy(&folder, &killed);
        // Whoever closes it last moves the log into the database: here it is the other program.
        drop((session, database));
        assert!(folder.join("data.db-wal").exists());
        assert_eq!(rows(&foreign), ROWS);
        foreign.close().unwrap();
        assert!(!folder.join("data.db-wal").exists());
        assert!(!is_reported(&folder, fast()).await);
        // And here it reads a log that was left behind.
        let foreign = Foreign::open(killed.join("data.db")).unwrap();
        assert_eq!(rows(&foreign), ROWS);
        foreign.close().unwrap();
        assert!(!killed.join("data.db-wal").exists());
        assert!(!is_reported(&killed, fast()).await);
    });
}

#[test]
fn what_another_program_writes_counts_as_damage() {
    block_on(async {
        let scratch = Scratch::new();
        let folder = scratch.path().join("d");
        fill(&connect(&Sqlite::open(&folder, fast()).unwrap()).await).await;
        let foreign = Foreign::open(folder.join("data.db")).unwrap();
        foreign
            .execute("update t set b = 'foreign' where a = 7", [])
            .unwrap();
        foreign.close().unwrap();
        let error = Sqlite::open(&folder, fast()).unwrap_err();
        assert!(
            error.to_string().contains("written by another program"),
            "{error}"
        );
        // A copy that such a program makes is a database like any other that a person brings.
        let brought = scratch.folder("brought");
        let foreign = Foreign::open(folder.join("data.db")).unwrap();
        let to = brought.join("data.db");
        foreign.execute("vacuum into ?1", [to.to_str().unwrap()]).unwrap();
        let database = Sqlite::open(&brought, fast()).unwrap();
        let found = run(&connect(&database).await, "select b from t where a = 7").await;
        assert_eq!(found.unwrap(), [[text("foreign")]]);
    });
}
