//! Contents that say which they are, and short ways to write and read them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use weft_stores::blob::{Error, Object, Spool, Store};

/// Bytes that differ in every place and from every other content.
pub(crate) fn content(number: usize, bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    fastrand::Rng::with_seed(number as u64 * 7919 + bytes as u64).fill(&mut content);
    content
}

pub(crate) fn spool(content: &[u8]) -> Spool {
    let mut spool = Spool::new();
    // In pieces, as they come from elsewhere.
    for piece in content.chunks(50_000) {
        spool.push(piece).unwrap();
    }
    spool
}

pub(crate) async fn write(store: &dyn Store, name: &str, content: &[u8]) {
    store.write(name, spool(content)).await.unwrap();
}

pub(crate) async fn read_all(object: &dyn Object) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    loop {
        let bytes = object.read(content.len() as u64, usize::MAX).await?;
        if bytes.is_empty() {
            return Ok(content);
        }
        content.extend_from_slice(&bytes);
    }
}

/// A whole object, whose length must be the one that it says.
pub(crate) async fn try_read(store: &dyn Store, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let Some(object) = store.open(name).await? else {
        return Ok(None);
    };
    let content = read_all(object.as_ref()).await?;
    assert_eq!(object.info().bytes, content.len() as u64, "`{name}`");
    Ok(Some(content))
}

/// A whole object, opened again where it was replaced while it was read.
pub(crate) async fn read(store: &dyn Store, name: &str) -> Option<Vec<u8>> {
    loop {
        match try_read(store, name).await {
            Err(Error::Replaced) => {}
            found => return found.unwrap(),
        }
    }
}

/// The names that begin with a prefix, page by page.
pub(crate) async fn names(store: &dyn Store, prefix: &str, limit: usize) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.list(prefix, cursor.as_deref(), limit).await.unwrap();
        names.extend(page.names);
        cursor = page.cursor;
        if cursor.is_none() {
            names.sort();
            return names;
        }
    }
}

/// Objects of more bytes than these are files.
pub(crate) const SMALL_BYTES_MAX: u64 = 16 << 10;

/// The files of objects of a store.
pub(crate) fn files(store: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in fs_err::read_dir(store.join("data")).unwrap() {
        let inside = fs_err::read_dir(folder.unwrap().path()).unwrap();
        files.extend(inside.map(|file| file.unwrap().path()));
    }
    files.sort();
    files
}

/// Waits until there are as many files as objects that need one.
pub(crate) async fn no_file_is_left(folder: &Path, store: &dyn Store) {
    let mut expected = 0;
    let there = match store.container().await.unwrap() {
        Some(_) => names(store, "", 100).await,
        None => Vec::new(),
    };
    for name in there {
        let info = store.info(&name).await.unwrap().unwrap();
        expected += usize::from(info.bytes > SMALL_BYTES_MAX);
    }
    for _ in 0..300 {
        if files(folder).len() == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(files(folder).len(), expected);
}
