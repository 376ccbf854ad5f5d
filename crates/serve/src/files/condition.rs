//! Whether a file is sent, and which part of it (RFC 9110, sections 13 and 14).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::SystemTime;

use http::header::{
    HeaderMap, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderName, Method};

use super::to_seconds;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
    nanoseconds: i128,
    inode: u64,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Send(Wanted),
    NotModified,
    Failed,
    OutOfRange,
}

/// The bytes that are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) from: u64,
    pub(super) length: u64,
    pub(super) is_part: bool,
}

impl Facts {
    pub(super) fn new(facts: &Metadata) -> Self {
        Self {
            length: facts.len(),
            modified: facts.modified().ok(),
            nanoseconds: i128::from(facts.mtime()) * 1_000_000_000 + i128::from(facts.mtime_nsec()),
            inode: facts.ino(),
        }
    }

    /// A strong tag: another one for every state of the file that the system tells apart.
    pub(super) fn tag(&self) -> String {
        format!("\"{:x}-{:x}-{:x}\"", self.nanoseconds, self.length, self.inode)
    }
}

pub(super) fn judge(headers: &HeaderMap, facts: &Facts, method: &Method) -> Condition {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let modified = facts.modified.and_then(to_seconds);
    let date = |text: &str| httpdate::parse_http_date(text).ok().and_then(to_seconds);
    if headers.contains_key(IF_MATCH) {
        if !has_tag(headers, &IF_MATCH, facts, Comparison::Strong) {
            return Condition::Failed;
        }
    } else if let Some(since) = text(IF_UNMODIFIED_SINCE).and_then(date)
        && modified.is_some_and(|modified| modified > since)
    {
        return Condition::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if has_tag(headers, &IF_NONE_MATCH, facts, Comparison::Weak) {
            return Condition::NotModified;
        }
    } else if let Some(since) = text(IF_MODIFIED_SINCE).and_then(date)
        && modified.is_some_and(|modified| modified <= since)
    {
        return Condition::NotModified;
    }
    let whole = Condition::Send(Wanted {
        from: 0,
        length: facts.length,
        is_part: false,
    });
    let is_current = text(IF_RANGE).is_none_or(|wanted| match date(wanted) {
        Some(since) => modified == Some(since),
        None => wanted == facts.tag(),
    });
    match text(RANGE) {
        Some(range) if is_current && *method == Method::GET => {
            parse_range(range, facts.length).unwrap_or(whole)
        }
        _ => whole,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

fn has_tag(headers: &HeaderMap, name: &HeaderName, facts: &Facts, comparison: Comparison) -> bool {
    let own = facts.tag();
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| {
            let bare = match comparison {
                Comparison::Weak => tag.strip_prefix("W/").unwrap_or(tag),
                Comparison::Strong => tag,
            };
            tag == "*" || bare == own
        })
}

/// One range of bytes. Several at a time, and what is none, are answered with the whole file.
fn parse_range(text: &str, length: u64) -> Option<Condition> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let (from, end) = match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => (from, to.saturating_add(1).min(length)),
        (Some(from), None) if to.is_empty() => (from, length),
        (None, Some(last)) if from.is_empty() => {
            if last == 0 {
                return Some(Condition::OutOfRange);
            }
            (length.saturating_sub(last), length)
        }
        _ => return None,
    };
    if from >= end {
        return Some(Condition::OutOfRange);
    }
    Some(Condition::Send(Wanted {
        from,
        length: end - from,
        is_part: true,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_sent_and_anything_else_is_the_whole() {
        let part = |from, length| {
            Some(Condition::Send(Wanted {
                from,
                length,
                is_part: true,
            }))
        };
        for (text, wanted) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-5", part(2, 4)),
            ("bytes=5-", part(5, 5)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-30", part(0, 10)),
            ("bytes=0-99999999999999999999999", part(0, 10)),
            ("bytes=10-", Some(Condition::OutOfRange)),
            ("bytes=-0", Some(Condition::OutOfRange)),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("items=0-1", None),
        ] {
            assert_eq!(parse_range(text, 10), wanted, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Some(Condition::OutOfRange));
    }
}
