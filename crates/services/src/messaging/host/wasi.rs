//! `wasi:messaging@0.2.0-draft`.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{LinkerInstance, Resource, ResourceType};
use weft_runtime::Cell;

use super::{Error, Guest, service, table};
use crate::messaging::{Client, Message, Refusal, subject};

/// What a call comes to: an error of the interface is an answer, one of the engine ends the guest.
type Answered<T> = wasmtime::Result<(Result<T, Error>,)>;

fn answer<T>(answered: Result<T, Refusal>) -> Answered<T> {
    Ok((answered.map_err(Error::from),))
}

/// The resource `client`.
struct Connection(Arc<Client>);

/// The resource `request-options`.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    wait: Option<Duration>,
    replies: Option<u32>,
}

pub(in crate::messaging) fn types(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    client(instance, principal)?;
    instance.resource(
        "message",
        ResourceType::host::<Message>(),
        move |mut store, handle| {
            table(&mut store, principal)?.delete(Resource::<Message>::new_own(handle))?;
            Ok(())
        },
    )?;
    instance.func_wrap(
        "[constructor]message",
        move |mut store: Guest<'_>, (data,): (Vec<u8>,)| {
            let (messaging, table) = service(&mut store, principal)?;
            let mut message = Message {
                data: data.into(),
                ..Message::default()
            };
            message.count(&messaging.held)?;
            Ok((table.push(message)?,))
        },
    )?;
    reading(instance, principal)?;
    writing(instance, principal)
}

fn client(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.resource(
        "client",
        ResourceType::host::<Connection>(),
        move |mut store, handle| {
            table(&mut store, principal)?.delete(Resource::<Connection>::new_own(handle))?;
            Ok(())
        },
    )?;
    instance.func_wrap(
        "[static]client.connect",
        move |mut store: Guest<'_>, (name,): (String,)| {
            let (messaging, table) = service(&mut store, principal)?;
            match messaging.connect(&name) {
                Ok(client) => answer(Ok(table.push(Connection(client))?)),
                Err(refusal) => answer(Err(refusal)),
            }
        },
    )?;
    instance.func_wrap(
        "[method]client.disconnect",
        move |mut store: Guest<'_>, (handle,): (Resource<Connection>,)| {
            // There is nothing to be closed: the queue is everybody's, and the handle is dropped by the guest.
            table(&mut store, principal)?.get(&handle)?;
            answer(Ok(()))
        },
    )
}

fn reading(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap(
        "[method]message.topic",
        move |mut store: Guest<'_>, (handle,): (Resource<Message>,)| {
            let message = table(&mut store, principal)?.get(&handle)?;
            Ok((message.subject.as_ref().map(ToString::to_string),))
        },
    )?;
    instance.func_wrap(
        "[method]message.content-type",
        move |mut store: Guest<'_>, (handle,): (Resource<Message>,)| {
            Ok((table(&mut store, principal)?.get(&handle)?.content_type.clone(),))
        },
    )?;
    instance.func_wrap(
        "[method]message.data",
        move |mut store: Guest<'_>, (handle,): (Resource<Message>,)| {
            Ok((Vec::from(
                table(&mut store, principal)?.get(&handle)?.data.clone(),
            ),))
        },
    )?;
    instance.func_wrap(
        "[method]message.metadata",
        move |mut store: Guest<'_>, (handle,): (Resource<Message>,)| {
            Ok((table(&mut store, principal)?.get(&handle)?.metadata.clone(),))
        },
    )
}

fn writing(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap(
        "[method]message.set-content-type",
        move |mut store: Guest<'_>, (handle, content_type): (Resource<Message>, String)| {
            change(&mut store, principal, &handle, |message| {
                message.content_type = Some(content_type);
            })
        },
    )?;
    instance.func_wrap(
        "[method]message.set-data",
        move |mut store: Guest<'_>, (handle, data): (Resource<Message>, Vec<u8>)| {
            change(&mut store, principal, &handle, |message| {
                message.data = data.into()
            })
        },
    )?;
    instance.func_wrap(
        "[method]message.add-metadata",
        move |mut store: Guest<'_>, (handle, key, value): (Resource<Message>, String, String)| {
            change(&mut store, principal, &handle, |message| {
                let metadata = message.metadata.get_or_insert_default();
                match metadata.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, known)) => *known = value,
                    None => metadata.push((key, value)),
                }
            })
        },
    )?;
    instance.func_wrap(
        "[method]message.set-metadata",
        move |mut store: Guest<'_>, (handle, all): (Resource<Message>, Vec<(String, String)>)| {
            change(&mut store, principal, &handle, |message| {
                message.metadata = Some(all)
            })
        },
    )?;
    instance.func_wrap(
        "[method]message.remove-metadata",
        move |mut store: Guest<'_>, (handle, key): (Resource<Message>, String)| {
            change(&mut store, principal, &handle, |message| {
                if let Some(metadata) = &mut message.metadata {
                    metadata.retain(|(known, _)| *known != key);
                }
            })
        },
    )
}

fn change(
    store: &mut Guest<'_>,
    principal: usize,
    handle: &Resource<Message>,
    change: impl FnOnce(&mut Message),
) -> wasmtime::Result<()> {
    let (messaging, table) = service(store, principal)?;
    let message = table.get_mut(handle)?;
    change(message);
    message.count(&messaging.held)
}

pub(in crate::messaging) fn producer(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    instance.func_wrap_async(
        "send",
        move |mut store: Guest<'_>,
              (connection, topic, message): (Resource<Connection>, String, Resource<Message>)| {
            Box::new(async move {
                let table = table(&mut store, principal)?;
                let message = table.delete(message)?;
                let client = Arc::clone(&table.get(&connection)?.0);
                let to = match subject(&topic) {
                    Ok(to) => to,
                    Err(refusal) => return answer(Err(refusal)),
                };
                answer(client.publish(message.to(to)).await)
            })
        },
    )
}

pub(in crate::messaging) fn request_reply(
    instance: &mut LinkerInstance<'_, Cell>,
    principal: usize,
) -> wasmtime::Result<()> {
    options(instance, principal)?;
    instance.func_wrap_async(
        "request",
        move |mut store: Guest<'_>,
              (connection, topic, message, options): (
            Resource<Connection>,
            String,
            Resource<Message>,
            Option<Resource<Options>>,
        )| {
            Box::new(async move {
                let table = table(&mut store, principal)?;
                let options = match options {
                    Some(options) => table.delete(options)?,
                    None => Options::default(),
                };
                let client = Arc::clone(&table.get(&connection)?.0);
                let message = match subject(&topic) {
                    Ok(to) => table.get(&message)?.to(to),
                    Err(refusal) => return answer(Err(refusal)),
                };
                let wanted = usize::try_from(options.replies.unwrap_or(1)).unwrap_or(usize::MAX);
                let replies = client.request(message, wanted, options.wait).await;
                let replies = match replies {
                    Ok(replies) => replies,
                    Err(refusal) => return answer(Err(refusal)),
                };
                let (messaging, table) = service(&mut store, principal)?;
                let mut handles = Vec::with_capacity(replies.len());
                for reply in replies {
                    let mut reply = Message::from(reply);
                    reply.count(&messaging.held)?;
                    handles.push(table.push(reply)?);
                }
                answer(Ok(handles))
            })
        },
    )?;
    instance.func_wrap_async(
        "reply",
        move |mut store: Guest<'_>, (asked, reply): (Resource<Message>, Resource<Message>)| {
            Box::new(async move {
                let table = table(&mut store, principal)?;
                let reply = table.delete(reply)?;
                let Some(to) = table.get(&asked)?.reply_to.clone() else {
                    // Nobody waits for a reply, and the interface has that be nothing.
                    return answer(Ok(()));
                };
                let reply = reply.to(to);
                let (messaging, _) = service(&mut store, principal)?;
                answer(messaging.publishing(reply).await)
            })
        },
    )
}

fn options(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.resource(
        "request-options",
        ResourceType::host::<Options>(),
        move |mut store, handle| {
            table(&mut store, principal)?.delete(Resource::<Options>::new_own(handle))?;
            Ok(())
        },
    )?;
    instance.func_wrap(
        "[constructor]request-options",
        move |mut store: Guest<'_>, (): ()| Ok((table(&mut store, principal)?.push(Options::default())?,)),
    )?;
    instance.func_wrap(
        "[method]request-options.set-timeout-ms",
        move |mut store: Guest<'_>, (handle, millis): (Resource<Options>, u32)| {
            table(&mut store, principal)?.get_mut(&handle)?.wait = Some(Duration::from_millis(millis.into()));
            Ok(())
        },
    )?;
    instance.func_wrap(
        "[method]request-options.set-expected-replies",
        move |mut store: Guest<'_>, (handle, replies): (Resource<Options>, u32)| {
            table(&mut store, principal)?.get_mut(&handle)?.replies = Some(replies);
            Ok(())
        },
    )
}
