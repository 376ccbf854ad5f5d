//! Takes orders: `POST /orders` puts one into the queue and says where its receipt will be, `GET /orders/NUMBER` gives
//! the receipt once the desk has written it.

use wasi::blobstore::blobstore;
use wasi::messaging::producer;
use wasi::messaging::types::{Client, Error, Message};
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

wit_bindgen::generate!({ world: "counter", path: "wit", generate_all });

struct Counter;
wasip2::http::proxy::export!(Counter);

/// What is said to a client: a status, a text, and where to look next.
struct Answer {
    status: u16,
    text: String,
    location: Option<String>,
}

impl Answer {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            location: None,
        }
    }
}

impl wasip2::exports::http::incoming_handler::Guest for Counter {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let told = match (request.method(), path.strip_prefix("/orders")) {
            (Method::Post, Some("" | "/")) => match read(&request).and_then(|order| take(&order)) {
                Ok(number) => Answer {
                    location: Some(format!("/orders/{number}")),
                    ..Answer::new(202, format!("order {number} is taken\n"))
                },
                Err(answer) => answer,
            },
            (Method::Get, Some(number)) => look(number.trim_start_matches('/')),
            _ => Answer::new(404, "POST /orders, or GET /orders/NUMBER\n"),
        };
        answer(out, &told);
    }
}

/// Puts an order into the queue, under a number that nobody guesses.
fn take(order: &str) -> Result<String, Answer> {
    if order.trim().is_empty() {
        return Err(Answer::new(
            400,
            "an order has a line for each article: COUNT ARTICLE\n",
        ));
    }
    let number = format!(
        "{:016x}{:016x}",
        wasip2::random::random::get_random_u64(),
        wasip2::random::random::get_random_u64()
    );
    let message = Message::new(order.as_bytes());
    message.set_content_type("text/plain");
    message.add_metadata("order", &number);
    let sent = Client::connect("default").and_then(|client| producer::send(&client, "order.new", message));
    sent.map_err(|error| Answer::new(503, format!("orders are not taken now: {}\n", explain(&error))))?;
    Ok(number)
}

fn look(number: &str) -> Answer {
    let is_number = number.len() == 32 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_number {
        return Answer::new(404, "there is no such order\n");
    }
    let receipt = blobstore::get_container("receipts").and_then(|receipts| {
        if !receipts.has_object(number)? {
            return Ok(None);
        }
        let receipt = receipts.get_data(number, 0, u64::MAX)?;
        wasi::blobstore::types::IncomingValue::incoming_value_consume_sync(receipt).map(Some)
    });
    match receipt {
        Ok(Some(receipt)) => Answer::new(200, String::from_utf8_lossy(&receipt)),
        Ok(None) => Answer::new(404, "there is no receipt for it, or not yet\n"),
        Err(why) => Answer::new(503, format!("receipts cannot be read now: {why}\n")),
    }
}

fn explain(error: &Error) -> String {
    match error {
        Error::Timeout => "the queue is slow".to_owned(),
        Error::Connection(why) | Error::PermissionDenied(why) | Error::Other(why) => why.clone(),
    }
}

fn read(request: &IncomingRequest) -> Result<String, Answer> {
    let broken = || Answer::new(400, "the order broke off\n");
    let body = request.consume().map_err(|()| broken())?;
    let stream = body.stream().map_err(|()| broken())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err(broken()),
        }
    }
    String::from_utf8(bytes).map_err(|_| Answer::new(400, "the order is not text\n"))
}

fn answer(out: ResponseOutparam, told: &Answer) {
    let headers = Fields::new();
    // Names and values that are known to be allowed, and a status that is one.
    let _ = headers.append("content-type", b"text/plain; charset=utf-8");
    if let Some(location) = &told.location {
        let _ = headers.append("location", location.as_bytes());
    }
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(told.status);
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    let Ok(stream) = body.write() else { return };
    for piece in told.text.as_bytes().chunks(4096) {
        // A client that went away hears nothing more.
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
