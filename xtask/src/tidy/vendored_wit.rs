//! Interfaces that others wrote stand as they were taken over, and it is said from where.
//!
//! `docs/vendored-wit.md` has a line for each: the package, where it came from, under which licence, and a digest of its
//! files. An edit, a copy that differs from another, a package that nobody noted and a note that is about none are told.

use std::collections::{BTreeMap, BTreeSet};

use super::Problem;
use super::tree::{Tree, VENDORED_WIT};

/// Where the notes are.
const NOTES: &str = "docs/vendored-wit.md";

/// A package with the digest of its files.
type Taken = (String, String);

/// Checks every folder and file in `wit/deps` against the notes.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let notes = notes(tree);
    let mut seen: BTreeSet<Taken> = BTreeSet::new();
    for (path, contents) in units(tree) {
        let Some(package) = package(&contents) else {
            problems.push(Problem::new(
                &path,
                1,
                "no `package` in the files of an interface",
            ));
            continue;
        };
        let taken = (package, digest(&contents));
        if !notes.contains_key(&taken) {
            let (package, digest) = &taken;
            let what = format!(
                "`{package}` with the digest `{digest}` is not in `{NOTES}`: note where it came from, or undo the change"
            );
            problems.push(Problem::new(&path, 1, what));
        }
        seen.insert(taken);
    }
    for ((package, digest), line) in notes {
        if !seen.contains(&(package.clone(), digest)) {
            problems.push(Problem::new(NOTES, line, format!("no `{package}` is so")));
        }
    }
    problems
}

/// The files of each interface, by the folder or file that it is.
fn units(tree: &Tree) -> BTreeMap<String, Vec<&str>> {
    let mut units: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for file in tree.files() {
        if let Some((before, inside)) = file.path.split_once(VENDORED_WIT) {
            let name = inside.split('/').next().unwrap_or(inside);
            let unit = units.entry(format!("{before}{VENDORED_WIT}{name}")).or_default();
            unit.push(&file.text);
        }
    }
    units
}

fn package(contents: &[&str]) -> Option<String> {
    let mut lines = contents.iter().flat_map(|text| text.lines());
    let line = lines.find_map(|line| line.strip_prefix("package "))?;
    Some(line.trim_end_matches([';', ' ', '{']).to_owned())
}

fn digest(contents: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in contents {
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(16).collect()
}

/// What is noted, with the line where it is.
fn notes(tree: &Tree) -> BTreeMap<Taken, usize> {
    let note = |(number, line): (usize, &str)| {
        let cells: Vec<&str> = line
            .split('|')
            .map(|cell| cell.trim().trim_matches('`'))
            .collect();
        match cells.as_slice() {
            ["", package, _, _, digest, ""] if package.contains(':') => {
                Some((((*package).to_owned(), (*digest).to_owned()), number))
            }
            _ => None,
        }
    };
    let file = tree.file(NOTES);
    file.into_iter()
        .flat_map(|file| file.lines())
        .filter_map(note)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::{check, digest};

    const TEXT: &str = "// A comment.\npackage a:b@1.0.0;\n";

    fn told(files: &[(&str, &str)], digest: &str) -> Vec<String> {
        let notes = format!(
            "| package | from | licence | digest |\n|---|---|---|---|\n| `a:b@1.0.0` | here | none | `{digest}` |\n"
        );
        let mut all = vec![("docs/vendored-wit.md", notes.as_str())];
        all.extend(files);
        let problems = check(&Tree::of(&all));
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_as_it_was_noted_is_fine() {
        let parts = [
            ("guests/x/wit/deps/b/one.wit", TEXT),
            ("guests/x/wit/deps/b/two.wit", "interface i {}"),
        ];
        assert!(told(&parts, &digest(&[TEXT, "interface i {}"])).is_empty());
        assert!(told(&[("guests/x/wit/deps/b.wit", TEXT)], &digest(&[TEXT])).is_empty());
    }

    #[test]
    fn an_edit_a_copy_that_differs_and_a_note_about_nothing_are_told() {
        let right = digest(&[TEXT]);
        let edited = format!("{TEXT}interface i {{}}\n");
        let copies = [
            ("guests/x/wit/deps/b.wit", TEXT),
            ("guests/y/wit/deps/b.wit", edited.as_str()),
        ];
        let problems = told(&copies, &right);
        assert!(
            problems.len() == 1 && problems[0].starts_with("guests/y/wit/deps/b.wit"),
            "{problems:?}"
        );
        let problems = told(&[], &right);
        assert!(
            problems.len() == 1 && problems[0].contains("no `a:b@1.0.0` is so"),
            "{problems:?}"
        );
        let nameless = told(&[("guests/x/wit/deps/b.wit", "interface i {}")], &right);
        assert_eq!(nameless.len(), 2);
    }
}
