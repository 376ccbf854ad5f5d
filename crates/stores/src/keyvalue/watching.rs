//! Watching a store: which keys have changed, told to whoever asks as soon as there is time for it.
//!
//! What always holds: a key is told after its last change, however many there were before; what cannot be told by name is
//! told as [`Heard::Unknown`], and never left out in silence. Whoever writes waits for nobody who watches.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Error;

/// Keys that wait to be told at most. What changes beyond them is told as [`Heard::Unknown`].
pub const PENDING_MAX: usize = 100_000;
/// Bytes of the keys that wait at most.
const PENDING_BYTES_MAX: usize = 32 << 20;

/// What has happened to a store that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// This key was set or removed, perhaps several times: the store has what it came to.
    Key(String),
    /// Keys were set and removed, and nobody knows which: too many at once, or a server could not be heard.
    Unknown,
}

/// One who watches a store. Dropped, it hears nothing any more.
///
/// # Limits
///
/// [`PENDING_MAX`] keys of together 32 MiB wait to be told.
pub struct Watching {
    pending: Arc<Pending>,
    _source: Option<Source>,
}

/// The task that hears of changes.
struct Source(AbortHandle);

impl Drop for Source {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watching {
    /// One to whom the store itself tells.
    pub(super) fn new(pending: Arc<Pending>) -> Self {
        Self {
            pending,
            _source: None,
        }
    }

    /// One for whom a task listens.
    pub(super) fn with_source(
        pending: Arc<Pending>,
        source: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self {
            pending,
            _source: Some(Source(tokio::spawn(source).abort_handle())),
        }
    }

    /// The next thing that is heard of. Dropping the answer before it came loses nothing.
    ///
    /// # Errors
    /// The store cannot be heard just now. It is listened to again by itself.
    pub async fn next(&self) -> Result<Heard, Error> {
        loop {
            if let Some(heard) = self.pending.take() {
                return heard;
            }
            self.pending.news.notified().await;
        }
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Watching").field(&self.pending.prefix).finish()
    }
}

/// What one who watches was not told yet.
pub(super) struct Pending {
    pub(super) prefix: String,
    waiting: Mutex<Waiting>,
    news: Notify,
    taken: Notify,
}

#[derive(Default)]
struct Waiting {
    order: VecDeque<Arc<str>>,
    keys: HashSet<Arc<str>>,
    bytes: usize,
    is_unknown: bool,
    trouble: Option<Error>,
}

impl Waiting {
    fn has_room(&self) -> bool {
        self.keys.len() < PENDING_MAX && self.bytes < PENDING_BYTES_MAX
    }
}

impl Pending {
    /// For keys that begin so.
    pub(super) fn new(prefix: &str) -> Arc<Self> {
        Arc::new(Self {
            prefix: prefix.to_owned(),
            waiting: Mutex::default(),
            news: Notify::new(),
            taken: Notify::new(),
        })
    }

    /// A key has changed. Those of others are passed over.
    pub(super) fn key(&self, key: &str) {
        if !key.starts_with(&self.prefix) {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.keys.contains(key) {
            return;
        }
        if waiting.has_room() {
            let key: Arc<str> = key.into();
            waiting.bytes += key.len();
            waiting.keys.insert(Arc::clone(&key));
            waiting.order.push_back(key);
        } else {
            waiting.is_unknown = true;
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// Something has changed, and nobody knows what.
    pub(super) fn unknown(&self) {
        self.waiting.lock().is_unknown = true;
        self.news.notify_one();
    }

    /// Changes cannot be heard of just now.
    pub(super) fn trouble(&self, error: Error) {
        self.waiting.lock().trouble = Some(error);
        self.news.notify_one();
    }

    /// Waits until a key can be told by name.
    pub(super) async fn room(&self) {
        loop {
            if self.waiting.lock().has_room() {
                return;
            }
            self.taken.notified().await;
        }
    }

    fn take(&self) -> Option<Result<Heard, Error>> {
        let mut waiting = self.waiting.lock();
        if let Some(error) = waiting.trouble.take() {
            return Some(Err(error));
        }
        if let Some(key) = waiting.order.pop_front() {
            waiting.keys.remove(&key);
            waiting.bytes -= key.len();
            drop(waiting);
            self.taken.notify_one();
            return Some(Ok(Heard::Key(key.as_ref().to_owned())));
        }
        // After the keys: whoever is told so looks at everything, and should find them told.
        std::mem::take(&mut waiting.is_unknown).then_some(Ok(Heard::Unknown))
    }
}

/// Those who watch a store, for as long as they do.
pub(super) struct Watchers<T>(Mutex<Vec<Weak<T>>>);

impl<T> Default for Watchers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Watchers<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Watchers").field(&self.0.lock().len()).finish()
    }
}

impl<T> Watchers<T> {
    pub(super) fn add(&self, watcher: &Arc<T>) {
        self.0.lock().push(Arc::downgrade(watcher));
    }

    /// Tells each of them something, and forgets those that are gone.
    pub(super) fn each(&self, mut tell: impl FnMut(&T)) {
        self.0.lock().retain(|watcher| match watcher.upgrade() {
            Some(watcher) => {
                tell(&watcher);
                true
            }
            None => false,
        });
    }
}

/// How long it is waited before something is tried again that has failed: longer each time.
pub(super) struct Pause(Duration);

impl Pause {
    const FIRST: Duration = Duration::from_millis(100);
    const LAST: Duration = Duration::from_secs(10);

    pub(super) fn new() -> Self {
        Self(Self::FIRST)
    }

    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = self.0.saturating_mul(2).min(Self::LAST);
    }
}

/// A server that tells those who listen at that moment, and nobody later.
pub(super) trait Teller {
    /// A connection over which it tells.
    type Line;

    /// Begins to listen.
    fn open(&self) -> impl Future<Output = Result<Self::Line, Error>> + Send;

    /// Tells of keys until the connection is of no use any more; why it is not.
    fn hear(&self, line: Self::Line) -> impl Future<Output = Error> + Send;
}

/// Hears what a server tells, over one connection after the other. After each that was lost, everything counts as changed.
pub(super) async fn hear_on<T: Teller>(teller: &T, pending: &Pending, first: T::Line) {
    let mut line = first;
    let mut pause = Pause::new();
    loop {
        let mut trouble = Some(teller.hear(line).await);
        line = loop {
            if let Some(trouble) = trouble.take() {
                pending.trouble(trouble);
            }
            pause.wait().await;
            match teller.open().await {
                Ok(line) => break line,
                Err(error) => trouble = Some(error),
            }
        };
        pause = Pause::new();
        pending.unknown();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(pending: &Pending) -> Vec<Heard> {
        std::iter::from_fn(|| pending.take())
            .map(Result::unwrap)
            .collect()
    }

    fn key(key: &str) -> Heard {
        Heard::Key(key.to_owned())
    }

    #[test]
    fn a_key_that_changes_again_before_it_was_told_is_told_once() {
        let pending = Pending::new("a/");
        for changed in ["a/1", "b/1", "a/2", "a/1", "a"] {
            pending.key(changed);
        }
        assert_eq!(heard(&pending), [key("a/1"), key("a/2")]);
        pending.key("a/1");
        assert_eq!(heard(&pending), [key("a/1")]);
    }

    #[test]
    fn what_is_too_much_to_be_told_by_name_is_told_as_unknown_after_the_rest() {
        let pending = Pending::new("");
        for number in 0..PENDING_MAX + 10 {
            pending.key(&number.to_string());
        }
        let told = heard(&pending);
        assert_eq!(told.len(), PENDING_MAX + 1);
        assert_eq!(told.last(), Some(&Heard::Unknown));
        pending.key("again");
        assert_eq!(heard(&pending), [key("again")]);
        // Keys are long, too.
        for number in 0..PENDING_MAX {
            pending.key(&format!("{number:01000}"));
        }
        let told = heard(&pending);
        assert!(told.len() < 40_000, "{}", told.len());
        assert_eq!(told.last(), Some(&Heard::Unknown));
        assert_eq!(pending.waiting.lock().bytes, 0);
    }

    #[tokio::test]
    async fn trouble_is_told_and_does_not_hide_what_was_heard() {
        let pending = Pending::new("");
        let watching = Watching::new(Arc::clone(&pending));
        pending.key("a");
        pending.trouble(Error::NotANumber { key: "x".to_owned() });
        assert!(watching.next().await.is_err());
        assert_eq!(watching.next().await.unwrap(), key("a"));
        let (next, ()) = tokio::join!(watching.next(), async {
            tokio::task::yield_now().await;
            pending.unknown();
        });
        assert_eq!(next.unwrap(), Heard::Unknown);
    }

    #[test]
    fn who_is_gone_is_told_nothing() {
        let watchers = Watchers::default();
        let (stays, goes) = (Pending::new(""), Pending::new(""));
        watchers.add(&stays);
        watchers.add(&goes);
        drop(goes);
        let mut told = 0;
        watchers.each(|_| told += 1);
        assert_eq!(told, 1);
        assert_eq!(watchers.0.lock().len(), 1);
    }
}
