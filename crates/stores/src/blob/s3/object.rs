//! Objects as they were when they were opened, as long as the server has them.
//!
//! Opening one takes a question of its own only where nobody says what will be read: otherwise the first bytes come
//! with the answer, and whoever reads on gets more than he asks for at a time. What was handed out is not kept.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore as _};
use parking_lot::Mutex;

use super::room::Part;
use super::transport::TransportError;
use super::{Shared, info};
use crate::blob::{Answer, Error, Info, Object, READ_BYTES_MAX};

/// Bytes that are read ahead of an object whether there is room for more or not.
const AHEAD_BYTES: u64 = 64 << 10;
/// Bytes that are read ahead where there is room.
const AHEAD_BYTES_MAX: u64 = READ_BYTES_MAX as u64;

/// An object, and which one it is.
pub(super) struct Pinned {
    info: Info,
    meta: ObjectMeta,
    shared: Arc<Shared>,
    /// None where nothing is to be read ahead.
    ahead: Option<Mutex<Ahead>>,
}

/// What was read and nobody has asked for yet.
struct Ahead {
    begin: u64,
    bytes: Bytes,
    room: Option<Part>,
}

impl Ahead {
    fn new(begin: u64, bytes: Bytes, room: Option<Part>) -> Self {
        // A few bytes need none.
        let room = room.filter(|_| bytes.len() as u64 > AHEAD_BYTES);
        let room = room.map(|mut room| {
            room.shrink(bytes.len() as u64);
            room
        });
        Self { begin, bytes, room }
    }

    /// Hands out what is there from a place on.
    fn take(&mut self, offset: u64, bytes_max: u64) -> Option<Bytes> {
        let skipped = usize::try_from(offset.checked_sub(self.begin)?).ok()?;
        if skipped >= self.bytes.len() {
            return None;
        }
        let mut found = self.bytes.split_off(skipped);
        self.bytes = found.split_off(found.len().min(usize::try_from(bytes_max).unwrap_or(usize::MAX)));
        self.begin = offset + found.len() as u64;
        if self.bytes.is_empty() {
            // Whoever has the last bytes is the only one who has them.
            self.bytes = Bytes::new();
            self.room = None;
        }
        Some(found)
    }

    /// Whether whoever reads from here reads on.
    fn ends_at(&self, offset: u64) -> bool {
        self.begin + self.bytes.len() as u64 == offset
    }
}

impl Pinned {
    pub(super) fn new(shared: &Arc<Shared>, path: Path, meta: ObjectMeta) -> Self {
        Self {
            info: info(&meta),
            // As it was asked for: what the server calls it may differ.
            meta: ObjectMeta {
                location: path,
                ..meta
            },
            shared: Arc::clone(shared),
            ahead: None,
        }
    }

    /// An object with some of its bytes, in one answer.
    pub(super) async fn open_to_read(
        shared: &Arc<Shared>,
        path: Path,
        first: Range<u64>,
    ) -> Result<Option<Self>, Error> {
        let (wanted, room) = shared.room_ahead(first.end.saturating_sub(first.start).max(1));
        let range = first.start..first.start.saturating_add(wanted);
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(range)));
        let read = async {
            match shared.bucket.get_opts(&path, options).await {
                Ok(found) => {
                    let begin = found.range.start;
                    let meta = found.meta.clone();
                    Ok((meta, begin, found.bytes().await?))
                }
                // An empty object has no bytes that could be asked for. Whatever else is wrong is wrong once more.
                Err(object_store::Error::Generic { .. }) => {
                    let head = shared.bucket.get_opts(&path, GetOptions::new().with_head(true));
                    Ok((head.await?.meta, first.start, Bytes::new()))
                }
                Err(error) => Err(error),
            }
        };
        let Some((meta, begin, bytes)) = shared.ask(read).await? else {
            return Ok(None);
        };
        let ahead = Ahead::new(begin, bytes, room);
        Ok(Some(Self {
            ahead: Some(Mutex::new(ahead)),
            ..Self::new(shared, path, meta)
        }))
    }

    async fn read_from(&self, offset: u64, bytes_max: usize) -> Result<Bytes, Error> {
        let asked = bytes_max.min(READ_BYTES_MAX) as u64;
        let until = offset.saturating_add(asked).min(self.info.bytes);
        if offset >= until {
            return Ok(Bytes::new());
        }
        let Some(ahead) = &self.ahead else {
            return self.fetch(offset..until).await;
        };
        let reads_on = {
            let mut ahead = ahead.lock();
            if let Some(found) = ahead.take(offset, until - offset) {
                return Ok(found);
            }
            ahead.ends_at(offset)
        };
        let (mut end, mut room) = (until, None);
        if reads_on {
            let (wanted, taken) = self.shared.room_ahead(self.info.bytes - offset);
            if wanted > until - offset {
                (end, room) = (offset + wanted, taken);
            }
        }
        let mut bytes = self.fetch(offset..end).await?;
        let rest = bytes.split_off(
            bytes
                .len()
                .min(usize::try_from(until - offset).unwrap_or(usize::MAX)),
        );
        *ahead.lock() = Ahead::new(until, rest, room);
        Ok(bytes)
    }

    /// Bytes of this very object.
    async fn fetch(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let wanted = range.end - range.start;
        let options = GetOptions {
            if_match: self.meta.e_tag.clone(),
            version: self.meta.version.clone(),
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let read = async {
            let found = self.shared.bucket.get_opts(&self.meta.location, options).await?;
            Ok(if self.is_same(&found) {
                Some(found.bytes().await?)
            } else {
                None
            })
        };
        let read = self.shared.ask(read).await?.flatten().ok_or(Error::Replaced)?;
        if read.len() as u64 == wanted {
            Ok(read)
        } else {
            Err(self.shared.failed(TransportError::Short))
        }
    }

    /// Not every server looks at the condition.
    fn is_same(&self, found: &GetResult) -> bool {
        found.meta.e_tag == self.meta.e_tag && found.meta.size == self.info.bytes
    }
}

impl Shared {
    /// How many of so many bytes are read ahead, and the room for them where they are more than a few.
    fn room_ahead(&self, bytes: u64) -> (u64, Option<Part>) {
        let wanted = bytes.min(AHEAD_BYTES_MAX);
        if wanted <= AHEAD_BYTES {
            return (wanted, None);
        }
        match self.ahead.take_now(wanted) {
            Some(room) => (wanted, Some(room)),
            None => (AHEAD_BYTES, None),
        }
    }
}

impl Object for Pinned {
    fn info(&self) -> &Info {
        &self.info
    }

    fn read(&self, offset: u64, bytes_max: usize) -> Answer<'_, Bytes> {
        Box::pin(self.read_from(offset, bytes_max))
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pinned")
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}
