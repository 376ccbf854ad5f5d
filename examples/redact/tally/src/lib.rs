//! Writes to the stream it is handed, and keeps count of what it wrote.

wit_bindgen::generate!({
    path: "../wit",
    world: "sink",
    with: {
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use std::cell::RefCell;

use exports::example::redact::tally::{Guest, GuestWriter, Totals};
use wasip2::io::streams::{OutputStream, StreamError};

struct Tally;
export!(Tally);

impl Guest for Tally {
    type Writer = Writer;
}

struct Writer {
    to: OutputStream,
    totals: RefCell<Totals>,
}

impl GuestWriter for Writer {
    fn new(to: OutputStream) -> Self {
        let totals = RefCell::new(Totals {
            bytes: 0,
            lines: 0,
            checksum: 0,
        });
        Self { to, totals }
    }

    fn write(&self, bytes: Vec<u8>) -> Result<(), String> {
        write_all(&self.to, &bytes).map_err(|error| match error {
            StreamError::Closed => "nobody reads any more".to_owned(),
            StreamError::LastOperationFailed(error) => format!("cannot write: {}", error.to_debug_string()),
        })?;
        let mut totals = self.totals.borrow_mut();
        totals.bytes += bytes.len() as u64;
        totals.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        totals.checksum = crc32(totals.checksum, &bytes);
        Ok(())
    }

    fn totals(&self) -> Totals {
        *self.totals.borrow()
    }
}

/// Writes as fast as the other end takes it, and waits where it does not.
fn write_all(to: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = usize::try_from(to.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            to.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        to.write(now)?;
        bytes = later;
    }
    to.blocking_flush()
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                0xedb8_8320 ^ (value >> 1)
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
};

/// The CRC-32 of what came before and of these bytes behind it.
fn crc32(before: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!before, |sum, byte| {
        TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8)
    })
}
