//! The files of the repository, read once for all checks.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

/// Folders that hold what tools made, at any depth.
const MADE: &[&str] = &[".git", "target", "node_modules", "__pycache__"];

/// The same, by their whole path.
const MADE_PATHS: &[&str] = &["fuzz/artifacts", "fuzz/coverage"];

/// Folders whose text others wrote; rules about wording are not for them.
const VENDORED: &[&str] = &["crates/runtime/tests/conformance/component-model/"];

/// The folder for interfaces that others wrote, wherever it is.
pub(super) const VENDORED_WIT: &str = "/wit/deps/";

/// Every file that people wrote, in the order of their paths.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: Vec<File>,
    /// Files and the folders around them.
    paths: BTreeSet<String>,
}

/// A file.
#[derive(Debug)]
pub(super) struct File {
    /// Its path from the root of the repository on, with `/` between folders.
    pub(super) path: String,
    /// What is in it; empty where it is not text.
    pub(super) text: String,
}

impl Tree {
    /// Reads everything below `root` but what tools made. Symbolic links are left alone.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(root.join(&folder))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if folder.is_empty() {
                    name.clone()
                } else {
                    format!("{folder}/{name}")
                };
                let kind = entry.file_type()?;
                if kind.is_dir() && !MADE.contains(&name.as_str()) && !MADE_PATHS.contains(&path.as_str()) {
                    folders.push(path);
                } else if kind.is_file() {
                    let text = String::from_utf8(fs_err::read(entry.path())?).unwrap_or_default();
                    tree.add(path, text);
                }
            }
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// A made-up tree.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add((*path).to_owned(), (*text).to_owned());
        }
        tree
    }

    fn add(&mut self, path: String, text: String) {
        let folders = path
            .char_indices()
            .filter(|(_, c)| *c == '/')
            .filter_map(|(at, _)| path.get(..at));
        self.paths.extend(folders.map(str::to_owned));
        self.paths.insert(path.clone());
        self.files.push(File { path, text });
    }

    /// All files.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The files that were written here, not taken over from elsewhere.
    pub(super) fn own_files(&self) -> impl Iterator<Item = &File> {
        self.files()
            .filter(|file| !VENDORED.iter().any(|folder| file.path.starts_with(folder)))
            .filter(|file| !file.path.contains(VENDORED_WIT))
    }

    /// Whether there is a file or folder of this path.
    pub(super) fn exists(&self, path: &str) -> bool {
        path.is_empty() || self.paths.contains(path)
    }

    /// The file of this path.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files().find(|file| file.path == path)
    }
}

impl File {
    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Whether it is Rust of the workspace: not a guest, which is compiled elsewhere and by other rules.
    pub(super) fn is_workspace_rust(&self) -> bool {
        let folders = ["crates/", "xtask/", "benches/", "fuzz/"];
        self.path.ends_with(".rs") && folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// Whether it is Rust that is built into a program of ours, in contrast to tests and benches.
    pub(super) fn is_product_code(&self) -> bool {
        self.is_workspace_rust() && self.path.contains("/src/")
    }

    /// Whether it holds tests or benches only.
    pub(super) fn is_test_code(&self) -> bool {
        let signs = ["/tests/", "/benches/", "/tests.rs"];
        let is_bench = self.path.starts_with("benches/") || self.path.starts_with("xtask/src/bench");
        self.path.ends_with(".rs") && (is_bench || signs.iter().any(|sign| self.path.contains(sign)))
    }
}

#[cfg(test)]
mod tests {
    use weft_testing::Scratch;

    use super::Tree;

    #[test]
    fn what_tools_made_and_what_is_no_text_is_left_out() {
        let scratch = Scratch::new();
        scratch.file("crates/a/src/lib.rs", "//! A.\n");
        scratch.file("target/debug/made", "made");
        scratch.file("guests/javascript/node_modules/x.js", "made");
        scratch.file("picture", [0xff, 0xfe, 0x00]);
        let tree = Tree::read(scratch.path()).unwrap();
        let found: Vec<(&str, &str)> = tree
            .files()
            .map(|file| (file.path.as_str(), file.text.as_str()))
            .collect();
        assert_eq!(found, [("crates/a/src/lib.rs", "//! A.\n"), ("picture", "")]);
        assert!(tree.exists("crates/a/src") && tree.exists("crates/a/src/lib.rs") && !tree.exists("target"));
    }
}
