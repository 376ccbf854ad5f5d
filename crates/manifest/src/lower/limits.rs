//! What a component, and what a whole run, may spend.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use weft_app::quantity::{parse_bytes, parse_duration};
use weft_app::trigger::http::HttpLimits;
use weft_app::{ComponentLimits, Limits};

use super::{Lowering, values};
use crate::diagnostic::quote;
use crate::document::Table;
use crate::problems::Problem;

/// Bytes of native stack, as for `--stack`.
const STACK_BYTES: RangeInclusive<u64> = 16 << 10..=256 << 20;

/// The longest time that anything may take: a year.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Connections or requests at a time.
const AT_A_TIME: RangeInclusive<usize> = 1..=1_000_000;

/// Bytes of the head of a request.
const HEAD_BYTES: RangeInclusive<u64> = 8 << 10..=16 << 20;

/// Handles, as for `--handles`.
const HANDLES: RangeInclusive<u64> = 16..=1_000_000;

impl Lowering<'_> {
    pub(super) fn component_limits(&mut self, component: &Table) -> ComponentLimits {
        let mut limits = ComponentLimits::default();
        let Some(table) = values::table(component, "limits") else {
            return limits;
        };
        for key in ["memory", "tables"] {
            if let Some((text, span)) = values::quantity(table, key).filter(|(text, _)| text == "none") {
                let message =
                    format!("`{text}` cannot stand here: what a component may spend is always bounded");
                self.problems.push(Problem::error(message).at(span));
                return limits;
            }
        }
        self.read(table, "memory", &mut limits.memory_bytes_max, parse_bytes);
        self.read(table, "tables", &mut limits.table_elements_max, parse_count);
        limits
    }

    pub(super) fn app_limits(&mut self, root: &Table) -> Limits {
        let mut limits = Limits::default();
        let Some(table) = values::table(root, "limits") else {
            return limits;
        };
        self.read_bound(table, "memory", &mut limits.memory_bytes_max, parse_bytes);
        self.read_bound(table, "tables", &mut limits.table_elements_max, parse_count);
        self.read_bound(table, "timeout", &mut limits.wall_time_max, parse_duration);
        self.read_bound(table, "cpu-time", &mut limits.cpu_time_max, parse_duration);
        self.read_bound(table, "fuel", &mut limits.fuel_max, parse_count);
        self.read(table, "stack", &mut limits.stack_bytes_max, parse_stack);
        self.read(table, "handles", &mut limits.handles_max, parse_handles);
        self.read_bound(table, "output-bytes", &mut limits.output_bytes_max, parse_bytes);
        limits
    }

    pub(super) fn http_limits(&mut self, trigger: &Table) -> HttpLimits {
        let mut limits = HttpLimits::default();
        let Some(table) = values::table(trigger, "limits") else {
            return limits;
        };
        self.read(table, "connections", &mut limits.connections_max, parse_at_a_time);
        self.read(table, "requests", &mut limits.requests_max, parse_at_a_time);
        self.read(table, "queue", &mut limits.queue_max, parse_queue);
        self.read(table, "queue-timeout", &mut limits.queue_timeout, parse_any_time);
        self.read(table, "head-size", &mut limits.head_bytes_max, parse_head);
        self.read(table, "headers", &mut limits.headers_max, parse_headers);
        self.read_bound(table, "body-size", &mut limits.body_bytes_max, parse_bytes);
        self.read(table, "head-timeout", &mut limits.head_timeout, parse_time);
        self.read(table, "body-timeout", &mut limits.body_timeout, parse_time);
        self.read(table, "idle-timeout", &mut limits.idle_timeout, parse_time);
        self.read(
            table,
            "response-timeout",
            &mut limits.response_timeout,
            parse_time,
        );
        self.read(table, "total-timeout", &mut limits.total_timeout, parse_time);
        self.read(table, "grace", &mut limits.grace, parse_any_time);
        self.read(table, "streams", &mut limits.streams_max, parse_streams);
        limits
    }

    /// Reads a limit that cannot be lifted.
    pub(super) fn read<T, E: Display>(
        &mut self,
        table: &Table,
        key: &str,
        limit: &mut T,
        parse: fn(&str) -> Result<T, E>,
    ) {
        if let Some((text, span)) = values::quantity(table, key) {
            match parse(&text) {
                Ok(value) => *limit = value,
                Err(error) => self.refuse_limit(error, &text, span),
            }
        }
    }

    /// Reads a limit that `none` lifts.
    fn read_bound<T, E: Display>(
        &mut self,
        table: &Table,
        key: &str,
        limit: &mut Option<T>,
        parse: fn(&str) -> Result<T, E>,
    ) {
        if let Some((text, span)) = values::quantity(table, key) {
            match parse(&text) {
                _ if text == "none" => *limit = None,
                Ok(value) => *limit = Some(value),
                Err(error) => self.refuse_limit(error, &text, span),
            }
        }
    }

    fn refuse_limit(&mut self, error: impl Display, text: &str, span: &Range<usize>) {
        let mut problem = super::refused(error, span);
        if ["unlimited", "infinite", "inf", "off", "never", "-1"].contains(&text) {
            problem = problem.hint("`\"none\"` lifts a limit that allows it");
        }
        self.problems.push_unless_told(problem);
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse()
        .map_err(|_| format!("{} is not a whole number", quote(text)))
}

fn parse_stack(text: &str) -> Result<usize, String> {
    let bytes = parse_bytes(text).map_err(|error| error.to_string())?;
    usize::try_from(bytes)
        .ok()
        .filter(|_| STACK_BYTES.contains(&bytes))
        .ok_or_else(|| format!("{} is not between 16 KiB and 256 MiB", quote(text)))
}

pub(super) fn parse_handles(text: &str) -> Result<usize, String> {
    parse_count(text)
        .ok()
        .filter(|count| HANDLES.contains(count))
        .and_then(|count| usize::try_from(count).ok())
        .ok_or_else(|| format!("{} is not a number from 16 to 1000000", quote(text)))
}

/// A number of at least one.
pub(super) fn parse_some(text: &str) -> Result<u32, String> {
    parse_within(text, 1..=u32::MAX)
}

/// A number that may be zero.
pub(super) fn parse_any(text: &str) -> Result<u32, String> {
    parse_within(text, 0..=u32::MAX)
}

/// How many of something are worked on at a time.
pub(super) fn parse_at_a_time(text: &str) -> Result<usize, String> {
    parse_within(text, AT_A_TIME)
}

fn parse_queue(text: &str) -> Result<usize, String> {
    parse_within(text, 0..=*AT_A_TIME.end())
}

fn parse_headers(text: &str) -> Result<usize, String> {
    parse_within(text, 1..=10_000)
}

fn parse_streams(text: &str) -> Result<u32, String> {
    parse_within(text, 1..=65_536)
}

pub(super) fn parse_within<T>(text: &str, range: RangeInclusive<T>) -> Result<T, String>
where
    T: TryFrom<u64> + PartialOrd + Display,
{
    parse_count(text)
        .ok()
        .and_then(|count| T::try_from(count).ok())
        .filter(|count| range.contains(count))
        .ok_or_else(|| {
            format!(
                "{} is not a number from {} to {}",
                quote(text),
                range.start(),
                range.end()
            )
        })
}

fn parse_head(text: &str) -> Result<usize, String> {
    let bytes = parse_bytes(text).map_err(|error| error.to_string())?;
    usize::try_from(bytes)
        .ok()
        .filter(|_| HEAD_BYTES.contains(&bytes))
        .ok_or_else(|| format!("{} is not between 8 KiB and 16 MiB", quote(text)))
}

/// A size that something fits into.
pub(super) fn parse_room(text: &str) -> Result<u64, String> {
    match parse_bytes(text) {
        Ok(0) => Err(format!("{} leaves no room at all", quote(text))),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

/// A time in which something can happen.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let time = parse_any_time(text)?;
    if time.is_zero() {
        return Err(format!("{} leaves no time at all", quote(text)));
    }
    Ok(time)
}

/// A time that may be zero.
fn parse_any_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    if time > TIME_MAX {
        return Err(format!("{} is more than a year", quote(text)));
    }
    Ok(time)
}
