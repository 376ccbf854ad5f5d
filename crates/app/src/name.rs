//! Names of apps and components.

use std::fmt;
use std::str::FromStr;

/// How long a name may be, in bytes.
const LENGTH_MAX: usize = 64;

/// A name that a manifest gives to an app or a component: words of lower-case letters and digits, each
/// beginning with a letter, joined by single hyphens, such as `cart` or `image-reader2`. Such a name can stand
/// in the name of a WebAssembly interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Something that is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a name: at most 64 lower-case letters, digits and single hyphens, each word beginning with a letter"
)]
pub struct NameError(String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if text.len() <= LENGTH_MAX && text.split('-').all(is_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError(text.chars().take(2 * LENGTH_MAX).collect()))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_words_joined_by_hyphens() {
        for text in ["a", "cart", "image-reader2", "a-b-c"] {
            assert!(text.parse::<Name>().is_ok(), "{text}");
        }
        let long = "a".repeat(LENGTH_MAX + 1);
        for text in [
            "", "-", "a-", "-a", "a--b", "1a", "a-1", "Cart", "a_b", "a:b", "ä", &long,
        ] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
