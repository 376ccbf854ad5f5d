//! Hides e-mail addresses. Somebody else wrote this; it is handed two streams and can reach nothing else.

mod addresses;

wit_bindgen::generate!({
    path: "../wit",
    world: "filter",
    with: {
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use addresses::Hider;
use example::redact::tally::{Totals, Writer};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// Bytes that are read at once: memory stays the same however long the stream is.
const PIECE_BYTES: u64 = 64 * 1024;

struct Redactor;
export!(Redactor);

impl exports::example::redact::redactor::Guest for Redactor {
    fn redact(from: InputStream, to: OutputStream) -> Result<Totals, String> {
        // The sink takes the stream over: from here on only it can write there.
        let writer = Writer::new(to);
        let mut hider = Hider::default();
        loop {
            match from.blocking_read(PIECE_BYTES) {
                Ok(piece) => writer.write(&hider.take(&piece))?,
                Err(StreamError::Closed) => break,
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(format!("cannot read: {}", error.to_debug_string()));
                }
            }
        }
        writer.write(&hider.end())?;
        Ok(writer.totals())
    }
}
