//! Objects on their way up: small ones in one request, large ones in parts, with bounded memory for all of them.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore as _, PutMultipartOptions, PutOptions, PutPayload};

use super::Shared;
use super::room::Room;
use crate::blob::{Error, Spool};

/// Bytes of a part, and of an object that goes up as a whole.
const PART_BYTES: u64 = 8 << 20;
/// Parts that a server takes of one object.
const PARTS_MAX: u64 = 10_000;

/// Makes or replaces an object.
///
/// Where this is dropped while parts go up, or the server goes away, it keeps the parts until its owner's rule for
/// unfinished uploads removes them; the object is not made.
pub(super) async fn write(shared: &Shared, room: &Room, path: &Path, content: Spool) -> Result<(), Error> {
    let bytes = content.bytes();
    if bytes <= PART_BYTES {
        let _room = room.take(bytes).await;
        let whole = match content.into_memory() {
            Ok(whole) => whole,
            Err(content) => Parts::new(content)?.next(bytes).await?,
        };
        let put = shared.bucket.put_opts(path, whole.into(), PutOptions::default());
        return shared.must(put).await.map(drop);
    }
    let part_bytes = PART_BYTES.max(bytes.div_ceil(PARTS_MAX));
    // One goes up while the next is read.
    let _room = room.take(2 * part_bytes).await;
    let begun = shared
        .bucket
        .put_multipart_opts(path, PutMultipartOptions::default());
    let mut upload = shared.must(begun).await?;
    let ended = match put_parts(shared, upload.as_mut(), content, part_bytes).await {
        Ok(()) => shared.must(upload.complete()).await.map(drop),
        Err(error) => Err(error),
    };
    if ended.is_err() {
        // The first error is the one to tell.
        drop(shared.ask(upload.abort()).await);
    }
    ended
}

async fn put_parts(
    shared: &Shared,
    upload: &mut dyn MultipartUpload,
    content: Spool,
    part_bytes: u64,
) -> Result<(), Error> {
    let mut rest = content.bytes();
    let mut parts = Parts::new(content)?;
    let mut part = parts.next(part_bytes.min(rest)).await?;
    loop {
        rest -= part.len() as u64;
        let put = shared.must(upload.put_part(PutPayload::from(part)));
        let (put, next) = futures::join!(put, parts.next(part_bytes.min(rest)));
        put?;
        part = next?;
        if part.is_empty() {
            return Ok(());
        }
    }
}

/// A content that is read part by part, where it may wait for the disk.
struct Parts(Option<Box<dyn Read + Send>>);

impl Parts {
    fn new(content: Spool) -> Result<Self, Error> {
        let reader = content.into_reader().map_err(spool)?;
        Ok(Self(Some(Box::new(reader))))
    }

    async fn next(&mut self, bytes: u64) -> Result<Bytes, Error> {
        let reader = self.0.take().filter(|_| bytes > 0);
        let Some(mut reader) = reader else {
            return Ok(Bytes::new());
        };
        let read = tokio::task::spawn_blocking(move || {
            let mut part = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
            reader.read_exact(&mut part)?;
            Ok((reader, Bytes::from(part)))
        });
        let (reader, part) = read.await.map_err(io::Error::other).flatten().map_err(spool)?;
        self.0 = Some(reader);
        Ok(part)
    }
}

fn spool(source: io::Error) -> Error {
    Error::Spool {
        source: Arc::new(source),
    }
}
