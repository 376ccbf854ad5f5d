//! Listing, cleaning and evicting: the only work that looks at the whole cache, and the only work that locks it.
//!
//! Look-ups and insertions go on meanwhile without the lock. The worst that can happen to them is that an entry
//! vanishes a moment after it was written: a miss.

use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use super::folder::{Folder, Folders, Item};
use super::lookup::read_index_quietly;
use super::{Cache, Error, Key, Meta, artifact_name};

/// What is younger may belong to a process that is still at work.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// The most entries that are kept, so that looking at all of them stays a matter of milliseconds.
const ENTRIES_MAX: usize = 16_384;

/// The most files of one folder that are looked at in one go; a second cleaning takes the next ones.
const ITEMS_MAX: usize = 16 * ENTRIES_MAX;

/// How long a cleaning waits for another to end.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How long it sleeps before it asks for the lock again.
const LOCK_STEP: Duration = Duration::from_millis(5);

const LOCK_NAME: &str = "lock";
const ARTIFACT_SUFFIX: &str = ".cwasm";

/// One kept artifact.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is found by: component, engine, profile.
    pub key: Key,
    /// What was kept about it.
    pub meta: Meta,
    /// The length of the artifact in bytes.
    pub length: u64,
    /// When it was inserted.
    pub created: SystemTime,
    /// When it was last used, give or take an hour.
    pub last_used: SystemTime,
    /// Where the artifact lies.
    pub path: PathBuf,
}

/// What a cache holds.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The sound entries, the most recently used first.
    pub entries: Vec<Entry>,
    /// How many index files are damaged, or name an artifact that is not there. The next cleaning removes them.
    pub damaged: usize,
    /// The bytes of all artifacts, with those that no entry names and those still being written.
    pub artifact_bytes: u64,
}

/// Which entries a cleaning removes. Damaged entries, abandoned temporary files, and artifacts that no entry has
/// named for an hour go with every cleaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Every entry.
    All,
    /// Every entry that none of the engines with these compatibility hashes made, and so none can run.
    OtherEngines(Vec<u64>),
    /// Every entry that nobody used for this long (known to the hour).
    Unused(Duration),
    /// The least recently used ones, until the artifacts are at most this many bytes.
    ToSize(u64),
}

/// What a cleaning removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Sound entries.
    pub entries: usize,
    /// Damaged index files.
    pub damaged: usize,
    /// Artifacts that no entry named, and files that a process died over.
    pub abandoned: usize,
    /// Bytes of removed artifacts and temporary files.
    pub bytes: u64,
    /// Files that could not be removed, each with the reason in words.
    pub kept: Vec<(PathBuf, String)>,
}

impl Cache {
    /// Everything that is kept.
    ///
    /// # Errors
    ///
    /// The folder is not safe to use, or the file system fails.
    pub fn list(&self) -> Result<Listing, Error> {
        let Some(folders) = Folders::open(&self.root)? else {
            return Ok(Listing::default());
        };
        let mut survey = Survey::take(&folders)?;
        survey
            .kept
            .sort_by_key(|kept| std::cmp::Reverse(kept.entry.last_used));
        Ok(Listing {
            artifact_bytes: survey.artifact_bytes(),
            damaged: survey.damaged.len(),
            entries: survey.kept.into_iter().map(|kept| kept.entry).collect(),
        })
    }

    /// Removes entries, and all rubbish that is old enough to belong to nobody.
    ///
    /// # Errors
    ///
    /// Another process has been cleaning for 10 s, the folder is not safe to use, or the file system fails. A single
    /// file that cannot be removed is no error; it is named in the report.
    pub fn clean(&self, which: Which) -> Result<Report, Error> {
        let Some(folders) = Folders::open(&self.root)? else {
            return Ok(Report::default());
        };
        let _lock = self.lock(&folders)?;
        Ok(Survey::take(&folders)?.remove(&folders, which, None))
    }

    /// Evicts when the cache is over its bound; `newest` has just been inserted and stays.
    pub(super) fn make_room(&self, folders: &Folders, newest: &Key) -> Result<Report, Error> {
        if !self.is_full(folders)? {
            return Ok(Report::default());
        }
        let _lock = self.lock(folders)?;
        // Another process may have made room while we waited.
        if !self.is_full(folders)? {
            return Ok(Report::default());
        }
        // A tenth more than needed, so that a full cache does not look at everything on each insertion.
        let size = self.artifact_bytes_max - self.artifact_bytes_max / 10;
        Ok(Survey::take(folders)?.remove(folders, Which::ToSize(size), Some(newest)))
    }

    /// Looks at the artifacts alone: one call of the kernel each, nothing opened.
    fn is_full(&self, folders: &Folders) -> Result<bool, Error> {
        let items = folders.artifacts.items(ITEMS_MAX)?;
        Ok(items.len() > ENTRIES_MAX || total_length(&items) > self.artifact_bytes_max)
    }

    fn lock(&self, folders: &Folders) -> Result<File, Error> {
        let file = folders.version.open_lock(LOCK_NAME)?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if waited < LOCK_WAIT => {
                    thread::sleep(LOCK_STEP);
                    waited += LOCK_STEP;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Busy {
                        path: self.root.clone(),
                        seconds: LOCK_WAIT.as_secs(),
                    });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(folders.version.error("lock", LOCK_NAME, source));
                }
            }
        }
    }
}

fn total_length(items: &[Item]) -> u64 {
    items
        .iter()
        .filter(|item| item.is_file)
        .map(|item| item.length)
        .fold(0, u64::saturating_add)
}

/// An entry with the names of its two files.
struct Kept {
    entry: Entry,
    index_name: String,
    artifact_name: String,
}

/// The whole cache at one moment, more or less: it is taken while others write.
struct Survey {
    now: SystemTime,
    kept: Vec<Kept>,
    /// Names of index files that lead nowhere.
    damaged: Vec<String>,
    /// Index files that are being written, or were.
    temporary: Vec<Item>,
    /// Everything in the folder of artifacts, by name.
    artifacts: HashMap<String, Item>,
}

impl Survey {
    fn take(folders: &Folders) -> Result<Self, Error> {
        // The index first: an entry inserted in between is then an artifact too many, which age protects, and not an
        // index too many, which would be taken for a damaged one.
        let index_items = folders.index.items(ITEMS_MAX)?;
        let artifacts = folders.artifacts.items(ITEMS_MAX)?;
        let artifacts = artifacts
            .into_iter()
            .map(|item| (item.name.clone(), item))
            .collect();
        let mut survey = Self {
            now: SystemTime::now(),
            kept: Vec::new(),
            damaged: Vec::new(),
            temporary: Vec::new(),
            artifacts,
        };
        for item in index_items {
            survey.add(folders, item)?;
        }
        Ok(survey)
    }

    fn add(&mut self, folders: &Folders, item: Item) -> Result<(), Error> {
        if item.is_temporary() {
            self.temporary.push(item);
            return Ok(());
        }
        let Some(index) = read_index_quietly(&folders.index, &item.name)? else {
            self.damaged.push(item.name);
            return Ok(());
        };
        let artifact_name = artifact_name(index.artifact);
        let fits = |artifact: &Item| artifact.is_file && artifact.length == index.length;
        if !self.artifacts.get(&artifact_name).is_some_and(fits) {
            self.damaged.push(item.name);
            return Ok(());
        }
        let path = folders.artifacts.path_of(&artifact_name);
        self.kept.push(Kept {
            entry: Entry {
                key: index.key,
                meta: index.meta,
                length: index.length,
                created: index.created,
                last_used: item.modified,
                path,
            },
            index_name: item.name,
            artifact_name,
        });
        Ok(())
    }

    fn artifact_bytes(&self) -> u64 {
        self.artifacts
            .values()
            .filter(|item| item.is_file)
            .map(|item| item.length)
            .fold(0, u64::saturating_add)
    }

    fn remove(mut self, folders: &Folders, which: Which, spared: Option<&Key>) -> Report {
        let mut report = Report::default();
        self.remove_rubbish(folders, &mut report);
        self.kept.sort_by_key(|kept| kept.entry.last_used);
        let leaving = self.choose(&which, spared);
        // The index goes before the artifact, so that no look-up finds the one without the other for long.
        for kept in self.kept.iter().filter(|kept| leaving.contains(&kept.index_name)) {
            if report.remove(&folders.index, &kept.index_name, 0) {
                report.entries += 1;
            }
        }
        let staying = self
            .kept
            .iter()
            .filter(|kept| !leaving.contains(&kept.index_name));
        let named: HashSet<&str> = staying.map(|kept| kept.artifact_name.as_str()).collect();
        self.remove_artifacts(folders, which, &named, &mut report);
        report
    }

    /// Removes the artifacts that no entry names any more, and those that none has named for long.
    fn remove_artifacts(&self, folders: &Folders, which: Which, named: &HashSet<&str>, report: &mut Report) {
        let were_named: HashSet<&str> = self.kept.iter().map(|kept| kept.artifact_name.as_str()).collect();
        for item in self
            .artifacts
            .values()
            .filter(|item| item.name.ends_with(ARTIFACT_SUFFIX))
        {
            let name = item.name.as_str();
            let was_named = were_named.contains(name);
            // One that no entry ever named may be waiting for its index: only age tells.
            let goes = was_named || which == Which::All || item.age(self.now) >= ABANDONED_AFTER;
            if named.contains(name) || !goes {
                continue;
            }
            if report.remove(&folders.artifacts, name, item.length) && !was_named {
                report.abandoned += 1;
            }
        }
    }

    /// Removes what no running process can miss: damaged index files, and old temporary files.
    fn remove_rubbish(&mut self, folders: &Folders, report: &mut Report) {
        for name in &self.damaged {
            if report.remove(&folders.index, name, 0) {
                report.damaged += 1;
            }
        }
        let now = self.now;
        let is_abandoned = |item: &Item| item.is_temporary() && item.age(now) >= ABANDONED_AFTER;
        for item in self.temporary.iter().filter(|item| is_abandoned(item)) {
            if report.remove(&folders.index, &item.name, item.length) {
                report.abandoned += 1;
            }
        }
        self.artifacts.retain(|name, item| {
            if !is_abandoned(item) || !report.remove(&folders.artifacts, name, item.length) {
                return true;
            }
            report.abandoned += 1;
            false
        });
    }

    /// The names of the index files that go. Entries are sorted by their last use, the oldest first.
    fn choose(&self, which: &Which, spared: Option<&Key>) -> HashSet<String> {
        let candidates = self.kept.iter().filter(|kept| Some(&kept.entry.key) != spared);
        let name = |kept: &Kept| kept.index_name.clone();
        match which {
            Which::All => candidates.map(name).collect(),
            Which::OtherEngines(engines) => candidates
                .filter(|kept| !engines.contains(&kept.entry.key.engine()))
                .map(name)
                .collect(),
            Which::Unused(time) => {
                let age = |kept: &Kept| self.now.duration_since(kept.entry.last_used).unwrap_or_default();
                candidates.filter(|kept| age(kept) >= *time).map(name).collect()
            }
            Which::ToSize(size) => self.choose_oldest(candidates, *size),
        }
    }

    fn choose_oldest<'a>(&self, candidates: impl Iterator<Item = &'a Kept>, size: u64) -> HashSet<String> {
        let mut users: HashMap<&str, usize> = HashMap::new();
        for kept in &self.kept {
            *users.entry(&kept.artifact_name).or_default() += 1;
        }
        let mut total = self.artifact_bytes();
        let mut count = self.kept.len();
        let mut leaving = HashSet::new();
        for kept in candidates {
            if total <= size && count <= ENTRIES_MAX - ENTRIES_MAX / 10 {
                break;
            }
            leaving.insert(kept.index_name.clone());
            count -= 1;
            // An artifact that two entries share is freed by the second.
            if let Some(left) = users.get_mut(kept.artifact_name.as_str()) {
                *left -= 1;
                if *left == 0 {
                    total = total.saturating_sub(kept.entry.length);
                }
            }
        }
        leaving
    }
}

impl Report {
    /// Removes one file and writes down how that went.
    fn remove(&mut self, folder: &Folder, name: &str, length: u64) -> bool {
        match folder.remove(name) {
            Ok(true) => {
                self.bytes = self.bytes.saturating_add(length);
                true
            }
            // Another process was faster.
            Ok(false) => false,
            Err(error) => {
                self.keep(folder.path_of(name), &error);
                false
            }
        }
    }

    fn keep(&mut self, path: PathBuf, error: &io::Error) {
        self.kept.push((path, error.to_string()));
    }
}
