//! A command that does what its arguments say with asynchronous interfaces for databases, one call each: `INTERFACE open
//! NAME`, `INTERFACE query STATEMENT`, `INTERFACE execute STATEMENT`, `weft batch STATEMENT; STATEMENT`, and for `INTERFACE
//! some STATEMENT` only the first row. Interfaces are `sqlite`, `pg` and `weft`. What each call came to is a line.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

wit_bindgen::generate!({ world: "weft:guest/guest", path: ["../../crates/services/wit", "wit"], generate_all });

use spin::postgres::postgres;
use spin::sqlite::sqlite;
use wasip3::cli::{environment, stdout};
use weft::sql::types as sql;

struct Command;
wasip3::cli::command::export!(Command);

#[derive(Default)]
struct State {
    sqlite: Option<sqlite::Connection>,
    postgres: Option<postgres::Connection>,
    weft: Option<sql::Connection>,
}

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let mut state = State::default();
        let mut told = String::new();
        for argument in environment::get_arguments().iter().skip(1) {
            let mut words = argument.splitn(3, ' ');
            let (interface, does, text) = (words.next(), words.next(), words.next());
            let line = match (interface, does, text) {
                (Some("sqlite"), Some(does), Some(text)) => on_sqlite(&mut state, does, text).await,
                (Some("pg"), Some(does), Some(text)) => on_postgres(&mut state, does, text).await,
                (Some("weft"), Some(does), Some(text)) => on_weft(&mut state, does, text).await,
                _ => format!("usage: `{argument}` is no call"),
            };
            told.push_str(&line);
            told.push('\n');
        }
        print(told).await
    }
}

async fn on_sqlite(state: &mut State, does: &str, text: &str) -> String {
    if does == "open" {
        return match sqlite::Connection::open_async(text.to_owned()).await {
            Ok(connection) => {
                state.sqlite = Some(connection);
                "opened".to_owned()
            }
            Err(error) => format!("error: {error:?}"),
        };
    }
    let Some(connection) = &state.sqlite else {
        return "not opened".to_owned();
    };
    if does == "counts" {
        let rowid = connection.last_insert_rowid_async().await;
        return format!("{rowid} {}", connection.changes_async().await);
    }
    match connection.execute_async(text.to_owned(), Vec::new()).await {
        Ok((columns, mut rows, end)) => {
            let mut all = Vec::new();
            while let Some(row) = rows.next().await {
                all.push(format!("{:?}", row.values));
                if does == "some" {
                    return format!("{}: {} …", columns.join(","), all.join(" "));
                }
            }
            let ended = end.await;
            format!("{}: {} {ended:?}", columns.join(","), shortened(&all))
        }
        Err(error) => format!("error: {error:?}"),
    }
}

async fn on_postgres(state: &mut State, does: &str, text: &str) -> String {
    if does == "open" {
        return match postgres::Connection::open_async(text.to_owned()).await {
            Ok(connection) => {
                state.postgres = Some(connection);
                "opened".to_owned()
            }
            Err(error) => format!("error: {error:?}"),
        };
    }
    let Some(connection) = &state.postgres else {
        return "not opened".to_owned();
    };
    if does == "execute" {
        return format!("{:?}", connection.execute_async(text.to_owned(), Vec::new()).await);
    }
    match connection.query_async(text.to_owned(), Vec::new()).await {
        Ok((columns, mut rows, end)) => {
            let columns: Vec<String> = columns.into_iter().map(|column| column.name).collect();
            let mut all = Vec::new();
            while let Some(row) = rows.next().await {
                all.push(format!("{row:?}"));
            }
            let ended = end.await;
            format!("{}: {} {ended:?}", columns.join(","), shortened(&all))
        }
        Err(error) => format!("error: {error:?}"),
    }
}

async fn on_weft(state: &mut State, does: &str, text: &str) -> String {
    if does == "open" {
        return match sql::Connection::open(text.to_owned()).await {
            Ok(connection) => {
                state.weft = Some(connection);
                "opened".to_owned()
            }
            Err(error) => format!("error: {error:?}"),
        };
    }
    let Some(connection) = &state.weft else {
        return "not opened".to_owned();
    };
    match does {
        "execute" => format!("{:?}", connection.execute(text.to_owned(), Vec::new()).await),
        "batch" => {
            let statements = text.split("; ").map(|text| (text.to_owned(), Vec::new())).collect();
            format!("{:?}", connection.batch(statements).await)
        }
        _ => match connection.query(text.to_owned(), Vec::new()).await {
            Ok((columns, mut rows, end)) => {
                let columns: Vec<String> = columns.into_iter().map(|column| column.name).collect();
                let mut all = Vec::new();
                while let Some(row) = rows.next().await {
                    all.push(format!("{row:?}"));
                    if does == "some" {
                        return format!("{}: {} …", columns.join(","), all.join(" "));
                    }
                }
                let ended = end.await;
                format!("{}: {} {ended:?}", columns.join(","), shortened(&all))
            }
            Err(error) => format!("error: {error:?}"),
        },
    }
}

/// All rows, or how many there are.
fn shortened(rows: &[String]) -> String {
    if rows.len() > 10 {
        format!("{} rows", rows.len())
    } else {
        rows.join(" ")
    }
}

async fn print(text: String) -> Result<(), ()> {
    let (mut writer, reader) = wasip3::wit_stream::new();
    wit_bindgen::spawn_local(async move { drop(writer.write_all(text.into_bytes()).await) });
    stdout::write_via_stream(reader).await.map_err(drop)
}
