//! A component that takes messages of `wasmcloud:messaging` 0.2.0, and does what their text says: `say TEXT` prints,
//! `fail TEXT` is an error, `reply TEXT` answers, `send SUBJECT TEXT` publishes, `ask SUBJECT TEXT` prints the reply.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

use exports::wasmcloud::messaging::handler::Guest;
use wasmcloud::messaging::consumer;
use wasmcloud::messaging::types::BrokerMessage;

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

struct Component;
export!(Component);

impl Guest for Component {
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let (to, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let publish = |subject: &str, body: &str, reply_to: Option<String>| {
            let message = BrokerMessage {
                subject: subject.to_owned(),
                body: body.as_bytes().to_vec(),
                reply_to,
            };
            match consumer::publish(&message) {
                Ok(()) => "done".to_owned(),
                Err(why) => why,
            }
        };
        let came = match word {
            "say" => rest.to_owned(),
            "fail" => return Err(rest.to_owned()),
            "reply" => match &message.reply_to {
                Some(to) => publish(to, rest, None),
                None => "nobody waits".to_owned(),
            },
            "send" => publish(to, body, None),
            // Has a reply go where this component may not publish.
            "abuse" => publish(to, body, Some("secret.place".to_owned())),
            "ask" => match consumer::request(to, body.as_bytes(), 1500) {
                Ok(reply) => String::from_utf8_lossy(&reply.body).into_owned(),
                Err(why) => why,
            },
            _ => return Err(format!("`{word}` is nothing to do")),
        };
        println!("{}: {came}", message.subject);
        Ok(())
    }
}
