//! The one thread that writes: it takes whatever waits, makes it one transaction, and acknowledges it together.
//!
//! While one transaction is on its way to the disk the next gathers: that is what makes durable writes cheap for
//! many, and costs one that is alone nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::cache::Asked;
use super::readers::Ended;
use super::rows::{self, Head, Meta, Trouble};
use super::state::{State, failed};
use super::tail::{self, Tail, TailFile};
use super::watch::Watcher;
use crate::keyvalue::{Change, Error, Swap, Version, count};

/// Writes that wait at most; later ones wait outside.
const QUEUE_MAX: usize = 1024;
/// Writes that become one transaction at most.
const BATCH_MAX: usize = 512;
/// Bytes of values that become one transaction, but for the last write.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// Keys, and what they have after a transaction.
pub(super) type Written = HashMap<String, Option<(Bytes, u64)>>;

type Done<T> = oneshot::Sender<Result<T, Error>>;

/// Something for the writer to do.
pub(super) enum Job {
    Write(Vec<Change>, Done<()>),
    Swap(String, Version, Bytes, Done<Swap>),
    Increment(String, i64, Done<i64>),
    /// Find out whether another process has written.
    Look(Asked),
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Write(changes, _) => changes.iter().map(change_bytes).sum(),
            Self::Swap(_, _, value, _) => value.len(),
            Self::Increment(..) | Self::Look(_) => 0,
        }
    }
}

fn change_bytes(change: &Change) -> usize {
    match change {
        Change::Set(key, value) => key.len() + value.len(),
        Change::Delete(key) => key.len(),
    }
}

/// Tells whoever waits how it ended, once it is known whether the transaction is durable.
type Tell = Box<dyn FnOnce(Option<&Error>) + Send>;

#[derive(Debug)]
pub(super) struct Writer {
    /// Taken when the store closes.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
struct Work {
    connection: Connection,
    tail: TailFile,
    boot: rows::Sum,
    state: Arc<State>,
    bytes_max: u64,
    /// SQLite's number for what others have written.
    seen: i64,
}

/// A transaction that is being filled.
struct Filling<'a> {
    work: &'a Work,
    meta: Meta,
    /// What its keys will have, for the cache.
    written: Written,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        tail: TailFile,
        state: Arc<State>,
        bytes_max: u64,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let work = Work {
            connection,
            tail,
            boot: tail::boot(),
            state,
            bytes_max,
            seen: 0,
        };
        let thread = thread::Builder::new()
            .name("weft-store-write".to_owned())
            .spawn(move || work.run(queue))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Hands in a job and waits for what becomes of it.
    pub(super) async fn ask<T>(&self, state: &State, job: impl FnOnce(Done<T>) -> Job) -> Result<T, Error> {
        let gone = || failed(&state.place, Ended);
        let (done, answered) = oneshot::channel();
        let jobs = self.jobs(state)?;
        jobs.send(job(done)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Where jobs are handed in.
    pub(super) fn jobs(&self, state: &State) -> Result<&mpsc::Sender<Job>, Error> {
        self.jobs.as_ref().ok_or_else(|| failed(&state.place, Ended))
    }

    /// Has the thread look whether another process has written, as soon as it can.
    pub(super) fn look(&self, asked: Asked) {
        if let Some(jobs) = &self.jobs {
            // A full queue means that it writes, and that is a look as well.
            drop(jobs.try_send(Job::Look(asked)));
        }
    }
}

impl Drop for Writer {
    /// Ends the thread when it has done what waits, so that the log is folded into the database.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, there is nothing left to do.
            drop(thread.join());
        }
    }
}

impl Work {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.bytes();
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && bytes < BATCH_BYTES_MAX
                && let Ok(next) = queue.try_recv()
            {
                bytes += next.bytes();
                batch.push(next);
            }
            self.look_for_others(&batch);
            batch.retain(|job| !matches!(job, Job::Look(_)));
            if !batch.is_empty() {
                self.commit(batch);
            }
        }
    }

    fn look_for_others(&mut self, batch: &[Job]) {
        let asked = batch.iter().find_map(|job| match job {
            Job::Look(asked) => Some(*asked),
            _ => None,
        });
        if let Some(asked) = asked
            && let Err(trouble) = self.notice_others(asked)
        {
            self.state.trouble(trouble);
        }
    }

    fn notice_others(&mut self, asked: Asked) -> Result<(), Trouble> {
        let seen = self
            .connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if seen != self.seen {
            self.state.cache.clear();
            self.state.watchers.each(Watcher::others_have_written);
            self.seen = seen;
        }
        self.state.cache.confirm(asked);
        Ok(())
    }

    /// Makes a transaction of a batch, and tells everybody.
    fn commit(&mut self, batch: Vec<Job>) {
        let mut keys: Vec<String> = Vec::new();
        for job in &batch {
            match job {
                Job::Write(changes, _) => keys.extend(changes.iter().map(|change| change.key().to_owned())),
                Job::Swap(key, ..) | Job::Increment(key, ..) => keys.push(key.clone()),
                Job::Look(_) => {}
            }
        }
        let state = Arc::clone(&self.state);
        for key in &keys {
            state.cache.begin(key);
        }
        let mut tells: Vec<Tell> = Vec::with_capacity(batch.len());
        let ended = match state.check() {
            Ok(()) => self.transact(batch, &mut tells),
            Err(error) => {
                tells.extend(batch.into_iter().map(refuse));
                Err(error)
            }
        };
        let (error, mut written) = match ended {
            Ok(written) => (None, written),
            Err(error) => (Some(error), HashMap::new()),
        };
        state.watchers.each(|watcher| watcher.written(&written));
        for key in &keys {
            state.cache.end(key, written.remove(key));
        }
        for tell in tells {
            tell(error.as_ref());
        }
    }

    /// Everything from the beginning of the transaction to the moment when it is durable.
    fn transact(&mut self, batch: Vec<Job>, tells: &mut Vec<Tell>) -> Result<Written, Error> {
        let state = Arc::clone(&self.state);
        let mut batch = batch.into_iter();
        let filled = self.fill(&mut batch, tells);
        tells.extend(batch.map(refuse));
        let ended = filled.and_then(|(revision, written)| {
            self.connection.execute_batch("COMMIT")?;
            Ok((revision, written))
        });
        let (revision, written) = match ended {
            Ok(ended) => ended,
            Err(trouble) => {
                let error = state.trouble(trouble);
                if !self.connection.is_autocommit()
                    && let Err(failure) = self.connection.execute_batch("ROLLBACK")
                {
                    return Err(state.trouble(failure.into()));
                }
                return Err(error);
            }
        };
        let tail = Tail {
            revision,
            boot: self.boot,
        };
        if let Err(failure) = self.tail.write(tail) {
            // The write is durable and may be acknowledged; the next one is refused.
            state.trouble(Trouble::Damage(format!("its tail cannot be written: {failure}")));
        }
        Ok(written)
    }

    fn fill(
        &mut self,
        batch: &mut impl Iterator<Item = Job>,
        tells: &mut Vec<Tell>,
    ) -> Result<(u64, Written), Trouble> {
        let asked = self.state.cache.ask();
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        self.notice_others(asked)?;
        let mut filling = Filling {
            work: self,
            meta: Meta::read(&self.connection)?,
            written: HashMap::new(),
        };
        for job in batch {
            filling.job(job, tells)?;
        }
        filling.meta.write(&filling.work.connection)?;
        Ok((filling.meta.revision, filling.written))
    }
}

impl Filling<'_> {
    fn job(&mut self, job: Job, tells: &mut Vec<Tell>) -> Result<(), Trouble> {
        match job {
            Job::Write(changes, done) => {
                let made = self.changes(changes);
                then_tell(made, done, tells)
            }
            Job::Swap(key, expected, value, done) => {
                let made = self.swap(key, &expected, value);
                then_tell(made, done, tells)
            }
            Job::Increment(key, delta, done) => {
                let made = self.increment(key, delta);
                then_tell(made, done, tells)
            }
            Job::Look(_) => Ok(()),
        }
    }

    fn swap(&mut self, key: String, expected: &Version, value: Bytes) -> Made<Swap> {
        let head = rows::head(&self.work.connection, &self.meta.identity, key.as_bytes())?;
        let found = head.map_or(Version::Absent, |head| Version::Revision(head.revision));
        if found != *expected {
            return Ok(Ok(Swap::Changed));
        }
        Ok(self.changes(vec![Change::Set(key, value)])?.map(|()| Swap::Done))
    }

    fn increment(&mut self, key: String, delta: i64) -> Made<i64> {
        let found = rows::value(&self.work.connection, &self.meta.identity, key.as_bytes())?;
        let found = found.as_ref().map(|(_, value)| value.as_slice());
        match count(&key, found, delta) {
            Ok(sum) => {
                let change = Change::Set(key, sum.to_string().into());
                Ok(self.changes(vec![change])?.map(|()| sum))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// All of these, or none of them.
    fn changes(&mut self, changes: Vec<Change>) -> Made<()> {
        let changes = last_of_each(changes);
        let mut planned = Vec::with_capacity(changes.len());
        let mut after = self.meta.clone();
        after.revision += 1;
        for change in changes {
            let key = change.key().as_bytes();
            let before = rows::head(&self.work.connection, &self.meta.identity, key)?;
            if let Some(before) = &before {
                after.subtract(key, before)?;
            }
            let head = match &change {
                Change::Set(_, value) => Some(Head::of(&after.identity, key, value, after.revision)),
                Change::Delete(_) => None,
            };
            if let Some(head) = &head {
                after.add(key, head);
            }
            planned.push((change, before.is_some(), head));
        }
        if after.bytes > self.work.bytes_max && after.bytes > self.meta.bytes {
            return Ok(Err(Error::Full {
                bytes_max: self.work.bytes_max,
            }));
        }
        let revision = after.revision;
        self.meta = after;
        for (change, was_there, head) in planned {
            match (change, head) {
                (Change::Set(key, value), Some(head)) => {
                    rows::set(&self.work.connection, key.as_bytes(), &head, &value)?;
                    self.written.insert(key, Some((value, revision)));
                }
                (change, _) => {
                    if was_there {
                        rows::delete(&self.work.connection, change.key().as_bytes())?;
                    }
                    self.written.insert(change.key().to_owned(), None);
                }
            }
        }
        Ok(Ok(()))
    }
}

/// What became of a job: trouble ends the transaction, an error only the job.
type Made<T> = Result<Result<T, Error>, Trouble>;

/// Of several changes of one key only the last can be seen.
fn last_of_each(changes: Vec<Change>) -> Vec<Change> {
    if changes.len() < 2 {
        return changes;
    }
    let by_key: BTreeMap<String, Change> = changes
        .into_iter()
        .map(|change| (change.key().to_owned(), change))
        .collect();
    by_key.into_values().collect()
}

/// Has the outcome of a job told once the transaction has ended.
fn then_tell<T: Send + 'static>(made: Made<T>, done: Done<T>, tells: &mut Vec<Tell>) -> Result<(), Trouble> {
    let (made, trouble) = match made {
        Ok(made) => (Some(made), Ok(())),
        Err(trouble) => (None, Err(trouble)),
    };
    tells.push(Box::new(move |error| {
        let outcome = match (made, error) {
            // What was refused by itself was refused whatever became of the others.
            (Some(Err(refused)), _) => Err(refused),
            (_, Some(error)) => Err(error.clone()),
            (Some(Ok(made)), None) => Ok(made),
            (None, None) => return,
        };
        // Whoever asked may have gone.
        drop(done.send(outcome));
    }));
    trouble
}

/// Of a job that was never begun, only the failure of the whole can be told.
fn refuse(job: Job) -> Tell {
    fn to<T: Send + 'static>(done: Done<T>) -> Tell {
        Box::new(move |error| {
            if let Some(error) = error {
                drop(done.send(Err(error.clone())));
            }
        })
    }
    match job {
        Job::Write(_, done) => to(done),
        Job::Swap(_, _, _, done) => to(done),
        Job::Increment(_, _, done) => to(done),
        Job::Look(_) => Box::new(|_| {}),
    }
}
