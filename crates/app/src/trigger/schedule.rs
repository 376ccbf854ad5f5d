//! Time as a trigger: a component's command is run again and again.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use crate::Name;

/// A component's `wasi:cli/run` is called when its time has come. While it runs, further times are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleTrigger {
    /// Its name, for messages.
    pub name: Name,
    /// The component.
    pub component: Name,
    /// When.
    pub times: Times,
    /// How long one run may take.
    pub timeout: Duration,
}

impl ScheduleTrigger {
    /// How long one run may take where nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(600);
}

/// When something is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Times {
    /// So long after the start of the app, and again and again.
    Every(Duration),
    /// At the times of a table of cron, in UTC.
    Cron(Cron),
}

impl Times {
    /// The first time after one; none where there is none any more.
    #[must_use]
    pub fn after(&self, time: SystemTime) -> Option<SystemTime> {
        match self {
            Self::Every(period) => time.checked_add(*period),
            Self::Cron(cron) => cron.after(time),
        }
    }
}

/// Times as in a table of cron: minute, hour, day of the month, month and day of the week, in UTC.
#[derive(Clone)]
pub struct Cron {
    text: String,
    parsed: Box<croner::Cron>,
}

impl Cron {
    fn after(&self, time: SystemTime) -> Option<SystemTime> {
        let time: DateTime<Utc> = time.into();
        let next = self.parsed.find_next_occurrence(&time, false).ok()?;
        Some(next.into())
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Debug for Cron {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.text)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// A text that is no line of a table of cron.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not five fields of cron such as `0 3 * * 1-5`{why}")]
pub struct CronError {
    text: String,
    why: String,
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let failed = |why: String| CronError {
            text: text.chars().take(100).collect(),
            why,
        };
        if text.split_whitespace().count() != 5 {
            return Err(failed(String::new()));
        }
        let parsed = croner::Cron::from_str(text).map_err(|error| failed(format!(": {error}")))?;
        Ok(Self {
            text: text.to_owned(),
            parsed: Box::new(parsed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_after_those_that_were() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let cron = |text: &str| Times::Cron(text.parse().unwrap());
        let seconds = |times: Times| {
            let next = times.after(time).unwrap();
            next.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
        };
        // 2001-09-09, a Sunday, 01:46:40.
        assert_eq!(seconds(Times::Every(Duration::from_secs(90))), 1_000_000_090);
        assert_eq!(seconds(cron("* * * * *")), 1_000_000_020);
        assert_eq!(seconds(cron("47 1 * * *")), 1_000_000_020);
        assert_eq!(seconds(cron("46 1 * * *")), 1_000_000_000 - 40 + 86_400);
        assert_eq!(seconds(cron("0 0 * * 1")), 999_993_600 + 86_400);
        assert_eq!(cron("0 0 30 2 *").after(time), None);
    }

    #[test]
    fn what_is_no_table_of_cron_is_refused() {
        for wrong in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "every day at three",
            "a b c d e",
        ] {
            assert!(wrong.parse::<Cron>().is_err(), "`{wrong}`");
        }
    }
}
