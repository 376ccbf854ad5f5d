//! Works on orders: what comes out of the queue becomes a receipt in the blob store.
//!
//! Working on one order twice gives the same receipt in the same place, as a queue may hand it out again.

#![allow(missing_docs, reason = "generated from the WIT, which has the sentences")]

use exports::wasi::messaging::incoming_handler::Guest;
use wasi::blobstore::blobstore;
use wasi::blobstore::types::OutgoingValue;
use wasi::messaging::types::{Error, Message};

wit_bindgen::generate!({ world: "desk", path: "wit", generate_all });

struct Desk;
export!(Desk);

/// What things cost, in cents.
const PRICES: &[(&str, u64)] = &[("tea", 350), ("coffee", 420), ("cake", 510), ("sandwich", 780)];

impl Guest for Desk {
    fn handle(message: Message) -> Result<(), Error> {
        let metadata = message.metadata().unwrap_or_default();
        let number = metadata.into_iter().find(|(key, _)| key == "order");
        let (_, number) = number.ok_or_else(|| Error::Other("an order without a number".to_owned()))?;
        let order = message.data();
        put_away(&number, &receipt(&number, &String::from_utf8_lossy(&order))).map_err(Error::Other)
    }
}

fn receipt(number: &str, order: &str) -> String {
    let mut text = format!("order {number}\n");
    let mut sum = 0;
    for line in order.lines().filter(|line| !line.trim().is_empty()) {
        match price(line) {
            Some((article, count, cents)) => {
                sum += cents;
                text.push_str(&format!("{count:>4} {article:<12} {:>8}\n", money(cents)));
            }
            None => text.push_str(&format!("   - {} is not to be had here\n", line.trim())),
        }
    }
    text.push_str(&format!("     {:<12} {:>8}\n", "together", money(sum)));
    text
}

/// What one line of an order is of, how much of it, and what it costs.
fn price(line: &str) -> Option<(&str, u64, u64)> {
    let (count, article) = line.trim().split_once(' ')?;
    let count: u64 = count.parse().ok().filter(|count| (1..=1000).contains(count))?;
    let (article, cents) = PRICES.iter().find(|(known, _)| *known == article.trim())?;
    Some((article, count, count * cents))
}

fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn put_away(number: &str, receipt: &str) -> Result<(), String> {
    let receipts = blobstore::get_container("receipts")?;
    let value = OutgoingValue::new_outgoing_value();
    receipts.write_data(number, &value)?;
    let body = value
        .outgoing_value_write_body()
        .map_err(|()| "nothing can be written".to_owned())?;
    for piece in receipt.as_bytes().chunks(4096) {
        body.blocking_write_and_flush(piece)
            .map_err(|error| format!("{error:?}"))?;
    }
    // The stream first, or the value cannot be finished.
    drop(body);
    OutgoingValue::finish(value)
}
