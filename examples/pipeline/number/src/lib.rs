//! Puts its number in front of each line.

wit_bindgen::generate!({
    path: "../wit",
    world: "second",
});

use wit_bindgen::{StreamReader, StreamResult, StreamWriter, spawn_local};

/// Bytes that are read at once. What comes of them is larger where lines are short: each gets nine bytes more.
const PIECE_BYTES: usize = 16 * 1024;

struct Number;
export!(Number);

impl exports::example::pipeline::number::Guest for Number {
    async fn number(text: StreamReader<u8>) -> StreamReader<u8> {
        let (numbered, reader) = wit_stream::new();
        spawn_local(number(text, numbered));
        reader
    }
}

async fn number(mut text: StreamReader<u8>, mut numbered: StreamWriter<u8>) {
    let mut count = 0u64;
    let mut begins_line = true;
    let mut buffer = Vec::with_capacity(PIECE_BYTES);
    loop {
        let (result, piece) = text.read(buffer).await;
        let mut out = Vec::with_capacity(2 * PIECE_BYTES);
        for &byte in &piece {
            if begins_line {
                count += 1;
                out.extend_from_slice(format!("{count:>6}  ").as_bytes());
            }
            out.push(byte);
            begins_line = byte == b'\n';
        }
        buffer = piece;
        buffer.clear();
        if !numbered.write_all(out).await.is_empty() || !matches!(result, StreamResult::Complete(_)) {
            return;
        }
    }
}
