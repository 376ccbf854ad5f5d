//! Subjects of messages and patterns of them, as in NATS: words with dots between, `*` for one word, `>` for the rest.

use std::fmt;
use std::str::FromStr;

/// The longest subject, in bytes.
const BYTES_MAX: usize = 255;

/// How subjects begin to which replies go.
const INBOX: &str = "_INBOX.";

/// What a message is about, such as `order.new`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(String);

/// Which subjects are meant: `order.new`, `order.*`, `order.>` or `>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(String);

/// A text that is no subject, or no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct SubjectError {
    text: String,
    expected: &'static str,
}

impl SubjectError {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.chars().take(64).collect(),
            expected,
        }
    }
}

/// Whether every word may stand in a subject.
fn is_of_words(text: &str, is_word: impl Fn(&str) -> bool) -> bool {
    text.len() <= BYTES_MAX && text.split('.').all(|word| !word.is_empty() && is_word(word))
}

fn is_plain(word: &str) -> bool {
    !word.contains(|letter: char| letter.is_whitespace() || letter.is_control() || "*>".contains(letter))
}

impl Subject {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where replies to a request go. Nobody guesses a random number, so whoever knows it was asked.
    #[must_use]
    pub fn inbox(number: u128) -> Self {
        Self(format!("{INBOX}{number:032x}"))
    }

    /// The number of a place for replies, where this is one.
    #[must_use]
    pub fn inbox_number(&self) -> Option<u128> {
        let digits = self.0.strip_prefix(INBOX)?;
        let number = u128::from_str_radix(digits, 16).ok()?;
        (Self::inbox(number) == *self).then_some(number)
    }

    /// Whether replies go there.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0.starts_with(INBOX)
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        if is_of_words(text, is_plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(SubjectError::new(
            text,
            "a subject: words with dots between, without spaces, `*` and `>`",
        ))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Pattern {
    /// Every subject: `>`.
    #[must_use]
    pub fn everything() -> Self {
        Self(">".to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a subject is meant. Inboxes are meant by no pattern.
    #[must_use]
    pub fn covers(&self, subject: &Subject) -> bool {
        if subject.is_inbox() {
            return false;
        }
        let mut words = subject.0.split('.');
        for wanted in self.0.split('.') {
            let Some(word) = words.next() else {
                return false;
            };
            match wanted {
                ">" => return true,
                "*" => {}
                _ if wanted == word => {}
                _ => return false,
            }
        }
        words.next().is_none()
    }
}

impl FromStr for Pattern {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let is_word = |word: &str| is_plain(word) || word == "*" || word == ">";
        let ends_early = text.split('.').rev().skip(1).any(|word| word == ">");
        if is_of_words(text, is_word) && !ends_early {
            return Ok(Self(text.to_owned()));
        }
        Err(SubjectError::new(
            text,
            "a pattern of subjects: words with dots between, `*` for any word, `>` at the end for any others",
        ))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_they_cover_in_nats() {
        let covers = |pattern: &str, subject: &str| {
            let pattern: Pattern = pattern.parse().unwrap();
            pattern.covers(&subject.parse().unwrap())
        };
        for (pattern, subject) in [
            ("a.b", "a.b"),
            ("a.*", "a.b"),
            ("*.b", "a.b"),
            ("*.*", "a.b"),
            ("a.>", "a.b"),
            ("a.>", "a.b.c"),
            (">", "a"),
        ] {
            assert!(covers(pattern, subject), "`{pattern}` and `{subject}`");
        }
        for (pattern, subject) in [
            ("a.b", "a.c"),
            ("a.b", "a"),
            ("a.b", "a.b.c"),
            ("a.*", "a"),
            ("a.*", "a.b.c"),
            ("a.>", "a"),
            ("a", "A"),
            (">", "_INBOX.a"),
        ] {
            assert!(!covers(pattern, subject), "`{pattern}` and `{subject}`");
        }
    }

    #[test]
    fn an_inbox_is_a_number_that_reads_as_it_was_written() {
        for number in [0, 7, u128::MAX] {
            assert_eq!(Subject::inbox(number).inbox_number(), Some(number));
        }
        let upper = format!("_INBOX.{}A", "0".repeat(31));
        for none in ["a", "_INBOX.a", "_INBOX.7.b", &upper] {
            assert_eq!(none.parse::<Subject>().unwrap().inbox_number(), None, "{none}");
        }
    }

    #[test]
    fn what_is_no_subject_is_refused() {
        for wrong in ["", ".", "a.", ".a", "a..b", "a b", "a\n", "a.*", "a.>", "a*"] {
            assert!(wrong.parse::<Subject>().is_err(), "`{wrong}`");
        }
        for wrong in ["", ".", "a..b", ">.a", "a.>.b", "a*", "a b", "**"] {
            assert!(wrong.parse::<Pattern>().is_err(), "`{wrong}`");
        }
        assert!("a".repeat(256).parse::<Subject>().is_err());
    }
}
