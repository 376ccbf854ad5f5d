//! Values as PostgreSQL has them: read from what the server sends, and written as the text that it reads.

use std::error::Error as StdError;

use bytes::BytesMut;
use chrono::{DateTime as Utc, Datelike as _, Days, NaiveDate, Timelike as _};
use postgres_protocol::types::{self as wire, RangeBound};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use super::text;
use crate::sql;

/// A value of a column, or for a parameter.
///
/// A parameter goes to the server as text, so it fits whatever column can be written so: a text fits a date.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Int16(i16),
    /// A whole number.
    Int32(i32),
    /// A whole number.
    Int64(i64),
    /// A number with a fraction.
    Float32(f32),
    /// A number with a fraction.
    Float64(f64),
    /// Text, and what is sent as such: JSON, XML, names, words of enumerations.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A day.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A moment, in UTC where the column has a time zone.
    DateTime(DateTime),
    /// Sixteen bytes in hexadecimal, with hyphens.
    Uuid(String),
    /// JSON, as text.
    Jsonb(Vec<u8>),
    /// A decimal number.
    Decimal(String),
    /// A range.
    RangeInt32(Range<i32>),
    /// A range.
    RangeInt64(Range<i64>),
    /// A range of decimal numbers.
    RangeDecimal(Range<String>),
    /// A list.
    ArrayInt32(Vec<Option<i32>>),
    /// A list.
    ArrayInt64(Vec<Option<i64>>),
    /// A list of decimal numbers.
    ArrayDecimal(Vec<Option<String>>),
    /// A list.
    ArrayText(Vec<Option<String>>),
    /// A while.
    Interval(Interval),
    /// What has no kind here, as it was sent.
    Other(Vec<u8>),
}

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// The year; 0 is the one before 1.
    pub year: i32,
    /// From 1 on.
    pub month: u8,
    /// From 1 on.
    pub day: u8,
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// From 0 on; 24 for the end of a day.
    pub hour: u8,
    /// From 0 on.
    pub minute: u8,
    /// From 0 on.
    pub second: u8,
    /// Parts of a second. The server keeps microseconds.
    pub nanosecond: u32,
}

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// The day.
    pub date: Date,
    /// The time on that day.
    pub time: Time,
}

/// Where a range begins or ends, and whether that itself is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound<T> {
    /// Where.
    pub at: T,
    /// Whether it is in the range.
    pub is_inclusive: bool,
}

/// What is between two bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range<T> {
    /// Where it begins; none where it has no beginning.
    pub lower: Option<Bound<T>>,
    /// Where it ends; none where it has no end.
    pub upper: Option<Bound<T>>,
    /// Nothing is in it, and it has no bounds.
    pub is_empty: bool,
}

/// A while, in three parts that are not the same everywhere: months and days differ in their lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

impl Value {
    /// About how much memory it takes, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        16 + match self {
            Self::Text(text) | Self::Decimal(text) | Self::Uuid(text) => text.len(),
            Self::Bytes(bytes) | Self::Jsonb(bytes) | Self::Other(bytes) => bytes.len(),
            Self::ArrayInt32(items) => items.len() * 8,
            Self::ArrayInt64(items) => items.len() * 16,
            Self::ArrayDecimal(items) | Self::ArrayText(items) => items
                .iter()
                .map(|item| 24 + item.as_ref().map_or(0, String::len))
                .sum(),
            Self::RangeDecimal(range) => [&range.lower, &range.upper]
                .into_iter()
                .flatten()
                .map(|bound| bound.at.len())
                .sum(),
            _ => 0,
        }
    }

    /// The same as a value that all databases have. None where there is no text for it here.
    #[must_use]
    pub fn common(self) -> Option<sql::Value> {
        Some(match self {
            Self::Null => sql::Value::Null,
            Self::Boolean(value) => sql::Value::Boolean(value),
            Self::Int16(value) => sql::Value::Integer(value.into()),
            Self::Int32(value) => sql::Value::Integer(value.into()),
            Self::Int64(value) => sql::Value::Integer(value),
            Self::Float32(value) => sql::Value::Real(value.into()),
            Self::Float64(value) => sql::Value::Real(value),
            Self::Text(text) | Self::Uuid(text) | Self::Decimal(text) => sql::Value::Text(text),
            Self::Bytes(bytes) => sql::Value::Bytes(bytes),
            Self::Other(_) => return None,
            other => sql::Value::Text(text::of(&other)),
        })
    }
}

impl From<sql::Value> for Value {
    fn from(value: sql::Value) -> Self {
        match value {
            sql::Value::Null => Self::Null,
            sql::Value::Boolean(value) => Self::Boolean(value),
            sql::Value::Integer(value) => Self::Int64(value),
            sql::Value::Real(value) => Self::Float64(value),
            sql::Value::Text(text) => Self::Text(text),
            sql::Value::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

type Unread = Box<dyn StdError + Sync + Send>;

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Unread> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Bytes(bytes) if *kind == Type::BYTEA => out.extend_from_slice(bytes),
            // As the server sent it.
            Self::Other(bytes) => out.extend_from_slice(bytes),
            value => out.extend_from_slice(text::of(value).as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, kind: &Type) -> Format {
        match self {
            Self::Bytes(_) if *kind == Type::BYTEA => Format::Binary,
            Self::Other(_) => Format::Binary,
            _ => Format::Text,
        }
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Unread> {
        read(kind, raw)
    }

    fn from_sql_null(_: &Type) -> Result<Self, Unread> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn read(kind: &Type, raw: &[u8]) -> Result<Value, Unread> {
    Ok(match *kind {
        Type::BOOL => Value::Boolean(wire::bool_from_sql(raw)?),
        Type::INT2 => Value::Int16(wire::int2_from_sql(raw)?),
        Type::INT4 => Value::Int32(wire::int4_from_sql(raw)?),
        Type::INT8 => Value::Int64(wire::int8_from_sql(raw)?),
        Type::OID => Value::Int64(wire::oid_from_sql(raw)?.into()),
        Type::FLOAT4 => Value::Float32(wire::float4_from_sql(raw)?),
        Type::FLOAT8 => Value::Float64(wire::float8_from_sql(raw)?),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::UNKNOWN
        | Type::CHAR
        | Type::JSON
        | Type::XML => Value::Text(wire::text_from_sql(raw)?.to_owned()),
        Type::BYTEA => Value::Bytes(raw.to_vec()),
        Type::DATE => Value::Date(date(wire::date_from_sql(raw)?)?),
        Type::TIME => Value::Time(time(wire::time_from_sql(raw)?)?),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => Value::DateTime(moment(wire::timestamp_from_sql(raw)?)?),
        Type::UUID => Value::Uuid(text::uuid(wire::uuid_from_sql(raw)?)),
        Type::JSONB => match raw.split_first() {
            // The number of the format, of which there is one.
            Some((1, text)) => Value::Jsonb(text.to_vec()),
            _ => return Err("JSON of a kind that is not known".into()),
        },
        Type::NUMERIC => Value::Decimal(text::decimal(raw)?),
        Type::INT4_RANGE => Value::RangeInt32(range(raw, wire::int4_from_sql)?),
        Type::INT8_RANGE => Value::RangeInt64(range(raw, wire::int8_from_sql)?),
        Type::NUM_RANGE => Value::RangeDecimal(range(raw, text::decimal)?),
        Type::INT4_ARRAY => Value::ArrayInt32(list(raw, wire::int4_from_sql)?),
        Type::INT8_ARRAY => Value::ArrayInt64(list(raw, wire::int8_from_sql)?),
        Type::NUMERIC_ARRAY => Value::ArrayDecimal(list(raw, text::decimal)?),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY | Type::NAME_ARRAY => {
            Value::ArrayText(list(raw, |raw| Ok(wire::text_from_sql(raw)?.to_owned()))?)
        }
        Type::INTERVAL => Value::Interval(interval(raw)?),
        Type::VOID => Value::Null,
        _ => match kind.kind() {
            Kind::Enum(_) => Value::Text(wire::text_from_sql(raw)?.to_owned()),
            Kind::Domain(inner) => return read(inner, raw),
            // What extensions call so is text that is compared in another way.
            _ if kind.name() == "citext" => Value::Text(wire::text_from_sql(raw)?.to_owned()),
            _ => Value::Other(raw.to_vec()),
        },
    })
}

/// The day from which the server counts.
fn epoch() -> Result<NaiveDate, Unread> {
    NaiveDate::from_ymd_opt(2000, 1, 1).ok_or_else(|| "no calendar".into())
}

fn date(days: i32) -> Result<Date, Unread> {
    if days == i32::MAX || days == i32::MIN {
        return Err("an infinite date".into());
    }
    let distance = Days::new(days.unsigned_abs().into());
    let day = if days < 0 {
        epoch()?.checked_sub_days(distance)
    } else {
        epoch()?.checked_add_days(distance)
    };
    Ok(of_day(day.ok_or("a date too far away")?))
}

fn of_day(day: NaiveDate) -> Date {
    Date {
        year: day.year(),
        // There are twelve, and no more than 31.
        month: u8::try_from(day.month()).unwrap_or(0),
        day: u8::try_from(day.day()).unwrap_or(0),
    }
}

fn time(micros: i64) -> Result<Time, Unread> {
    const DAY: i64 = 86_400_000_000;
    if !(0..=DAY).contains(&micros) {
        return Err("a time that is not of a day".into());
    }
    let seconds = micros / 1_000_000;
    let part = |number: i64| u8::try_from(number).unwrap_or(0);
    Ok(Time {
        hour: part(seconds / 3600),
        minute: part(seconds / 60 % 60),
        second: part(seconds % 60),
        nanosecond: u32::try_from(micros % 1_000_000).unwrap_or(0) * 1000,
    })
}

fn moment(micros: i64) -> Result<DateTime, Unread> {
    if micros == i64::MAX || micros == i64::MIN {
        return Err("an infinite time".into());
    }
    let epoch = epoch()?.and_hms_opt(0, 0, 0).ok_or("no calendar")?;
    let moment = epoch.checked_add_signed(chrono::TimeDelta::microseconds(micros));
    let moment = moment.ok_or("a time too far away")?;
    Ok(of_moment(moment))
}

fn of_moment(moment: chrono::NaiveDateTime) -> DateTime {
    let part = |number: u32| u8::try_from(number).unwrap_or(0);
    DateTime {
        date: of_day(moment.date()),
        time: Time {
            hour: part(moment.hour()),
            minute: part(moment.minute()),
            second: part(moment.second()),
            nanosecond: moment.nanosecond(),
        },
    }
}

impl DateTime {
    /// So many seconds after the beginning of 1970, in UTC. None where there is no such year.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Option<Self> {
        Utc::from_timestamp(seconds, 0).map(|moment| of_moment(moment.naive_utc()))
    }
}

fn interval(raw: &[u8]) -> Result<Interval, Unread> {
    let (micros, rest) = raw.split_first_chunk().ok_or("an interval that is too short")?;
    let (days, rest) = rest.split_first_chunk().ok_or("an interval that is too short")?;
    let (months, rest) = rest.split_first_chunk().ok_or("an interval that is too short")?;
    if !rest.is_empty() {
        return Err("an interval that is too long".into());
    }
    Ok(Interval {
        months: i32::from_be_bytes(*months),
        days: i32::from_be_bytes(*days),
        micros: i64::from_be_bytes(*micros),
    })
}

fn range<T>(raw: &[u8], read: impl Fn(&[u8]) -> Result<T, Unread>) -> Result<Range<T>, Unread> {
    let bound = |bound: RangeBound<Option<&[u8]>>| {
        let (raw, is_inclusive) = match bound {
            RangeBound::Inclusive(raw) => (raw, true),
            RangeBound::Exclusive(raw) => (raw, false),
            RangeBound::Unbounded => return Ok(None),
        };
        let at = read(raw.ok_or("a bound without a value")?)?;
        Ok::<_, Unread>(Some(Bound { at, is_inclusive }))
    };
    Ok(match wire::range_from_sql(raw)? {
        wire::Range::Empty => Range {
            lower: None,
            upper: None,
            is_empty: true,
        },
        wire::Range::Nonempty(lower, upper) => Range {
            lower: bound(lower)?,
            upper: bound(upper)?,
            is_empty: false,
        },
    })
}

fn list<T>(raw: &[u8], read: impl Fn(&[u8]) -> Result<T, Unread>) -> Result<Vec<Option<T>>, Unread> {
    use postgres_protocol::types::array_from_sql;
    use tokio_postgres::fallible_iterator::FallibleIterator as _;
    let array = array_from_sql(raw)?;
    if array.dimensions().count()? > 1 {
        return Err("a list of lists".into());
    }
    array.values().map(|raw| raw.map(&read).transpose()).collect()
}
