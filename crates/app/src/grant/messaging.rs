//! Clients: which queues a component reaches through `wasi:messaging`, under which names, and which subjects of them.

use std::num::NonZeroU32;

use crate::queue::MessageQueue;
use crate::subject::{Pattern, Subject};

/// The queues that a component may send messages to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessagingGrant {
    /// No two have the same name.
    pub clients: Vec<ClientGrant>,
}

/// One queue, as one component sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientGrant {
    /// The name under which the component connects to it.
    pub name: String,
    /// Where its messages go.
    pub queue: MessageQueue,
    /// Subjects that it may publish to.
    pub publish: Vec<Pattern>,
    /// Subjects that it may publish to and wait for replies.
    pub request: Vec<Pattern>,
    /// Bytes of the largest message that it may send, where that is less than any queue takes.
    pub message_bytes_max: Option<u64>,
    /// Messages that it may send in a second, on average.
    pub calls_per_second_max: Option<NonZeroU32>,
}

impl ClientGrant {
    /// Every subject of a queue, under a name.
    #[must_use]
    pub fn whole(name: &str, queue: MessageQueue) -> Self {
        Self {
            name: name.to_owned(),
            queue,
            publish: vec![Pattern::everything()],
            request: vec![Pattern::everything()],
            message_bytes_max: None,
            calls_per_second_max: None,
        }
    }

    /// Whether it may publish to a subject. Whoever knows an inbox was asked for a reply, and may give it.
    #[must_use]
    pub fn may_publish(&self, subject: &Subject) -> bool {
        subject.is_inbox() || self.publish.iter().any(|pattern| pattern.covers(subject))
    }

    /// Whether it may ask a subject for replies.
    #[must_use]
    pub fn may_request(&self, subject: &Subject) -> bool {
        self.request.iter().any(|pattern| pattern.covers(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::QueueBackend;

    #[test]
    fn subjects_are_granted_for_publishing_and_for_asking_apart() {
        let queue = MessageQueue {
            name: "orders".parse().unwrap(),
            backend: QueueBackend::Memory { bytes_max: 1 },
        };
        let grant = ClientGrant {
            publish: vec!["order.*".parse().unwrap()],
            request: vec!["price.>".parse().unwrap()],
            ..ClientGrant::whole("default", queue)
        };
        let subject = |text: &str| text.parse::<Subject>().unwrap();
        assert!(grant.may_publish(&subject("order.new")) && !grant.may_request(&subject("order.new")));
        assert!(grant.may_request(&subject("price.of.tea")) && !grant.may_publish(&subject("price.of.tea")));
        assert!(grant.may_publish(&Subject::inbox(1)) && !grant.may_request(&Subject::inbox(1)));
    }
}
