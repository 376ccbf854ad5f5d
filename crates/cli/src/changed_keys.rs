//! Telling components of keys that have changed: each key to one instance at a time, and again until that has returned.
//!
//! What has changed meanwhile waits in the store's [`Watching`], where a key stands once however often it changes. So a
//! component that writes to the bucket that it is told of goes round and round, and is in nobody's way.
//!
//! What always holds: after its last change a key is told with what it has then, or a warning says that it was not.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;
use weft_app::KeyValueTrigger;
use weft_services::keyvalue;
use weft_stores::keyvalue::{Error, Heard, Store, Watching};

use crate::background::{AGAIN, Current};
use crate::output::{Output, one_line};

/// Changes that wait for another attempt at most; with more of them, nothing new is begun.
const WAITING_MAX: usize = 10_000;
/// Keys that are asked for at one time where all of them are told.
const PAGE: usize = 1000;

/// One trigger that tells of changed keys.
#[derive(Clone)]
pub(crate) struct Telling {
    pub(crate) trigger: Arc<KeyValueTrigger>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) current: Current,
    pub(crate) output: Output,
}

/// What became of an attempt.
enum Told {
    Done,
    /// The component failed.
    Failed(String),
    /// The store could not be read, which nobody holds against the component.
    Unread(String),
}

impl Telling {
    pub(crate) async fn attend(self, watching: Watching, mut ended: watch::Receiver<bool>) {
        let ending = async move {
            // An error means that there is nobody left to tell.
            let _ = ended.wait_for(|is_ended| *is_ended).await;
        };
        tokio::pin!(ending);
        let mut agenda = Agenda::new(self.places());
        let mut at_work: JoinSet<Told> = JoinSet::new();
        let mut keys: HashMap<Id, (String, u32)> = HashMap::new();
        let mut all = All::default();
        loop {
            while let Some((key, failures)) = agenda.begin(Instant::now()) {
                let (telling, name) = (self.clone(), key.clone());
                let begun = at_work.spawn(async move { telling.tell(&name).await });
                keys.insert(begun.id(), (key, failures));
            }
            let is_free = agenda.is_free();
            let next = agenda.next();
            tokio::select! {
                biased;
                () = &mut ending => break,
                Some(told) = at_work.join_next_with_id(), if !at_work.is_empty() => {
                    let (id, told) = match told {
                        Ok((id, told)) => (id, told),
                        Err(error) => (error.id(), Told::Failed(error.to_string())),
                    };
                    if let Some((key, failures)) = keys.remove(&id) {
                        self.ended(&mut agenda, &key, failures, told);
                    }
                }
                () = at(next), if next.is_some() => {}
                heard = either(&watching, &mut all), if is_free => match heard {
                    Ok(Heard::Key(key)) => self.changed(&mut agenda, key),
                    Ok(Heard::Unknown) => {
                        self.unknown();
                        all.begin(&self);
                    }
                    Err(error) => self.warn(&format!("are not heard of: {}", why(&error))),
                },
            }
        }
        while at_work.join_next().await.is_some() {}
    }

    fn places(&self) -> usize {
        usize::try_from(self.trigger.concurrent_max.get()).unwrap_or(usize::MAX)
    }

    fn changed(&self, agenda: &mut Agenda, key: String) {
        // A key that is nothing but the prefix of the bucket has no name there.
        if key.starts_with(&self.trigger.prefix_in_store()) && key != self.trigger.bucket.prefix {
            agenda.changed(key);
        }
    }

    /// Tells the component what a key has now.
    async fn tell(&self, key: &str) -> Told {
        let KeyValueTrigger {
            component,
            bucket,
            timeout,
            ..
        } = &*self.trigger;
        let own = key.strip_prefix(&bucket.prefix).unwrap_or(key);
        let Some((program, principal)) = self.current.get().keys.get(component).cloned() else {
            return Told::Failed("it is not part of the app any more".to_owned());
        };
        let now = match self.store.get(key).await {
            Ok(entry) => entry.map(|entry| entry.value),
            Err(error) => return Told::Unread(why(&error)),
        };
        let telling = keyvalue::tell(&program, principal, &bucket.name, own, now);
        match tokio::time::timeout(*timeout, telling).await {
            Ok(Ok(())) => Told::Done,
            Ok(Err(failure)) => Told::Failed(failure.to_string()),
            Err(_) => Told::Failed(format!(
                "it took longer than {}",
                weft_app::quantity::show_duration(*timeout)
            )),
        }
    }

    /// Decides what becomes of a key of which the component was told.
    fn ended(&self, agenda: &mut Agenda, key: &str, failures: u32, told: Told) {
        match told {
            Told::Done => agenda.done(key),
            Told::Unread(why) => {
                self.warn(&format!("cannot be read: {why}"));
                agenda.pause(AGAIN);
                agenda.again(key, failures, AGAIN);
            }
            Told::Failed(why) => {
                let failures = failures.saturating_add(1);
                let KeyValueTrigger { name, component, .. } = &*self.trigger;
                let shown = one_line(key);
                let what =
                    format!("component `{component}` failed at key `{shown}` (trigger `{name}`): {why}");
                if failures >= self.trigger.attempts_max.get() {
                    agenda.done(key);
                    return self.output.warn(&format!(
                        "{what}; it was tried {failures} times and is not told of this change"
                    ));
                }
                let after = self.trigger.backoff_after(failures);
                let wait = weft_app::quantity::show_duration(after);
                self.output
                    .warn(&format!("{what}; it is tried again after {wait}"));
                agenda.again(key, failures, after);
            }
        }
    }

    fn unknown(&self) {
        self.warn("were missed; all that are there are told, and of those that are gone nobody knows");
    }

    fn warn(&self, what: &str) {
        let KeyValueTrigger { name, bucket, .. } = &*self.trigger;
        let store = &bucket.store.name;
        self.output
            .warn(&format!("changes of store `{store}` for trigger `{name}` {what}"));
    }
}

/// An error with what is behind it.
fn why(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What is heard next: of a change, or of a key while all are told. Neither keeps the other waiting.
async fn either(watching: &Watching, all: &mut All) -> Result<Heard, Error> {
    tokio::select! {
        heard = watching.next() => heard,
        key = all.next() => Ok(key),
    }
}

/// All keys that are there, where they have to be told.
#[derive(Default)]
struct All {
    coming: Option<(mpsc::Receiver<String>, Listing)>,
    /// More was missed meanwhile.
    again: Option<Telling>,
}

/// The task that lists them.
struct Listing(AbortHandle);

impl Drop for Listing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl All {
    fn begin(&mut self, telling: &Telling) {
        if self.coming.is_some() {
            self.again = Some(telling.clone());
            return;
        }
        let (found, coming) = mpsc::channel(1);
        let listing = tokio::spawn(list(telling.clone(), found));
        self.coming = Some((coming, Listing(listing.abort_handle())));
    }

    /// The next key; never where there is none.
    async fn next(&mut self) -> Heard {
        loop {
            let Some((coming, _)) = &mut self.coming else {
                return std::future::pending().await;
            };
            if let Some(key) = coming.recv().await {
                return Heard::Key(key);
            }
            self.coming = None;
            if let Some(telling) = self.again.take() {
                self.begin(&telling);
            }
        }
    }
}

/// Hands over every key that is there, once the store can be listed.
async fn list(telling: Telling, found: mpsc::Sender<String>) {
    let prefix = telling.trigger.prefix_in_store();
    let mut cursor: Option<String> = None;
    loop {
        match telling.store.list(&prefix, cursor.as_deref(), PAGE).await {
            Ok(page) => {
                for key in page.keys {
                    if found.send(key).await.is_err() {
                        return;
                    }
                }
                cursor = page.cursor;
                if cursor.is_none() {
                    return;
                }
            }
            Err(error) => {
                telling.warn(&format!("cannot be looked for: {}", why(&error)));
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Which keys are to be told, and when.
struct Agenda {
    places: usize,
    /// Keys of which an instance is told, and whether they have changed since.
    at_work: HashMap<String, bool>,
    /// Keys to be told as soon as there is a place, with how often that has failed.
    ready: VecDeque<(String, u32)>,
    /// Keys to be told later.
    waiting: HashMap<String, (Instant, u32)>,
    /// The same, by time.
    due: BTreeSet<(Instant, String)>,
    /// Before which time nothing is begun.
    paused: Option<Instant>,
}

impl Agenda {
    fn new(places: usize) -> Self {
        Self {
            places,
            at_work: HashMap::new(),
            ready: VecDeque::new(),
            waiting: HashMap::new(),
            due: BTreeSet::new(),
            paused: None,
        }
    }

    /// Whether something new would be begun at once.
    fn is_free(&self) -> bool {
        self.at_work.len() < self.places
            && self.ready.is_empty()
            && self.waiting.len() < WAITING_MAX
            && self.paused.is_none()
    }

    /// A key has changed. What failed before it did is forgotten.
    fn changed(&mut self, key: String) {
        if let Some(has_changed) = self.at_work.get_mut(&key) {
            *has_changed = true;
            return;
        }
        if let Some((at, _)) = self.waiting.remove(&key) {
            self.due.remove(&(at, key.clone()));
        }
        if !self.ready.iter().any(|(ready, _)| *ready == key) {
            self.ready.push_back((key, 0));
        }
    }

    /// The next key to be told now, and how often that has failed.
    fn begin(&mut self, now: Instant) -> Option<(String, u32)> {
        if self.paused.is_some_and(|until| now < until) || self.at_work.len() >= self.places {
            return None;
        }
        self.paused = None;
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let (_, key) = self.due.pop_first()?;
            let (_, failures) = self.waiting.remove(&key)?;
            self.ready.push_back((key, failures));
        }
        let (key, failures) = self.ready.pop_front()?;
        self.at_work.insert(key.clone(), false);
        Some((key, failures))
    }

    /// When there may be something to begin of which nobody is told; none where that is when a place becomes free.
    fn next(&self) -> Option<Instant> {
        if self.at_work.len() >= self.places {
            return None;
        }
        self.paused.or_else(|| self.due.first().map(|(at, _)| *at))
    }

    /// A key need not be told again, unless it has changed meanwhile.
    fn done(&mut self, key: &str) {
        if self.at_work.remove(key) == Some(true) {
            self.ready.push_back((key.to_owned(), 0));
        }
    }

    /// A key is to be told again after a while; at once where it has changed meanwhile.
    fn again(&mut self, key: &str, failures: u32, after: Duration) {
        if self.at_work.remove(key) == Some(true) {
            self.ready.push_back((key.to_owned(), 0));
            return;
        }
        let at = Instant::now() + after;
        self.waiting.insert(key.to_owned(), (at, failures));
        self.due.insert((at, key.to_owned()));
    }

    /// Nothing is begun for a while.
    fn pause(&mut self, time: Duration) {
        self.paused = Some(Instant::now() + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(agenda: &mut Agenda) -> Vec<(String, u32)> {
        std::iter::from_fn(|| agenda.begin(Instant::now())).collect()
    }

    fn key(key: &str, failures: u32) -> (String, u32) {
        (key.to_owned(), failures)
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_told_once_at_a_time_and_again_where_it_has_changed_meanwhile() {
        let mut agenda = Agenda::new(2);
        for changed in ["a", "b", "c", "c"] {
            agenda.changed(changed.to_owned());
        }
        assert_eq!(begun(&mut agenda), [key("a", 0), key("b", 0)]);
        assert!(!agenda.is_free());
        agenda.changed("a".to_owned());
        agenda.done("a");
        agenda.done("b");
        assert_eq!(begun(&mut agenda), [key("c", 0), key("a", 0)]);
        agenda.done("c");
        agenda.done("a");
        assert!(agenda.is_free());
        assert!(begun(&mut agenda).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_failed_is_told_after_its_wait_and_at_once_where_it_changes() {
        let mut agenda = Agenda::new(1);
        let second = Duration::from_secs(1);
        agenda.changed("a".to_owned());
        begun(&mut agenda);
        agenda.again("a", 1, second);
        assert!(begun(&mut agenda).is_empty());
        assert_eq!(agenda.next(), Some(Instant::now() + second));
        tokio::time::advance(second).await;
        assert_eq!(begun(&mut agenda), [key("a", 1)]);
        // It has changed while it failed, and then while it waited.
        agenda.changed("a".to_owned());
        agenda.again("a", 2, second);
        assert_eq!(begun(&mut agenda), [key("a", 0)]);
        agenda.again("a", 1, second);
        agenda.changed("a".to_owned());
        assert_eq!(begun(&mut agenda), [key("a", 0)]);
        agenda.done("a");
        assert_eq!(agenda.next(), None);
        assert!(agenda.due.is_empty() && agenda.waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn many_failures_and_a_store_that_is_away_keep_what_is_new_waiting() {
        let mut agenda = Agenda::new(1);
        for number in 0..WAITING_MAX {
            agenda.changed(number.to_string());
            begun(&mut agenda);
            agenda.again(&number.to_string(), 1, Duration::from_secs(10));
        }
        assert!(!agenda.is_free());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(begun(&mut agenda).len(), 1);
        let mut agenda = Agenda::new(1);
        agenda.changed("a".to_owned());
        agenda.pause(AGAIN);
        assert!(begun(&mut agenda).is_empty() && !agenda.is_free());
        tokio::time::advance(AGAIN).await;
        assert_eq!(begun(&mut agenda), [key("a", 0)]);
    }
}
