//! Sizes and durations as people write them: `64MiB`, `1.5GB`, `250ms`, `2h`.

use std::time::Duration;

/// A quantity that does not read as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseError {
    text: String,
    expected: &'static str,
}

/// Reads a size in bytes: a number with an optional unit (`B`, `KB`, `MB`, `GB`, `TB` in powers of 1000;
/// `KiB`, `MiB`, `GiB`, `TiB`, or the short `K`, `M`, `G`, `T`, in powers of 1024).
///
/// # Errors
/// When the number or the unit cannot be read, or the size does not fit 64 bits.
pub fn parse_bytes(text: &str) -> Result<u64, ParseError> {
    let error = || ParseError {
        text: text.to_owned(),
        expected: "a size such as `64MiB` or `1000000`",
    };
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return Err(error()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(error);
    }
    let value = number.parse::<f64>().map_err(|_| error())? * factor as f64;
    if value.is_finite() && value >= 0.0 && value < u64::MAX as f64 {
        Ok(value as u64)
    } else {
        Err(error())
    }
}

/// Reads a duration: a number with a unit (`ns`, `us`, `ms`, `s`, `m`, `h`, `d`); a bare number is seconds.
///
/// # Errors
/// When the number or the unit cannot be read, or the duration is negative or out of range.
pub fn parse_duration(text: &str) -> Result<Duration, ParseError> {
    let error = || ParseError {
        text: text.to_owned(),
        expected: "a duration such as `250ms`, `30s` or `2h`",
    };
    let (number, unit) = split_unit(text);
    let seconds_per_unit = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(error()),
    };
    let value: f64 = number.parse().map_err(|_| error())?;
    Duration::try_from_secs_f64(value * seconds_per_unit).map_err(|_| error())
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let at = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    (number, unit.trim_start())
}

/// A size for people: `1.5 MiB`, `117 KiB`, `12 B`.
pub fn show_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut shown = format!("{bytes} B");
    for unit in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        shown = if value < 10.0 && value.fract() > 0.05 {
            format!("{value:.1} {unit}")
        } else {
            format!("{value:.0} {unit}")
        };
    }
    shown
}

/// A duration for people: `250 ms`, `1.5 s`, `2 h`.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let trimmed = |value: f64, unit: &str| {
        let digits = format!("{value:.3}");
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        format!("{digits} {unit}")
    };
    match seconds {
        s if s >= 3600.0 => trimmed(s / 3600.0, "h"),
        s if s >= 120.0 => trimmed(s / 60.0, "min"),
        s if s >= 1.0 => trimmed(s, "s"),
        s => trimmed(s * 1e3, "ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("64", 64),
            ("64KiB", 65536),
            ("64k", 65536),
            ("1.5 MB", 1_500_000),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "-1", "1x", "1e3", "99999999999TiB", "nan", "1..2"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in [
            ("250ms", 250),
            ("1.5s", 1500),
            ("2", 2000),
            ("3m", 180_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1s", "1 fortnight", "inf", "1e40h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_short() {
        assert_eq!(show_bytes(1000), "1000 B");
        assert_eq!(show_bytes(1 << 30), "1 GiB");
        assert_eq!(show_bytes(1_600_000), "1.5 MiB");
        assert_eq!(show_duration(Duration::from_millis(250)), "250 ms");
        assert_eq!(show_duration(Duration::from_secs(3600)), "1 h");
    }
}
