//! Watching the store in a folder: what this process writes, told by the writer, and what others write, found by looking.
//!
//! SQLite says that somebody else has written, and not what. So whoever watches keeps which write each key came from, and
//! compares: page by page, so that nobody waits for it, and no more than a fifth of the time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::readers::Readers;
use super::rows::{self, Meta};
use super::state::State;
use super::writer::{Job, Written};
use crate::keyvalue::watching::{Pause, Pending};
use crate::keyvalue::{Error, LIST_MAX};

/// Keys that can be watched: what is kept of them is in memory.
const KEYS_MAX: usize = 1_000_000;
/// How often it is looked whether others have written.
const LOOK: Duration = Duration::from_millis(100);

/// One who watches, as the threads of the store know him.
pub(super) struct Watcher {
    pending: Arc<Pending>,
    known: parking_lot::Mutex<Known>,
    /// Another process has written.
    others: Notify,
}

/// The keys that are watched, each with the write that it came from.
struct Known {
    revisions: BTreeMap<String, u64>,
    keys_max: usize,
    /// There are more than are kept, so what is kept says nothing of those that are not.
    is_over: bool,
}

/// Keys of the store at one moment: all that are after one, up to another.
struct Page {
    keys: Vec<(String, u64)>,
    is_last: bool,
    /// The last write that it may have.
    revision: u64,
}

impl Watcher {
    pub(super) fn new(pending: &Arc<Pending>) -> Arc<Self> {
        Arc::new(Self {
            pending: Arc::clone(pending),
            known: parking_lot::Mutex::new(Known::new(KEYS_MAX)),
            others: Notify::new(),
        })
    }

    /// This process has written.
    pub(super) fn written(&self, written: &Written) {
        let ours = written
            .iter()
            .filter(|(key, _)| key.starts_with(&self.pending.prefix));
        for (key, now) in ours {
            let revision = now.as_ref().map(|(_, revision)| *revision);
            if self.known.lock().written(key, revision) {
                self.pending.key(key);
            }
        }
    }

    /// Another process has written.
    pub(super) fn others_have_written(&self) {
        self.others.notify_one();
    }

    /// Takes in all keys that there are, and hands over those that were not known to be so.
    pub(super) async fn look_through(
        &self,
        readers: &Readers,
        state: &Arc<State>,
        mut found: impl FnMut(&str),
    ) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let (prefix, from) = (self.pending.prefix.clone(), after.clone());
            let page = readers.ask(state, move |connection, state| {
                let moment = connection.unchecked_transaction()?;
                let revision = Meta::read(&moment)?.revision;
                let keys = rows::revisions(&moment, &state.identity, &prefix, from.as_deref(), LIST_MAX)?;
                Ok(Page {
                    is_last: keys.len() < LIST_MAX,
                    keys,
                    revision,
                })
            });
            let page = page.await?;
            let mut known = self.known.lock();
            let changed = known.compare(after.as_deref(), &page);
            if known.is_over {
                return Err(too_many(known.keys_max));
            }
            drop(known);
            changed.iter().for_each(|key| found(key));
            match page.keys.into_iter().next_back() {
                Some((last, _)) if !page.is_last => after = Some(last),
                _ => return Ok(()),
            }
        }
    }

    /// Looks for what others have written, for as long as the store is open.
    pub(super) async fn attend(
        self: Arc<Self>,
        readers: Readers,
        state: Arc<State>,
        jobs: mpsc::WeakSender<Job>,
    ) {
        let mut pause = Pause::new();
        loop {
            tokio::select! {
                () = self.others.notified() => {}
                () = tokio::time::sleep(LOOK) => {
                    let Some(jobs) = jobs.upgrade() else { return };
                    // A full queue means that it writes, and that is a look as well.
                    drop(jobs.try_send(Job::Look(state.cache.ask())));
                    continue;
                }
            }
            let begun = Instant::now();
            let looked = self.look_through(&readers, &state, |key| {
                // Whoever is told must not read what was kept before: it is not told again.
                state.cache.forget(key);
                self.pending.key(key);
            });
            match looked.await {
                Ok(()) => {
                    pause = Pause::new();
                    tokio::time::sleep(begun.elapsed().saturating_mul(4)).await;
                }
                Err(error) => {
                    let is_final = matches!(error, Error::Unwatchable { .. }) || state.check().is_err();
                    self.pending.trouble(error);
                    if is_final {
                        return;
                    }
                    pause.wait().await;
                    self.others.notify_one();
                }
            }
        }
    }
}

fn too_many(keys_max: usize) -> Error {
    Error::Unwatchable {
        why: format!(
            "more than {keys_max} keys begin so, and what another process writes would not be noticed; watch those with a longer prefix"
        )
        .into(),
    }
}

impl Known {
    fn new(keys_max: usize) -> Self {
        Self {
            revisions: BTreeMap::new(),
            keys_max,
            is_over: false,
        }
    }

    /// Takes in a write of this process, and says whether anybody can see that it was made.
    fn written(&mut self, key: &str, revision: Option<u64>) -> bool {
        match revision {
            Some(revision) => {
                self.set(key, revision);
                true
            }
            None => self.revisions.remove(key).is_some() || self.is_over,
        }
    }

    fn set(&mut self, key: &str, revision: u64) {
        if let Some(known) = self.revisions.get_mut(key) {
            *known = (*known).max(revision);
        } else if self.revisions.len() < self.keys_max {
            self.revisions.insert(key.to_owned(), revision);
        } else {
            self.is_over = true;
        }
    }

    /// Takes in a page of what is there, and returns the keys of which something else was known.
    fn compare(&mut self, after: Option<&str>, page: &Page) -> Vec<String> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = match page.keys.last() {
            Some((last, _)) if !page.is_last => Bound::Included(last.as_str()),
            _ => Bound::Unbounded,
        };
        let mut there = page.keys.iter().map(|(key, _)| key.as_str()).peekable();
        let known = self.revisions.range::<str, _>((from, to));
        let mut changed: Vec<String> = known
            .filter(|(key, revision)| {
                while there.next_if(|there| *there < key.as_str()).is_some() {}
                // What was written after the moment of the page need not be on it.
                there.peek() != Some(&key.as_str()) && **revision <= page.revision
            })
            .map(|(key, _)| key.clone())
            .collect();
        for gone in &changed {
            self.revisions.remove(gone);
        }
        for (key, revision) in &page.keys {
            if self.revisions.get(key).is_none_or(|known| known < revision) {
                self.set(key, *revision);
                changed.push(key.clone());
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Page};

    fn page(keys: &[(&str, u64)], is_last: bool, revision: u64) -> Page {
        Page {
            keys: keys
                .iter()
                .map(|(key, revision)| ((*key).to_owned(), *revision))
                .collect(),
            is_last,
            revision,
        }
    }

    #[test]
    fn what_is_there_is_compared_with_what_is_known() {
        let mut known = Known::new(100);
        let all = [("a", 1), ("b", 2), ("c", 3)];
        assert_eq!(known.compare(None, &page(&all, true, 3)), ["a", "b", "c"]);
        assert!(known.compare(None, &page(&all, true, 3)).is_empty());
        // One has gone, one is newer, one has come.
        let next = page(&[("b", 4), ("c", 3), ("d", 5)], true, 6);
        assert_eq!(known.compare(None, &next), ["a", "b", "d"]);
        assert!(known.compare(None, &next).is_empty());
        // The last ones go, and nothing is left.
        assert_eq!(known.compare(None, &page(&[], true, 9)), ["b", "c", "d"]);
        assert!(known.compare(None, &page(&[], true, 9)).is_empty());
    }

    #[test]
    fn a_page_says_nothing_of_keys_beyond_it() {
        let mut known = Known::new(100);
        known.compare(None, &page(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)], true, 1));
        assert_eq!(known.compare(None, &page(&[("b", 1)], false, 2)), ["a"]);
        assert_eq!(known.compare(Some("b"), &page(&[("d", 1)], true, 2)), ["c"]);
        assert!(
            known
                .compare(None, &page(&[("b", 1), ("d", 1)], true, 2))
                .is_empty()
        );
    }

    #[test]
    fn a_look_at_what_was_there_before_a_write_of_this_process_undoes_nothing() {
        let mut known = Known::new(100);
        known.compare(None, &page(&[("a", 1)], true, 1));
        assert!(known.written("a", Some(3)));
        assert!(known.written("b", Some(4)));
        assert!(known.compare(None, &page(&[("a", 1)], true, 2)).is_empty());
        assert!(
            known
                .compare(None, &page(&[("a", 3), ("b", 4)], true, 4))
                .is_empty()
        );
        assert!(known.written("a", None));
        assert!(!known.written("a", None));
        assert!(!known.written("never", None));
    }

    #[test]
    fn more_keys_than_are_kept_are_noticed() {
        let mut known = Known::new(2);
        known.compare(None, &page(&[("a", 1), ("b", 1)], true, 1));
        assert!(!known.is_over);
        assert!(known.written("c", Some(2)));
        assert!(known.is_over);
        // Whether it was there is not known any more.
        assert!(known.written("c", None));
    }
}
