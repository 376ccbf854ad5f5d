//! The values of `spin:postgres@4`: those of version 3, and more kinds; and errors in their parts. What else it has is in
//! `asynchronous`.

use wasmtime::component::{ComponentType, Lift, Lower};
use weft_stores::sql::postgres::{self, Value};
use weft_stores::sql::{Column, Said};

use super::Version;
use super::v3::{Date, DateTime, Time, date_and_time, day, of_day, of_moment, of_time, time_of_day};
use crate::sql::view::Refused;

pub(super) struct V4;

/// The variant `error`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
pub(super) enum Error {
    #[component(name = "connection-failed")]
    ConnectionFailed(String),
    #[component(name = "bad-parameter")]
    BadParameter(String),
    #[component(name = "query-failed")]
    QueryFailed(QueryError),
    #[component(name = "value-conversion-failed")]
    ValueConversionFailed(String),
    #[component(name = "other")]
    Other(String),
}

/// The variant `query-error`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
pub(super) enum QueryError {
    #[component(name = "text")]
    Text(String),
    #[component(name = "db-error")]
    DbError(DbError),
}

/// The record `db-error`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(record)]
pub(super) struct DbError {
    #[component(name = "as-text")]
    as_text: String,
    severity: String,
    code: String,
    message: String,
    detail: Option<String>,
    extras: Vec<(String, String)>,
}

impl From<Said> for DbError {
    fn from(said: Said) -> Self {
        let severity = said.severity.unwrap_or_default();
        let mut as_text = format!("{severity}: {}", said.message);
        if let Some(detail) = &said.detail {
            as_text.push_str("\nDETAIL: ");
            as_text.push_str(detail);
        }
        Self {
            as_text,
            severity,
            code: said.code.unwrap_or_default(),
            message: said.message,
            detail: said.detail,
            extras: said.more,
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Denied(text) | Refused::Unavailable(text) => Self::ConnectionFailed(text),
            Refused::Invalid(text) => Self::BadParameter(text),
            Refused::Statement(said) => Self::QueryFailed(QueryError::DbError((*said).into())),
            Refused::Conflict(text) | Refused::Timeout(text) => Self::QueryFailed(QueryError::Text(text)),
            Refused::Value(text) => Self::ValueConversionFailed(text),
            Refused::Full(text) | Refused::Quota(text) => Self::Other(text),
        }
    }
}

/// The enum `range-bound-kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower, Lift)]
#[component(enum)]
#[repr(u8)]
pub(super) enum BoundKind {
    #[component(name = "inclusive")]
    Inclusive,
    #[component(name = "exclusive")]
    Exclusive,
}

/// Where a range begins and ends. An empty one has no form, and is told as one without bounds on either side that it is
/// not: from a value to just before it.
type Range<T> = (Option<(T, BoundKind)>, Option<(T, BoundKind)>);

/// The record `interval`.
#[derive(Debug, Clone, Copy, ComponentType, Lower, Lift)]
#[component(record)]
pub(super) struct Interval {
    micros: i64,
    days: i32,
    months: i32,
}

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
    #[component(name = "uuid")]
    Uuid(String),
    #[component(name = "jsonb")]
    Jsonb(Vec<u8>),
    #[component(name = "decimal")]
    Decimal(String),
    #[component(name = "range-int32")]
    RangeInt32(Range<i32>),
    #[component(name = "range-int64")]
    RangeInt64(Range<i64>),
    #[component(name = "range-decimal")]
    RangeDecimal(Range<String>),
    #[component(name = "array-int32")]
    ArrayInt32(Vec<Option<i32>>),
    #[component(name = "array-int64")]
    ArrayInt64(Vec<Option<i64>>),
    #[component(name = "array-decimal")]
    ArrayDecimal(Vec<Option<String>>),
    #[component(name = "array-str")]
    ArrayStr(Vec<Option<String>>),
    #[component(name = "interval")]
    Interval(Interval),
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
    #[component(name = "uuid")]
    Uuid(String),
    #[component(name = "jsonb")]
    Jsonb(Vec<u8>),
    #[component(name = "decimal")]
    Decimal(String),
    #[component(name = "range-int32")]
    RangeInt32(Range<i32>),
    #[component(name = "range-int64")]
    RangeInt64(Range<i64>),
    #[component(name = "range-decimal")]
    RangeDecimal(Range<String>),
    #[component(name = "array-int32")]
    ArrayInt32(Vec<Option<i32>>),
    #[component(name = "array-int64")]
    ArrayInt64(Vec<Option<i64>>),
    #[component(name = "array-decimal")]
    ArrayDecimal(Vec<Option<String>>),
    #[component(name = "array-str")]
    ArrayStr(Vec<Option<String>>),
    #[component(name = "interval")]
    Interval(Interval),
    #[component(name = "db-null")]
    DbNull,
    #[component(name = "unsupported")]
    Unsupported(Vec<u8>),
}

/// The variant `db-data-type`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(variant)]
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
    #[component(name = "uuid")]
    Uuid,
    #[component(name = "jsonb")]
    Jsonb,
    #[component(name = "decimal")]
    Decimal,
    #[component(name = "range-int32")]
    RangeInt32,
    #[component(name = "range-int64")]
    RangeInt64,
    #[component(name = "range-decimal")]
    RangeDecimal,
    #[component(name = "array-int32")]
    ArrayInt32,
    #[component(name = "array-int64")]
    ArrayInt64,
    #[component(name = "array-decimal")]
    ArrayDecimal,
    #[component(name = "array-str")]
    ArrayStr,
    #[component(name = "interval")]
    Interval,
    #[component(name = "other")]
    Other(String),
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

pub(super) fn column(column: &Column) -> DbColumn {
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
        "uuid" => DbDataType::Uuid,
        "jsonb" => DbDataType::Jsonb,
        "numeric" => DbDataType::Decimal,
        "int4range" => DbDataType::RangeInt32,
        "int8range" => DbDataType::RangeInt64,
        "numrange" => DbDataType::RangeDecimal,
        "_int4" => DbDataType::ArrayInt32,
        "_int8" => DbDataType::ArrayInt64,
        "_numeric" => DbDataType::ArrayDecimal,
        "_text" | "_varchar" | "_bpchar" => DbDataType::ArrayStr,
        "interval" => DbDataType::Interval,
        other => DbDataType::Other(other.to_owned()),
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
            Value::Uuid(text) => Self::Uuid(text),
            Value::Jsonb(text) => Self::Jsonb(text),
            Value::Decimal(text) => Self::Decimal(text),
            Value::RangeInt32(range) => Self::RangeInt32(of_range(range, || 0)),
            Value::RangeInt64(range) => Self::RangeInt64(of_range(range, || 0)),
            Value::RangeDecimal(range) => Self::RangeDecimal(of_range(range, || "0".to_owned())),
            Value::ArrayInt32(items) => Self::ArrayInt32(items),
            Value::ArrayInt64(items) => Self::ArrayInt64(items),
            Value::ArrayDecimal(items) => Self::ArrayDecimal(items),
            Value::ArrayText(items) => Self::ArrayStr(items),
            Value::Interval(interval) => Self::Interval(Interval {
                micros: interval.micros,
                days: interval.days,
                months: interval.months,
            }),
            Value::Other(bytes) => Self::Unsupported(bytes),
        }
    }
}

fn of_range<T>(range: postgres::Range<T>, any: impl Fn() -> T) -> Range<T> {
    if range.is_empty {
        return (
            Some((any(), BoundKind::Inclusive)),
            Some((any(), BoundKind::Exclusive)),
        );
    }
    let bound = |bound: postgres::Bound<T>| {
        let kind = if bound.is_inclusive {
            BoundKind::Inclusive
        } else {
            BoundKind::Exclusive
        };
        (bound.at, kind)
    };
    (range.lower.map(bound), range.upper.map(bound))
}

fn range<T>((lower, upper): Range<T>) -> postgres::Range<T> {
    let bound = |(at, kind)| postgres::Bound {
        at,
        is_inclusive: kind == BoundKind::Inclusive,
    };
    postgres::Range {
        lower: lower.map(bound),
        upper: upper.map(bound),
        is_empty: false,
    }
}

impl Version for V4 {
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
            ParameterValue::Uuid(text) => Value::Uuid(text),
            ParameterValue::Jsonb(text) => match String::from_utf8(text) {
                Ok(text) => Value::Text(text),
                Err(_) => return Err("JSON that is not UTF-8".to_owned()),
            },
            ParameterValue::Decimal(text) => Value::Decimal(text),
            ParameterValue::RangeInt32(bounds) => Value::RangeInt32(range(bounds)),
            ParameterValue::RangeInt64(bounds) => Value::RangeInt64(range(bounds)),
            ParameterValue::RangeDecimal(bounds) => Value::RangeDecimal(range(bounds)),
            ParameterValue::ArrayInt32(items) => Value::ArrayInt32(items),
            ParameterValue::ArrayInt64(items) => Value::ArrayInt64(items),
            ParameterValue::ArrayDecimal(items) => Value::ArrayDecimal(items),
            ParameterValue::ArrayStr(items) => Value::ArrayText(items),
            ParameterValue::Interval(interval) => Value::Interval(postgres::Interval {
                months: interval.months,
                days: interval.days,
                micros: interval.micros,
            }),
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
