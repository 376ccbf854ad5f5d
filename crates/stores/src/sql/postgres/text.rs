//! Values as text, in the forms that PostgreSQL reads and writes:
//! <https://www.postgresql.org/docs/current/datatype.html>.

use std::error::Error as StdError;
use std::fmt::Write as _;

use super::value::{Date, DateTime, Interval, Range, Time, Value};

/// Text that the server reads as this value. Nothing for what has none.
pub(super) fn of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(value) => value.to_string(),
        Value::Int16(value) => value.to_string(),
        Value::Int32(value) => value.to_string(),
        Value::Int64(value) => value.to_string(),
        Value::Float32(value) => float(f64::from(*value), value),
        Value::Float64(value) => float(*value, value),
        Value::Text(text) | Value::Uuid(text) | Value::Decimal(text) => text.clone(),
        Value::Bytes(bytes) => hexadecimal(bytes),
        // Whatever is not UTF-8 is no JSON, and the server says so.
        Value::Jsonb(bytes) | Value::Other(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Date(date) => with_era(&day(date), date),
        Value::Time(time) => of_day(time),
        Value::DateTime(moment) => of_moment(moment),
        Value::RangeInt32(range) => of_range(range),
        Value::RangeInt64(range) => of_range(range),
        Value::RangeDecimal(range) => of_range(range),
        Value::ArrayInt32(items) => of_list(items),
        Value::ArrayInt64(items) => of_list(items),
        Value::ArrayDecimal(items) => of_list(items),
        Value::ArrayText(items) => of_texts(items),
        Value::Interval(interval) => of_interval(interval),
    }
}

fn float(value: f64, shown: &dyn std::fmt::Display) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        shown.to_string()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The day, with the year counted away from the beginning of its era.
fn day(date: &Date) -> String {
    let year = if date.year > 0 {
        i64::from(date.year)
    } else {
        1 - i64::from(date.year)
    };
    format!("{year:04}-{:02}-{:02}", date.month, date.day)
}

fn with_era(text: &str, date: &Date) -> String {
    if date.year > 0 {
        text.to_owned()
    } else {
        format!("{text} BC")
    }
}

fn of_day(time: &Time) -> String {
    let mut text = format!("{:02}:{:02}:{:02}", time.hour, time.minute, time.second);
    if time.nanosecond != 0 {
        let _ = write!(text, ".{:09}", time.nanosecond);
        while text.ends_with('0') {
            text.pop();
        }
    }
    text
}

/// In UTC, which a column without a time zone passes over.
fn of_moment(moment: &DateTime) -> String {
    let text = format!("{} {}+00", day(&moment.date), of_day(&moment.time));
    with_era(&text, &moment.date)
}

fn of_interval(interval: &Interval) -> String {
    format!(
        "{} months {} days {} microseconds",
        interval.months, interval.days, interval.micros
    )
}

fn of_range<T: std::fmt::Display>(range: &Range<T>) -> String {
    if range.is_empty {
        return "empty".to_owned();
    }
    let mut text = String::new();
    match &range.lower {
        Some(bound) => {
            let bracket = if bound.is_inclusive { '[' } else { '(' };
            let _ = write!(text, "{bracket}{}", quoted(&bound.at.to_string()));
        }
        None => text.push('('),
    }
    text.push(',');
    match &range.upper {
        Some(bound) => {
            let bracket = if bound.is_inclusive { ']' } else { ')' };
            let _ = write!(text, "{}{bracket}", quoted(&bound.at.to_string()));
        }
        None => text.push(')'),
    }
    text
}

fn of_list<T: std::fmt::Display>(items: &[Option<T>]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| match item {
            Some(item) => quoted(&item.to_string()),
            None => "NULL".to_owned(),
        })
        .collect();
    format!("{{{}}}", items.join(","))
}

fn of_texts(items: &[Option<String>]) -> String {
    of_list(items)
}

/// A part of a range or a list, which may contain anything.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// Sixteen bytes, as they are written.
pub(super) fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

type Unread = Box<dyn StdError + Sync + Send>;

/// A decimal number, from digits of base 10 000.
///
/// Sent are how many digits there are, the power of 10 000 of the first one, the sign, and how many decimal digits
/// stand behind the point.
pub(super) fn decimal(raw: &[u8]) -> Result<String, Unread> {
    const MINUS: u16 = 0x4000;
    const NAN: u16 = 0xC000;
    const INFINITY: u16 = 0xD000;
    const MINUS_INFINITY: u16 = 0xF000;
    let mut words = raw.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    let mut word = || words.next().ok_or("a decimal number that is too short");
    let (count, weight, sign, scale) = (word()?, word()?.cast_signed(), word()?, word()?);
    match sign {
        NAN => return Ok("NaN".to_owned()),
        INFINITY => return Ok("Infinity".to_owned()),
        MINUS_INFINITY => return Ok("-Infinity".to_owned()),
        _ => {}
    }
    let digits: Vec<u16> = words.collect();
    if digits.len() != usize::from(count) || digits.iter().any(|digit| *digit > 9999) {
        return Err("a decimal number that is not one".into());
    }
    // Digit at a power of 10 000.
    let at = |power: i32| {
        let index = usize::try_from(i32::from(weight) - power).ok();
        index.and_then(|index| digits.get(index)).copied().unwrap_or(0)
    };
    let mut text = String::new();
    if sign == MINUS {
        text.push('-');
    }
    let _ = write!(text, "{}", at(i32::from(weight).max(0)));
    for power in (0..i32::from(weight).max(0)).rev() {
        let _ = write!(text, "{:04}", at(power));
    }
    if scale > 0 {
        text.push('.');
        let end = text.len() + usize::from(scale);
        let mut power = -1;
        while text.len() < end {
            let _ = write!(text, "{:04}", at(power));
            power -= 1;
        }
        text.truncate(end);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::value::Bound;
    use super::*;

    #[test]
    fn a_decimal_number_is_read_from_its_digits() {
        let number = |count: u16, weight: i16, sign: u16, scale: u16, digits: &[u16]| {
            let words = [count, weight.cast_unsigned(), sign, scale];
            let words = words.iter().chain(digits);
            let raw: Vec<u8> = words.flat_map(|word| word.to_be_bytes()).collect();
            decimal(&raw)
        };
        assert_eq!(number(0, 0, 0, 0, &[]).unwrap(), "0");
        assert_eq!(number(0, 0, 0, 2, &[]).unwrap(), "0.00");
        assert_eq!(number(2, 1, 0, 0, &[1, 2345]).unwrap(), "12345");
        assert_eq!(number(1, 1, 0, 0, &[3]).unwrap(), "30000");
        assert_eq!(number(2, 0, 0x4000, 3, &[7, 1250]).unwrap(), "-7.125");
        assert_eq!(number(1, -2, 0, 8, &[42]).unwrap(), "0.00000042");
        assert_eq!(number(0, 0, 0xC000, 0, &[]).unwrap(), "NaN");
        assert!(number(3, 0, 0, 0, &[1]).is_err());
        assert!(decimal(&[0, 1, 0]).is_err());
    }

    #[test]
    fn what_stands_in_lists_and_ranges_is_quoted() {
        let list = Value::ArrayText(vec![Some("a\"b\\,{}".to_owned()), None, Some(String::new())]);
        assert_eq!(of(&list), r#"{"a\"b\\,{}",NULL,""}"#);
        let range = Value::RangeInt32(Range {
            lower: Some(Bound {
                at: 1,
                is_inclusive: true,
            }),
            upper: None,
            is_empty: false,
        });
        assert_eq!(of(&range), "[\"1\",)");
    }

    #[test]
    fn years_before_the_first_have_an_era() {
        let date = |year| Date {
            year,
            month: 2,
            day: 3,
        };
        assert_eq!(of(&Value::Date(date(2024))), "2024-02-03");
        assert_eq!(of(&Value::Date(date(0))), "0001-02-03 BC");
        let time = Time {
            hour: 1,
            minute: 2,
            second: 3,
            nanosecond: 450_000_000,
        };
        let moment = DateTime {
            date: date(2024),
            time,
        };
        assert_eq!(of(&Value::DateTime(moment)), "2024-02-03 01:02:03.45+00");
    }
}
