//! A queue in a store of keys with values: one key for each message and group, in the order of publishing.
//!
//! `g/GROUP` is the pattern of a group, `m/GROUP/NUMBER` a message that waits for it, `d/GROUP/NUMBER` one that was put
//! aside. What the store promises of its writes holds for messages: publishing is one write for all groups, and being
//! done is one more. Several processes may use one folder; in one of them at a time a group takes messages, and when
//! it ends the next goes on.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::message::Kept as KeptMessage;
use super::{Answer, Delivery, Error, Message, Pattern, Queue, REPLIES_MAX, Subject, Taking};
use crate::folder;
use crate::keyvalue::memory::Memory;
use crate::keyvalue::sqlite::{Options, Sqlite};
use crate::keyvalue::{Change, LIST_MAX, Store};

/// The folder of the messages, a store of keys with values, in the folder of a queue.
pub const MESSAGES: &str = "messages";

/// After which time it is looked whether other processes have groups, or have published.
const LOOK: Duration = Duration::from_secs(1);
/// After which time a group looks through all of its messages again: the clocks of processes differ.
const LOOK_AT_ALL: Duration = Duration::from_secs(5);
/// How often it is tried to take over from another process.
const TRY_LOCK: Duration = Duration::from_millis(200);
/// Messages that are read ahead.
const AHEAD: usize = 64;

/// A queue whose messages are in a store of keys with values. Clones are the same queue.
#[derive(Clone)]
pub struct Kept(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    /// Where it is told which process takes for a group; none where there is only one.
    locks: Option<PathBuf>,
    groups: Mutex<Groups>,
    /// Groups that are taken for in this process.
    taken: Mutex<HashSet<String>>,
    let_go: Notify,
    published: Notify,
    inboxes: Mutex<HashMap<Subject, mpsc::Sender<Message>>>,
    /// The number of the last message, in microseconds since 1970.
    last: Mutex<u64>,
    /// What tells the numbers of this process from those of others.
    origin: u32,
}

#[derive(Default)]
struct Groups {
    all: Vec<(String, Pattern)>,
    read: Option<Instant>,
}

impl Kept {
    /// A queue that ends with the process.
    #[must_use]
    pub fn in_memory(bytes_max: u64) -> Self {
        Self::over(Arc::new(Memory::new(bytes_max)), None)
    }

    /// The queue in a folder, which is made where there is none. Waits for the disk: not for a thread that serves.
    ///
    /// # Errors
    /// It is damaged, or the folder cannot be used.
    ///
    /// # Authority
    /// Reads and writes that folder.
    pub fn open(folder: &Path, options: &Options) -> Result<Self, Error> {
        let store = Sqlite::open(&folder.join(MESSAGES), options)?;
        Ok(Self::over(Arc::new(store), Some(folder.join("groups"))))
    }

    fn over(store: Arc<dyn Store>, locks: Option<PathBuf>) -> Self {
        let [a, b, c, d, ..] = folder::random();
        Self(Arc::new(Inner {
            store,
            locks,
            groups: Mutex::default(),
            taken: Mutex::default(),
            let_go: Notify::new(),
            published: Notify::new(),
            inboxes: Mutex::default(),
            last: Mutex::new(0),
            origin: u32::from_le_bytes([a, b, c, d]),
        }))
    }
}

impl Inner {
    /// The groups that take a subject.
    async fn takers(&self, subject: &Subject) -> Result<Vec<String>, Error> {
        let is_fresh = self.groups.lock().read.is_some_and(|read| read.elapsed() < LOOK);
        if !is_fresh {
            self.read_groups().await?;
        }
        let groups = self.groups.lock();
        let takers = groups.all.iter().filter(|(_, pattern)| pattern.covers(subject));
        Ok(takers.map(|(group, _)| group.clone()).collect())
    }

    async fn read_groups(&self) -> Result<(), Error> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.store.list("g/", cursor.as_deref(), LIST_MAX).await?;
            let values = self.store.get_many(&page.keys).await?;
            for (key, entry) in page.keys.into_iter().zip(values) {
                let Some(entry) = entry else { continue };
                let pattern = std::str::from_utf8(&entry.value).ok();
                let pattern = pattern.and_then(|pattern| pattern.parse().ok());
                match (key.strip_prefix("g/"), pattern) {
                    (Some(group), Some(pattern)) => all.push((group.to_owned(), pattern)),
                    _ => return Err(Error::NoMessage { key }),
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        *self.groups.lock() = Groups {
            all,
            read: Some(Instant::now()),
        };
        Ok(())
    }

    /// A number after all that were given before.
    fn number(&self) -> String {
        let mut last = self.last.lock();
        *last = now_us().max(*last + 1);
        format!("{:020}-{:08x}", *last, self.origin)
    }

    async fn publish(&self, message: Message, takers: Vec<String>) -> Result<(), Error> {
        let number = self.number();
        let value = KeptMessage::new(message).write();
        let change = |group: String| Change::Set(format!("m/{group}/{number}"), value.clone());
        let changes: Vec<Change> = takers.into_iter().map(change).collect();
        if changes.is_empty() {
            return Ok(());
        }
        self.store.write(changes).await?;
        self.published.notify_waiters();
        Ok(())
    }

    /// Hands a reply to whoever waits for it here. Nobody does any more, where the time was over.
    fn reply(&self, message: Message) {
        let inbox = self.inboxes.lock().get(&message.subject).cloned();
        if let Some(inbox) = inbox {
            // One too many is one that nobody asked for.
            let _ = inbox.try_send(message);
        }
    }

    /// Waits until nobody else takes for a group.
    async fn lock(self: &Arc<Self>, group: &str) -> Result<Lock, Error> {
        loop {
            let let_go = self.let_go.notified();
            if self.taken.lock().insert(group.to_owned()) {
                break;
            }
            let_go.await;
        }
        let mut lock = Lock {
            of: Arc::clone(self),
            group: group.to_owned(),
            file: None,
        };
        let Some(folder) = &self.locks else {
            return Ok(lock);
        };
        let failed = |error: std::io::Error| Error::Lock {
            place: folder.display().to_string(),
            source: Arc::new(error),
        };
        fs_err::create_dir_all(folder).map_err(failed)?;
        let file = fs_err::File::create(folder.join(format!("{group}.lock"))).map_err(failed)?;
        let file = file.into_file();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(TRY_LOCK).await,
                Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        lock.file = Some(file);
        Ok(lock)
    }
}

impl Queue for Kept {
    fn publish(&self, message: Message) -> Answer<'_, ()> {
        Box::pin(async move {
            message.check()?;
            if message.subject.is_inbox() {
                self.0.reply(message);
                return Ok(());
            }
            let takers = self.0.takers(&message.subject).await?;
            self.0.publish(message, takers).await
        })
    }

    fn request(&self, mut message: Message, replies: usize, wait: Duration) -> Answer<'_, Vec<Message>> {
        Box::pin(async move {
            message.check()?;
            let replies = replies.clamp(1, REPLIES_MAX);
            let takers = self.0.takers(&message.subject).await?;
            if takers.is_empty() {
                let subject = message.subject;
                return Err(Error::NobodyTakes { subject });
            }
            let inbox = Subject::inbox(u128::from_le_bytes(folder::random()));
            message.reply_to = Some(inbox.clone());
            let (sender, mut receiver) = mpsc::channel(replies);
            self.0.inboxes.lock().insert(inbox.clone(), sender);
            let _closing = Inbox { of: &self.0, inbox };
            let until = tokio::time::Instant::now() + wait;
            self.0.publish(message, takers).await?;
            let mut all = Vec::new();
            while all.len() < replies {
                match tokio::time::timeout_at(until, receiver.recv()).await {
                    Ok(Some(reply)) => all.push(reply),
                    Ok(None) | Err(_) => break,
                }
            }
            if all.is_empty() {
                return Err(Error::NoReply { waited: wait });
            }
            Ok(all)
        })
    }

    fn join<'a>(&'a self, group: &'a str, pattern: &'a Pattern) -> Answer<'a, ()> {
        Box::pin(async move {
            let value = Bytes::copy_from_slice(pattern.as_str().as_bytes());
            let change = Change::Set(format!("g/{group}"), value);
            self.0.store.write(vec![change]).await?;
            self.0.read_groups().await
        })
    }

    fn take<'a>(&'a self, group: &'a str, pattern: &'a Pattern) -> Answer<'a, Box<dyn Taking>> {
        Box::pin(async move {
            // First, so that what is published while another process takes for it waits for whoever comes next.
            self.join(group, pattern).await?;
            let taking: Box<dyn Taking> = Box::new(Taker {
                prefix: format!("m/{group}/"),
                lock: self.0.lock(group).await?,
                state: Mutex::default(),
            });
            Ok(taking)
        })
    }

    fn retry<'a>(&'a self, key: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let entry = self.0.store.get(key).await?;
            let waiting = key.strip_prefix("d/").map(|number| format!("m/{number}"));
            let kept = entry.and_then(|entry| KeptMessage::read(&entry.value));
            let (Some(waiting), Some(kept)) = (waiting, kept) else {
                return Ok(false);
            };
            let untried = KeptMessage::new(kept.message).write();
            let changes = vec![Change::Delete(key.to_owned()), Change::Set(waiting, untried)];
            self.0.store.write(changes).await?;
            self.0.published.notify_waiters();
            Ok(true)
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move { Ok(self.0.store.check().await?) })
    }
}

/// A place for replies, which ends with whoever waits for them.
struct Inbox<'a> {
    of: &'a Inner,
    inbox: Subject,
}

impl Drop for Inbox<'_> {
    fn drop(&mut self) {
        self.of.inboxes.lock().remove(&self.inbox);
    }
}

/// The right to take for a group.
struct Lock {
    of: Arc<Inner>,
    group: String,
    /// Locked as long as it is open.
    file: Option<std::fs::File>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before others here hear of it: they would find it locked.
        drop(self.file.take());
        self.of.taken.lock().remove(&self.group);
        self.of.let_go.notify_waiters();
    }
}

/// One who takes for a group.
struct Taker {
    prefix: String,
    lock: Lock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Messages whose time has come, at most as many as are read ahead.
    ready: VecDeque<Delivery>,
    /// Keys of messages whose time has not, by the millisecond when it does. What they hold is read again then: many
    /// may wait for long.
    later: BTreeSet<(u64, String)>,
    /// Keys that were read: of messages that are ready, come later, or are being worked on.
    known: HashSet<String>,
    /// The last key that was looked at.
    cursor: Option<String>,
    looked_at_all: Option<Instant>,
}

impl State {
    /// Keys of messages whose time has come.
    fn take_due(&mut self) -> Vec<String> {
        let now = now_ms();
        let mut due = Vec::new();
        while due.len() < AHEAD
            && self.later.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, key)) = self.later.pop_first()
        {
            due.push(key);
        }
        due
    }

    /// How long nothing comes by itself.
    fn quiet(&self) -> Duration {
        let next = self.later.first();
        next.map_or(LOOK, |(at, _)| {
            Duration::from_millis(at.saturating_sub(now_ms())).min(LOOK)
        })
    }

    /// Notes a message that is known and that nobody is working on.
    fn add(&mut self, key: String, kept: KeptMessage) {
        if kept.not_before_ms > now_ms() {
            self.later.insert((kept.not_before_ms, key));
            return;
        }
        self.ready.push_back(Delivery {
            message: kept.message,
            attempts: kept.attempts,
            id: key,
        });
    }
}

impl Taker {
    /// Reads more messages, if there are some: first those whose time has come.
    async fn read(&self) -> Result<(), Error> {
        let due = self.state.lock().take_due();
        if !due.is_empty() {
            return self.add(due).await;
        }
        let store = &self.lock.of.store;
        {
            let mut state = self.state.lock();
            if state.looked_at_all.is_none_or(|at| at.elapsed() > LOOK_AT_ALL) {
                state.cursor = None;
                state.looked_at_all = Some(Instant::now());
            }
        }
        loop {
            let cursor = self.state.lock().cursor.clone();
            let page = store.list(&self.prefix, cursor.as_deref(), AHEAD).await?;
            let unknown: Vec<String> = {
                let mut state = self.state.lock();
                if let Some(last) = page.keys.last() {
                    state.cursor = Some(last.clone());
                }
                let unknown = page.keys.into_iter();
                unknown.filter(|key| state.known.insert(key.clone())).collect()
            };
            self.add(unknown).await?;
            if page.cursor.is_none() || !self.state.lock().ready.is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads the messages of these keys.
    async fn add(&self, keys: Vec<String>) -> Result<(), Error> {
        let entries = self.lock.of.store.get_many(&keys).await;
        let mut state = self.state.lock();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                // They are found again when everything is looked at.
                for key in &keys {
                    state.known.remove(key);
                }
                return Err(error.into());
            }
        };
        let mut wrong = None;
        for (key, entry) in keys.into_iter().zip(entries) {
            match entry.map(|entry| KeptMessage::read(&entry.value)) {
                Some(Some(kept)) => state.add(key, kept),
                // Told once, and left where it is.
                Some(None) => wrong = Some(key),
                // It was done meanwhile, or somebody removed it.
                None => {
                    state.known.remove(&key);
                }
            }
        }
        wrong.map_or(Ok(()), |key| Err(Error::NoMessage { key }))
    }

    /// Makes changes by which a message goes. Where they cannot be made, it is found again.
    async fn let_go(&self, id: &str, changes: Vec<Change>) -> Result<(), Error> {
        let written = self.lock.of.store.write(changes).await;
        self.state.lock().known.remove(id);
        Ok(written?)
    }
}

impl Taking for Taker {
    fn next(&self) -> Answer<'_, Delivery> {
        Box::pin(async move {
            loop {
                let published = self.lock.of.published.notified();
                if let Some(delivery) = self.state.lock().ready.pop_front() {
                    return Ok(delivery);
                }
                self.read().await?;
                let quiet = {
                    let mut state = self.state.lock();
                    if let Some(delivery) = state.ready.pop_front() {
                        return Ok(delivery);
                    }
                    state.quiet()
                };
                // Nothing came, or its time has not come.
                let _ = tokio::time::timeout(quiet, published).await;
            }
        })
    }

    fn done<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, ()> {
        let change = Change::Delete(delivery.id.clone());
        Box::pin(self.let_go(&delivery.id, vec![change]))
    }

    fn again(&self, delivery: Delivery, after: Duration) -> Answer<'_, ()> {
        Box::pin(async move {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            let kept = KeptMessage {
                message: delivery.message,
                attempts: delivery.attempts.saturating_add(1),
                not_before_ms: now_ms().saturating_add(after_ms),
            };
            let key = delivery.id;
            let change = Change::Set(key.clone(), kept.write());
            let written = self.lock.of.store.write(vec![change]).await;
            let mut state = self.state.lock();
            if let Err(error) = written {
                state.known.remove(&key);
                return Err(error.into());
            }
            state.add(key, kept);
            Ok(())
        })
    }

    fn put_aside(&self, delivery: Delivery) -> Answer<'_, String> {
        Box::pin(async move {
            let number = delivery.id.strip_prefix("m/").unwrap_or(&delivery.id);
            let aside = format!("d/{number}");
            let kept = KeptMessage {
                message: delivery.message,
                attempts: delivery.attempts.saturating_add(1),
                not_before_ms: 0,
            };
            let changes = vec![
                Change::Delete(delivery.id.clone()),
                Change::Set(aside.clone(), kept.write()),
            ];
            self.let_go(&delivery.id, changes).await?;
            Ok(aside)
        })
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    now_us() / 1000
}

/// Microseconds since 1970.
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Kept")
            .field("store", &self.0.store)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Taker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Taker")
            .field("group", &self.lock.group)
            .finish_non_exhaustive()
    }
}
