//! Ids of requests, made in blocks so that one costs neither a call of the system nor an allocation.

use bytes::{Bytes, BytesMut};
use http::HeaderValue;

use crate::handler::RequestId;

/// Ids in a block.
const BLOCK: usize = 128;

/// Bytes of an id in text.
const TEXT: usize = 32;

/// Makes the ids of one thread: two generators, seeded with 128 bits from the system.
#[derive(Debug)]
pub(crate) struct Ids {
    high: fastrand::Rng,
    low: fastrand::Rng,
    block: Vec<RequestId>,
    text: Bytes,
}

impl Ids {
    pub(crate) fn new() -> std::io::Result<Self> {
        let seed = || -> std::io::Result<u64> {
            let mut bytes = [0; 8];
            rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
            Ok(u64::from_ne_bytes(bytes))
        };
        Ok(Self {
            high: fastrand::Rng::with_seed(seed()?),
            low: fastrand::Rng::with_seed(seed()?),
            block: Vec::with_capacity(BLOCK),
            text: Bytes::new(),
        })
    }

    /// The next id, as a number and as text.
    pub(crate) fn next(&mut self) -> (RequestId, Bytes) {
        if self.block.is_empty() {
            self.fill();
        }
        let id = self.block.pop().unwrap_or(RequestId(0));
        let at = self.text.len().saturating_sub(TEXT);
        (id, self.text.split_off(at))
    }

    fn fill(&mut self) {
        let mut text = BytesMut::with_capacity(BLOCK * TEXT);
        for _ in 0..BLOCK {
            let id = u128::from(self.high.u64(..)) << 64 | u128::from(self.low.u64(..));
            self.block.push(RequestId(id));
            text.extend(
                id.to_be_bytes()
                    .iter()
                    .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]),
            );
        }
        self.text = text.freeze();
    }
}

/// The text of an id as the value of a header.
pub(crate) fn header(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static("0"))
}

fn digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' + value - 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_number_and_no_id_comes_twice() {
        let mut ids = Ids::new().unwrap();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..3 * BLOCK {
            let (id, text) = ids.next();
            assert_eq!(id.to_string().as_bytes(), &text[..]);
            assert!(seen.insert(id));
        }
    }
}
