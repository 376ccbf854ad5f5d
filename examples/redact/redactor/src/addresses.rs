//! Finds e-mail addresses in text that comes in pieces.

/// What stands in place of an address.
const HIDDEN: &[u8] = b"[hidden]";
/// Bytes of a word that are kept back to see whether it is an address; longer words are none.
const WORD_BYTES_MAX: usize = 320;

/// Passes text on with its addresses hidden; keeps at most one word back.
#[derive(Default)]
pub(crate) struct Hider {
    word: Vec<u8>,
    too_long: bool,
}

impl Hider {
    /// The next piece of the text: as much of it as can be decided.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len() + WORD_BYTES_MAX);
        for &byte in piece {
            let is_part = byte.is_ascii_alphanumeric() || b".+-_@%".contains(&byte);
            if !is_part {
                self.end_word(&mut out);
                out.push(byte);
            } else if self.too_long {
                out.push(byte);
            } else {
                self.word.push(byte);
                if self.word.len() > WORD_BYTES_MAX {
                    self.too_long = true;
                    out.append(&mut self.word);
                }
            }
        }
        out
    }

    /// What was kept back when the text ends.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.end_word(&mut out);
        out
    }

    fn end_word(&mut self, out: &mut Vec<u8>) {
        // The full stop of a sentence is no part of an address.
        let stops = self.word.iter().rev().take_while(|byte| **byte == b'.').count();
        let (word, rest) = self.word.split_at(self.word.len() - stops);
        out.extend_from_slice(if is_address(word) { HIDDEN } else { word });
        out.extend_from_slice(rest);
        self.word.clear();
        self.too_long = false;
    }
}

fn is_address(word: &[u8]) -> bool {
    let mut parts = word.split(|byte| *byte == b'@');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(host), None) => {
            !name.is_empty() && host.contains(&b'.') && !host.starts_with(b".") && !host.ends_with(b".")
        }
        _ => false,
    }
}
