//! `wasmcloud:messaging@0.3.0`: asynchronous functions, bodies as streams, and errors with names.
//!
//! A queue takes a message as a whole, so a body is gathered before it is sent, up to what a message may have.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;
use wasmtime::component::{
    Accessor, ComponentType, Destination, Lift, LinkerInstance, Lower, Source, StreamConsumer,
    StreamProducer, StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut, StoreContextMut};
use weft_app::grant::ClientGrant;
use weft_runtime::Cell;
use weft_stores::queue::{self, MESSAGE_BYTES_MAX};

use super::service;
use crate::messaging::held::{Held, Room};
use crate::messaging::{Refusal, subject};

/// Bytes for which room is made where the host reads what the host writes.
const DIRECT_BYTES: usize = 16 << 10;

/// The record `broker-message`.
#[derive(Debug, ComponentType, Lower, Lift)]
#[component(record)]
pub(in crate::messaging) struct BrokerMessage {
    subject: String,
    body: StreamReader<u8>,
    #[component(name = "reply-to")]
    reply_to: Option<String>,
}

impl BrokerMessage {
    /// A message on its way to a guest.
    pub(in crate::messaging) fn of(
        store: impl AsContextMut<Data = Cell>,
        message: queue::Message,
    ) -> wasmtime::Result<Self> {
        Self::with_room(store, message, Room::default())
    }

    fn with_room(
        store: impl AsContextMut<Data = Cell>,
        message: queue::Message,
        room: Room,
    ) -> wasmtime::Result<Self> {
        let body = Body {
            left: message.body,
            _room: room,
        };
        Ok(Self {
            subject: message.subject.to_string(),
            body: StreamReader::new(store, body)?,
            reply_to: message.reply_to.map(|subject| subject.to_string()),
        })
    }
}

/// The variant `handle-message-error`.
#[derive(Debug, ComponentType, Lift)]
#[component(variant)]
pub(in crate::messaging) enum HandleMessageError {
    #[component(name = "reject")]
    Reject,
    #[component(name = "retry")]
    Retry,
    #[component(name = "other")]
    Other(String),
}

/// The variant `error`.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "subject-invalid")]
    SubjectInvalid,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "broker-unavailable")]
    BrokerUnavailable,
    #[component(name = "message-too-large")]
    MessageTooLarge,
    #[component(name = "quota-exceeded")]
    QuotaExceeded,
    #[component(name = "other")]
    Other(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(_) => Self::AccessDenied,
            Refusal::Timeout => Self::Timeout,
            Refusal::Connection(_) => Self::BrokerUnavailable,
            Refusal::Subject(_) => Self::SubjectInvalid,
            Refusal::TooLarge(_) => Self::MessageTooLarge,
            Refusal::Full(_) => Self::QuotaExceeded,
            Refusal::Other(why) => Self::Other(why),
        }
    }
}

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, Error>,)>;

fn answer<T>(answered: Result<T, Refusal>) -> Answered<T> {
    Ok((answered.map_err(Error::from),))
}

pub(in crate::messaging) fn consumer(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    instance.func_wrap_concurrent(
        "publish",
        move |accessor: &Accessor<Cell>, (message,): (BrokerMessage,)| {
            Box::pin(async move { answer(publish(accessor, principal, message).await?) })
        },
    )?;
    instance.func_wrap_concurrent(
        "request",
        move |accessor: &Accessor<Cell>, (to, body, millis): (String, StreamReader<u8>, Option<u32>)| {
            Box::pin(async move {
                let wait = millis.map(|millis| Duration::from_millis(millis.into()));
                answer(request(accessor, principal, &to, body, wait).await?)
            })
        },
    )
}

async fn publish(
    accessor: &Accessor<Cell>,
    principal: usize,
    message: BrokerMessage,
) -> wasmtime::Result<Result<(), Refusal>> {
    let gathering = gather(accessor, principal, message.body)?;
    let way = accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let (messaging, _) = service(&mut store, principal)?;
        let reply_to = message.reply_to.as_deref().map(subject).transpose();
        let way = subject(&message.subject).and_then(|to| Ok((messaging.way(&to)?, to)));
        Ok::<_, wasmtime::Error>(way.and_then(|(way, to)| Ok((way, to, reply_to?))))
    })?;
    let published = async {
        let (way, to, reply_to) = way?;
        let body = gathering.whole().await?;
        let mut message = queue::Message::new(to, body.bytes.clone());
        message.reply_to = reply_to;
        way.publish(message).await
    };
    Ok(published.await)
}

async fn request(
    accessor: &Accessor<Cell>,
    principal: usize,
    to: &str,
    body: StreamReader<u8>,
    wait: Option<Duration>,
) -> wasmtime::Result<Result<BrokerMessage, Refusal>> {
    let gathering = gather(accessor, principal, body)?;
    let asked = accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let (messaging, _) = service(&mut store, principal)?;
        Ok::<_, wasmtime::Error>(subject(to).and_then(|to| {
            let client = messaging.client_for(&to, ClientGrant::may_request)?;
            Ok((Arc::clone(client), to))
        }))
    })?;
    let held = Arc::clone(&gathering.held);
    let replied = async {
        let (client, to) = asked?;
        let body = gathering.whole().await?;
        let message = queue::Message::new(to, body.bytes.clone());
        let replies = client.request(message, 1, wait).await?;
        let reply = replies.into_iter().next().ok_or(Refusal::Timeout)?;
        let mut room = Room::default();
        if room.fits(&held, reply.body.len() as u64) {
            Ok((reply, room))
        } else {
            Err(no_room())
        }
    };
    match replied.await {
        Ok((reply, room)) => {
            let reply = accessor.with(|access| BrokerMessage::with_room(access, reply, room))?;
            Ok(Ok(reply))
        }
        Err(refusal) => Ok(Err(refusal)),
    }
}

fn no_room() -> Refusal {
    Refusal::Full("there is no room for more messages".to_owned())
}

/// A body that was gathered.
struct Whole {
    bytes: Bytes,
    /// It is counted until it has been sent.
    _room: Room,
}

/// A body that is being gathered.
struct Gathering {
    held: Arc<Held>,
    end: oneshot::Receiver<Result<Whole, Refusal>>,
}

impl Gathering {
    async fn whole(self) -> Result<Whole, Refusal> {
        let lost = |_| Err(Refusal::Other("the body is lost".to_owned()));
        self.end.await.unwrap_or_else(lost)
    }
}

/// Begins to gather a body, before anything is waited for: a stream that nobody reads would hold its writer for ever.
fn gather(
    accessor: &Accessor<Cell>,
    principal: usize,
    body: StreamReader<u8>,
) -> wasmtime::Result<Gathering> {
    accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let held = Arc::clone(&service(&mut store, principal)?.0.held);
        let (told, end) = oneshot::channel();
        let intake = Intake {
            bytes: BytesMut::new(),
            room: Room::default(),
            held: Arc::clone(&held),
            told: Some(told),
        };
        body.pipe(store, intake)?;
        Ok(Gathering { held, end })
    })
}

/// What gathers a body.
struct Intake {
    bytes: BytesMut,
    room: Room,
    held: Arc<Held>,
    /// Where it is told what was gathered, once the stream has ended.
    told: Option<oneshot::Sender<Result<Whole, Refusal>>>,
}

impl Intake {
    fn take(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let bytes = self.bytes.len().saturating_add(piece.len());
        if bytes > MESSAGE_BYTES_MAX {
            let why = format!("a message of more than the {MESSAGE_BYTES_MAX} bytes that are allowed");
            return Err(Refusal::TooLarge(why));
        }
        if !self.room.fits(&self.held, bytes as u64) {
            return Err(no_room());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn tell(&mut self, gathered: Result<Whole, Refusal>) {
        if let Some(told) = self.told.take() {
            // Whoever asked may be gone.
            let _ = told.send(gathered);
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let whole = Whole {
            bytes: std::mem::take(&mut self.bytes).freeze(),
            _room: std::mem::take(&mut self.room),
        };
        self.tell(Ok(whole));
    }
}

impl StreamConsumer<Cell> for Intake {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, Cell>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if self.told.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        let mut source = source.as_direct(store);
        let piece = source.remaining();
        let count = piece.len();
        Poll::Ready(Ok(match self.take(piece) {
            Ok(()) => {
                source.mark_read(count);
                StreamResult::Completed
            }
            Err(refusal) => {
                self.tell(Err(refusal));
                StreamResult::Dropped
            }
        }))
    }
}

/// A body on its way to a guest.
struct Body {
    left: Bytes,
    /// It is counted until it has been read.
    _room: Room,
}

impl StreamProducer<Cell> for Body {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'a, Cell>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut room = destination.as_direct(store, DIRECT_BYTES);
        let into = room.remaining();
        let left = &mut self.left;
        let taken = left.split_to(left.len().min(into.len()));
        if let Some(into) = into.get_mut(..taken.len()) {
            into.copy_from_slice(&taken);
        }
        room.mark_written(taken.len());
        Poll::Ready(Ok(if self.left.is_empty() {
            StreamResult::Dropped
        } else {
            StreamResult::Completed
        }))
    }
}
