//! A message, and how it is kept: a line of JSON that says what there is to say of it, and then its body.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Error, MESSAGE_BYTES_MAX, Subject};

/// What is handed from one who publishes to those who take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub subject: Subject,
    /// Where replies go, if somebody waits for some.
    pub reply_to: Option<Subject>,
    /// What its body is.
    pub content_type: Option<String>,
    /// What else is said of it. A key may stand twice.
    pub metadata: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) message: Message,
    /// How often it was given back.
    pub(super) attempts: u32,
    /// Before when it is not to be handed out again, in milliseconds since 1970.
    pub(super) not_before_ms: u64,
}

/// What stands before the body.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<(String, String)>,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    not_before_ms: u64,
}

impl Message {
    /// A message that says nothing but its body.
    #[must_use]
    pub fn new(subject: Subject, body: impl Into<Bytes>) -> Self {
        Self {
            subject,
            reply_to: None,
            content_type: None,
            metadata: Vec::new(),
            body: body.into(),
        }
    }

    /// Bytes of its body and of what is said of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let metadata = self.metadata.iter().map(|(key, value)| key.len() + value.len());
        self.subject.as_str().len()
            + self.reply_to.as_ref().map_or(0, |subject| subject.as_str().len())
            + self.content_type.as_ref().map_or(0, String::len)
            + metadata.sum::<usize>()
            + self.body.len()
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.bytes() {
            0..=MESSAGE_BYTES_MAX => Ok(()),
            found => Err(Error::MessageLength { found }),
        }
    }
}

impl Kept {
    pub(super) fn new(message: Message) -> Self {
        Self {
            message,
            attempts: 0,
            not_before_ms: 0,
        }
    }

    pub(super) fn write(&self) -> Bytes {
        let mut bytes = head(&self.message, self.attempts, self.not_before_ms);
        bytes.extend_from_slice(&self.message.body);
        bytes.into()
    }

    /// No more than that is kept of a message, and mostly much less.
    pub(super) fn bytes_at_most(message: &Message) -> usize {
        const EMPTY: usize = 256;
        const ENTRY: usize = 8;
        // A character in JSON is six at most.
        let said = message.bytes() - message.body.len();
        EMPTY + ENTRY * message.metadata.len() + 6 * said + message.body.len()
    }

    /// The most that there is to keep of a message beside its body.
    pub(super) fn head_bytes(message: &Message) -> usize {
        head(message, u32::MAX, 0).len()
    }

    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(bytes.get(..end)?).ok()?;
        let reply_to = head.reply_to.map(|subject| subject.parse()).transpose();
        Some(Self {
            message: Message {
                subject: head.subject.parse().ok()?,
                reply_to: reply_to.ok()?,
                content_type: head.content_type,
                metadata: head.metadata,
                body: bytes.slice(end + 1..),
            },
            attempts: head.attempts,
            not_before_ms: head.not_before_ms,
        })
    }
}

/// What stands before a body.
fn head(message: &Message, attempts: u32, not_before_ms: u64) -> Vec<u8> {
    let head = Head {
        subject: message.subject.to_string(),
        reply_to: message.reply_to.as_ref().map(Subject::to_string),
        content_type: message.content_type.clone(),
        metadata: message.metadata.clone(),
        attempts,
        not_before_ms,
    };
    // Text and numbers are always JSON.
    let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_it_was_written() {
        let message = Message {
            subject: "a.b".parse().unwrap(),
            reply_to: Some(Subject::inbox(7)),
            content_type: Some("text/plain\n".to_owned()),
            metadata: vec![
                ("k".to_owned(), "v\n\"".to_owned()),
                ("k".to_owned(), String::new()),
            ],
            body: Bytes::from_static(b"\nbody\n{}\0\xff"),
        };
        let mut kept = Kept::new(message);
        kept.attempts = u32::MAX;
        kept.not_before_ms = u64::MAX;
        assert_eq!(Kept::read(&kept.write()).as_ref(), Some(&kept));
        let least = Kept {
            message: Message::new("a".parse().unwrap(), ""),
            ..kept.clone()
        };
        kept.message.metadata = vec![("\0".repeat(100), "\u{1}\"".to_owned()); 50];
        for kept in [kept, least] {
            assert!(
                kept.write().len() <= Kept::bytes_at_most(&kept.message),
                "{kept:?}"
            );
        }
        for wrong in [
            &b""[..],
            b"\n",
            b"{}\n",
            b"{\"subject\":\"a..b\"}\n",
            b"{\"subject\":\"a\"}",
        ] {
            assert_eq!(Kept::read(&Bytes::from_static(wrong)), None);
        }
    }
}
