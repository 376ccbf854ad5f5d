//! A component that takes messages of `wasi:messaging` 0.2.0-draft, and does what their text says.
//!
//! It prints a line for each that it works on. `say TEXT` prints, `fail TEXT` is an error, `trap` and `spin` are what
//! they are called, `reply TEXT` replies, `send TOPIC TEXT` publishes, `ask TOPIC TEXT` prints the first reply to it.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

use exports::wasi::messaging::incoming_handler::Guest;
use wasi::messaging::producer;
use wasi::messaging::request_reply::{self, RequestOptions};
use wasi::messaging::types::{Client, Error, Message};

wit_bindgen::generate!({ world: "guest", path: "wit", generate_all });

struct Component;
export!(Component);

impl Guest for Component {
    fn handle(message: Message) -> Result<(), Error> {
        let text = String::from_utf8_lossy(&message.data()).into_owned();
        let topic = message.topic().unwrap_or_default();
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let came = match word {
            "say" => rest.to_owned(),
            "about" => format!("{:?} {:?}", message.content_type(), message.metadata()),
            "fail" => return Err(Error::Other(rest.to_owned())),
            "trap" => panic!("as it was told"),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "reply" => show(request_reply::reply(&message, Message::new(rest.as_bytes()))),
            "send" => {
                let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let client = Client::connect("default")?;
                show(producer::send(&client, to, Message::new(text.as_bytes())))
            }
            "ask" => {
                let (to, text) = rest.split_once(' ').unwrap_or((rest, ""));
                ask(to, text)
            }
            _ => return Err(Error::Other(format!("`{word}` is nothing to do"))),
        };
        println!("{topic}: {came}");
        Ok(())
    }
}

fn ask(to: &str, text: &str) -> String {
    let client = match Client::connect("default") {
        Ok(client) => client,
        Err(error) => return format!("{error:?}"),
    };
    let options = RequestOptions::new();
    options.set_timeout_ms(1500);
    let asked = Message::new(text.as_bytes());
    match request_reply::request(&client, to, &asked, Some(options)) {
        Ok(replies) => {
            let texts = replies
                .iter()
                .map(|reply| String::from_utf8_lossy(&reply.data()).into_owned());
            texts.collect::<Vec<_>>().join(" and ")
        }
        Err(error) => format!("{error:?}"),
    }
}

fn show(done: Result<(), Error>) -> String {
    match done {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}
