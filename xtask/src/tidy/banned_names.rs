//! Names of files and folders that say nothing about what is inside.

use std::collections::BTreeSet;

use super::Problem;
use super::tree::Tree;

/// Drawers: anything fits into them, so nobody can say what is there.
const BANNED: &[&str] = &["utils", "common", "helpers", "misc", "core", "manager"];

/// Checks every Rust file and every folder of ours; a folder is told once.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut banned = BTreeSet::new();
    for file in tree.own_files() {
        let mut path = file.path.as_str();
        while let Some((before, name)) = split_last(path) {
            let is_whole = path.len() == file.path.len();
            let stem = if is_whole {
                name.strip_suffix(".rs").unwrap_or_default()
            } else {
                name
            };
            if BANNED.contains(&stem) {
                banned.insert((path, stem));
            }
            path = before;
        }
    }
    let what = |name| format!("`{name}` says nothing: name it after what one looks for there");
    banned
        .into_iter()
        .map(|(path, name)| Problem::new(path, 1, what(name)))
        .collect()
}

fn split_last(path: &str) -> Option<(&str, &str)> {
    if path.is_empty() {
        return None;
    }
    Some(path.rsplit_once('/').unwrap_or(("", path)))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::check;

    #[test]
    fn drawers_are_told_and_only_they() {
        let tree = Tree::of(&[
            ("crates/a/src/utils.rs", ""),
            ("crates/helpers/src/one.rs", ""),
            ("crates/helpers/src/two.rs", ""),
            ("crates/a/src/cores.rs", ""),
            ("docs/misc.md", ""),
        ]);
        let paths: Vec<String> = check(&tree).into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["crates/a/src/utils.rs", "crates/helpers"]);
    }
}
