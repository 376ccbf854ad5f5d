//! A component that takes messages of `wasmcloud:messaging` 0.3.0, and does what their text says: `say TEXT` prints,
//! `fail TEXT`, `reject` and `retry` are errors, `reply TEXT` answers, `send SUBJECT TEXT` publishes, `ask SUBJECT TEXT`
//! prints the reply.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

use exports::wasmcloud::messaging::handler::Guest;
use wasmcloud::messaging::consumer;
use wasmcloud::messaging::types::{BrokerMessage, Error, HandleMessageError};
use wit_bindgen::{StreamReader, StreamResult, spawn_local};

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

struct Component;
export!(Component);

impl Guest for Component {
    async fn handle_message(message: BrokerMessage) -> Result<(), HandleMessageError> {
        let BrokerMessage {
            subject,
            body,
            reply_to,
        } = message;
        let body = read(body).await;
        let text = String::from_utf8_lossy(&body).into_owned();
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let (to, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let came = match word {
            "say" => rest.to_owned(),
            "long" => format!("{} bytes", text.len()),
            "fail" => return Err(HandleMessageError::Other(rest.to_owned())),
            "reject" => return Err(HandleMessageError::Reject),
            "retry" => return Err(HandleMessageError::Retry),
            "reply" => match reply_to {
                Some(to) => publish(to, rest.as_bytes().to_vec(), None).await,
                None => "nobody waits".to_owned(),
            },
            "reply-long" => match reply_to {
                Some(to) => publish(to, vec![b'x'; rest.parse().unwrap_or(0)], None).await,
                None => "nobody waits".to_owned(),
            },
            "send" => publish(to.to_owned(), body.as_bytes().to_vec(), None).await,
            "send-long" => publish(to.to_owned(), vec![b'x'; body.parse().unwrap_or(0)], None).await,
            // Has a reply go where this component may not publish.
            "abuse" => publish(to.to_owned(), body.as_bytes().to_vec(), Some("secret.place".to_owned())).await,
            "ask" => ask(to.to_owned(), body).await,
            // Goes on after it has returned.
            "later" => {
                let (to, body) = (to.to_owned(), body.to_owned());
                spawn_local(async move {
                    for number in 0..5 {
                        publish(to.clone(), format!("{body} {number}").into_bytes(), None).await;
                    }
                });
                "returned".to_owned()
            }
            _ => return Err(HandleMessageError::Other(format!("`{word}` is nothing to do"))),
        };
        println!("{subject}: {came}");
        Ok(())
    }
}

/// A stream of these bytes, in pieces.
fn stream(bytes: Vec<u8>) -> StreamReader<u8> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        for piece in bytes.chunks(100_000) {
            if !writer.write_all(piece.to_vec()).await.is_empty() {
                return;
            }
        }
    });
    reader
}

async fn publish(subject: String, body: Vec<u8>, reply_to: Option<String>) -> String {
    let message = BrokerMessage {
        subject,
        body: stream(body),
        reply_to,
    };
    match consumer::publish(message).await {
        Ok(()) => "done".to_owned(),
        Err(error) => show(&error),
    }
}

async fn ask(to: String, body: &str) -> String {
    match consumer::request(to, stream(body.as_bytes().to_vec()), Some(1500)).await {
        Ok(reply) => {
            let body = read(reply.body).await;
            match body.len() {
                0..100 => String::from_utf8_lossy(&body).into_owned(),
                many => format!("{many} bytes"),
            }
        }
        Err(error) => show(&error),
    }
}

async fn read(mut stream: StreamReader<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let (result, piece) = stream.read(Vec::with_capacity(10_000)).await;
        bytes.extend(piece);
        if !matches!(result, StreamResult::Complete(_)) {
            return bytes;
        }
    }
}

fn show(error: &Error) -> String {
    match error {
        Error::SubjectInvalid => "subject invalid".to_owned(),
        Error::AccessDenied => "access denied".to_owned(),
        Error::Timeout => "timeout".to_owned(),
        Error::BrokerUnavailable => "broker unavailable".to_owned(),
        Error::MessageTooLarge => "message too large".to_owned(),
        Error::QuotaExceeded => "quota exceeded".to_owned(),
        Error::Other(why) => why.clone(),
    }
}
