//! The values of `spin:postgres@3.0.0`: those of version 2, and days and times.

use wasmtime::component::{ComponentType, Lift, Lower};
use weft_stores::sql::Column;
use weft_stores::sql::postgres::{self, Value};

use super::Version;
use super::v2::Error;

pub(super) struct V3;

/// Year, month and day.
pub(super) type Date = (i32, u8, u8);
/// Hour, minute, second and nanosecond.
pub(super) type Time = (u8, u8, u8, u32);
/// Year, month, day, hour, minute, second and nanosecond.
pub(super) type DateTime = (i32, u8, u8, u8, u8, u8, u32);

/// The variant `parameter-value`.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(variant)]
pub(super) enum ParameterValue {
    #[component(name = "boolean")]
    Boolean(bool),
    #[component(name = "int8")]
    Int8(i8),
    #[component(name = "int16")]
    Int16(i16),
    #[component(name = "int32")]
    Int32(i32),
    #[component(name = "int64")]
    Int64(i64),
    #[component(name = "floating32")]
    Floating32(f32),
    #[component(name = "floating64")]
    Floating64(f64),
    #[component(name = "str")]
    Str(String),
    #[component(name = "binary")]
    Binary(Vec<u8>),
    #[component(name = "date")]
    Date(Date),
    #[component(name = "time")]
    Time(Time),
    #[component(name = "datetime")]
    Datetime(DateTime),
    #[component(name = "timestamp")]
    Timestamp(i64),
    #[component(name = "db-null")]
    DbNull,
}

/// The variant `db-value`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
pub(super) enum DbValue {
    #[component(name = "boolean")]
    Boolean(bool),
    #[component(name = "int8")]
    Int8(i8),
    #[component(name = "int16")]
    Int16(i16),
    #[component(name = "int32")]
    Int32(i32),
    #[component(name = "int64")]
    Int64(i64),
    #[component(name = "floating32")]
    Floating32(f32),
    #[component(name = "floating64")]
    Floating64(f64),
    #[component(name = "str")]
    Str(String),
    #[component(name = "binary")]
    Binary(Vec<u8>),
    #[component(name = "date")]
    Date(Date),
    #[component(name = "time")]
    Time(Time),
    #[component(name = "datetime")]
    Datetime(DateTime),
    #[component(name = "timestamp")]
    Timestamp(i64),
    #[component(name = "db-null")]
    DbNull,
    #[component(name = "unsupported")]
    Unsupported,
}

/// The enum `db-data-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "the server has no values of these kinds")]
pub(super) enum DbDataType {
    #[component(name = "boolean")]
    Boolean,
    #[component(name = "int8")]
    Int8,
    #[component(name = "int16")]
    Int16,
    #[component(name = "int32")]
    Int32,
    #[component(name = "int64")]
    Int64,
    #[component(name = "floating32")]
    Floating32,
    #[component(name = "floating64")]
    Floating64,
    #[component(name = "str")]
    Str,
    #[component(name = "binary")]
    Binary,
    #[component(name = "date")]
    Date,
    #[component(name = "time")]
    Time,
    #[component(name = "datetime")]
    Datetime,
    #[component(name = "timestamp")]
    Timestamp,
    #[component(name = "other")]
    Other,
}

/// The record `column`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(record)]
pub(super) struct DbColumn {
    name: String,
    #[component(name = "data-type")]
    data_type: DbDataType,
}

/// The record `row-set`.
#[derive(Debug, ComponentType, Lower)]
#[component(record)]
pub(super) struct RowSet {
    columns: Vec<DbColumn>,
    rows: Vec<Vec<DbValue>>,
}

fn column(column: &Column) -> DbColumn {
    DbColumn {
        name: column.name.clone(),
        data_type: data_type(column.kind.as_deref().unwrap_or_default()),
    }
}

fn data_type(kind: &str) -> DbDataType {
    match kind {
        "bool" => DbDataType::Boolean,
        "int2" => DbDataType::Int16,
        "int4" => DbDataType::Int32,
        "int8" => DbDataType::Int64,
        "float4" => DbDataType::Floating32,
        "float8" => DbDataType::Floating64,
        "text" | "varchar" | "bpchar" => DbDataType::Str,
        "bytea" => DbDataType::Binary,
        "date" => DbDataType::Date,
        "time" => DbDataType::Time,
        "timestamp" | "timestamptz" => DbDataType::Datetime,
        _ => DbDataType::Other,
    }
}

impl From<Value> for DbValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::DbNull,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Int16(value) => Self::Int16(value),
            Value::Int32(value) => Self::Int32(value),
            Value::Int64(value) => Self::Int64(value),
            Value::Float32(value) => Self::Floating32(value),
            Value::Float64(value) => Self::Floating64(value),
            Value::Text(text) => Self::Str(text),
            Value::Bytes(bytes) => Self::Binary(bytes),
            Value::Date(date) => Self::Date(of_day(date)),
            Value::Time(time) => Self::Time(of_time(time)),
            Value::DateTime(moment) => Self::Datetime(of_moment(moment)),
            _ => Self::Unsupported,
        }
    }
}

pub(super) fn day((year, month, day): Date) -> postgres::Date {
    postgres::Date { year, month, day }
}

pub(super) fn time_of_day((hour, minute, second, nanosecond): Time) -> postgres::Time {
    postgres::Time {
        hour,
        minute,
        second,
        nanosecond,
    }
}

pub(super) fn date_and_time(
    (year, month, of_month, hour, minute, second, nanosecond): DateTime,
) -> postgres::DateTime {
    postgres::DateTime {
        date: day((year, month, of_month)),
        time: time_of_day((hour, minute, second, nanosecond)),
    }
}

pub(super) fn of_day(date: postgres::Date) -> Date {
    (date.year, date.month, date.day)
}

pub(super) fn of_time(time: postgres::Time) -> Time {
    (time.hour, time.minute, time.second, time.nanosecond)
}

pub(super) fn of_moment(moment: postgres::DateTime) -> DateTime {
    let (year, month, day) = of_day(moment.date);
    let (hour, minute, second, nanosecond) = of_time(moment.time);
    (year, month, day, hour, minute, second, nanosecond)
}

impl Version for V3 {
    type Error = Error;
    type Parameter = ParameterValue;
    type RowSet = RowSet;

    fn value(parameter: ParameterValue) -> Result<Value, String> {
        Ok(match parameter {
            ParameterValue::Boolean(value) => Value::Boolean(value),
            ParameterValue::Int8(value) => Value::Int16(value.into()),
            ParameterValue::Int16(value) => Value::Int16(value),
            ParameterValue::Int32(value) => Value::Int32(value),
            ParameterValue::Int64(value) => Value::Int64(value),
            ParameterValue::Floating32(value) => Value::Float32(value),
            ParameterValue::Floating64(value) => Value::Float64(value),
            ParameterValue::Str(text) => Value::Text(text),
            ParameterValue::Binary(bytes) => Value::Bytes(bytes),
            ParameterValue::Date(date) => Value::Date(day(date)),
            ParameterValue::Time(time) => Value::Time(time_of_day(time)),
            ParameterValue::Datetime(moment) => Value::DateTime(date_and_time(moment)),
            ParameterValue::Timestamp(seconds) => {
                let moment = postgres::DateTime::from_unix(seconds);
                Value::DateTime(moment.ok_or("a time too far away")?)
            }
            ParameterValue::DbNull => Value::Null,
        })
    }

    fn row_set(columns: &[Column], rows: Vec<Vec<Value>>) -> RowSet {
        let row = |row: Vec<Value>| row.into_iter().map(DbValue::from).collect();
        RowSet {
            columns: columns.iter().map(column).collect(),
            rows: rows.into_iter().map(row).collect(),
        }
    }
}
