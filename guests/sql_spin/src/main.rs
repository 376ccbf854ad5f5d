//! A command that does what its arguments say with Spin's interfaces for databases, one call each.
//!
//! An argument is `INTERFACE open NAME`, or `INTERFACE CALL` for the connection that was opened last: `STATEMENT | VALUE |
//! VALUE`, with values such as `i:1`, `r:0.5`, `t:text`, `b:ff00` and `n`. Interfaces are `sqlite2`, `sqlite3`, `pg2`, `pg3`
//! and `pg4`. What each call came to is a line.

use std::process::ExitCode;

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

fn main() -> ExitCode {
    let mut state = State::default();
    for argument in std::env::args().skip(1) {
        let (interface, call) = argument.split_once(' ').unwrap_or((&argument, ""));
        let line = match interface {
            "sqlite2" => sqlite2::call(&mut state.sqlite2, call),
            "sqlite3" => sqlite3::call(&mut state.sqlite3, call),
            "pg2" => pg2::call(&mut state.pg2, call),
            "pg3" => pg3::call(&mut state.pg3, call),
            "pg4" => pg4::call(&mut state.pg4, call),
            _ => None,
        };
        match line {
            Some(line) => println!("{line}"),
            None => {
                eprintln!("usage: `{argument}` is no call");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

#[derive(Default)]
struct State {
    sqlite2: Option<fermyon::spin::sqlite::Connection>,
    sqlite3: Option<spin::sqlite::sqlite::Connection>,
    pg2: Option<fermyon::spin::postgres::Connection>,
    pg3: Option<spin::postgres3_0_0::postgres::Connection>,
    pg4: Option<spin::postgres4_1_0::postgres::Connection>,
}

/// A value as it is written in an argument.
enum Given {
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    Null,
}

/// The statement, and its values.
fn parse(call: &str) -> Option<(String, Vec<Given>)> {
    let mut parts = call.split(" | ");
    let statement = parts.next()?.to_owned();
    let value = |text: &str| {
        Some(match text.split_once(':') {
            Some(("i", number)) => Given::Integer(number.parse().ok()?),
            Some(("r", number)) => Given::Real(number.parse().ok()?),
            Some(("t", text)) => Given::Text(text.to_owned()),
            Some(("b", digits)) => Given::Bytes(
                (0..digits.len() / 2)
                    .map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).ok())
                    .collect::<Option<_>>()?,
            ),
            _ if text == "n" => Given::Null,
            _ => return None,
        })
    };
    Some((statement, parts.map(value).collect::<Option<_>>()?))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Nanoseconds, of which half took less.
fn median(mut taken: Vec<u128>) -> String {
    taken.sort_unstable();
    taken.get(taken.len() / 2).map_or(0, |taken| *taken).to_string()
}

macro_rules! sqlite {
    ($name:ident, $($path:ident)::+, $counts:expr) => {
        mod $name {
            use super::{Given, hexadecimal, parse};
            use crate::$($path)::+::{Connection, Error, Value};

            pub(super) fn call(connection: &mut Option<Connection>, call: &str) -> Option<String> {
                if let Some(name) = call.strip_prefix("open ") {
                    return Some(match Connection::open(name) {
                        Ok(opened) => {
                            *connection = Some(opened);
                            "opened".to_owned()
                        }
                        Err(error) => show_error(&error),
                    });
                }
                let connection = connection.as_ref()?;
                if call == "counts" {
                    let counts: fn(&Connection) -> Option<String> = $counts;
                    return counts(connection);
                }
                let (statement, values) = parse(call)?;
                let values: Vec<Value> = values
                    .into_iter()
                    .map(|value| match value {
                        Given::Integer(number) => Value::Integer(number),
                        Given::Real(number) => Value::Real(number),
                        Given::Text(text) => Value::Text(text),
                        Given::Bytes(bytes) => Value::Blob(bytes),
                        Given::Null => Value::Null,
                    })
                    .collect();
                Some(match connection.execute(&statement, &values) {
                    Ok(result) => {
                        let rows: Vec<String> = result
                            .rows
                            .iter()
                            .map(|row| row.values.iter().map(show).collect::<Vec<_>>().join(","))
                            .collect();
                        format!("{}: {}", result.columns.join(","), rows.join(" "))
                    }
                    Err(error) => show_error(&error),
                })
            }

            fn show(value: &Value) -> String {
                match value {
                    Value::Integer(number) => number.to_string(),
                    Value::Real(number) => format!("{number:?}"),
                    Value::Text(text) => format!("{text:?}"),
                    Value::Blob(bytes) => format!("x{}", hexadecimal(bytes)),
                    Value::Null => "null".to_owned(),
                }
            }

            fn show_error(error: &Error) -> String {
                match error {
                    Error::NoSuchDatabase => "error: no such database".to_owned(),
                    Error::AccessDenied => "error: access denied".to_owned(),
                    Error::InvalidConnection => "error: invalid connection".to_owned(),
                    Error::DatabaseFull => "error: full".to_owned(),
                    Error::Io(why) => format!("error: io: {why}"),
                }
            }
        }
    };
}

sqlite!(sqlite2, fermyon::spin::sqlite, |_| None);
sqlite!(sqlite3, spin::sqlite::sqlite, |connection| Some(format!(
    "{} {}",
    connection.last_insert_rowid(),
    connection.changes()
)));

macro_rules! postgres {
    ($name:ident, $($path:ident)::+, $($values:ident)::+) => {
        mod $name {
            use super::{Given, parse};
            use crate::$($path)::+::Connection;
            use crate::$($values)::+::ParameterValue;

            pub(super) fn call(connection: &mut Option<Connection>, call: &str) -> Option<String> {
                if let Some(name) = call.strip_prefix("open ") {
                    return Some(match Connection::open(name) {
                        Ok(opened) => {
                            *connection = Some(opened);
                            "opened".to_owned()
                        }
                        Err(error) => format!("error: {error:?}"),
                    });
                }
                let connection = connection.as_ref()?;
                let (does, call) = call.split_once(' ')?;
                let (statement, values) = parse(call)?;
                let values: Vec<ParameterValue> = values
                    .into_iter()
                    .map(|value| match value {
                        Given::Integer(number) => ParameterValue::Int64(number),
                        Given::Real(number) => ParameterValue::Floating64(number),
                        Given::Text(text) => ParameterValue::Str(text),
                        Given::Bytes(bytes) => ParameterValue::Binary(bytes),
                        Given::Null => ParameterValue::DbNull,
                    })
                    .collect();
                if let Some(times) = does.strip_prefix("time-") {
                    let mut taken = Vec::new();
                    for _ in 0..times.parse().ok()? {
                        let begun = std::time::Instant::now();
                        connection.query(&statement, &values).ok()?;
                        taken.push(begun.elapsed().as_nanos());
                    }
                    return Some(super::median(taken));
                }
                Some(match does {
                    "execute" => match connection.execute(&statement, &values) {
                        Ok(count) => count.to_string(),
                        Err(error) => format!("error: {error:?}"),
                    },
                    "query" => match connection.query(&statement, &values) {
                        Ok(set) => {
                            let columns: Vec<String> = set
                                .columns
                                .iter()
                                .map(|column| format!("{} {:?}", column.name, column.data_type))
                                .collect();
                            format!("{}: {:?}", columns.join(","), set.rows)
                        }
                        Err(error) => format!("error: {error:?}"),
                    },
                    _ => return None,
                })
            }
        }
    };
}

postgres!(pg2, fermyon::spin::postgres, fermyon::spin::rdbms_types);
postgres!(pg3, spin::postgres3_0_0::postgres, spin::postgres3_0_0::postgres);
postgres!(pg4, spin::postgres4_1_0::postgres, spin::postgres4_1_0::postgres);
