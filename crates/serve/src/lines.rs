//! Lines of logs: the times in them, and JSON that no terminal takes for anything but text.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// A value as one line of JSON, its end included.
///
/// JSON leaves DEL and the C1 controls as they are; terminals do not, so they are written out here.
#[must_use]
pub fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut line = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match character {
            '\u{7f}'..='\u{9f}' => line.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => line.push(character),
        }
    }
    line.push('\n');
    line
}

struct Moment {
    year: i64,
    month: usize,
    day: u64,
    seconds: u64,
    millis: u32,
}

/// A date of the civil calendar, from days since 1970 (Howard Hinnant's `civil_from_days`).
fn moment(time: SystemTime) -> Moment {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let days = i64::try_from(since.as_secs() / 86_400).unwrap_or(0) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    Moment {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: usize::try_from(month).unwrap_or(1),
        day: u64::try_from(day_of_year - (153 * shifted + 2) / 5 + 1).unwrap_or(1),
        seconds: since.as_secs() % 86_400,
        millis: since.subsec_millis(),
    }
}

/// A time as the common log format has it, in UTC.
pub(crate) fn common_time(time: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let at = moment(time);
    let month = MONTHS.get(at.month - 1).unwrap_or(&"Jan");
    let (hour, minute, second) = (at.seconds / 3600, at.seconds / 60 % 60, at.seconds % 60);
    format!(
        "{:02}/{month}/{}:{hour:02}:{minute:02}:{second:02} +0000",
        at.day, at.year
    )
}

/// A time as RFC 3339 has it, in UTC, to the millisecond. Times before 1970 are shown as its first moment.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let at = moment(time);
    let (hour, minute, second) = (at.seconds / 3600, at.seconds / 60 % 60, at.seconds % 60);
    format!(
        "{}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        at.year, at.month, at.day, at.millis
    )
}
