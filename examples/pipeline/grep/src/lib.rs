//! Keeps the lines that contain a word.

wit_bindgen::generate!({
    path: "../wit",
    world: "first",
});

use wit_bindgen::{StreamReader, StreamResult, StreamWriter, spawn_local};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Bytes of a line; the rest of a longer one is taken for another line.
const LINE_BYTES_MAX: usize = 64 * 1024;

struct Grep;
export!(Grep);

impl exports::example::pipeline::grep::Guest for Grep {
    async fn grep(word: String, text: StreamReader<u8>) -> StreamReader<u8> {
        let (kept, reader) = wit_stream::new();
        // The caller gets its end of the stream at once; this goes on for as long as there is something to read.
        spawn_local(keep(word, text, kept));
        reader
    }
}

async fn keep(word: String, mut text: StreamReader<u8>, mut kept: StreamWriter<u8>) {
    let mut line = Vec::new();
    let mut buffer = Vec::with_capacity(PIECE_BYTES);
    loop {
        let (result, piece) = text.read(buffer).await;
        let mut out = Vec::new();
        for &byte in &piece {
            line.push(byte);
            if byte == b'\n' || line.len() == LINE_BYTES_MAX {
                if contains(&line, word.as_bytes()) {
                    out.extend_from_slice(&line);
                }
                line.clear();
            }
        }
        buffer = piece;
        buffer.clear();
        let is_last = !matches!(result, StreamResult::Complete(_));
        if is_last && contains(&line, word.as_bytes()) {
            out.append(&mut line);
        }
        // Waits until the next stage has taken all of it, and ends when that does not want more.
        if !kept.write_all(out).await.is_empty() || is_last {
            return;
        }
    }
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    word.is_empty() || line.windows(word.len()).any(|part| part == word)
}
