//! Noticing that the files of an app have changed.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often files are looked at.
const PERIOD: Duration = Duration::from_millis(400);
/// Files that are looked at, at most: an app with more is not one that is rebuilt at every keystroke.
const FILES_MAX: usize = 20_000;
/// Folders below one another.
const DEPTH_MAX: usize = 24;
/// What tools make and nobody writes.
const MADE: [&str; 5] = ["target", "node_modules", "dist", "build", "__pycache__"];

/// The folder of an app, and how it looked last.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    seen: u64,
    looked: Instant,
    /// Whether files changed while the last version was built, which makes the next build the second for one change.
    is_second: bool,
}

impl Folder {
    /// The folder of an app, which is given as such or by its manifest, as it looks now.
    pub(crate) fn of(app: &Path) -> Self {
        let root = if app.is_dir() {
            app.to_path_buf()
        } else {
            let parent = app.parent().filter(|parent| !parent.as_os_str().is_empty());
            parent.unwrap_or(Path::new(".")).to_path_buf()
        };
        let seen = look(&root);
        Self {
            root,
            seen,
            looked: Instant::now(),
            is_second: false,
        }
    }

    /// Whether something has changed since it was last looked at, and has been still for a moment: an editor writes
    /// several files, and a tool writes one in pieces.
    pub(crate) fn has_changed(&mut self) -> bool {
        if self.looked.elapsed() < PERIOD {
            return false;
        }
        self.looked = Instant::now();
        let first = look(&self.root);
        if first == self.seen {
            return false;
        }
        std::thread::sleep(PERIOD / 2);
        let second = look(&self.root);
        if first != second {
            return false;
        }
        self.seen = second;
        true
    }

    /// To be told after each build. What changed meanwhile may be the work of a person, so there is one more build for
    /// it; what changes during that one is taken for what the build itself writes, or there would be no end.
    pub(crate) fn was_built(&mut self) {
        let now = look(&self.root);
        self.is_second = !self.is_second && now != self.seen;
        if !self.is_second {
            self.seen = now;
        }
    }
}

/// Names, sizes and times of all files, in one number.
fn look(root: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut left = FILES_MAX;
    walk(root, 0, &mut left, &mut hasher);
    hasher.finish()
}

fn walk(folder: &Path, depth: usize, left: &mut usize, hasher: &mut DefaultHasher) {
    // A folder that goes away while it is looked at is a change like any other.
    let Ok(entries) = fs_err::read_dir(folder) else {
        return;
    };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if name.starts_with('.') || name == "weft.lock" {
            continue;
        }
        if metadata.is_dir() {
            if depth < DEPTH_MAX && !MADE.contains(&&*name) {
                walk(&entry.path(), depth + 1, left, hasher);
            }
            continue;
        }
        if *left == 0 {
            return;
        }
        *left -= 1;
        (&*name, metadata.len(), metadata.modified().ok()).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a change is noticed, for which it must have been still for a moment.
    fn notices(folder: &mut Folder) -> bool {
        std::thread::sleep(PERIOD);
        folder.has_changed()
    }

    #[test]
    fn what_changes_during_a_build_is_built_once_more_and_not_for_ever() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs_err::write(root.path().join(name), text).unwrap();
        write("main.wat", "one");
        let mut folder = Folder::of(root.path());
        assert!(!notices(&mut folder));
        write("main.wat", "second");
        assert!(notices(&mut folder));
        // Somebody types, while it is built.
        write("main.wat", "the third");
        folder.was_built();
        assert!(notices(&mut folder));
        // The build writes something.
        write("main.o", "made");
        folder.was_built();
        assert!(!notices(&mut folder));
        write("main.wat", "the fourth of them");
        assert!(notices(&mut folder));
    }

    #[test]
    fn what_tools_make_is_no_change() {
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("weft.toml"), "one").unwrap();
        let before = look(root.path());
        fs_err::create_dir_all(root.path().join("target/debug")).unwrap();
        fs_err::write(root.path().join("target/debug/made"), "made").unwrap();
        fs_err::write(root.path().join("weft.lock"), "lock").unwrap();
        assert_eq!(look(root.path()), before);
        fs_err::create_dir_all(root.path().join("src")).unwrap();
        fs_err::write(root.path().join("src/lib.rs"), "code").unwrap();
        assert_ne!(look(root.path()), before);
    }
}
