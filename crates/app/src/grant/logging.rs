//! Which of its own lines a component may put into the log.

use std::fmt;
use std::str::FromStr;

use super::ParseError;

/// How much a line of the log matters, as `wasi:logging` has it; later ones matter more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// What helps whoever looks for a fault.
    Debug,
    /// What goes on.
    Info,
    /// What may become a fault.
    Warn,
    /// What went wrong.
    Error,
    /// What ends the work.
    Critical,
}

impl LogLevel {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Critical,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.word())
    }
}

/// What a component may log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggingGrant {
    /// Nothing: what it logs is dropped.
    None,
    /// Lines of this level and those that matter more.
    From(LogLevel),
}

impl LoggingGrant {
    /// Whether a line of this level is written.
    #[must_use]
    pub fn covers(self, level: LogLevel) -> bool {
        match self {
            Self::None => false,
            Self::From(least) => level >= least,
        }
    }
}

impl Default for LoggingGrant {
    fn default() -> Self {
        Self::From(LogLevel::Info)
    }
}

impl FromStr for LoggingGrant {
    type Err = ParseError;

    /// Reads `none`, or the least level that is written.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text == "none" {
            return Ok(Self::None);
        }
        let level = LogLevel::ALL.into_iter().find(|level| level.word() == text);
        level.map(Self::From).ok_or_else(|| {
            ParseError::new(
                text,
                "`trace`, `debug`, `info`, `warn`, `error`, `critical` or `none`",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_covers_itself_and_what_matters_more() {
        for (text, covered) in [("none", 0), ("trace", 6), ("warn", 3), ("critical", 1)] {
            let grant: LoggingGrant = text.parse().unwrap();
            let found = LogLevel::ALL.into_iter().filter(|level| grant.covers(*level));
            assert_eq!(found.count(), covered, "{text}");
        }
        for wrong in ["", "Info", "warning", "info,warn"] {
            assert!(wrong.parse::<LoggingGrant>().is_err(), "`{wrong}`");
        }
    }
}
