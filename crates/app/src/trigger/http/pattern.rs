//! Which requests a route is for.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// How long a pattern may be, in bytes.
const LENGTH_MAX: usize = 1024;

/// Paths that look like this: segments are literal, `{name}` stands for any one segment, and `*` as the last one
/// for any number of segments, none included. `/files/*` matches `/files`, `/files/` and `/files/a/b`.
///
/// Segments are compared as they stand in the request, percent signs included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    segments: Vec<Segment>,
    /// Whether it ends with `*`.
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Segment {
    Literal(String),
    Any(String),
}

/// Hosts that look like this: a name without a port, or `*.` and a name for everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteHost {
    name: String,
    below: bool,
}

/// Text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A path has another form.
    #[error(
        "`{0}` is not a path pattern: it begins with `/`, `{{name}}` stands for one segment, and `*` may be the last"
    )]
    Path(String),
    /// A host has another form.
    #[error(
        "`{0}` is not a host pattern: write a name without a port, such as `example.com` or `*.example.com`"
    )]
    Host(String),
}

impl PathPattern {
    /// Every path: `/*`.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            segments: Vec::new(),
            open: true,
        }
    }

    /// Whether a path, without its query, is one of these.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        let mut rest = path.split('/');
        for segment in &self.segments {
            let Some(found) = rest.next() else {
                return false;
            };
            let fits = match segment {
                Segment::Literal(literal) => literal == found,
                Segment::Any(_) => !found.is_empty(),
            };
            if !fits {
                return false;
            }
        }
        self.open || rest.next().is_none()
    }

    /// What of a path stands where the `*` is, without a slash in front; nothing where there is no `*` or the path
    /// does not match.
    #[must_use]
    pub fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        if !self.open || !self.matches(path) {
            return None;
        }
        let mut rest = path.strip_prefix('/')?;
        for _ in &self.segments {
            rest = rest.split_once('/').map_or("", |(_, after)| after);
        }
        Some(rest)
    }

    /// Which of two patterns is meant where both match: the greater one. A literal segment goes before `{name}`, and
    /// that before `*`, from the left.
    #[must_use]
    pub fn compare_specificity(&self, other: &Self) -> Ordering {
        let rank = |pattern: &Self, at: usize| match pattern.segments.get(at) {
            Some(Segment::Literal(_)) => 3,
            Some(Segment::Any(_)) => 2,
            None if pattern.open => 0,
            None => 1,
        };
        let longest = self.segments.len().max(other.segments.len());
        (0..=longest)
            .map(|at| rank(self, at).cmp(&rank(other, at)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// Whether both match exactly the same paths.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Literal(one), Segment::Literal(other)) => one == other,
            (Segment::Any(_), Segment::Any(_)) => true,
            _ => false,
        };
        self.open == other.open
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
    }
}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let refused = || PatternError::Path(text.chars().take(256).collect());
        let path = text.strip_prefix('/').ok_or_else(refused)?;
        if text.len() > LENGTH_MAX {
            return Err(refused());
        }
        let (closed, open) = match path.strip_suffix('*') {
            Some("") => {
                return Ok(Self::everything());
            }
            Some(before) => (before.strip_suffix('/').ok_or_else(refused)?, true),
            None => (path, false),
        };
        let segments = closed
            .split('/')
            .map(|segment| Segment::parse(segment).ok_or_else(refused));
        Ok(Self {
            segments: segments.collect::<Result<_, _>>()?,
            open,
        })
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix('{') {
            let name = name.strip_suffix('}')?;
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            return (!name.is_empty() && name.bytes().all(is_name)).then(|| Self::Any(name.to_owned()));
        }
        // What may stand in a path of a request (RFC 3986, section 3.3), except `*`, which has a meaning here.
        let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;=:@".contains(&byte);
        text.bytes()
            .all(may_stand)
            .then(|| Self::Literal(text.to_owned()))
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => write!(out, "/{literal}")?,
                Segment::Any(name) => write!(out, "/{{{name}}}")?,
            }
        }
        if self.open { out.write_str("/*") } else { Ok(()) }
    }
}

impl RouteHost {
    /// Whether a host, without its port, is one of these. Case does not count.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        if !self.below {
            return host.eq_ignore_ascii_case(&self.name);
        }
        let Some(cut) = host.len().checked_sub(self.name.len() + 1) else {
            return false;
        };
        cut > 0
            && host.as_bytes().get(cut) == Some(&b'.')
            && host
                .get(cut + 1..)
                .is_some_and(|name| name.eq_ignore_ascii_case(&self.name))
    }

    /// Whether it stands for one host and not for all below one.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.below
    }

    /// How long its name is: where several match, the longest one is meant.
    #[must_use]
    pub fn length(&self) -> usize {
        self.name.len()
    }
}

impl FromStr for RouteHost {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        let is_address = !below && name.starts_with('[') && name.ends_with(']') && name.contains(':');
        if name.len() <= 253 && (is_address || name.split('.').all(is_label)) {
            Ok(Self {
                name: name.to_ascii_lowercase(),
                below,
            })
        } else {
            Err(PatternError::Host(text.chars().take(256).collect()))
        }
    }
}

impl fmt::Display for RouteHost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> PathPattern {
        text.parse().unwrap()
    }

    #[test]
    fn paths_match_by_whole_segments() {
        for (pattern, yes, no) in [
            ("/", vec!["/"], vec!["", "/a", "//"]),
            ("/*", vec!["/", "/a", "/a/b", "//"], vec!["", "a", "*"]),
            ("/a", vec!["/a"], vec!["/", "/a/", "/ab", "/A"]),
            ("/a/", vec!["/a/"], vec!["/a", "/a/b"]),
            ("/a/*", vec!["/a", "/a/", "/a/b/c"], vec!["/ab", "/"]),
            ("/u/{id}", vec!["/u/1", "/u/%2F"], vec!["/u", "/u/", "/u/1/2"]),
            ("/u/{id}/p/*", vec!["/u/1/p", "/u/1/p/q"], vec!["/u//p", "/u/1/q"]),
        ] {
            for one in yes {
                assert!(path(pattern).matches(one), "{pattern} {one}");
            }
            for one in no {
                assert!(!path(pattern).matches(one), "{pattern} {one}");
            }
            assert_eq!(path(pattern).to_string(), pattern);
        }
    }

    #[test]
    fn the_rest_is_what_stands_for_the_star() {
        assert_eq!(path("/files/*").rest("/files/a/b"), Some("a/b"));
        assert_eq!(path("/files/*").rest("/files"), Some(""));
        assert_eq!(path("/*").rest("/a"), Some("a"));
        assert_eq!(path("/a").rest("/a"), None);
        assert_eq!(path("/a/*").rest("/b"), None);
    }

    #[test]
    fn the_more_specific_pattern_is_the_greater_one() {
        let mut patterns: Vec<PathPattern> = ["/*", "/{x}", "/a/*", "/a", "/a/{x}", "/a/b"].map(path).into();
        patterns.sort_by(|one, other| other.compare_specificity(one));
        let sorted: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["/a/b", "/a/{x}", "/a", "/a/*", "/{x}", "/*"]);
        assert!(path("/{x}").is_same(&path("/{y}")));
        assert!(!path("/{x}").is_same(&path("/x")));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "", "a", "/a*", "/*/a", "/{", "/{}", "/{a}b", "/a b", "/a?b", "/a#b", "/ä",
        ] {
            assert!(text.parse::<PathPattern>().is_err(), "{text}");
        }
        for text in ["", "*", "*.", "a:80", "a..b", "a/b", "-*.a"] {
            assert!(text.parse::<RouteHost>().is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_match_whatever_their_case() {
        let host = |text: &str| text.parse::<RouteHost>().unwrap();
        assert!(host("Example.com").matches("example.COM"));
        assert!(!host("example.com").matches("a.example.com"));
        assert!(host("*.example.com").matches("a.b.example.com"));
        for no in ["example.com", ".example.com", "aexample.com", "com", ""] {
            assert!(!host("*.example.com").matches(no), "{no}");
        }
        assert!(host("[::1]").matches("[::1]"));
    }
}
