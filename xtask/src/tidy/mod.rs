//! `cargo xtask tidy`: the rules of the house that the compiler and Clippy do not know.
//!
//! Each check is one file with one function: the [`Tree`] goes in, [`Problem`]s come out, nothing is changed. A test
//! runs all of them over this repository, so `cargo test` finds what this task finds.
//!
//! Adding a check: a file here, a line in [`problems`], and a test in the file with a small tree that breaks the rule.

mod banned_names;
mod crate_edges;
mod guest_use;
mod links;
mod long_files;
mod manifest;
mod module_docs;
mod run_flags;
mod rust_source;
mod tree;
mod unsafe_code;
mod vendored_wit;
mod words;

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use weft_testing::guests::{self, announce};

use tree::Tree;

/// Check the rules that neither the compiler nor Clippy knows.
///
/// Prints one line for each problem, `path:line: what`, and ends with 1 where there are any.
#[derive(Debug, Args)]
pub(crate) struct Tidy {}

/// A rule that is broken, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    /// The file, from the root of the repository on.
    path: String,
    /// The line, from 1.
    line: usize,
    /// What is wrong, and where it is not plain, what would be right.
    what: String,
}

impl Problem {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Does what the task is for.
///
/// # Authority
///
/// Reads every file of the repository; writes none.
pub(crate) fn run(_: &Tidy) -> Result<ExitCode> {
    let tree = Tree::read(&guests::repository())?;
    for note in long_files::notes(&tree) {
        announce(&format!("note: {note}"));
    }
    let problems = problems(&tree)?;
    for problem in &problems {
        println!("{problem}");
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Everything that is wrong, in the order of files and lines.
fn problems(tree: &Tree) -> Result<Vec<Problem>> {
    let mut problems = [
        crate_edges::check(tree),
        module_docs::check(tree),
        words::check(tree),
        banned_names::check(tree),
        unsafe_code::check(tree),
        vendored_wit::check(tree),
        guest_use::check(tree, &guests::list()?),
        links::check(tree),
        run_flags::check(tree),
    ]
    .concat();
    problems.sort();
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use weft_testing::guests;

    use super::{Tree, problems};

    #[test]
    fn this_repository_is_tidy() {
        let tree = Tree::read(&guests::repository()).unwrap();
        assert!(
            tree.exists("xtask/src/tidy/mod.rs"),
            "the repository was not found"
        );
        let problems: Vec<String> = problems(&tree).unwrap().iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
    }
}
