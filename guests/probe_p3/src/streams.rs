//! Standard streams, and streams of bytes in general.

use wasip3::cli::{stderr, stdin, stdout};
use wasip3::wit_bindgen::{StreamReader, StreamResult, spawn_local};
use wasip3::wit_stream;

use crate::{Failure, refused};

/// A stream that yields these bytes and ends.
pub(crate) fn of(bytes: Vec<u8>) -> StreamReader<u8> {
    let (mut writer, reader) = wit_stream::new();
    // Whoever reads may well stop early.
    spawn_local(async move { drop(writer.write_all(bytes).await) });
    reader
}

pub(crate) async fn print(text: String) -> Result<(), ()> {
    stdout::write_via_stream(of(text.into_bytes()))
        .await
        .map_err(|_| ())
}

pub(crate) async fn complain(text: String) -> Result<(), ()> {
    stderr::write_via_stream(of(text.into_bytes()))
        .await
        .map_err(|_| ())
}

/// All that a stream yields until it ends.
pub(crate) async fn read_to_end(mut stream: StreamReader<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let (result, piece) = stream.read(Vec::with_capacity(64 * 1024)).await;
        bytes.extend(piece);
        if !matches!(result, StreamResult::Complete(_)) {
            return bytes;
        }
    }
}

/// Copies standard input to standard output, each piece as soon as it has come.
pub(crate) async fn echo() -> Result<(), Failure> {
    let (mut input, ended) = stdin::read_via_stream();
    let (mut writer, reader) = wit_stream::new();
    let written = stdout::write_via_stream(reader);
    loop {
        let (result, piece) = input.read(Vec::with_capacity(64 * 1024)).await;
        let left = writer.write_all(piece).await;
        if !left.is_empty() || !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    drop((input, writer));
    written.await.map_err(refused)?;
    ended.await.map_err(refused)
}

/// Writes so many bytes, all of them the letter x.
pub(crate) async fn output(bytes: u64) -> Result<(), Failure> {
    let (mut writer, reader) = wit_stream::new();
    let written = stdout::write_via_stream(reader);
    let mut left = bytes;
    while left > 0 {
        let piece = left.min(64 * 1024);
        if !writer.write_all(vec![b'x'; piece as usize]).await.is_empty() {
            break;
        }
        left -= piece;
    }
    drop(writer);
    written.await.map_err(refused)?;
    if left == 0 {
        Ok(())
    } else {
        Err(Failure::Refused(format!(
            "{left} of {bytes} bytes were not taken"
        )))
    }
}
