//! Handing a message to a component.

use wasmtime::StoreContextMut;
use wasmtime::component::Resource;
use weft_runtime::Cell;
use weft_runtime::entry::handler::HandlerProgram;
use weft_runtime::entry::http::Failure;
use weft_stores::queue;

use super::Message;
use super::host::{BrokerMessage, Error, HandleMessageError, StreamedMessage};

/// The interfaces by which a component takes messages. Where it exports several, the first counts.
const INCOMING: [&str; 3] = [
    "wasi:messaging/incoming-handler@0.2.0-draft",
    "wasmcloud:messaging/handler@0.3.0",
    "wasmcloud:messaging/handler@0.2.0",
];

/// What a component made of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It worked on it.
    Done,
    /// It could not; why, in its words.
    Refused(String),
    /// It could not, and says that it never will.
    Rejected(String),
}

/// Hands a message to a new instance of a component, and waits until it has worked on it.
///
/// # Errors
/// It takes no messages, or ends before it has worked on this one.
///
/// # Limits
/// Everything but time, which the caller bounds: dropping the future ends the guest.
pub async fn hand(program: &HandlerProgram, message: queue::Message) -> Result<Taken, Failure> {
    let [wasi, streamed, wasmcloud] = INCOMING;
    match program.exported(&INCOMING) {
        Some(interface) if interface == wasi => {
            let parameters = move |mut store: StoreContextMut<'_, Cell>| {
                let handle: Resource<Message> = store.data_mut().table().push(Message::from(message))?;
                Ok((handle,))
            };
            let (taken,): (Result<(), Error>,) = program.call(wasi, "handle", parameters).await?;
            Ok(taken.map_or_else(|error| Taken::Refused(error.to_string()), |()| Taken::Done))
        }
        Some(interface) if interface == streamed => {
            let parameters =
                move |store: StoreContextMut<'_, Cell>| Ok((StreamedMessage::of(store, message)?,));
            let (taken,): (Result<(), HandleMessageError>,) =
                program.call(streamed, "handle-message", parameters).await?;
            Ok(taken.map_or_else(Taken::from, |()| Taken::Done))
        }
        _ => {
            let message = BrokerMessage::from(message);
            let parameters = move |_: StoreContextMut<'_, Cell>| Ok((message,));
            let (taken,): (Result<(), String>,) =
                program.call(wasmcloud, "handle-message", parameters).await?;
            Ok(taken.map_or_else(Taken::Refused, |()| Taken::Done))
        }
    }
}

impl From<HandleMessageError> for Taken {
    fn from(error: HandleMessageError) -> Self {
        match error {
            HandleMessageError::Retry => Self::Refused("retry".to_owned()),
            HandleMessageError::Reject => Self::Rejected("reject".to_owned()),
            // The interface has it count as a rejection.
            HandleMessageError::Other(why) => Self::Rejected(why),
        }
    }
}
