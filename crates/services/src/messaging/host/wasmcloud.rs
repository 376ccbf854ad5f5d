//! `wasmcloud:messaging@0.2.0`, which names no client: a message goes to the first queue whose grant covers its subject.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower};
use weft_app::grant::ClientGrant;
use weft_runtime::Cell;
use weft_stores::queue;

use super::{Guest, service};
use crate::messaging::{Refusal, subject};

/// The record `broker-message`.
#[derive(Debug, Clone, ComponentType, Lower, Lift)]
#[component(record)]
pub(in crate::messaging) struct BrokerMessage {
    subject: String,
    body: Vec<u8>,
    #[component(name = "reply-to")]
    reply_to: Option<String>,
}

impl From<queue::Message> for BrokerMessage {
    fn from(message: queue::Message) -> Self {
        Self {
            subject: message.subject.to_string(),
            body: message.body.into(),
            reply_to: message.reply_to.map(|subject| subject.to_string()),
        }
    }
}

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, String>,)>;

fn answer<T>(answered: Result<T, Refusal>) -> Answered<T> {
    Ok((answered.map_err(|refusal| super::Error::from(refusal).to_string()),))
}

/// It has types only.
#[expect(clippy::unnecessary_wraps, reason = "as all that register an interface")]
pub(in crate::messaging) fn types(_: &mut LinkerInstance<'_, Cell>, _: usize) -> wasmtime::Result<()> {
    Ok(())
}

pub(in crate::messaging) fn consumer(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "publish",
        move |mut store: Guest<'_>, (message,): (BrokerMessage,)| {
            Box::new(async move {
                let (messaging, _) = service(&mut store, principal)?;
                let message = match told(message) {
                    Ok(message) => message,
                    Err(refusal) => return answer(Err(refusal)),
                };
                answer(messaging.publishing(message).await)
            })
        },
    )?;
    instance.func_wrap_async(
        "request",
        move |mut store: Guest<'_>, (to, body, millis): (String, Vec<u8>, u32)| {
            Box::new(async move {
                let (messaging, _) = service(&mut store, principal)?;
                let asked = subject(&to).and_then(|to| {
                    let client = messaging.client_for(&to, ClientGrant::may_request)?;
                    Ok((Arc::clone(client), queue::Message::new(to, body)))
                });
                let (client, message) = match asked {
                    Ok(asked) => asked,
                    Err(refusal) => return answer(Err(refusal)),
                };
                let wait = Duration::from_millis(millis.into());
                let replies = client.request(message, 1, Some(wait)).await;
                let first = |replies: Vec<queue::Message>| replies.into_iter().next().ok_or(Refusal::Timeout);
                answer(replies.and_then(first).map(BrokerMessage::from))
            })
        },
    )
}

fn told(message: BrokerMessage) -> Result<queue::Message, Refusal> {
    let mut told = queue::Message::new(subject(&message.subject)?, message.body);
    told.reply_to = message.reply_to.as_deref().map(subject).transpose()?;
    Ok(told)
}
