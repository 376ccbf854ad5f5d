//! Handing a message to a component.

use wasmtime::component::{Resource, ResourceTable};
use weft_runtime::entry::handler::HandlerProgram;
use weft_runtime::entry::http::Failure;
use weft_stores::queue;

use super::Message;
use super::host::{BrokerMessage, Error};

/// The interfaces by which a component takes messages. Where it exports both, the first counts.
pub const INCOMING: [&str; 2] = [
    "wasi:messaging/incoming-handler@0.2.0-draft",
    "wasmcloud:messaging/handler@0.2.0",
];

/// What a component made of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It worked on it.
    Done,
    /// It could not; why, in its words.
    Refused(String),
}

/// Hands a message to a new instance of a component, and waits until it has worked on it.
///
/// # Errors
/// It takes no messages, or ends before it has worked on this one.
///
/// # Limits
/// Everything but time, which the caller bounds: dropping the future ends the guest.
pub async fn hand(program: &HandlerProgram, message: queue::Message) -> Result<Taken, Failure> {
    let [wasi, wasmcloud] = INCOMING;
    let refused = match program.exported(&INCOMING) {
        Some(interface) if interface == wasi => {
            let parameters = move |table: &mut ResourceTable| {
                let handle: Resource<Message> = table.push(Message::from(message))?;
                Ok((handle,))
            };
            let (taken,): (Result<(), Error>,) = program.call(wasi, "handle", parameters).await?;
            taken.err().map(|error| error.to_string())
        }
        _ => {
            let message = BrokerMessage::from(message);
            let parameters = move |_: &mut ResourceTable| Ok((message,));
            let (taken,): (Result<(), String>,) =
                program.call(wasmcloud, "handle-message", parameters).await?;
            taken.err()
        }
    };
    Ok(refused.map_or(Taken::Done, Taken::Refused))
}
