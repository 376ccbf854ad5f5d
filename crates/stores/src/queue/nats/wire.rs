//! Messages as they travel: the body is the payload, and what is said of it stands in headers.
//!
//! Other programs see the type of the body and the metadata as headers of that name, and are read the same way. What no
//! header can hold, or what a header would say to the server, stands in `Weft-Message` only: a guest says what it
//! likes in its metadata.

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::queue::{Message, Subject};

const CONTENT_TYPE: &str = "Content-Type";
/// Where replies go.
const REPLY_TO: &str = "Weft-Reply-To";
/// Everything that is said of a body, in JSON, where other headers do not say exactly that.
const SAID: &str = "Weft-Message";
/// The subject of a message that was put aside and waits for one group again.
const SUBJECT: &str = "Weft-Subject";

/// What `Weft-Message` holds.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<(String, String)>,
}

/// The headers of a message.
pub(super) fn headers(message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if message.content_type.is_some() || !message.metadata.is_empty() {
        say(&mut headers, message);
    }
    if let Some(value) = message.reply_to.as_ref().and_then(|to| value(to.as_str())) {
        headers.insert(REPLY_TO, value);
    }
    headers
}

/// Says of a body what there is to say, in headers of that name where they say exactly that.
fn say(headers: &mut HeaderMap, message: &Message) {
    let said = Said {
        content_type: message.content_type.clone(),
        metadata: message.metadata.clone(),
    };
    if let Some(value) = said.content_type.as_deref().and_then(value) {
        headers.insert(CONTENT_TYPE, value);
    }
    for (key, text) in &said.metadata {
        if let (Some(name), Some(value)) = (name(key), value(text)) {
            headers.append(name, value);
        }
    }
    if read_said(headers) != said {
        // Text is always JSON, which has no line breaks and no space around it.
        let said = serde_json::to_string(&said).unwrap_or_default();
        if let Ok(value) = said.parse::<HeaderValue>() {
            headers.insert(SAID, value);
        }
    }
}

/// The headers of a message that waits for one group again.
pub(super) fn headers_again(message: &Message) -> HeaderMap {
    let mut headers = headers(message);
    if let Some(value) = value(message.subject.as_str()) {
        headers.insert(SUBJECT, value);
    }
    headers
}

/// What headers take of the room that a server gives to a message.
pub(super) fn bytes(headers: &HeaderMap) -> usize {
    let lines = headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values.iter().map(|value| name.len() + value.as_str().len() + 4)
    });
    if headers.is_empty() {
        return 0;
    }
    "NATS/1.0\r\n\r\n".len() + lines.sum::<usize>()
}

/// The subject of a message that waits for one group again.
pub(super) fn subject_again(headers: Option<&HeaderMap>) -> Option<Subject> {
    headers?.get(SUBJECT)?.as_str().parse().ok()
}

/// The message of a payload; none where what is said of it makes no sense.
pub(super) fn read(subject: Subject, headers: Option<&HeaderMap>, body: Bytes) -> Option<Message> {
    let none = HeaderMap::new();
    let headers = headers.unwrap_or(&none);
    let said = match headers.get(SAID) {
        Some(said) => serde_json::from_str(said.as_str()).ok()?,
        None => read_said(headers),
    };
    let reply_to = headers.get(REPLY_TO).map(|subject| subject.as_str().parse());
    Some(Message {
        subject,
        reply_to: reply_to.transpose().ok()?,
        content_type: said.content_type,
        metadata: said.metadata,
        body,
    })
}

/// What headers of no special meaning say, in the order of their names.
fn read_said(headers: &HeaderMap) -> Said {
    let mut metadata = Vec::new();
    for (key, values) in headers.iter() {
        let key: &str = key.as_ref();
        if name(key).is_some() {
            let values = values.iter().map(|value| value.as_str().to_owned());
            metadata.extend(values.map(|value| (key.to_owned(), value)));
        }
    }
    metadata.sort_by(|(one, _), (other, _)| one.cmp(other));
    Said {
        content_type: headers.get(CONTENT_TYPE).map(|value| value.as_str().to_owned()),
        metadata,
    }
}

/// The header of a key, where it can have one that means nothing to the server and to Weft.
fn name(key: &str) -> Option<HeaderName> {
    let begins = |with: &str| {
        key.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let is_special = begins("nats-") || begins("weft-") || key.eq_ignore_ascii_case(CONTENT_TYPE);
    if key.is_empty() || is_special {
        return None;
    }
    key.parse().ok()
}

/// A text as a header can have it: others would end early, or come back without the space around them.
fn value(text: &str) -> Option<HeaderValue> {
    let is_plain = text.trim() == text && !text.contains(char::is_control);
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(content_type: Option<&str>, metadata: &[(&str, &str)]) -> Message {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Message {
            reply_to: Some(Subject::inbox(7)),
            content_type: content_type.map(str::to_owned),
            metadata: metadata.iter().map(owned).collect(),
            ..Message::new("a.b".parse().unwrap(), "body")
        }
    }

    fn reread(message: &Message) -> Option<Message> {
        read(
            message.subject.clone(),
            Some(&headers(message)),
            message.body.clone(),
        )
    }

    #[test]
    fn what_a_header_can_hold_stands_in_one_and_all_else_comes_back_too() {
        let plain = message(Some("text/plain"), &[("a", "1"), ("b", "ü"), ("b", "2")]);
        let written = headers(&plain);
        assert!(written.get(SAID).is_none(), "{written:?}");
        assert_eq!(written.get(CONTENT_TYPE).unwrap().as_str(), "text/plain");
        assert_eq!(written.get_all("b").count(), 2);
        assert_eq!(reread(&plain), Some(plain));
        for (content_type, metadata) in [
            (None, &[][..]),
            (Some(""), &[("", "")]),
            (Some(" text/plain\r\n"), &[("a", "1")]),
            (None, &[("b", "1"), ("a", "2")]),
            (None, &[("a b", "1"), ("a:", "1"), ("ü", "1"), ("a\r\n", "1")]),
            (
                None,
                &[("a", " 1"), ("a", "1\r\nNats-Rollup: all"), ("a", "\u{85}")],
            ),
        ] {
            let message = message(content_type, metadata);
            assert_eq!(reread(&message), Some(message));
        }
    }

    #[test]
    fn metadata_says_nothing_to_the_server() {
        let hostile = message(
            None,
            &[
                ("Nats-Rollup", "all"),
                ("nats-msg-id", "1"),
                ("a", "1\r\nNats-TTL: 1"),
                ("Weft-Reply-To", "b"),
                ("Content-Type", "c"),
            ],
        );
        let written = headers(&hostile);
        let names: Vec<&str> = written.iter().map(|(name, _)| name.as_ref()).collect();
        assert!(
            names.iter().all(|name| [SAID, REPLY_TO].contains(name)),
            "{names:?}"
        );
        assert_eq!(reread(&hostile), Some(hostile));
    }

    #[test]
    fn what_is_said_by_halves_is_no_message() {
        for (name, value) in [(SAID, "{"), (SAID, "7"), (REPLY_TO, "a b"), (REPLY_TO, "")] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value);
            let read = read("a".parse().unwrap(), Some(&headers), Bytes::new());
            assert_eq!(read, None, "{name}: {value}");
        }
    }

    #[test]
    fn the_room_that_headers_take_is_known() {
        assert_eq!(bytes(&HeaderMap::new()), 0);
        let mut headers = HeaderMap::new();
        headers.append("ab", "c");
        headers.append("ab", "de");
        assert_eq!(bytes(&headers), "NATS/1.0\r\nab: c\r\nab: de\r\n\r\n".len());
    }
}
